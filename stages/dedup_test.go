package stages

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

// corpus makes rows with many equal texts, in the order of their positions.
func corpus(seed uint64, rows, texts int) []schemas.Row {
	rng := rand.New(rand.NewPCG(seed, 0))
	var all []schemas.Row
	for i := range rows {
		all = append(all, schemas.Row{
			Pos:  schemas.Pos{Split: int32(i / 700), Record: int64(i % 700 / 2), Part: int32(i % 2)},
			Text: fmt.Appendf(nil, "text %d", rng.IntN(texts)),
		})
	}
	return all
}

// reduce collects rows in any order and reduces all parts.
func reduce(t *testing.T, d Dedup, rows []schemas.Row) []Verdicts {
	t.Helper()
	parts := make([][][]byte, d.Parts)
	for i := range rows {
		d.Collect(&rows[i], func(part int, key []byte) { parts[part] = append(parts[part], bytes.Clone(key)) })
	}
	var out []Verdicts
	for part, keys := range parts {
		slices.SortFunc(keys, bytes.Compare)
		var b bytes.Buffer
		if err := d.Reduce(t.Context(), part, sequence(keys), &b); err != nil {
			t.Fatal(err)
		}
		out = append(out, Verdicts{bytes.NewReader(b.Bytes()), int64(b.Len())})
	}
	return out
}

func sequence(keys [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}

func TestDedup(t *testing.T) {
	for _, test := range []struct {
		name        string
		parts       int
		rows, texts int
		memory      int64
	}{
		{"in memory", 1, 2000, 300, 1 << 20},
		{"sorted runs", 1, 9000, 100, 1},
		{"partitions", 5, 9000, 3000, 1},
		{"no duplicates", 3, 500, 1 << 40, 1},
		{"all the same", 2, 3000, 1, 1},
		{"nothing", 2, 0, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			d := Dedup{Parts: test.parts, MemoryBytes: test.memory, Dir: dir}
			rows := corpus(1, test.rows, test.texts)
			shuffled := slices.Clone(rows)
			shuffled = append(shuffled, rows[:test.rows/3]...) // a key may come twice
			rng := rand.New(rand.NewPCG(2, 0))
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			verdicts := reduce(t, d, shuffled)
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("temporary files are left: %v %v", left, err)
			}

			seen := map[string]bool{}
			var want []bool
			for _, r := range rows {
				want = append(want, seen[string(r.Text)])
				seen[string(r.Text)] = true
			}
			inOrder, anyOrder := newDedupWorker(t, d, verdicts), newDedupWorker(t, d, verdicts)
			b := &schemas.Batch{Rows: slices.Clone(rows)}
			if err := inOrder.Process(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for i, r := range b.Rows {
				if got := r.Verdict.Kind == schemas.Drop; got != want[i] {
					t.Fatalf("row %d %+v: dropped %v, want %v", i, r.Pos, got, want[i])
				}
			}
			for range test.rows / 4 {
				i := rng.IntN(test.rows)
				b := &schemas.Batch{Rows: []schemas.Row{rows[i]}}
				if err := anyOrder.Process(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if got := b.Rows[0].Verdict == (schemas.Verdict{Kind: schemas.Drop, Stage: 5}); got != want[i] {
					t.Fatalf("row %d alone: dropped %v, want %v", i, got, want[i])
				}
			}
		})
	}
}

func newDedupWorker(t *testing.T, d Dedup, verdicts []Verdicts) *DedupWorker {
	t.Helper()
	w, err := d.Apply(verdicts).NewWorker(5, 0)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestDedupRefusesKeys(t *testing.T) {
	failure := errors.New("disk")
	ordered := [][]byte{bytes.Repeat([]byte{1}, keyBytes), bytes.Repeat([]byte{2}, keyBytes)}
	for _, test := range []struct {
		name string
		keys iter.Seq2[[]byte, error]
	}{
		{"short", sequence([][]byte{{1, 2}})},
		{"descending", sequence([][]byte{ordered[1], ordered[0]})},
		{"failing", func(yield func([]byte, error) bool) { yield(nil, failure) }},
	} {
		if err := (Dedup{Parts: 1}).Reduce(t.Context(), 0, test.keys, &bytes.Buffer{}); err == nil {
			t.Errorf("%s keys are accepted", test.name)
		} else if test.name == "failing" && !errors.Is(err, failure) {
			t.Errorf("got %v, want it to wrap %v", err, failure)
		}
	}
	if err := (Dedup{Parts: 1}).Reduce(t.Context(), 0, sequence(ordered), failingWriter{}); err == nil {
		t.Error("a failing writer goes unnoticed")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestDedupRefusesVerdicts(t *testing.T) {
	var b bytes.Buffer
	d := Dedup{Parts: 1}
	key := make([]byte, keyBytes)
	if err := d.Reduce(t.Context(), 0, sequence([][]byte{key, append(bytes.Clone(key[:31]), 1)}), &b); err != nil {
		t.Fatal(err)
	}
	good := b.Bytes()
	for _, test := range []struct {
		name string
		file []byte
	}{
		{"empty", nil},
		{"cut header", good[:10]},
		{"cut position", good[:len(good)-1]},
		{"position missing", good[:dropsHeader]},
		{"more than announced", append(bytes.Clone(good), make([]byte, positionBytes)...)},
		{"other magic", append([]byte("x"), good[1:]...)},
	} {
		if _, err := d.Apply([]Verdicts{{bytes.NewReader(test.file), int64(len(test.file))}}).NewWorker(1, 0); err == nil {
			t.Errorf("%s: accepted", test.name)
		}
	}
	w, err := d.Apply([]Verdicts{{bytes.NewReader(good[:dropsHeader]), int64(len(good))}}).NewWorker(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Process(t.Context(), &schemas.Batch{Rows: make([]schemas.Row, 1)}); err == nil {
		t.Error("a file that is shorter than it was goes unnoticed")
	}
}
