package tokenizers

import (
	"fmt"
	"reflect"
	"testing"
)

// TestReferenceMaps holds the maps of an encoding equal to the reference, whose offsets are in code points.
func TestReferenceMaps(t *testing.T) {
	var recorded struct {
		Pad      int
		Examples []struct {
			Tokenizer, First string
			Second           *string
			SequenceOfToken  []*int      `json:"sequence_of_token"`
			CharsOfToken     []*[2]int   `json:"chars_of_token"`
			WordOfToken      []*int      `json:"word_of_token"`
			TokensOfWord     [][]*[2]int `json:"tokens_of_word"`
			CharsOfWord      [][]*[2]int `json:"chars_of_word"`
			TokenOfChar      [][]*int    `json:"token_of_char"`
			WordOfChar       [][]*int    `json:"word_of_char"`
		}
	}
	readJSON(t, "reference_maps.json", &recorded)
	if len(recorded.Examples) < 15 {
		t.Fatalf("%d examples", len(recorded.Examples))
	}
	for _, x := range recorded.Examples {
		tok := loadNamed(t, x.Tokenizer+".tokenizer.json")
		texts := []string{x.First}
		o := EncodeOptions{AddSpecial: true}
		e := encode(t, tok, x.First, o)
		if x.Second != nil {
			var err error
			if e, err = tok.EncodePair(x.First, *x.Second, o); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, *x.Second)
		}
		pad := Padding{Tokens: len(e.IDs) + recorded.Pad}
		batch := []Encoding{e}
		if err := pad.Apply(batch); err != nil {
			t.Fatal(err)
		}
		e = batch[0]
		for i, s := range e.SequenceIDs {
			if s >= 0 {
				e.Offsets[i] = RuneOffsets(texts[s], e.Offsets[i:i+1])[0]
			}
		}
		check := func(what string, want, got any, ok bool) {
			t.Helper()
			if v := reflect.ValueOf(want); v.IsNil() == ok || ok && !reflect.DeepEqual(v.Elem().Interface(), got) {
				t.Errorf("%s %q %v: %s is %v %t", x.Tokenizer, texts, e.Tokens, what, got, ok)
			}
		}
		for i := range x.SequenceOfToken {
			sequence, ok := e.TokenSequence(i)
			check(fmt.Sprintf("sequence of token %d", i), x.SequenceOfToken[i], sequence, ok)
			_, chars, ok := e.TokenChars(i)
			check(fmt.Sprintf("place of token %d", i), x.CharsOfToken[i], chars, ok)
			_, word, ok := e.TokenWord(i)
			check(fmt.Sprintf("word of token %d", i), x.WordOfToken[i], word, ok)
		}
		for s := range texts {
			for w := range x.TokensOfWord[s] {
				start, end, ok := e.WordTokens(w, s)
				check(fmt.Sprintf("tokens of word %d of %d", w, s), x.TokensOfWord[s][w], [2]int{start, end}, ok)
				chars, ok := e.WordChars(w, s)
				check(fmt.Sprintf("place of word %d of %d", w, s), x.CharsOfWord[s][w], chars, ok)
			}
			for p := range x.TokenOfChar[s] {
				token, ok := e.CharToken(p, s)
				check(fmt.Sprintf("token of place %d of %d", p, s), x.TokenOfChar[s][p], token, ok)
				word, ok := e.CharWord(p, s)
				check(fmt.Sprintf("word of place %d of %d", p, s), x.WordOfChar[s][p], word, ok)
			}
		}
	}
}
