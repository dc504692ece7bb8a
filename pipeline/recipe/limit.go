package recipe

import (
	"context"
	"io"

	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

// limitOpener ends lanes after a number of records. It reads each lane from its start, also to go on from a cursor, since the cursor does not
// tell how many records stand before it.
type limitOpener struct {
	pipeline.Opener
	plan    *schemas.Plan
	records int64
}

func (o limitOpener) Open(ctx context.Context, lane int, from schemas.Cursor) (pipeline.Source, error) {
	src, err := o.Opener.Open(ctx, lane, o.plan.Start(lane))
	if err != nil {
		return nil, err
	}
	return &limitSource{Source: src, left: o.records, from: from}, nil
}

type limitSource struct {
	pipeline.Source
	left int64 // records
	from schemas.Cursor
}

func (s *limitSource) Read(ctx context.Context, b *schemas.Batch) error {
	for s.left > 0 {
		if err := s.Source.Read(ctx, b); err != nil {
			return err
		}
		if b.Rows = s.cut(b.Rows); len(b.Rows) > 0 {
			return nil
		}
		b.Arena.Reset()
	}
	return io.EOF
}

// cut leaves the rows behind the cursor, up to the last record, behind which the split ends.
func (s *limitSource) cut(rows []schemas.Row) []schemas.Row {
	kept := rows[:0]
	for i := range rows {
		r := rows[i]
		end := r.Verdict.Kind == schemas.End
		if !before(schemas.Cursor{Split: r.Pos.Split, Record: r.Pos.Record}, s.from) {
			kept = append(kept, r)
		}
		if end {
			continue
		}
		if s.left--; s.left == 0 {
			next := r.Next()
			return append(kept, schemas.Row{
				Pos:     schemas.Pos{File: r.Pos.File, Split: r.Pos.Split, Offset: next.Offset, Record: next.Record},
				Verdict: schemas.Verdict{Kind: schemas.End},
			})
		}
	}
	return kept
}
