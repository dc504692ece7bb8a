package main

import (
	"strings"
	"testing"

	"github.com/shardmill/shardmill/tokenizers"
)

func TestLineWriter(t *testing.T) {
	var out strings.Builder
	l := lineWriter{w: &out}
	for _, piece := range []string{"\na", "\n", "", "\n b\n", "\n"} {
		l.write(piece)
	}
	l.end()
	if want := "\na\n\n b\n"; out.String() != want || l.err != nil {
		t.Errorf("%q, %v, want %q", out.String(), l.err, want)
	}
}

func TestTokenText(t *testing.T) {
	for _, model := range []string{tokenizers.TrainBPE, tokenizers.TrainWordPiece} {
		tok, err := tokenizers.Train(tokenizers.TrainOptions{Model: model, VocabSize: 400, MinFrequency: 1}, func(yield func([]byte, error) bool) {
			yield([]byte("the caf\u00e9 the caf\u00e9 the caf\u00e9"), nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		e, err := tok.Encode("the caf\u00e9", tokenizers.EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(e.IDs) != 2 || tokenText(tok, e.IDs[0]) != "the" || tokenText(tok, e.IDs[1]) != "caf\u00e9" {
			t.Errorf("%s: %d tokens, the last is %q", model, len(e.IDs), tokenText(tok, e.IDs[len(e.IDs)-1]))
		}
		if id, ok := tok.TokenID("\u0120"); ok && tokenText(tok, id) != "\u0120" {
			t.Errorf("%s: a space is shown as %q", model, tokenText(tok, id))
		}
	}
}
