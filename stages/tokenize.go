package stages

import (
	"context"
	"errors"

	"github.com/shardmill/shardmill/schemas"
)

// Encoder turns text into token ids for one goroutine. It appends to dst the ids of text as plain text: no special tokens.
type Encoder interface {
	AppendIDs(dst []uint32, text []byte) []uint32
}

// Tokenize sets Row.Tokens to the ids of Row.Text and exactly one end-of-document id behind them. A document without tokens is dropped.
type Tokenize struct {
	NewEncoder    func(cacheBytes int) Encoder // makes an encoder for one goroutine
	EndOfDocument uint32                       // id that closes each document
}

// Name is the name of the stage in recipes and ledgers.
func (Tokenize) Name() string { return "tokenize" }

// Version is raised when the output changes.
func (Tokenize) Version() int { return 1 }

// Reasons for a drop.
func (Tokenize) Reasons() []string { return []string{"empty"} }

// NewWorker makes a worker for one goroutine; index is the stage's number in the plan. All its memory goes to the encoder's cache.
func (t Tokenize) NewWorker(index uint16, memory int64) (*TokenizeWorker, error) {
	if t.NewEncoder == nil {
		return nil, errors.New("tokenize: no tokenizer is set")
	}
	return &TokenizeWorker{
		encoder: t.NewEncoder(int(memory)),
		end:     t.EndOfDocument,
		empty:   schemas.Verdict{Kind: schemas.Drop, Stage: index},
	}, nil
}

// TokenizeWorker is Tokenize for one goroutine.
type TokenizeWorker struct {
	encoder Encoder
	end     uint32
	empty   schemas.Verdict
	ids     []uint32
}

// Process tokenizes the rows of b.
func (w *TokenizeWorker) Process(ctx context.Context, b *schemas.Batch) error {
	return each(ctx, b, func(r *schemas.Row) {
		w.ids = w.encoder.AppendIDs(w.ids, r.Text)
		if len(w.ids) == 0 {
			r.Verdict = w.empty
		} else {
			r.Tokens = b.Arena.IDs(len(w.ids) + 1)
			copy(r.Tokens, w.ids)
			r.Tokens[len(w.ids)] = w.end
		}
		w.ids = keepScratch(w.ids, 4)
	})
}
