package tokenizers

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestDecodeStream compares what a stream gives piece by piece with what Decode gives at once, for texts and for ids at random.
func TestDecodeStream(t *testing.T) {
	for _, name := range testTokenizers {
		tok := loadNamed(t, name+".tokenizer.json")
		text, err := tok.Encode("Grüße, 世界! 👩‍🚀 the end\n\n of  it", EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		checkStream(t, name, tok, text.IDs)
		rng := rand.New(rand.NewPCG(1, 2))
		for n := range 200 {
			ids := make([]uint32, n)
			for i := range ids {
				ids[i] = uint32(rng.IntN(tok.VocabSize() + 2))
			}
			checkStream(t, name, tok, ids)
		}
	}
}

func checkStream(t *testing.T, name string, tok *Tokenizer, ids []uint32) {
	t.Helper()
	for _, skip := range []bool{false, true} {
		s := tok.NewDecodeStream(skip)
		for round := range 2 { // a stream that was flushed is as new
			var got strings.Builder
			for _, id := range ids {
				piece := s.Add(id)
				if !utf8.ValidString(piece) {
					t.Fatalf("%s: %q is no text", name, piece)
				}
				got.WriteString(piece)
			}
			got.WriteString(s.Flush())
			if want := tok.Decode(ids, skip); got.String() != want {
				t.Fatalf("%s: ids %v, round %d: %q, want %q", name, ids, round, got.String(), want)
			}
		}
	}
}

// TestDecodeStreamWaitsForWholeCharacters takes a character of three bytes apart.
func TestDecodeStreamWaitsForWholeCharacters(t *testing.T) {
	tok, err := LoadFile("testdata/bpe.tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	s := tok.NewDecodeStream(false)
	var pieces []string
	for _, token := range []string{"a", "ä", "¸", "ĸ", "ä", "b"} { // a, the bytes of 世, then the first of them alone
		id, ok := tok.TokenID(token)
		if !ok {
			t.Fatalf("no token %q", token)
		}
		pieces = append(pieces, s.Add(id))
	}
	same(t, "pieces", pieces, []string{"a", "", "", "世", "", "\uFFFDb"})
	s.Add(func() uint32 { id, _ := tok.TokenID("ä"); return id }())
	if rest := s.Flush(); rest != "\uFFFD" || s.Flush() != "" {
		t.Errorf("Flush = %q, want U+FFFD", rest)
	}
}
