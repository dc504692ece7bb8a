package stages

import (
	"context"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

type worker interface {
	Process(ctx context.Context, b *schemas.Batch) error
}

// process sends one document through a worker, between two rows that the worker must leave alone.
func process(t testing.TB, w worker, text string) schemas.Row {
	t.Helper()
	dropped := schemas.Row{Text: []byte("dropped"), Verdict: schemas.Verdict{Kind: schemas.Drop, Stage: 1, Reason: 1}}
	b := &schemas.Batch{Rows: []schemas.Row{
		dropped,
		{Text: []byte(text)},
		{Verdict: schemas.Verdict{Kind: schemas.End}},
	}}
	if err := w.Process(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Rows) != 3 || b.Rows[0].Verdict != dropped.Verdict || string(b.Rows[0].Text) != "dropped" || b.Rows[0].Tokens != nil {
		t.Errorf("a row that was dropped before became %+v", b.Rows[0])
	}
	if b.Rows[2].Verdict.Kind != schemas.End {
		t.Errorf("the row that ends a split became %+v", b.Rows[2])
	}
	return b.Rows[1]
}
