package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
)

// ingest runs a command line in this process.
func ingest(t testing.TB, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

func mustIngest(t testing.TB, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := ingest(t, stdin, args...)
	if code != exitDone {
		t.Fatalf("ingest %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout, stderr
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// words makes text that compresses as text does.
func words(rng *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		for range 1 + rng.IntN(3) {
			b.WriteString([]string{"ra", "li", "tho", "en", "sta", "mo", "ki", "ur", "vel", "is"}[rng.IntN(10)])
		}
		b.WriteString([]string{" ", " ", " ", ", ", ". ", "\n"}[rng.IntN(6)])
	}
	return b.String()
}

// corpus writes JSON lines with bad ones among them, and a tokenizer trained on them.
func corpus(t testing.TB, dir string, files, documents int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	for f := range files {
		var b strings.Builder
		for i := range documents {
			if i%50 == 49 {
				b.WriteString("{\"id\": \"cut\", \"te\n")
				continue
			}
			line, err := json.Marshal(map[string]string{"id": fmt.Sprintf("%d-%d", f, i), "text": words(rng, 5+rng.IntN(150))})
			if err != nil {
				t.Fatal(err)
			}
			b.Write(line)
			b.WriteByte('\n')
		}
		writeFile(t, filepath.Join(dir, "data", fmt.Sprintf("%02d.jsonl", f)), b.String())
	}
	mustIngest(t, "", "tokenizer", "train", "--model", "bpe", "--vocab-size", "400", "--out", filepath.Join(dir, "tokenizer.json"),
		filepath.Join(dir, "data", "00.jsonl"))
	writeFile(t, filepath.Join(dir, "recipe.yaml"), `
sources: [{name: test, paths: [data]}]
stages: [{clean: {}}, {dedup: {}}]
tokenizer: {file: tokenizer.json}
lanes: {bytes: 100k}
shards: {tokens: 6k, held_out: 0.1}
`)
}

func TestDataset(t *testing.T) {
	dir := t.TempDir()
	corpus(t, dir, 3, 400)
	out := filepath.Join(dir, "out")
	_, progress := mustIngest(t, "", "run", filepath.Join(dir, "recipe.yaml"), "--out", out, "--workers", "2")
	for _, want := range []string{"pass 1/2 dedup: 100 %, 1200 records", "pass 2/2 shards: 100 %", "1200 records read = 1176 kept + 0 dropped + 24 quarantined"} {
		if !strings.Contains(progress, want) {
			t.Errorf("progress lacks %q:\n%s", want, progress)
		}
	}
	if stdout, _ := mustIngest(t, "", "verify", out); !strings.Contains(stdout, "all is as it should be") {
		t.Errorf("verify prints %q", stdout)
	}
	stdout, _ := mustIngest(t, "", "inspect", out, "--json")
	var in inspection
	if err := json.Unmarshal([]byte(stdout), &in); err != nil {
		t.Fatal(err)
	}
	if want := (inspectionTotal{1200, 1176, 0, 24}); in.Documents != 1176 || in.Shards < 12 || in.Ledger.Total != want || in.Ledger.Reasons["read/invalid-json"] != 24 {
		t.Errorf("inspect prints %s", stdout)
	}
	if stdout, _ := mustIngest(t, "", "inspect", out); !strings.Contains(stdout, "documents    1176\n") || !strings.Contains(stdout, "read: invalid-json") {
		t.Errorf("inspect prints %s", stdout)
	}
	stdout, _ = mustIngest(t, "", "cat", out, "--limit", "2")
	first := readLine(t, filepath.Join(dir, "data", "00.jsonl"))
	var line catLine
	if err := json.Unmarshal([]byte(strings.SplitN(stdout, "\n", 2)[0]), &line); err != nil {
		t.Fatal(err)
	}
	if strings.Count(stdout, "\n") != 2 || !strings.HasPrefix(line.Source, "test/") || line.Offset != 0 || line.ID != "0-0" || line.Text != strings.TrimSpace(cleaned(first)) {
		t.Errorf("cat prints %swant %q first", stdout, first)
	}
	all, _ := mustIngest(t, "", "cat", out)
	held, _ := mustIngest(t, "", "cat", out, "--split", "held-out")
	if n, m := strings.Count(all, "\n"), strings.Count(held, "\n"); n != 1176 || m < 60 || m > 180 {
		t.Errorf("%d documents, %d of them held out", n, m)
	}

	// One byte of a shard: verify says which file.
	shard := filepath.Join(out, "shards", "00000-000000.arrow")
	b, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	writeFile(t, shard, string(b))
	if err := os.Remove(filepath.Join(out, "shards", "00001-000000.idx")); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := ingest(t, "", "verify", out)
	if code != exitFailed || !strings.Contains(stdout, "BAD shards/00000-000000.arrow: SHA-256 is") ||
		!strings.Contains(stdout, "BAD shards/00001-000000.idx: no such file") || !strings.Contains(stderr, ": 2 of ") {
		t.Errorf("verify of a damaged dataset: exit code %d, %s%s", code, stdout, stderr)
	}
	for _, name := range []string{"00000-000000", "00001-000000"} {
		if n := strings.Count(stdout+stderr, name); n != 1 {
			t.Errorf("%s is named %d times:\n%s%s", name, n, stdout, stderr)
		}
	}
}

func readLine(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	var d struct{ Text string }
	if err := json.Unmarshal(line, &d); err != nil {
		t.Fatal(err)
	}
	return d.Text
}

// TestNothingKept says so, with the reasons, whatever progress is asked for.
func TestNothingKept(t *testing.T) {
	dir := t.TempDir()
	corpus(t, dir, 1, 60)
	for _, mode := range []string{"plain", "none"} {
		out := filepath.Join(dir, mode)
		_, stderr := mustIngest(t, "", "run", filepath.Join(dir, "recipe.yaml"), "--set", "sources=[{name: test, paths: [data], text: content}]",
			"--out", out, "--progress", mode)
		for _, want := range []string{"Nothing was kept", "59  read: missing-text", "1  read: invalid-json", "0 documents, 0 tokens, 0 shards; 60 records read"} {
			if !strings.Contains(stderr, want) {
				t.Errorf("--progress %s lacks %q:\n%s", mode, want, stderr)
			}
		}
		mustIngest(t, "", "verify", out)
	}
}

// cleaned does what the clean stage does to the words of this test.
func cleaned(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(slices.CompactFunc(lines, func(a, b string) bool { return a == "" && b == "" }), "\n")
}

func TestRunFiles(t *testing.T) {
	dir := t.TempDir()
	corpus(t, dir, 1, 60)
	writeFile(t, filepath.Join(dir, "a.txt"), "Some plain text.\r\n")
	out := filepath.Join(dir, "out")
	recipe, stderr := mustIngest(t, "", "run", "--tokenizer", filepath.Join(dir, "tokenizer.json"), "--out", out, "--progress", "json", "--limit", "50",
		filepath.Join(dir, "data", "00.jsonl"), filepath.Join(dir, "a.txt"))
	for line := range strings.Lines(stderr) {
		if !json.Valid([]byte(line)) {
			t.Errorf("progress line %q is no JSON", line)
		}
	}
	// The recipe that it prints makes the same dataset.
	writeFile(t, filepath.Join(dir, "printed.yaml"), recipe)
	again := filepath.Join(dir, "again")
	if _, stderr := mustIngest(t, "", "run", filepath.Join(dir, "printed.yaml"), "--out", again, "--progress", "none"); strings.Contains(stderr, "pass") {
		t.Errorf("progress none prints %q", stderr)
	}
	for _, name := range []string{"manifest.json", "shards/00000-000000.arrow"} {
		a, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(again, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs", name)
		}
	}
	// So is each line of a run that fails.
	for _, args := range [][]string{{filepath.Join(dir, "nothing.yaml")}, {filepath.Join(dir, "recipe.yaml"), "--set", "on_error.mode=fail"}} {
		code, _, stderr := ingest(t, "", append([]string{"run", "--progress", "json", "--out", filepath.Join(dir, "fails")}, args...)...)
		if code == exitDone || !strings.Contains(stderr, `{"error":`) {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
		for line := range strings.Lines(stderr) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%v: %q is no JSON", args, line)
			}
		}
	}
	// An interrupted run says how to go on.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, errs bytes.Buffer
	code := run(ctx, []string{"run", filepath.Join(dir, "recipe.yaml"), "--out", filepath.Join(dir, "third")}, strings.NewReader(""), &stdout, &errs)
	if code != exitFailed || !strings.Contains(errs.String(), "to go on") {
		t.Errorf("interrupted: exit code %d, %s", code, errs.String())
	}
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	corpus(t, dir, 1, 60)
	recipe := filepath.Join(dir, "recipe.yaml")
	out := filepath.Join(dir, "out")
	writeFile(t, filepath.Join(dir, "tokenizer.model"), "no text")
	writeFile(t, filepath.Join(dir, "bad.yaml"), "sources: [{paths: [data]}]\nshard: {}\n")
	writeFile(t, filepath.Join(dir, "none.yaml"), "sources: [{paths: [nothing/*.jsonl]}]\ntokenizer: {file: tokenizer.json}\n")
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "ingest reads JSON lines"},
		{"tokenizer", exitUsage, "Works with tokenizer.json files"},
		{"tokenizer trian", exitUsage, `unknown command "trian" for "ingest tokenizer"`},
		{"help", exitDone, "Exit codes"},
		{"run --help", exitDone, "Exit codes"},
		{"plan --help", exitDone, "Exit codes"},
		{"verify --help", exitDone, "Exit codes"},
		{"inspect --help", exitDone, "Exit codes"},
		{"cat --help", exitDone, "Exit codes"},
		{"tokenizer encode --help", exitDone, "Exit codes"},
		{"tokenizer train --help", exitDone, "Exit codes"},
		{"rum", exitUsage, `unknown command "rum"`},
		{"run", exitUsage, "want one recipe"},
		{"run --tokenizer x y", exitUsage, "name the dataset folder"},
		{"run --out " + out, exitUsage, "want one recipe"},
		{"run --outt x", exitUsage, "unknown flag: --outt"},
		{"run " + recipe + " --workers many", exitUsage, "invalid argument"},
		{"run " + recipe + " --workers 0 --out " + out, exitUsage, "--workers 0"},
		{"run " + recipe + " --workers 1000000 --out " + out, exitUsage, "--workers 1000000"},
		{"run " + recipe + " --memory 1M --out " + out, exitUsage, "--memory 1M"},
		{"run " + recipe + " --memory lots --out " + out, exitUsage, "--memory lots"},
		{"run " + recipe + " --batch-bytes -1 --out " + out, exitUsage, "--batch-bytes -1"},
		{"run " + recipe + " --progress bars --out " + out, exitUsage, "--progress bars"},
		{"run " + recipe + " --limit -1 --out " + out, exitUsage, "limit: -1"},
		{"run " + recipe + " --limit 5 --set limit=6 --out " + out, exitUsage, "give one of them"},
		{"plan " + recipe + " --set limit=6 --json", exitDone, `\"limit\":6`},
		{"run " + recipe + " --set shards.tokns=1 --out " + out, exitUsage, "did you mean tokens?"},
		{"run " + filepath.Join(dir, "bad.yaml"), exitUsage, "bad.yaml:2:1: shard: unknown field; did you mean shards?"},
		{"run " + filepath.Join(dir, "none.yaml") + " --out " + out, exitFailed, "nothing/*.jsonl"},
		{"run " + recipe + " --set tokenizer= --out " + out, exitUsage, "--set tokenizer=: tokenizer.file: name a tokenizer.json"},
		{"run " + recipe + " --set tokenizer.end_of_document=x --out " + out, exitUsage, `"x" is no special token of the tokenizer; it has [`},
		{"run " + recipe + " --set sources.0.paths=[tokenizer.model] --out " + out, exitUsage, "recipe.yaml:2:11: sources.0.format: "},
		{"run --tokenizer x --out " + out + " " + recipe, exitUsage, "--set tokenizer.file=x instead"},
		{"run --tokenizer " + recipe + " --out " + out + " " + filepath.Join(dir, "data"), exitFailed, "load tokenizer"},
		{"run " + recipe + " --out " + dir, exitUsage, "it holds tokenizer.json"},
		{"plan " + recipe, exitDone, "# pass 1, dedup: read, clean; then a reduction in 1 part\n"},
		{"plan " + recipe + " --json", exitDone, `"fingerprint"`},
		{"verify", exitUsage, "want one dataset folder, not 0"},
		{"verify " + dir, exitFailed, "manifest.json"},
		{"inspect " + dir, exitFailed, "manifest.json"},
		{"cat " + dir, exitFailed, "manifest.json"},
		{"cat " + dir + " --split test", exitUsage, "held-out"},
		{"tokenizer encode", exitUsage, "--tokenizer"},
		{"tokenizer encode --tokenizer " + recipe, exitFailed, ""},
		{"tokenizer train --model trigram --out x y", exitUsage, "--model"},
		{"tokenizer train --model bpe y", exitUsage, "--out"},
		{"tokenizer train --model bpe --out x", exitUsage, "file"},
		{"tokenizer train --model bpe --out " + out + " " + filepath.Join(dir, "nothing.txt"), exitFailed, "nothing.txt"},
	} {
		code, stdout, stderr := ingest(t, "", strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("ingest %s: exit code %d, want %d with %q\n%s%s", test.args, code, test.code, test.want, stdout, stderr)
		}
		if code != exitDone && stderr == "" {
			t.Errorf("ingest %s: fails without a word", test.args)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "recipe.dataset")); err == nil {
		t.Error("a run with wrong usage has made a folder")
	}
}

// TestOtherRun: a folder that holds another run is named, with what differs; giving the same command again would not help.
func TestOtherRun(t *testing.T) {
	dir := t.TempDir()
	corpus(t, dir, 1, 60)
	recipe, out := filepath.Join(dir, "recipe.yaml"), filepath.Join(dir, "out")
	mustIngest(t, "", "run", recipe, "--out", out)
	for set, want := range map[string]string{
		"shards.tokens=5k":         "shards.tokens: 6k before, 5k now",
		"stages.clean.normalize=x": "stages.0: ",
		"stages=[clean]":           "stages: [clean, dedup] before, [clean] now",
	} {
		code, _, stderr := ingest(t, "", "run", recipe, "--out", out, "--progress", "none", "--set", set)
		if code == exitDone || !strings.Contains(stderr, want) || strings.Contains(stderr, "command again") {
			t.Errorf("%s: exit code %d, %s", set, code, stderr)
		}
		if code == exitFailed && !strings.Contains(stderr, "--out "+out+": the folder holds a run of something else") {
			t.Errorf("%s: the folder is not named: %s", set, stderr)
		}
	}
}

// full is a file system without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestOutputLost: what can't be printed is a failure, whichever command prints it.
func TestOutputLost(t *testing.T) {
	dir := t.TempDir()
	corpus(t, dir, 1, 60)
	recipe, out, tok := filepath.Join(dir, "recipe.yaml"), filepath.Join(dir, "out"), filepath.Join(dir, "tokenizer.json")
	mustIngest(t, "", "run", recipe, "--out", out)
	for _, args := range [][]string{
		{"help"}, {"plan", recipe}, {"plan", recipe, "--json"}, {"verify", out}, {"inspect", out}, {"inspect", out, "--json"}, {"cat", out},
		{"tokenizer", "encode", "--tokenizer", tok},
	} {
		var stderr strings.Builder
		code := run(t.Context(), args, strings.NewReader("text\n"), full{}, &stderr)
		if code != exitFailed || strings.Count(stderr.String(), syscall.ENOSPC.Error()) != 1 {
			t.Errorf("%v: exit code %d, %s", args, code, stderr.String())
		}
	}
}

func TestEncode(t *testing.T) {
	gpt2 := realdata.Path(t, "tokenizers/gpt2/tokenizer.json")
	stdout, _ := mustIngest(t, "{\"text\": \"h\\u00e9llo <|endoftext|>\\ud83d\\ude00\"}\n{\"text\": \"\"}\n", "tokenizer", "encode", "--tokenizer", gpt2, "--json")
	const want = `{"ids":[71,2634,18798,220,50256,47249,222],"offsets":[[0,1],[1,2],[2,5],[5,6],[6,19],[19,20],[19,20]]}` + "\n" + `{"ids":[],"offsets":[]}` + "\n"
	if stdout != want {
		t.Errorf("got  %swant %s", stdout, want)
	}
	if stdout, _ := mustIngest(t, "hello world\n", "tokenizer", "encode", "--tokenizer", gpt2); stdout != "[31373 995]\n" {
		t.Errorf("got %s", stdout)
	}
	for _, line := range []string{"[]", "{}", `{"text": 1}`, "{"} {
		if code, _, stderr := ingest(t, "{\"text\": \"x\"}\n"+line+"\n", "tokenizer", "encode", "--tokenizer", gpt2, "--json"); code != exitFailed || !strings.Contains(stderr, "line 2") {
			t.Errorf("%s: exit code %d, %s", line, code, stderr)
		}
	}
}
