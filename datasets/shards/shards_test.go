package shards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

// What a pipeline asks of its outputs and sources.
type (
	part interface {
		Append(rows []schemas.Row) (taken int, full bool, err error)
		Finish() (rows, tokens int64, err error)
	}
	source interface {
		Read(ctx context.Context, b *schemas.Batch) error
		Close() error
	}
)

var (
	_ part   = (*Writer)(nil)
	_ part   = (*SpillWriter)(nil)
	_ source = (*SpillReader)(nil)
)

const endOfDocument = 0

// documents makes n rows with ids below vocab; each ends in the end-of-document id. Lengths vary from 1 to a few hundred.
func documents(n int, vocab uint32, seed uint64) []schemas.Row {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := make([]schemas.Row, n)
	var offset int64
	for i := range rows {
		tokens := make([]uint32, r.IntN(r.IntN(200)+1), 201)
		for j := range tokens {
			tokens[j] = 1 + r.Uint32N(vocab-1)
		}
		var id []byte
		if i%3 > 0 {
			id = fmt.Appendf(nil, "document-%d", i)
		}
		offset += int64(r.IntN(1000))
		rows[i] = schemas.Row{
			Pos: schemas.Pos{File: int32(i / 700), Split: int32(i / 900), Offset: offset, Record: int64(i % 900)},
			ID:  id, Tokens: append(tokens, endOfDocument), Text: fmt.Appendf(nil, "text of %d: %x", i, tokens),
		}
	}
	return rows
}

func sourceName(file int32) string { return fmt.Sprintf("books/part-%d.jsonl", file) }

// encode writes rows as one shard.
func encode(t testing.TB, rows []schemas.Row, opts Options) (arrowFile, index []byte) {
	t.Helper()
	var a, x bytes.Buffer
	w, err := NewWriter(&a, &x, opts)
	if err != nil {
		t.Fatal(err)
	}
	if taken, full, err := w.Append(rows); err != nil || full || taken != len(rows) {
		t.Fatalf("Append took %d of %d rows, full %v, error %v", taken, len(rows), full, err)
	}
	n, tokens, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	var want int64
	for i := range rows {
		want += int64(len(rows[i].Tokens))
	}
	if n != int64(len(rows)) || tokens != want {
		t.Fatalf("Finish reports %d rows and %d tokens, want %d and %d", n, tokens, len(rows), want)
	}
	return a.Bytes(), x.Bytes()
}

// put writes the two files of a shard into dir.
func put(t testing.TB, dir, name string, arrowFile, index []byte) string {
	t.Helper()
	path := filepath.Join(dir, name+".arrow")
	for p, b := range map[string][]byte{path: arrowFile, IndexPath(path): index} {
		write(t, p, b)
	}
	return path
}

// write makes a new file: some file systems wait for the disk when a file is truncated and written again.
func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

func openShard(t testing.TB, path string) *Shard {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func batch(t testing.TB, s *Shard, i int) *Batch {
	t.Helper()
	b, err := s.Batch(i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Release(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, test := range []struct {
		name  string
		rows  int
		vocab uint32
		opts  Options
	}{
		{"no rows", 0, 2, Options{}},
		{"one row", 1, 10, Options{TokenBytes: 2}},
		{"no names", 10, 10, Options{TokenBytes: 2}},
		{"two bytes", 3000, 1 << 16, Options{TokenBytes: 2, Source: sourceName}},
		{"four bytes", 3000, 1 << 31, Options{Source: sourceName}},
		{"held out", 5000, 50000, Options{TokenBytes: 2, HeldOutPPM: 200_000, Source: sourceName}},
		{"all held out", 2000, 50000, Options{TokenBytes: 2, HeldOutPPM: 1_000_000, Source: sourceName}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows := documents(test.rows, test.vocab, 1)
			arrowFile, index := encode(t, rows, test.opts)
			s := openShard(t, put(t, t.TempDir(), "00000-000000", arrowFile, index))
			sides := [2][]schemas.Row{}
			for _, row := range rows {
				side := SplitOf(row.Tokens, test.opts.HeldOutPPM)
				sides[side] = append(sides[side], row)
			}
			for i := range s.Index().Batches {
				if err := s.CheckBatch(i); err != nil {
					t.Error(err)
				}
				b := batch(t, s, i)
				sides[b.Split()] = compareRows(t, b, sides[b.Split()], test.opts.withDefaults())
			}
			if len(sides[0])+len(sides[1]) > 0 {
				t.Errorf("%d and %d rows did not come back", len(sides[0]), len(sides[1]))
			}
		})
	}
}

// compareRows compares the rows of b with the front of want and returns the rest.
func compareRows(t *testing.T, b *Batch, want []schemas.Row, opts Options) []schemas.Row {
	t.Helper()
	if b.Rows() > len(want) {
		t.Fatalf("%d rows more than were written", b.Rows()-len(want))
	}
	for i := range b.Rows() {
		row := &want[i]
		from, to := int(b.Bounds()[i]), int(b.Bounds()[i+1])
		got := b.Tokens().AppendTo(nil, from, to)
		if !equal(got, row.Tokens) {
			t.Fatalf("row %d: tokens %v, want %v", i, got, row.Tokens)
		}
		if to > from && b.Tokens().At(to-1) != row.Tokens[to-from-1] {
			t.Fatalf("row %d: At(%d) is %d", i, to-1, b.Tokens().At(to-1))
		}
		if string(b.ID(i)) != string(row.ID) || string(b.Source(i)) != opts.Source(row.Pos.File) || b.RecordOffset(i) != row.Pos.Offset {
			t.Fatalf("row %d: got id %q, source %q, offset %d; want %q, %q, %d",
				i, b.ID(i), b.Source(i), b.RecordOffset(i), row.ID, opts.Source(row.Pos.File), row.Pos.Offset)
		}
	}
	return want[b.Rows():]
}

func equal(a, b []uint32) bool { return bytes.Equal(bytesOf(a), bytesOf(b)) }
