package shards

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// TestGolden holds the bytes of a small shard and spill, which old programs wrote and new ones must write and read.
func TestGolden(t *testing.T) {
	rows := documents(40, 300, 11)
	arrowFile, index := encode(t, rows, Options{TokenBytes: 2, HeldOutPPM: 300_000, Source: sourceName})
	for name, got := range map[string][]byte{"v1.arrow": arrowFile, "v1.idx": index, "v1.spill": spilled(t, rows, SpillOptions{})} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the bytes are not those of version 1: raise the version, or run the test with -update if no such file is in use", name)
		}
	}
	s := openShard(t, filepath.Join("testdata", "v1.arrow"))
	for i := range s.Index().Batches {
		if err := s.CheckBatch(i); err != nil {
			t.Error(err)
		}
	}
	if s.Index().Rows != 40 {
		t.Errorf("%d rows", s.Index().Rows)
	}
}

// TestGoldenDigests holds larger shards, with many batches, by their digest.
func TestGoldenDigests(t *testing.T) {
	for _, test := range []struct {
		name string
		opts Options
		want string
	}{
		{"two bytes", Options{TokenBytes: 2, HeldOutPPM: 10_000, Source: sourceName}, goldenNarrow},
		{"four bytes", Options{TokenBytes: 4, Source: sourceName}, goldenWide},
	} {
		arrowFile, index := encode(t, documents(10_000, 50_000, 12), test.opts)
		if got := digestOf(append(arrowFile, index...)); got != test.want {
			t.Errorf("%s: SHA-256 of the files is %s, want %s", test.name, got, test.want)
		}
	}
}

const (
	goldenNarrow = "2efddd3fe6479b17095713df90ba106dda1d914e2c6539f47d726725d4b8c19c"
	goldenWide   = "aad62d32308b39b0728720023833495d886da9b42b855affd662fc5a47f61c75"
)

func TestBytesDependOnRowsAlone(t *testing.T) {
	rows := documents(9000, 50_000, 2)
	opts := Options{TokenBytes: 2, HeldOutPPM: 100_000, ShardTokens: 150_000, Source: sourceName}
	var want []byte
	for _, chunk := range []int{len(rows), 1, 7, 1024, 1025} {
		var a, x bytes.Buffer
		w, err := NewWriter(&a, &x, opts)
		if err != nil {
			t.Fatal(err)
		}
		var taken int
		var tokens int64
		for full := false; !full; {
			var n int
			if n, full, err = w.Append(rows[taken:min(taken+chunk, len(rows))]); err != nil {
				t.Fatal(err)
			}
			for _, row := range rows[taken : taken+n] {
				tokens += int64(len(row.Tokens))
			}
			taken += n
		}
		if last := int64(len(rows[taken-1].Tokens)); tokens < opts.ShardTokens || tokens-last >= opts.ShardTokens {
			t.Errorf("chunks of %d: full with %d tokens, the last row has %d", chunk, tokens, last)
		}
		if n, full, err := w.Append(rows[taken : taken+3]); n != 1 || !full || err != nil {
			t.Errorf("a full shard takes %d rows, full %v, error %v; want 1, true", n, full, err)
		}
		if _, _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		got := append(a.Bytes(), x.Bytes()...)
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("rows in chunks of %d give other bytes", chunk)
		}
	}
}

func TestBatchesAreCut(t *testing.T) {
	long := make([]uint32, batchTokens/2+1)
	for _, test := range []struct {
		name string
		row  schemas.Row
		rows int
		want []int
	}{
		{"by rows", schemas.Row{Tokens: []uint32{1}}, 2100, []int{1024, 1024, 52}},
		{"by rows without tokens", schemas.Row{}, 1025, []int{1024, 1}},
		{"by tokens", schemas.Row{Tokens: long}, 5, []int{2, 2, 1}},
		{"by ids", schemas.Row{ID: bytes.Repeat([]byte("x"), batchBytes/3+1)}, 4, []int{3, 1}},
	} {
		rows := make([]schemas.Row, test.rows)
		for i := range rows {
			rows[i] = test.row
		}
		_, index := encode(t, rows, Options{})
		x, err := decodeIndex(index)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, b := range x.Batches {
			got = append(got, b.Rows)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: batches of %v rows, want %v", test.name, got, test.want)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	for _, test := range []struct {
		name, want string
		row        schemas.Row
	}{
		{"id of three bytes", "token 1 has the id 65536", schemas.Row{ID: []byte("a-name"), Tokens: []uint32{65535, 65536}}},
		{"long id", "bytes, more than", schemas.Row{ID: make([]byte, maxIDBytes+1)}},
	} {
		w, err := NewWriter(io.Discard, io.Discard, Options{TokenBytes: 2})
		if err != nil {
			t.Fatal(err)
		}
		taken, _, err := w.Append([]schemas.Row{{Tokens: []uint32{1}}, test.row})
		if err == nil || taken != 1 || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %d rows taken, error %v; want 1 and one with %q", test.name, taken, err, test.want)
		}
	}
	for _, opts := range []Options{{TokenBytes: 3}, {ShardTokens: -1}, {HeldOutPPM: -1}, {HeldOutPPM: 1_000_001}} {
		if _, err := NewWriter(io.Discard, io.Discard, opts); err == nil || !strings.Contains(err.Error(), "Options.") {
			t.Errorf("%+v: error %v", opts, err)
		}
	}
}

func TestNamesBecomeUTF8(t *testing.T) {
	rows := []schemas.Row{{ID: []byte("a\xffb"), Tokens: []uint32{1}}}
	arrowFile, index := encode(t, rows, Options{Source: func(int32) string { return "caf\xe9.txt" }})
	b := batch(t, openShard(t, put(t, t.TempDir(), "x", arrowFile, index)), 0)
	if string(b.ID(0)) != "a\uFFFDb" || string(b.Source(0)) != "caf\uFFFD.txt" {
		t.Errorf("id %q, source %q", b.ID(0), b.Source(0))
	}
}

func TestWriterFailing(t *testing.T) {
	rows := documents(3000, 1000, 4)
	arrowFile, index := encode(t, rows, Options{})
	attempt := func(a, x io.Writer) error {
		w, err := NewWriter(a, x, Options{})
		if err != nil {
			return err
		}
		if _, _, err := w.Append(rows); err != nil {
			return err
		}
		_, _, err = w.Finish()
		return err
	}
	for room := 0; room < len(arrowFile); room += 1 + len(arrowFile)/40 {
		if err := attempt(&fullDisk{room: room}, io.Discard); !errors.Is(err, errFull) {
			t.Errorf("room for %d of %d bytes: error %v", room, len(arrowFile), err)
		}
	}
	if err := attempt(io.Discard, &fullDisk{room: len(index) - 1}); !errors.Is(err, errFull) {
		t.Errorf("no room for the index: error %v", err)
	}
}

func TestHugeDocument(t *testing.T) {
	tokens := make([]uint32, 2<<20) // 8 MiB of ids
	r := rand.New(rand.NewPCG(1, 2))
	for i := range tokens {
		tokens[i] = r.Uint32()
	}
	rows := []schemas.Row{{Tokens: []uint32{1}}, {Tokens: tokens}, {Tokens: []uint32{2}}}
	arrowFile, index := encode(t, rows, Options{})
	s := openShard(t, put(t, t.TempDir(), "huge", arrowFile, index))
	compareRows(t, batch(t, s, 1), compareRows(t, batch(t, s, 0), rows, Options{}.withDefaults()), Options{}.withDefaults())
}

// TestWriterMemory streams a million rows and looks at the heap between.
func TestWriterMemory(t *testing.T) {
	w, err := NewWriter(io.Discard, io.Discard, Options{TokenBytes: 2, HeldOutPPM: 10_000, ShardTokens: math.MaxInt64, Source: sourceName})
	if err != nil {
		t.Fatal(err)
	}
	rows := documents(2000, 50_000, 5)
	for i := range rows {
		rows[i].Tokens = rows[i].Tokens[max(0, len(rows[i].Tokens)-8):]
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const rounds = 500
	var start uint64
	for i := range rounds {
		if _, _, err := w.Append(rows); err != nil {
			t.Fatal(err)
		}
		if i == rounds/10 {
			start = heap()
		}
	}
	// What grows is the index entry and the Arrow footer of each of about 1,000 batches.
	if end := heap(); end > start+1<<20 {
		t.Errorf("the heap grows from %d to %d bytes over %d rows", start, end, rounds*len(rows))
	}
	if n, _, err := w.Finish(); n != rounds*int64(len(rows)) || err != nil {
		t.Errorf("%d rows, error %v", n, err)
	}
}

func TestSplitOf(t *testing.T) {
	const n, ppm = 100_000, 10_000
	held := 0
	for i := range uint32(n) {
		doc := []uint32{i, i * 3, 7}
		if SplitOf(doc, ppm) == HeldOut {
			held++
			if SplitOf(doc, ppm+1) != HeldOut {
				t.Fatalf("%v leaves the held-out side when its share grows", doc)
			}
		}
		if SplitOf(doc, 0) != Train || SplitOf(doc, million) != HeldOut {
			t.Fatalf("%v: a share of nothing or all is not kept", doc)
		}
	}
	// 1000 expected, standard deviation 31.5.
	if held < 850 || held > 1150 {
		t.Errorf("%d of %d documents are held out, expected about 1000", held, n)
	}
	if got := [...]Split{SplitOf(nil, 500_000), SplitOf([]uint32{1}, 500_000), SplitOf([]uint32{2}, 500_000), SplitOf([]uint32{3}, 500_000)}; got != goldenSplits {
		t.Errorf("splits are %v, want %v", got, goldenSplits)
	}
}

// goldenSplits were computed by the xxhash package of Python, by conformance/shards/read_shards.py.
var goldenSplits = [...]Split{HeldOut, HeldOut, Train, HeldOut}

func BenchmarkWriter(b *testing.B) {
	for _, ppm := range []int{0, 10_000} {
		b.Run(fmt.Sprintf("ppm=%d", ppm), func(b *testing.B) {
			rows := documents(2000, 50_000, 5)
			var tokens int64
			for _, row := range rows {
				tokens += int64(len(row.Tokens))
			}
			w, err := NewWriter(io.Discard, io.Discard, Options{TokenBytes: 2, HeldOutPPM: ppm, ShardTokens: math.MaxInt64, Source: sourceName})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := w.Append(rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(tokens)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
