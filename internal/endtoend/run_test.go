package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/cpu"
)

// corpus makes four JSONL files and a recipe that cuts them into at least 4 lanes of at least 3 shards.
func corpus(t testing.TB, documents int) (recipe string) {
	t.Helper()
	dir := t.TempDir()
	w := newWriter(7)
	for i := range 4 {
		w.writeJSONL(t, filepath.Join(dir, "data", fmt.Sprintf("part-%d.jsonl", i)), documents)
	}
	tok := tokenizer(t, dir, "bpe", filepath.Join(dir, "data", "part-0.jsonl"))
	recipe = filepath.Join(dir, "recipe.yaml")
	write(t, recipe, fmt.Sprintf(`
sources:
  - name: made
    paths: [data]
stages:
  - clean: {}
  - length: {min_chars: 200}
  - dedup: {}
tokenizer:
  file: %s
shards: {held_out: 0.05}
`, filepath.Base(tok)))
	return recipe
}

func TestSameBytesForAnyWorkersBatchesAndBuild(t *testing.T) {
	recipe := corpus(t, 400)
	levels := []string{"v1"}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasBMI2 {
		levels = append(levels, "v3")
	}
	var want map[string]string
	for _, level := range levels {
		for _, workers := range []string{"1", "2", "8"} {
			for _, batch := range []string{"1", "1048576", "67108864"} {
				out := filepath.Join(t.TempDir(), "out")
				must(t, bin(t, "ingest", level), "run", recipe, "--out", out, "--workers", workers, "--batch-bytes", batch, "--progress", "none",
					"--set", "shards.tokens=20000", "--set", "lanes.bytes=400000")
				got := dataset(t, out)
				if want == nil {
					want = got
					if lanes, shards := shape(got); lanes < 4 || shards < 12 {
						t.Fatalf("%d lanes with 3 shards, %d shards in all: the test wants 4 × 3", lanes, shards)
					}
				}
				compare(t, "GOAMD64="+level+", workers "+workers+", batch "+batch, got, want)
			}
		}
	}
}

// shape counts the lanes that have at least three shards, and all shards.
func shape(files map[string]string) (lanes, shards int) {
	for name := range files {
		if !strings.HasSuffix(name, ".arrow") {
			continue
		}
		shards++
		if strings.HasSuffix(name, "-000002.arrow") {
			lanes++
		}
	}
	return lanes, shards
}

// identity is what must not change of a committed file.
type identity struct {
	inode uint64
	mtime time.Time
}

// committed lists the shards whose commits are there.
func committed(t testing.TB, out string) map[string]identity {
	t.Helper()
	files := make(map[string]identity)
	commits, err := filepath.Glob(filepath.Join(out, "run", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range commits {
		var commit struct{ Files []struct{ Path string } }
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(content, &commit); err != nil {
			continue // not a commit
		}
		for _, f := range commit.Files {
			if !strings.HasPrefix(f.Path, "shards/") {
				continue
			}
			info, err := os.Stat(filepath.Join(out, f.Path))
			if err != nil {
				t.Fatalf("%s is committed: %v", f.Path, err)
			}
			files[f.Path] = identity{info.Sys().(*syscall.Stat_t).Ino, info.ModTime()}
		}
	}
	return files
}

// A run killed at any of thirty moments ends, when it is started again, with the bytes of an undisturbed one, and does nothing twice.
func TestKillAndStartAgain(t *testing.T) {
	recipe := corpus(t, 3000)
	args := func(out string) []string {
		return []string{"run", recipe, "--out", out, "--workers", "2", "--progress", "none", "--set", "shards.tokens=150000", "--set", "lanes.bytes=3000000"}
	}
	ingest := bin(t, "ingest", "")
	out := filepath.Join(t.TempDir(), "out")
	start := time.Now()
	must(t, ingest, args(out)...)
	whole := time.Since(start)
	want := dataset(t, out)
	if _, shards := shape(want); shards < 20 {
		t.Fatalf("%d shards, want 20", shards)
	}
	moments, killed := 30, 0
	for k := 1; k <= moments; k++ {
		out := filepath.Join(t.TempDir(), "out")
		cmd := exec.Command(ingest, args(out)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(whole * time.Duration(k) / time.Duration(moments+1))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if cmd.Wait() != nil {
			killed++
		}
		before := committed(t, out)
		must(t, ingest, args(out)...)
		compare(t, fmt.Sprintf("killed at %d/%d", k, moments+1), dataset(t, out), want)
		after := committed(t, out)
		for name, id := range before {
			if after[name] != id {
				t.Errorf("killed at %d/%d: %s was committed and is another file now", k, moments+1, name)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(out, "run", "tmp", "*")); len(left) > 0 {
			t.Errorf("killed at %d/%d: %v was left", k, moments+1, left)
		}
	}
	if killed < moments/2 {
		t.Errorf("only %d of %d runs were still under way when they were killed", killed, moments)
	}
}

func TestInterruptSaysHowToGoOn(t *testing.T) {
	recipe := corpus(t, 3000)
	ingest := bin(t, "ingest", "")
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"run", recipe, "--out", out, "--workers", "2", "--progress", "plain", "--set", "shards.tokens=20000"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, ingest, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for len(committed(t, out)) == 0 && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit %d, want 1\n%s", code, stderr.String())
	}
	if !strings.Contains(stderr.String(), "again") {
		t.Errorf("it does not say how to go on:\n%s", stderr.String())
	}
	must(t, ingest, args...)
	whole := filepath.Join(t.TempDir(), "out")
	must(t, ingest, append([]string{"run", recipe, "--out", whole}, args[4:]...)...)
	compare(t, "interrupted", dataset(t, out), dataset(t, whole))
}

func TestAnotherRecipeIsRefused(t *testing.T) {
	recipe := corpus(t, 50)
	ingest := bin(t, "ingest", "")
	out := filepath.Join(t.TempDir(), "out")
	must(t, ingest, "run", recipe, "--out", out, "--progress", "none")
	if r := run(t, ingest, "run", recipe, "--out", out, "--progress", "none", "--set", "shards.tokens=5000"); r.code != 1 || !strings.Contains(r.stderr, "shards.tokens") {
		t.Errorf("exit %d: it does not say what differs: %s", r.code, r.stderr)
	}
	data := filepath.Join(filepath.Dir(recipe), "data", "part-2.jsonl")
	newWriter(9).writeJSONL(t, data, 50)
	if r := run(t, ingest, "run", recipe, "--out", out, "--progress", "none"); r.code != 1 || !strings.Contains(r.stderr, "part-2.jsonl") {
		t.Errorf("exit %d: it does not say that the input differs: %s", r.code, r.stderr)
	}
}

// No space left ends the run with exit 1 and without damage; with space, the run goes on.
func TestNoSpaceLeft(t *testing.T) {
	recipe := corpus(t, 1500)
	ingest := bin(t, "ingest", "")
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, 0) })
	args := []string{"run", recipe, "--out", filepath.Join(disk, "out"), "--progress", "none", "--set", "shards.tokens=40000", "--set", "lanes.bytes=2000000"}
	r := run(t, ingest, args...)
	if r.code != 1 || !strings.Contains(r.stderr, "no space left") {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=300m"); err != nil {
		t.Fatal(err)
	}
	must(t, ingest, args...)
	whole := filepath.Join(t.TempDir(), "out")
	args[3] = whole
	must(t, ingest, args...)
	compare(t, "after no space", dataset(t, filepath.Join(disk, "out")), dataset(t, whole))
}
