package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/shardmill/shardmill/internal/realdata"
)

// soak skips a test that takes minutes, unless SHARDMILL_SOAK is set.
func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("SHARDMILL_SOAK") == "" {
		t.Skip("it takes minutes: make soak runs it")
	}
}

// TestSoakMemory holds the peak of resident memory under --memory 512M, whatever the number of workers, on 3 GB of documents of log-normal
// length with sixteen of 8 MB among them. SHARDMILL_SOAK_BYTES sets another size.
func TestSoakMemory(t *testing.T) {
	soak(t)
	gpt2 := realdata.Path(t, "tokenizers/gpt2/tokenizer.json")
	size := int64(3e9)
	if text := os.Getenv("SHARDMILL_SOAK_BYTES"); text != "" {
		var err error
		if size, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	// Eight files are eight lanes, each with a decompressor and a shard of its own.
	const files = 8
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	var documents int64
	for i := range files {
		n, err := writeLogNormal(filepath.Join(dir, "data", fmt.Sprintf("%d.jsonl.zst", i)), uint64(i), size/files)
		if err != nil {
			t.Fatal(err)
		}
		documents += n
	}
	for _, stages := range []string{"[clean]", "[clean, dedup]"} {
		writeFile(t, filepath.Join(dir, "recipe.yaml"), fmt.Sprintf("sources: [{paths: [data]}]\nstages: %s\ntokenizer: {file: %s}\nlanes: {bytes: 1MiB}\n", stages, gpt2))
		for _, workers := range []int{2, 8} {
			out := filepath.Join(dir, "out")
			cmd := command("run", filepath.Join(dir, "recipe.yaml"), "--out", out, "--memory", "512M", "--workers", strconv.Itoa(workers))
			cmd.Stderr = os.Stderr
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
			t.Logf("%d workers, stages %s: peak of %d MB, %v of CPU time", workers, stages, peak>>20, cmd.ProcessState.UserTime())
			if peak > 512e6 {
				t.Errorf("%d workers, stages %s: peak of %d bytes, more than 512 MB", workers, stages, peak)
			}
			stdout, _ := mustIngest(t, "", "inspect", out, "--json")
			var in inspection
			if err := json.Unmarshal([]byte(stdout), &in); err != nil {
				t.Fatal(err)
			}
			if in.Ledger.Total.Read != documents || in.Documents != in.Ledger.Total.Kept || in.Documents < documents*9/10 {
				t.Errorf("%d documents of %d: %+v", in.Documents, documents, in.Ledger)
			}
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// writeLogNormal writes JSON lines of about size bytes and returns their number.
func writeLogNormal(path string, seed uint64, size int64) (documents int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	w := bufio.NewWriterSize(z, 1<<20)
	defer func() { err = errors.Join(err, w.Flush()) }()
	rng := rand.New(rand.NewPCG(11, seed))
	text := words(rng, 1_500_000) // documents are cut from it
	const large = 8_000_000
	next := size / 4
	for written := int64(0); written < size; documents++ {
		n := int(min(math.Exp(7+1.2*rng.NormFloat64()), 1e6)) + 1
		if written >= next {
			n, next = large, next+size/2
		}
		from := rng.IntN(len(text) - n)
		line, err := json.Marshal(map[string]string{"id": strconv.FormatInt(documents, 10), "text": text[from : from+n]})
		if err != nil {
			return 0, err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return 0, err
		}
		written += int64(len(line)) + 1
	}
	return documents, nil
}

// TestSoakInstructionSets holds that programs built for the oldest and for newer processors write the same bytes.
func TestSoakInstructionSets(t *testing.T) {
	soak(t)
	dir := t.TempDir()
	corpus(t, dir, 4, 400)
	var want map[string]string
	for _, level := range []string{"v1", "v3"} {
		program := filepath.Join(dir, "ingest-"+level)
		build := exec.Command("go", "build", "-o", program, ".")
		build.Env = append(os.Environ(), "GOAMD64="+level)
		if message, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, message)
		}
		out := filepath.Join(dir, "out-"+level)
		if message, err := exec.Command(program, "run", filepath.Join(dir, "recipe.yaml"), "--out", out).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", level, err, message)
		}
		got := promised(t, out)
		if want == nil {
			want = got
		}
		compare(t, level, got, want)
	}
}
