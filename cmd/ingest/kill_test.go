package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command is the command line as a process of its own.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), commandVariable+"=1")
	return cmd
}

// promised reads the files of a dataset that the promise of same bytes covers.
func promised(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, filepath.Join(dir, "run")+"/") {
			return err
		}
		b, err := os.ReadFile(name)
		files[strings.TrimPrefix(name, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func compare(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %s differs", what, name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d files, want %d", what, len(got), len(want))
	}
}

// committed gives inode and time of the shards that have a commit record.
func committed(t *testing.T, dir string) map[string]string {
	t.Helper()
	records, err := filepath.Glob(filepath.Join(dir, "run", "shards", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	state := map[string]string{}
	for _, record := range records {
		base := strings.TrimSuffix(filepath.Base(record), ".json")
		for _, suffix := range []string{".arrow", ".idx"} {
			name := filepath.Join(dir, "shards", base+suffix)
			info, err := os.Stat(name)
			if err != nil {
				continue // the commit of a lane without documents, or its last
			}
			state[name] = fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino, info.ModTime())
		}
	}
	return state
}

// TestKill kills runs at moments spread over the time of an undisturbed one, starts them again, and compares.
func TestKill(t *testing.T) {
	moments := []int{8, 16, 24}
	if os.Getenv("SHARDMILL_SOAK") != "" {
		moments = nil
		for k := 1; k <= 30; k++ {
			moments = append(moments, k)
		}
	}
	dir := t.TempDir()
	corpus(t, dir, 6, 400)
	args := func(out string) []string {
		return []string{"run", filepath.Join(dir, "recipe.yaml"), "--out", out, "--workers", "2", "--progress", "none"}
	}
	undisturbed := filepath.Join(dir, "undisturbed")
	start := time.Now()
	if out, err := command(args(undisturbed)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	took := time.Since(start)
	want := promised(t, undisturbed)
	if shards, err := filepath.Glob(filepath.Join(undisturbed, "shards", "*.arrow")); err != nil || len(shards) < 20 {
		t.Fatalf("%d shards, %v: want at least 20", len(shards), err)
	}
	killed := 0
	for _, k := range moments {
		what := fmt.Sprintf("killed at %d/31 of %v", k, took)
		out := filepath.Join(dir, fmt.Sprintf("killed-%d", k))
		cmd := command(args(out)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(took * time.Duration(k) / 31)
		_ = cmd.Process.Signal(syscall.SIGKILL) // it may have ended already
		if cmd.Wait() != nil {
			killed++
		}
		before := committed(t, out)
		if message, err := command(args(out)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: the run does not go on: %v\n%s", what, err, message)
		}
		compare(t, what, promised(t, out), want)
		after := committed(t, out)
		for name, state := range before {
			if after[name] != state {
				t.Errorf("%s: %s was committed and is written again", what, name)
			}
		}
		t.Logf("%s: %d files were committed", what, len(before))
	}
	if killed == 0 {
		t.Error("no run was killed before its end")
	}
}

// TestInterrupt sends SIGINT, after which the run ends by itself, and goes on.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	corpus(t, dir, 6, 400)
	out := filepath.Join(dir, "out")
	args := []string{"run", filepath.Join(dir, "recipe.yaml"), "--out", out, "--workers", "1", "--batch-bytes", "1"}
	cmd := command(args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if names, err := filepath.Glob(filepath.Join(out, "run", "dedup", "*.json")); err == nil && len(names) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(stderr.String(), "give the same command again to go on") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if message, err := command(args...).CombinedOutput(); err != nil {
		t.Errorf("the run does not go on: %v\n%s", err, message)
	}
	mustIngest(t, "", "verify", out)
}
