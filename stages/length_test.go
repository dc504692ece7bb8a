package stages

import (
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

func TestLength(t *testing.T) {
	drop := func(reason uint16) schemas.Verdict {
		return schemas.Verdict{Kind: schemas.Drop, Stage: 2, Reason: reason}
	}
	keep := schemas.Verdict{}
	tests := []struct {
		name    string
		options Length
		text    string
		want    schemas.Verdict
	}{
		{"no bounds", Length{}, "", keep},
		{"at the minimum", Length{MinCharacters: 3}, "äöü", keep},
		{"below the minimum", Length{MinCharacters: 4}, "äöü", drop(lengthFewCharacters)},
		{"at the maximum", Length{MaxCharacters: 3}, "日本語", keep},
		{"above the maximum", Length{MaxCharacters: 2}, "日本語", drop(lengthManyCharacters)},
		{"words at the minimum", Length{MinWords: 3}, " one\ttwo\u2003three", keep},
		{"too few words", Length{MinWords: 3}, " one\u00a0two\n", drop(lengthFewWords)},
		{"words at the maximum", Length{MaxWords: 2}, "one two  ", keep},
		{"too many words", Length{MaxWords: 2}, "a b c", drop(lengthManyWords)},
		{"characters are judged first", Length{MinCharacters: 9, MinWords: 9}, "a b", drop(lengthFewCharacters)},
		{"no words", Length{MinWords: 1}, " \n\t", drop(lengthFewWords)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w, err := test.options.NewWorker(2, 0)
			if err != nil {
				t.Fatal(err)
			}
			if row := process(t, w, test.text); row.Verdict != test.want {
				t.Errorf("verdict %+v, want %+v", row.Verdict, test.want)
			}
		})
	}
}

func TestLengthOptions(t *testing.T) {
	for _, l := range []Length{{MinCharacters: -1}, {MaxWords: -1}, {MinWords: 3, MaxWords: 2}, {MinCharacters: 2, MaxCharacters: 1}} {
		if _, err := l.NewWorker(1, 0); err == nil {
			t.Errorf("%+v is accepted", l)
		}
	}
}
