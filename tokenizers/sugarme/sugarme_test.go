package sugarme

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/tokenizers"
)

func loadBoth(t *testing.T, name string) (*Tokenizer, *tokenizers.Tokenizer) {
	t.Helper()
	data, err := os.ReadFile("../testdata/" + name + ".tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	want, err := tokenizers.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return got, want
}

// On plain text the library does what package tokenizers does.
func TestEncodePlainText(t *testing.T) {
	for _, name := range []string{"bpe", "wordpiece"} {
		got, want := loadBoth(t, name)
		for _, o := range []tokenizers.EncodeOptions{{}, {AddSpecial: true}} {
			const text = "the quick brown fox jumps over the lazy dog"
			g, err := got.Encode(text, o)
			if err != nil {
				t.Fatal(err)
			}
			w, err := want.Encode(text, o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(g.IDs, w.IDs) || !slices.Equal(g.Offsets, w.Offsets) || !slices.Equal(g.Tokens, w.Tokens) || !slices.Equal(g.WordIDs, w.WordIDs) ||
				!slices.Equal(g.TypeIDs, w.TypeIDs) || !slices.Equal(g.AttentionMask, w.AttentionMask) || !slices.Equal(g.SequenceIDs, w.SequenceIDs) || !slices.Equal(g.SpecialMask, w.SpecialMask) {
				t.Errorf("%s: encoding is %+v, want %+v", name, g, w)
			}
		}
	}
}

func TestEncodePair(t *testing.T) {
	got, want := loadBoth(t, "wordpiece")
	g, err := got.EncodePair("the fox", "the dog", tokenizers.EncodeOptions{AddSpecial: true})
	if err != nil {
		t.Fatal(err)
	}
	w, err := want.EncodePair("the fox", "the dog", tokenizers.EncodeOptions{AddSpecial: true})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.IDs, w.IDs) || !slices.Equal(g.TypeIDs, w.TypeIDs) {
		t.Errorf("encoding is %+v, want %+v", g, w)
	}
}

func TestAppendIDs(t *testing.T) {
	got, want := loadBoth(t, "bpe")
	ids, err := got.AppendIDs([]uint32{7}, []byte("the fox"))
	if err != nil {
		t.Fatal(err)
	}
	if w := want.NewEncoder(0).AppendIDs([]uint32{7}, []byte("the fox")); !slices.Equal(ids, w) {
		t.Errorf("ids are %d, want %d", ids, w)
	}
}

func TestErrors(t *testing.T) {
	got, _ := loadBoth(t, "bpe")
	if _, err := got.Encode("x", tokenizers.EncodeOptions{SpecialIsText: true}); !errors.Is(err, ErrOption) {
		t.Errorf("SpecialIsText gives %v", err)
	}
	for _, data := range []string{"", "null", "{}", `{"model": {"type": "BPE", "vocab": 3}}`} {
		if _, err := Load([]byte(data)); err == nil {
			t.Errorf("%q loads", data)
		}
	}
	data, err := os.ReadFile("../testdata/bpe.tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	split := `"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\s+(?!\\S)"},"behavior":"Isolated","invert":false},"x":{`
	if _, err := Load([]byte(strings.Replace(string(data), `"pre_tokenizer":{`, split, 1))); err == nil || !strings.Contains(err.Error(), "it panics") {
		t.Errorf("a pattern with look-ahead gives %v", err)
	}
	// Ill-formed UTF-8 makes the library panic.
	if _, err := got.Encode("a\xff\xfeb \xc3", tokenizers.EncodeOptions{}); err == nil || !strings.Contains(err.Error(), "it panics") {
		t.Errorf("ill-formed UTF-8 gives %v", err)
	}
}
