package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

// constSource gives n records of the same text.
type constSource struct {
	n, left int64
	text    []byte
}

func (s *constSource) Read(_ context.Context, b *schemas.Batch) error {
	if s.left < 0 {
		return io.EOF
	}
	var size int64
	for ; size < b.Limit && s.left > 0; s.left-- {
		record := s.n - s.left
		b.Rows = append(b.Rows, schemas.Row{Pos: schemas.Pos{Record: record, Offset: record * int64(len(s.text))},
			Bytes: int64(len(s.text)), Text: b.Arena.Copy(s.text)})
		size += int64(len(s.text))
	}
	if s.left == 0 {
		b.Rows = append(b.Rows, schemas.Row{Pos: schemas.Pos{Record: s.n, Offset: s.n * int64(len(s.text))}, Verdict: schemas.Verdict{Kind: schemas.End}})
		s.left = -1
	}
	return nil
}

func (s *constSource) Close() error { return nil }

// counting writes nothing.
type counting struct{ rows int64 }

func (c *counting) Create(int, func(string) (io.Writer, error)) (Part, error) { return c, nil }

func (c *counting) Append(rows []schemas.Row) (int, bool, error) {
	c.rows += int64(len(rows))
	return len(rows), false, nil
}

func (c *counting) Finish() (int64, int64, error) { return c.rows, 0, nil }

// BenchmarkEmptyChain is what the pipeline itself costs for a record of 1 kB: read, batch, worker, order, ledger.
//
//	go test -run '^$' -bench EmptyChain ./pipeline
func BenchmarkEmptyChain(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			plan := testPlan()
			plan.Files, plan.Splits, plan.Lanes = plan.Files[:1], plan.Splits[:1], []schemas.Lane{{First: 0, End: 1}}
			out := &counting{}
			job := &Job{Plan: plan, Store: NewDirStore(newMemFS(), "out", "out/tmp"), Output: out,
				Opener: OpenerFunc(func(context.Context, int, schemas.Cursor) (Source, error) {
					return &constSource{n: int64(b.N), left: int64(b.N), text: bytes.Repeat([]byte{'a'}, 1000)}, nil
				})}
			b.SetBytes(1000)
			b.ReportAllocs()
			b.ResetTimer()
			if err := RunLanes(b.Context(), job, []int{0}, Options{Workers: workers, Limit: -1}); err != nil {
				b.Fatal(err)
			}
			if out.rows != int64(b.N) {
				b.Fatalf("%d rows came out, want %d", out.rows, b.N)
			}
		})
	}
}
