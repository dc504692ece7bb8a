package tokenizers

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestDecodeStream compares what a stream gives piece by piece with what Decode gives at once, for texts and for ids at random.
func TestDecodeStream(t *testing.T) {
	paths, err := filepath.Glob("testdata/bpe*.tokenizer.json")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		tok, err := LoadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		e, err := tok.Encode("Grüße, 世界! 👩‍🚀 the end\n\n of  it", EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for n := range 200 {
			ids := e.IDs
			if n > 0 {
				ids = make([]uint32, n)
				for i := range ids {
					ids[i] = uint32(rng.IntN(tok.VocabSize()))
				}
			}
			s := tok.NewDecodeStream(true)
			var got strings.Builder
			for _, id := range ids {
				piece := s.Add(id)
				if !utf8.ValidString(piece) {
					t.Fatalf("%s: %q is no text", path, piece)
				}
				got.WriteString(piece)
			}
			got.WriteString(s.Flush())
			if want := tok.Decode(ids, true); got.String() != want {
				t.Fatalf("%s: ids %v: %q, want %q", path, ids, got.String(), want)
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
