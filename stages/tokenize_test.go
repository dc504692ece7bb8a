package stages

import (
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

// letters is an Encoder that makes an id of each letter.
type letters struct{}

func (letters) AppendIDs(dst []uint32, text []byte) []uint32 {
	for _, c := range text {
		if c != ' ' {
			dst = append(dst, uint32(c))
		}
	}
	return dst
}

func TestTokenize(t *testing.T) {
	var cache int
	stage := Tokenize{EndOfDocument: 0, NewEncoder: func(cacheBytes int) Encoder { cache = cacheBytes; return letters{} }}
	w, err := stage.NewWorker(4, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if cache != 1000 {
		t.Errorf("the encoder got %d bytes of cache, want 1000", cache)
	}
	if row := process(t, w, "a b"); !slices.Equal(row.Tokens, []uint32{'a', 'b', 0}) || row.Verdict.Kind != schemas.Keep {
		t.Errorf("got %v %+v", row.Tokens, row.Verdict)
	}
	if row := process(t, w, "  "); row.Verdict != (schemas.Verdict{Kind: schemas.Drop, Stage: 4}) || row.Tokens != nil {
		t.Errorf("a document without tokens became %+v", row)
	}
	if process(t, w, strings.Repeat("x", scratchBytes)); cap(w.ids)*4 > scratchBytes {
		t.Errorf("scratch of %d ids is kept", cap(w.ids))
	}
	if _, err := (Tokenize{}).NewWorker(1, 0); err == nil {
		t.Error("Tokenize without a tokenizer is accepted")
	}
}
