package endtoend

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/shardmill/shardmill/internal/realdata"
)

// BenchmarkIngest is JSONL.zst to shards (gpt2 tokenizer, 2 workers) beside `zstd -dc` of the same file, one after the other in turn: 99
// novels, ten times over. MB are decompressed.
//
//	go test -run '^$' -bench Ingest -benchtime 5x ./internal/endtoend
func BenchmarkIngest(b *testing.B) {
	if _, err := exec.LookPath("zstd"); err != nil {
		b.Skip("needs the zstd command")
	}
	tok := realdata.Path(b, "tokenizers/gpt2/tokenizer.json")
	in, size := repeated(b, realdata.Path(b, "corpora/eltec-eng.jsonl.zst"), 10)
	ingest := bin(b, "ingest", "")
	var ours, theirs []time.Duration
	for b.Loop() {
		out := filepath.Join(b.TempDir(), "out")
		start := time.Now()
		must(b, ingest, "run", "--tokenizer", tok, "--out", out, "--workers", "2", "--progress", "none", in)
		ours = append(ours, time.Since(start))
		if err := os.RemoveAll(out); err != nil {
			b.Fatal(err)
		}
		start = time.Now()
		cmd := exec.Command("zstd", "-dc", in)
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		cmd.Stdout = null
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		if err := null.Close(); err != nil {
			b.Fatal(err)
		}
		theirs = append(theirs, time.Since(start))
	}
	a, z := median(ours), median(theirs)
	b.ReportMetric(float64(size)/1e6/a.Seconds(), "MB/s")
	b.ReportMetric(float64(size)/1e6/z.Seconds(), "zstd-MB/s")
	b.ReportMetric(z.Seconds()/a.Seconds(), "of-zstd")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// repeated writes the content of a zstd file n times over into another, at the level that the tool uses by default.
func repeated(b *testing.B, from string, n int) (path string, size int64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "repeated.jsonl.zst")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		b.Fatal(err)
	}
	for range n {
		src, err := os.Open(from)
		if err != nil {
			b.Fatal(err)
		}
		r, err := zstd.NewReader(bufio.NewReader(src))
		if err != nil {
			b.Fatal(err)
		}
		copied, err := io.Copy(w, r)
		if err != nil {
			b.Fatal(err)
		}
		size += copied
		r.Close()
		if err := src.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path, size
}
