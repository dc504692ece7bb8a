// Package endtoend proves the promises of the two commands on the built binaries: same bytes, exactly once, a ledger that balances,
// bad input as data, bounded memory. The corpora are made here from seeds.
package endtoend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// bin builds a command once for each GOAMD64 and returns its path.
func bin(t testing.TB, command, goamd64 string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	path := filepath.Join(built.dir, goamd64, command)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.Command("go", "build", "-o", path, "../../cmd/"+command)
	cmd.Env = os.Environ()
	if goamd64 != "" {
		cmd.Env = append(cmd.Env, "GOAMD64="+goamd64)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return path
}

var built struct {
	sync.Mutex
	dir string
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "shardmill-endtoend-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// result is what came out of a command.
type result struct {
	stdout, stderr string
	code           int
	maxRSS         int64 // bytes
}

// run runs a command to its end.
func run(t testing.TB, name string, args ...string) result {
	t.Helper()
	return runInput(t, "", name, args...)
}

func runInput(t testing.TB, stdin, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", cmd, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), maxRSS(cmd.ProcessState)}
}

// must runs a command that has to succeed.
func must(t testing.TB, name string, args ...string) result {
	t.Helper()
	r := run(t, name, args...)
	if r.code != 0 {
		t.Fatalf("%s %s: exit %d\n%s%s", filepath.Base(name), strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

// writer makes documents of words from a Zipf-like vocabulary; lengths are log-normal.
type writer struct {
	rng   *rand.Rand
	words []string
}

func newWriter(seed uint64) *writer {
	w := &writer{rng: rand.New(rand.NewPCG(seed, 1))}
	syllables := strings.Fields("ba ke lo mi nu ra se ti vo wu cha dre fli gro pla sto é ü")
	for range 4000 {
		var word string
		for range 1 + w.rng.IntN(4) {
			word += syllables[w.rng.IntN(len(syllables))]
		}
		w.words = append(w.words, word)
	}
	return w
}

func (w *writer) text(length int) string {
	var b strings.Builder
	for b.Len() < length {
		rank := int(math.Exp(w.rng.Float64()*math.Log(float64(len(w.words))))) - 1
		b.WriteString(w.words[rank])
		if w.rng.IntN(12) == 0 {
			b.WriteString(".\n")
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// logNormal is a length with median and spread of web documents.
func (w *writer) logNormal() int {
	return int(math.Exp(math.Log(1500) + 0.9*w.rng.NormFloat64()))
}

// writeJSONL writes n documents.
func (w *writer) writeJSONL(t testing.TB, path string, n int) {
	t.Helper()
	var b bytes.Buffer
	for i := range n {
		line, err := json.Marshal(map[string]any{"id": fmt.Sprintf("%s-%d", filepath.Base(path), i), "text": w.text(w.logNormal())})
		if err != nil {
			t.Fatal(err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	write(t, path, b.String())
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// tokenizer trains a small tokenizer on a file.
func tokenizer(t testing.TB, dir, model, file string) string {
	t.Helper()
	out := filepath.Join(dir, model+".json")
	must(t, bin(t, "ingest", ""), "tokenizer", "train", "--model", model, "--vocab-size", "2000", "--out", out, file)
	return out
}

// dataset is the promise of same bytes: shards and manifest, by digest.
func dataset(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if rel == "run" {
				return filepath.SkipDir
			}
			return nil
		}
		files[rel], err = digest(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("%s holds no dataset", dir)
	}
	return files
}

// digest streams: the peak of memory that a child is said to have is at least that of the process that started it.
func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return fmt.Sprintf("%d bytes %x", n, sum.Sum(nil)), err
}

func compare(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Fatalf("%s: %s: got %q, want %q", what, name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d files, want %d", what, len(got), len(want))
	}
}

// summary is the part of `ingest inspect --json` that scripts rely on.
type summary struct {
	Documents, Tokens, Shards int64
	Ledger                    struct {
		Total   struct{ Read, Kept, Dropped, Quarantined int64 }
		Reasons map[string]int64
	}
}

func inspect(t testing.TB, dir string) summary {
	t.Helper()
	var s summary
	out := must(t, bin(t, "ingest", ""), "inspect", dir, "--json").stdout
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("inspect --json: %v\n%s", err, out)
	}
	if l := s.Ledger.Total; l.Read != l.Kept+l.Dropped+l.Quarantined {
		t.Errorf("the ledger does not balance: %+v", l)
	}
	return s
}

// quarantined is a line of quarantine/*.jsonl.
type quarantined struct {
	Source string
	Offset int64
	Reason string
}

func quarantine(t testing.TB, dir string) []quarantined {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "quarantine", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []quarantined
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			var q quarantined
			if err := json.Unmarshal([]byte(line), &q); err != nil {
				t.Fatalf("%s: %v: %s", file, err, line)
			}
			all = append(all, q)
		}
	}
	return all
}
