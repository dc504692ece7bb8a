package endtoend

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/shardmill/shardmill/internal/realdata"
)

// TestSoakMemory holds the peak of resident memory under --memory: 3 GB of JSONL.zst with log-normal lengths and ten documents of 8 MB.
func TestSoakMemory(t *testing.T) {
	if os.Getenv("SHARDMILL_SOAK") != "1" {
		t.Skip("takes minutes: run make soak")
	}
	tok := realdata.Path(t, "tokenizers/gpt2/tokenizer.json")
	in := filepath.Join(t.TempDir(), "big.jsonl.zst")
	writeBig(t, in, 3<<30)
	const limit = 512 << 20
	want := map[string]map[string]string{}
	for _, c := range []struct{ stages, workers string }{{"[]", "2"}, {"[]", "8"}, {"[clean, dedup]", "2"}, {"[clean, dedup]", "8"}} {
		name := c.workers + " workers, stages " + c.stages
		out := filepath.Join(t.TempDir(), "out")
		r := must(t, bin(t, "ingest", ""), "run", "--tokenizer", tok, "--out", out, "--workers", c.workers, "--memory", "512M", "--progress", "none",
			"--set", "stages="+c.stages, in)
		t.Logf("%s: peak %d MiB", name, r.maxRSS>>20)
		if r.maxRSS > limit {
			t.Errorf("%s: peak of resident memory is %d MiB, more than 512", name, r.maxRSS>>20)
		}
		got := dataset(t, out)
		if want[c.stages] == nil {
			want[c.stages] = got
		}
		compare(t, name, got, want[c.stages])
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
	}
}

// writeBig writes size bytes of JSONL, compressed.
func writeBig(t testing.TB, path string, size int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		t.Fatal(err)
	}
	b, w := bufio.NewWriterSize(z, 1<<20), newWriter(11)
	pool := w.text(64 << 20)
	written := 0
	for i := 0; written < size; i++ {
		n := w.logNormal()
		if written/(size/10) < (written+n)/(size/10) || i == 0 {
			n = 8 << 20
		}
		from := w.rng.IntN(len(pool) - n)
		line, err := json.Marshal(map[string]any{"id": fmt.Sprint(i), "text": pool[from : from+n]})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Write(append(line, '\n')); err != nil {
			t.Fatal(err)
		}
		written += len(line) + 1
	}
	for _, err := range []error{b.Flush(), z.Close(), f.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
}
