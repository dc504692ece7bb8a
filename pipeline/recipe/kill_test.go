package recipe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/shardmill/shardmill/pipeline"
)

// failpoint is a moment at which a process is killed: at the Nth time, from 0, that an operation is done for a file.
type failpoint struct {
	Op    string // create, write, sync, link or syncdir
	File  string // part of the file's name
	After bool   // behind the operation, not before it
	N     int
}

func (p failpoint) String() string {
	when := "before"
	if p.After {
		when = "after"
	}
	return fmt.Sprintf("%s %s of %s %d", when, p.Op, p.File, p.N)
}

// killFS is the file system of the machine, up to the failpoint.
type killFS struct {
	pipeline.OSFS
	at failpoint

	mu     sync.Mutex
	seen   int
	linked string // a folder that has a new name for the file of the failpoint, and is not synced yet
}

// do does an operation for a file, whose name is a path of the dataset or that of an upload.
func (k *killFS) do(op, name string, f func() error) error {
	k.mu.Lock()
	hit := false
	if op == k.at.Op && strings.Contains(strings.ReplaceAll(name, "/", "-"), k.at.File) {
		hit = k.seen == k.at.N
		k.seen++
	}
	k.mu.Unlock()
	if hit && !k.at.After {
		die()
	}
	err := f()
	if hit && k.at.After {
		die()
	}
	return err
}

// die ends the process as a power switch would, and does not return.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // it can't fail for the own process
	select {}
}

func (k *killFS) Create(name string) (file pipeline.FSFile, err error) {
	err = k.do("create", name, func() (err error) {
		file, err = k.OSFS.Create(name)
		return err
	})
	return killFile{file, k, name}, err
}

func (k *killFS) Link(from, to string) error {
	return k.do("link", to, func() error {
		err := k.OSFS.Link(from, to)
		if strings.Contains(strings.ReplaceAll(to, "/", "-"), k.at.File) {
			k.mu.Lock()
			k.linked = to
			k.mu.Unlock()
		}
		return err
	})
}

func (k *killFS) SyncDir(name string) error {
	k.mu.Lock()
	file := name
	if filepath.Dir(k.linked) == name {
		file, k.linked = k.linked, ""
	}
	k.mu.Unlock()
	return k.do("syncdir", file, func() error { return k.OSFS.SyncDir(name) })
}

type killFile struct {
	pipeline.FSFile
	k    *killFS
	name string
}

func (f killFile) Write(p []byte) (n int, err error) {
	err = f.k.do("write", f.name, func() (err error) {
		n, err = f.FSFile.Write(p)
		return err
	})
	return n, err
}

func (f killFile) Sync() error { return f.k.do("sync", f.name, f.FSFile.Sync) }

// runKilled runs a plan on a file system that kills this process.
func runKilled(ctx context.Context, u unit) error {
	content, err := os.ReadFile(u.Plan)
	if err != nil {
		return err
	}
	plan, err := decodePlan(content)
	if err != nil {
		return err
	}
	store := pipeline.NewDirStore(&killFS{at: u.At}, u.Dir, filepath.Join(u.Dir, "run", "tmp", "killed"))
	if err := Run(ctx, &Env{Store: store, Workers: u.Workers}, plan); err != nil {
		return err
	}
	return errors.New("the run has ended without being killed")
}

// published lists inode and time of the files that have their names.
func published(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, glob := range []string{"*.json*", "*/*.*", "run/*/*.*"} {
		names, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino, info.ModTime())
		}
	}
	return out
}

// TestKillAtEachFailpoint kills a run before or after each operation on a file of each kind. A run in the same folder then ends with the bytes of
// an undisturbed one, and does not make again what was there.
func TestKillAtEachFailpoint(t *testing.T) {
	dir := t.TempDir()
	for f := range 3 {
		var b strings.Builder
		for i := range 60 {
			fmt.Fprintf(&b, "{\"id\":\"%d-%d\",\"text\":\"document %d of some\"}\n", f, i, (f+1)*i%90)
		}
		b.WriteString("{cut\n")
		writeFile(t, filepath.Join(dir, "data", fmt.Sprintf("%d.jsonl", f)), []byte(b.String()))
	}
	writeTokenizer(t, filepath.Join(dir, "tokenizer.json"))
	r := parse(t, dir, testRecipe, "lanes.bytes=3000", "shards.tokens=500")
	env := openEnv(t, filepath.Join(dir, "undisturbed"))
	plan := compile(t, env, r)
	if err := Run(t.Context(), env, plan); err != nil {
		t.Fatal(err)
	}
	want := contents(t, filepath.Join(dir, "undisturbed"))
	content, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	planCopy := filepath.Join(dir, "plan.json")
	writeFile(t, planCopy, content)

	kill := func(t *testing.T, at failpoint) {
		t.Parallel()
		out := t.TempDir()
		work, err := json.Marshal(unit{Dir: out, Do: "killed", Workers: 2, Plan: planCopy, At: at})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), unitVariable+"="+string(work))
		message, err := cmd.CombinedOutput()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("the run was not killed: %v\n%s", err, message)
		}
		before := published(t, out)
		store, done, err := pipeline.OpenDir(out)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(Run(t.Context(), &Env{Store: store, Workers: 2}, plan), done()); err != nil {
			t.Fatal(err)
		}
		sameContents(t, contents(t, out), want)
		after := published(t, out)
		for name, state := range before {
			if now, ok := after[name]; ok && now != state {
				t.Errorf("%s was there and is written again", name)
			}
		}
		if left, err := os.ReadDir(filepath.Join(out, "run", "tmp")); err != nil || len(left) > 0 {
			t.Errorf("%d temporary files are left, %v", len(left), err)
		}
	}
	files := []struct {
		part string
		n    int
	}{{".arrow", 3}, {".idx", 3}, {"run-shards-00000-000001.json", 0}, {"run-dedup-00001-000000.json", 0}, {".spill", 1}, {".keys", 1},
		{".verdicts", 0}, {"quarantine-00001.jsonl", 0}, {"ledger.jsonl", 0}, {"manifest.json", 0}, {"plan.json", 0}, {"tokenizer.json", 0}}
	soak := os.Getenv("SHARDMILL_SOAK") != ""
	for f, file := range files {
		for o, op := range []string{"create", "write", "sync", "link", "syncdir"} {
			for _, after := range []bool{false, true} {
				// Behind one operation is mostly before the next: half of the moments are enough for every day.
				if at := (failpoint{op, file.part, after, file.n}); soak || after == ((f+o)%2 == 0) {
					t.Run(at.String(), func(t *testing.T) { kill(t, at) })
				}
			}
		}
	}
}
