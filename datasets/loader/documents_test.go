package loader

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/schemas"
)

// testRows are documents of a stream from newMemory, with an empty one here and there.
func testRows(s *memory) []schemas.Row {
	var rows []schemas.Row
	from := int64(0)
	for i, end := range s.ends {
		if i%50 == 7 {
			rows = append(rows, schemas.Row{})
		}
		rows = append(rows, schemas.Row{Tokens: s.ids[from:end]})
		from = end
	}
	return rows
}

// writeShard writes rows into dir and returns the path of the Arrow file.
func writeShard(t testing.TB, dir string, n int, rows []schemas.Row, o shards.Options) string {
	t.Helper()
	var arrow, index bytes.Buffer
	w, err := shards.NewWriter(&arrow, &index, o)
	if err != nil {
		t.Fatal(err)
	}
	if taken, _, err := w.Append(rows); err != nil || taken != len(rows) {
		t.Fatalf("%d of %d rows taken: %v", taken, len(rows), err)
	}
	if _, _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.FromSlash(schemas.ShardPath(0, n)))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	for p, content := range map[string][]byte{path: arrow.Bytes(), shards.IndexPath(path): index.Bytes()} {
		if err := os.WriteFile(p, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func openShards(t testing.TB, paths []string) mappings {
	t.Helper()
	var list mappings
	t.Cleanup(func() {
		if err := list.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, path := range paths {
		s, err := shards.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// expect is the stream that rows in several shards make, batch after batch: within a split the order of the rows is kept.
func expect(parts [][]schemas.Row, split shards.Split, heldOutPPM int) *memory {
	s := &memory{}
	for _, rows := range parts {
		for _, row := range rows {
			if shards.SplitOf(row.Tokens, heldOutPPM) == split && len(row.Tokens) > 0 {
				s.ids = append(s.ids, row.Tokens...)
				s.ends = append(s.ends, int64(len(s.ids)))
			}
		}
	}
	return s
}

func TestDocumentsAreOneStream(t *testing.T) {
	rows := testRows(newMemory(150_000)) // several record batches of 1,024 rows
	parts := [][]schemas.Row{rows[:3000], rows[3000:3001], rows[3001:]}
	for _, tokenBytes := range []int{2, 4} {
		const heldOut = 200_000
		dir := t.TempDir()
		var paths []string
		for n, part := range parts {
			paths = append(paths, writeShard(t, dir, n, part, shards.Options{TokenBytes: tokenBytes, HeldOutPPM: heldOut}))
		}
		list := openShards(t, paths)
		var sum int64
		for _, split := range []shards.Split{shards.Train, shards.HeldOut} {
			want := expect(parts, split, heldOut)
			got := newDocuments(list, split.String(), true)
			if got.Len() != want.Len() {
				t.Fatalf("%s split of %d tokens, want %d", split, got.Len(), want.Len())
			}
			if len(got.segments) < 3 {
				t.Fatalf("only %d record batches: the test needs more", len(got.segments))
			}
			compareStreams(t, got, want)
			sum += got.Len()
		}
		if all := newDocuments(list, All, true); all.Len() != sum {
			t.Errorf("%d tokens in all, want %d", all.Len(), sum)
		}
	}
}

func compareStreams(t *testing.T, got *documents, want *memory) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	n := want.Len()
	ranges := [][2]int64{{0, n}, {0, 0}, {n, n}, {0, 1}, {n - 1, n}}
	for _, s := range got.segments { // around the seams
		ranges = append(ranges, [2]int64{max(0, s.start-3), min(n, s.start+3)}, [2]int64{s.start, min(n, s.start+1)}, [2]int64{max(0, s.start-1), s.start})
	}
	for range 300 {
		from := r.Int64N(n)
		ranges = append(ranges, [2]int64{from, from + r.Int64N(min(n-from, 500)+1)})
	}
	for _, x := range ranges {
		ids, err := got.Append([]uint32{7}, x[0], x[1])
		if wantIDs, _ := want.Append([]uint32{7}, x[0], x[1]); err != nil || !slices.Equal(ids, wantIDs) {
			t.Fatalf("tokens %v: %v, %v, want %v", x, ids, err, wantIDs)
		}
		ends, err := got.AppendEnds([]int32{7}, x[0], x[1])
		if wantEnds, _ := want.AppendEnds([]int32{7}, x[0], x[1]); err != nil || !slices.Equal(ends, wantEnds) {
			t.Fatalf("document ends %v: %v, %v, want %v", x, ends, err, wantEnds)
		}
	}
}

func TestDamagedShardIsNoticed(t *testing.T) {
	rows := testRows(newMemory(20_000))
	path := writeShard(t, t.TempDir(), 0, rows, shards.Options{TokenBytes: 2})
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values := openShards(t, []string{path})[0].Index().Batches[0].Values
	content[values.Offset+values.Bytes/2] ^= 1
	damaged := filepath.Join(t.TempDir(), "damaged.arrow")
	index, err := os.ReadFile(shards.IndexPath(path))
	if err != nil {
		t.Fatal(err)
	}
	for p, b := range map[string][]byte{damaged: content, shards.IndexPath(damaged): index} {
		if err := os.WriteFile(p, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	list := openShards(t, []string{damaged})
	if _, err := newDocuments(list, Train, true).Append(nil, 0, 1); err == nil || !strings.Contains(err.Error(), "damaged.arrow") {
		t.Errorf("a flipped bit gave error %v", err)
	}
	if _, err := newDocuments(list, Train, false).Append(nil, 0, 1); err != nil {
		t.Errorf("unchecked: %v", err)
	}
}

func TestMappedStreamAllocatesNothing(t *testing.T) {
	rows := testRows(newMemory(60_000))
	list := openShards(t, []string{writeShard(t, t.TempDir(), 0, rows, shards.Options{TokenBytes: 2})})
	d := newDocuments(list, Train, true)
	ids, ends := make([]uint32, 0, 5000), make([]int32, 0, 5000)
	at := int64(0)
	read := func() {
		var err error
		if ids, err = d.Append(ids[:0], at, at+5000); err != nil {
			t.Fatal(err)
		}
		if ends, err = d.AppendEnds(ends[:0], at, at+5000); err != nil {
			t.Fatal(err)
		}
		at = (at + 5000) % (d.Len() - 5000)
	}
	for range 20 {
		read() // the first look at a record batch
	}
	if allocs := testing.AllocsPerRun(100, read); allocs != 0 {
		t.Errorf("%.1f allocations in a reading", allocs)
	}
}

// go test -bench Mapped ./datasets/loader
func BenchmarkMapped(b *testing.B) {
	rows := testRows(newMemory(8 << 20))
	list := openShards(b, []string{writeShard(b, b.TempDir(), 0, rows, shards.Options{TokenBytes: 2})})
	for _, objective := range []Objective{Causal, MLM} {
		for _, boundaries := range []bool{false, true} {
			b.Run(fmt.Sprintf("objective=%s/sequence=128/boundaries=%v", objective, boundaries), func(b *testing.B) {
				l := open(b, newDocuments(list, Train, true), Options{Objective: objective, SequenceTokens: 128, BatchSequences: 32, Boundaries: boundaries})
				var m schemas.Minibatch
				for range l.Size().Batches {
					if err := l.Next(b.Context(), &m); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := l.Next(b.Context(), &m); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N*32)/b.Elapsed().Seconds(), "samples/s")
				b.ReportMetric(float64(b.N*32*128)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}
