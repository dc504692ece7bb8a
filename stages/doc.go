// Package stages changes documents one at a time: each file holds one stage, a struct of options that makes workers.
//
//	HTML      main content of a page, as plain text
//	Clean     line ends, control characters, white space, Unicode form
//	Length    bounds on characters and words
//	Dedup     exact duplicates, decided across all documents between two passes
//	Tokenize  text to token ids
//
// A stage never removes a row: it rewrites Row.Text or Row.Tokens in memory from the batch's Arena, or sets Row.Verdict to one of its
// Reasons. It leaves rows alone that are not of kind Keep. Its Version is raised whenever it would give another output for some input,
// because names and versions of the stages are part of a dataset's fingerprint.
//
// Workers belong to one goroutine each. They satisfy pipeline.Worker.
package stages

import (
	"context"

	"github.com/shardmill/shardmill/schemas"
)

// scratchBytes is the size up to which a worker keeps its scratch memory from one row to the next.
const scratchBytes = 1 << 20

// each calls f for the rows of b that are still kept, until ctx ends.
func each(ctx context.Context, b *schemas.Batch, f func(r *schemas.Row)) error {
	for i := range b.Rows {
		if b.Rows[i].Verdict.Kind != schemas.Keep {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		f(&b.Rows[i])
	}
	return nil
}

// setText gives r a copy of text in the memory of b.
func setText(b *schemas.Batch, r *schemas.Row, text []byte) {
	r.Text = b.Arena.Bytes(len(text))
	copy(r.Text, text)
}

// keepScratch returns s for the next row, unless one large row has made it grow.
func keepScratch[T any](s []T, size int) []T {
	if cap(s)*size > scratchBytes {
		return nil
	}
	return s[:0]
}
