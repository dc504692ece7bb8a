package recipe

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

// small writes one file, a tokenizer, and returns the folder.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "data", "a.jsonl"), []byte("{\"text\":\"one\"}\n{\"text\":\"two\"}\n"))
	writeTokenizer(t, filepath.Join(dir, "tokenizer.json"))
	return dir
}

const smallRecipe = "sources: [{paths: [data]}]\nstages: [clean, dedup, {length: {min_chars: 2}}]\ntokenizer: {file: tokenizer.json}\n"

// TestFingerprint holds the fingerprint still: a change of it makes every dataset that exists one of something else. If that is meant, raise a version.
func TestFingerprint(t *testing.T) {
	dir := small(t)
	plan := compile(t, &Env{}, parse(t, dir, smallRecipe))
	base := plan.Fingerprint
	changed := func(override string) string {
		now := compile(t, &Env{}, parse(t, dir, smallRecipe, override))
		return difference(base, now.Fingerprint, canonical(plan), canonical(now))
	}
	var names []string
	for _, p := range base.Parts {
		names = append(names, p.Name)
	}
	if want := []string{"layout", "recipe", "stage 0: read", "stage 1: clean", "stage 2: dedup", "stage 3: length", "stage 4: tokenize",
		"tokenizer", "file input/a.jsonl", "lanes"}; !slices.Equal(names, want) {
		t.Errorf("parts %q, want %q", names, want)
	}
	const want = "00913f3fa855c2c53cf00ee6474186b70d2dccc05f3b6a6e16e7de47abe00f4a"
	if base.Digest != want {
		t.Errorf("the fingerprint of a fixed recipe is %s, was %s", base.Digest, want)
	}
	for _, set := range []string{"on_error.mode=fail", "on_error.limit=3", "tokenizer.file=" + filepath.Join(dir, ".", "tokenizer.json"), "lanes.bytes=256MiB",
		"sources.0.paths=[" + filepath.Join(dir, "data", "a.jsonl") + "]"} {
		if got := changed(set); got != "" {
			t.Errorf("%s changes the fingerprint: %s", set, got)
		}
	}
	for set, want := range map[string]string{
		"shards.tokens=5":                         "shards.tokens: 64M before, 5 now",
		"stages.length.max_chars=5":               "stages.2.length.max_chars: 0 before, 5 now",
		"limit=1":                                 "limit: 0 before, 1 now",
		"sources.0.format=text":                   "sources.0.format: nothing before, text now, file input/a.jsonl (changed), lanes (changed)",
		"sources.0.name=x":                        "sources.0.name: input before, x now, file x/a.jsonl (new), file input/a.jsonl (gone)",
		"tokenizer.end_of_document=<|endoftext|>": "tokenizer.end_of_document: nothing before, <|endoftext|> now",
		"stages=[clean, dedup]":                   "stages: [clean, dedup, length] before, [clean, dedup] now, stage 3: tokenize (new), stage 3: length (gone), stage 4: tokenize (gone)",
		"stages=[]":                               "stages: [clean, dedup, length] before, [] now, stage 1: tokenize (new), stage 1: clean (gone), stage 2: dedup (gone), stage 3: length (gone), and 1 more",
	} {
		if got := changed(set); got != want {
			t.Errorf("%s: got %s, want %s", set, got, want)
		}
	}
	if got := difference(schemas.Fingerprint{Parts: []schemas.FingerprintPart{{Name: recipePart}}}, schemas.Fingerprint{Parts: base.Parts[1:2]}, "", "{}"); got != "recipe (changed)" {
		t.Errorf("a recipe that can't be read: got %s", got)
	}
}

// TestMistakesBesideFiles: some mistakes of a recipe show only when its files are looked at. They have a place all the same.
func TestMistakesBesideFiles(t *testing.T) {
	dir := small(t)
	writeFile(t, filepath.Join(dir, "data", "table.parquet"), []byte("PAR1"))
	writeFile(t, filepath.Join(dir, "odd", "b.bin"), []byte("text"))
	const sources = "sources:\n  - paths: [data/*.jsonl]\n"
	for _, test := range []struct{ recipe, want string }{
		{sources, "r.yaml:1:1: tokenizer.file: name a tokenizer.json"},
		{sources + "tokenizer:\n  end_of_document: x", "r.yaml:4:3: tokenizer.file: name a tokenizer.json"},
		{sources + "tokenizer:\n  file: tokenizer.json\n  end_of_document: <end>",
			`r.yaml:5:20: tokenizer.end_of_document: "<end>" is no special token of the tokenizer; it has ["<|endoftext|>"]`},
		{"sources: [{paths: [data]}]\ntokenizer: {file: tokenizer.json}", "table.parquet: Parquet can't be read yet"},
		{"sources: [{name: a, paths: [data/a.jsonl]}, {name: b, paths: [odd]}]\ntokenizer: {file: tokenizer.json}",
			"r.yaml:1:45: sources.1.format: " + filepath.Join(dir, "odd", "b.bin") + ": the name does not tell the format: set format"},
	} {
		r, err := Parse([]byte(test.recipe), "r.yaml", dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Compile(t.Context(), &Env{}, r)
		if _, ok := errors.AsType[*Mistake](err); !ok || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestPasses(t *testing.T) {
	dir := small(t)
	plan := compile(t, &Env{}, parse(t, dir, smallRecipe, "stages=[dedup, clean, dedup, length]"))
	var got []string
	for _, s := range plan.Stages {
		got = append(got, plan.Passes[s.Pass].Name+"/"+s.Name)
	}
	if want := "dedup/read dedup-2/dedup dedup-2/clean shards/dedup shards/length shards/tokenize"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// Two reductions, one behind the other, in a run.
	out := t.TempDir()
	env := openEnv(t, out)
	writeFile(t, filepath.Join(dir, "data", "a.jsonl"), []byte(strings.Repeat("{\"text\":\"one\"}\n{\"text\":\"one \"}\n{\"text\":\"two\"}\n", 3)))
	if err := Run(t.Context(), env, compile(t, env, parse(t, dir, smallRecipe, "stages=[dedup, clean, dedup]"))); err != nil {
		t.Fatal(err)
	}
	const want = `{"documents":2,"tokens":8,"read":9,"kept":2,"dropped":7,"quarantined":0,"reasons":[` +
		`{"stage":"dedup","reason":"duplicate","kind":"drop","count":6},{"stage":"dedup","reason":"duplicate","kind":"drop","count":1}]}`
	if got := mustJSON(t, manifest(t, out).Totals); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMemorySplit(t *testing.T) {
	for _, env := range []Env{{}, {Workers: 1, MemoryBytes: 128 << 20}, {Workers: 64, MemoryBytes: 512 << 20}, {Workers: 8, MemoryBytes: 64 << 30},
		{Workers: 3, BatchBytes: 1}, {Workers: 2, BatchBytes: 1 << 30}} {
		m := env.split()
		total := env.MemoryBytes
		if total == 0 {
			total = DefaultMemoryBytes
		}
		if m.batch < 1 || m.worker < 1 || m.sort < 1 || m.credit < 1 {
			t.Errorf("%+v: something gets nothing: %+v", env, m)
		}
		if m.credit+m.worker*int64(max(env.Workers, 1)) > total/2 || m.sort > total/2 {
			t.Errorf("%+v: %+v is more than half of the memory", env, m)
		}
		if env.BatchBytes > 0 && m.batch != min(env.BatchBytes, total/4/batchFactor) {
			t.Errorf("%+v: batches of %d", env, m.batch)
		}
	}
}

// streamFS is storage that can't be read from any offset.
type streamFS struct{ fs.FS }

func (s streamFS) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if strings.HasSuffix(name, ".jsonl") {
		f = struct{ fs.File }{f}
	}
	return f, err
}

// Storage decides where big files are cut, and so which commits there are: a run does not go on with other lanes.
func TestLanesAreInTheFingerprint(t *testing.T) {
	dir := t.TempDir()
	writeTokenizer(t, filepath.Join(dir, "tokenizer.json"))
	writeFile(t, filepath.Join(dir, "data", "a.jsonl"), bytes.Repeat([]byte("{\"text\":\"some text\"}\n"), 2000))
	r := parse(t, dir, testRecipe)
	var plans []*schemas.Plan
	for _, storage := range []func(string) fs.FS{os.DirFS, func(root string) fs.FS { return streamFS{os.DirFS(root)} }} {
		plan, err := Compile(t.Context(), &Env{Storage: storage}, r)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, plan)
	}
	a, b := plans[0], plans[1]
	if len(a.Lanes) == len(b.Lanes) || a.Fingerprint.Digest == b.Fingerprint.Digest {
		t.Errorf("%d and %d lanes, fingerprints %s and %s", len(a.Lanes), len(b.Lanes), a.Fingerprint.Digest, b.Fingerprint.Digest)
	}
	if what := difference(a.Fingerprint, b.Fingerprint, canonical(a), canonical(b)); what != "lanes (changed)" {
		t.Errorf("what differs: %s", what)
	}
}
