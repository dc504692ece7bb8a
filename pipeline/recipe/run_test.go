package recipe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

// writeTokenizer writes a byte-level tokenizer without merges: one id for each byte, and <|endoftext|>.
func writeTokenizer(t testing.TB, path string) {
	t.Helper()
	vocab := map[string]int{}
	next := rune(256)
	for b := range 256 {
		// GPT-2 stands for bytes by printable characters: themselves where they are, else the next from U+0100 on.
		r := rune(b)
		if b <= ' ' || b >= 0x7f && b <= 0xa0 || b == 0xad {
			r = next
			next++
		}
		vocab[string(r)] = b
	}
	vocab["<|endoftext|>"] = 256
	file := map[string]any{
		"version": "1.0",
		"added_tokens": []any{map[string]any{"id": 256, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
			"normalized": false, "special": true}},
		"normalizer":     nil,
		"pre_tokenizer":  map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
		"post_processor": nil,
		"decoder":        map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
		"model":          map[string]any{"type": "BPE", "vocab": vocab, "merges": []string{}},
	}
	content, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, content)
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// document is a line of the test corpus.
type document struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// writeCorpus writes four files with texts that repeat, blank and short ones, and records that are no documents.
func writeCorpus(t testing.TB, dir string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for f := range 4 {
		var b bytes.Buffer
		for i := range 400 {
			switch rng.IntN(20) {
			case 0:
				b.WriteString("{not json\n")
			case 1:
				b.WriteString("{\"id\":\"blank\",\"text\":\" \\n\"}\n\n")
			case 2:
				b.WriteString("{\"id\":\"short\",\"text\":\"x\"}\r\n")
			default:
				line, err := json.Marshal(document{fmt.Sprintf("%d-%d", f, i),
					strings.Repeat(fmt.Sprintf("Document %d says so.\r\n", rng.IntN(500)), 1+rng.IntN(3))})
				if err != nil {
					t.Fatal(err)
				}
				b.Write(append(line, '\n'))
			}
		}
		if f == 3 {
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			if _, err := w.Write(b.Bytes()); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "data", fmt.Sprintf("%d.jsonl.gz", f)), z.Bytes())
			continue
		}
		writeFile(t, filepath.Join(dir, "data", fmt.Sprintf("%d.jsonl", f)), b.Bytes())
	}
	writeFile(t, filepath.Join(dir, "data", "page.html"), []byte("<nav>menu</nav><article><p>"+strings.Repeat("A page, with text. ", 40)+"</article>"))
}

const testRecipe = `
sources: [{name: web, paths: [data]}]
stages: [html, clean, {length: {min_chars: 2}}, dedup]
tokenizer: {file: tokenizer.json}
lanes: {bytes: 16KiB}
shards: {tokens: 5k, held_out: 0.2}
`

// setUp writes corpus, tokenizer and recipe into a folder.
func setUp(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	writeCorpus(t, dir)
	writeTokenizer(t, filepath.Join(dir, "tokenizer.json"))
	return dir
}

func parse(t testing.TB, dir, text string, overrides ...string) *Recipe {
	t.Helper()
	r, err := Parse([]byte(text), "test.yaml", dir, overrides...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func openEnv(t testing.TB, out string) *Env {
	t.Helper()
	store, done, err := pipeline.OpenDir(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	})
	return &Env{Store: store, TempDir: t.TempDir(), Workers: 2}
}

func compile(t testing.TB, env *Env, r *Recipe) *schemas.Plan {
	t.Helper()
	plan, err := Compile(t.Context(), env, r)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// contents reads what the promise of same bytes covers.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "run/") {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameContents(t testing.TB, got, want map[string]string) {
	t.Helper()
	if len(got) == 0 {
		t.Error("nothing to compare")
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is there and should not be", name)
		}
	}
}

func manifest(t testing.TB, dir string) *schemas.Manifest {
	t.Helper()
	d, err := shards.OpenDataset(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return d.Manifest()
}

// expected counts what the recipe does to the corpus, in plain code.
func expected(t *testing.T, dir string) (read, quarantined, empty, short, duplicates int64, texts map[string]bool) {
	t.Helper()
	texts = map[string]bool{}
	for f := range 4 {
		b, err := os.ReadFile(filepath.Join(dir, "data", fmt.Sprintf("%d.jsonl", f)))
		if f == 3 {
			b, err = gunzip(filepath.Join(dir, "data", "3.jsonl.gz"))
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		for lines.Scan() {
			if strings.TrimSpace(lines.Text()) == "" {
				continue
			}
			read++
			var d document
			if json.Unmarshal(lines.Bytes(), &d) != nil {
				quarantined++
				continue
			}
			text := strings.TrimSpace(strings.ReplaceAll(d.Text, "\r\n", "\n"))
			switch {
			case text == "":
				empty++
			case len(text) < 2:
				short++
			case texts[text]:
				duplicates++
			default:
				texts[text] = true
			}
		}
	}
	texts[strings.TrimSpace(strings.Repeat("A page, with text. ", 40))] = true
	return read + 1, quarantined, empty, short, duplicates, texts
}

func gunzip(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err = out.ReadFrom(z)
	return out.Bytes(), err
}

func TestRun(t *testing.T) {
	dir := setUp(t)
	r := parse(t, dir, testRecipe)
	first := filepath.Join(dir, "first")
	env := openEnv(t, first)
	plan := compile(t, env, r)
	if len(plan.Lanes) < 4 || len(plan.Passes) != 2 {
		t.Fatalf("%d lanes, %d passes: too few to test with", len(plan.Lanes), len(plan.Passes))
	}
	if err := Run(t.Context(), env, plan); err != nil {
		t.Fatal(err)
	}
	if err := shards.Verify(t.Context(), first, nil); err != nil {
		t.Error(err)
	}
	checkDocuments(t, dir, first)
	if left, err := filepath.Glob(filepath.Join(first, "run", "dedup", "*.spill")); err != nil || len(left) > 0 {
		t.Errorf("intermediate files are left: %v %v", left, err)
	}
	want := contents(t, first)

	t.Run("again", func(t *testing.T) {
		if err := Run(t.Context(), env, plan); err != nil {
			t.Fatal(err)
		}
		sameContents(t, contents(t, first), want)
	})
	for _, test := range []struct {
		workers int
		batch   int64
	}{{1, 1}, {8, 1}, {1, 0}, {8, 0}, {3, 1 << 30}} {
		t.Run(fmt.Sprintf("workers=%d/batch=%d", test.workers, test.batch), func(t *testing.T) {
			out := t.TempDir()
			env := openEnv(t, out)
			env.Workers, env.BatchBytes, env.MemoryBytes = test.workers, test.batch, int64(test.workers)<<28
			if err := Run(t.Context(), env, compile(t, env, r)); err != nil {
				t.Fatal(err)
			}
			sameContents(t, contents(t, out), want)
		})
	}
	t.Run("input in another place", func(t *testing.T) {
		moved, out := setUp(t), t.TempDir()
		env := openEnv(t, out)
		if err := Run(t.Context(), env, compile(t, env, parse(t, moved, testRecipe, "on_error.limit=100000"))); err != nil {
			t.Fatal(err)
		}
		sameContents(t, contents(t, out), want)
	})
	t.Run("interrupted", func(t *testing.T) {
		out := t.TempDir()
		env := openEnv(t, out)
		plan := compile(t, env, r)
		for runs := 0; ; runs++ {
			ctx, cancel := context.WithCancel(t.Context())
			commits := 0
			env.Events = func(e pipeline.Event) {
				if e.Kind == pipeline.Committed {
					if commits++; commits == 1+runs%3 {
						cancel()
					}
				}
			}
			err := Run(ctx, env, plan)
			cancel()
			if err == nil {
				t.Logf("%d interruptions", runs)
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		sameContents(t, contents(t, out), want)
	})
}

// checkDocuments holds the dataset against the corpus.
func checkDocuments(t *testing.T, dir, out string) {
	t.Helper()
	read, quarantined, empty, short, duplicates, texts := expected(t, dir)
	m := manifest(t, out)
	want := schemas.Totals{Documents: int64(len(texts)), Tokens: m.Totals.Tokens, Read: read, Kept: int64(len(texts)),
		Dropped: empty + short + duplicates, Quarantined: quarantined, Reasons: []schemas.ReasonSum{
			{Stage: "read", Reason: "invalid-json", Kind: "quarantine", Count: quarantined},
			{Stage: "clean", Reason: "empty", Kind: "drop", Count: empty},
			{Stage: "length", Reason: "too-few-characters", Kind: "drop", Count: short},
			{Stage: "dedup", Reason: "duplicate", Kind: "drop", Count: duplicates},
		}}
	if a, b := mustJSON(t, m.Totals), mustJSON(t, want); a != b {
		t.Errorf("got  %s\nwant %s", a, b)
	}
	var tokens int64
	sides := map[shards.Split]int{}
	d, err := shards.OpenDataset(out)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i := range m.Shards {
		eachDocument(t, d, i, func(side shards.Split, source string, ids []uint32) {
			tokens += int64(len(ids))
			sides[side]++
			var text []byte
			for _, id := range ids[:len(ids)-1] {
				text = append(text, byte(id))
			}
			if !texts[string(text)] || ids[len(ids)-1] != 256 {
				t.Errorf("%s: document %q %v is not expected, or there twice", source, text, ids)
			}
			delete(texts, string(text))
		})
	}
	if len(texts) > 0 || tokens != m.Totals.Tokens || sides[shards.HeldOut] == 0 || sides[shards.Train] < sides[shards.HeldOut] {
		t.Errorf("%d documents are missing, %d tokens, sides %v", len(texts), tokens, sides)
	}
	var lines int64
	files, err := filepath.Glob(filepath.Join(out, shards.QuarantineGlob))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines += int64(bytes.Count(b, []byte(`"reason":"invalid-json"`)))
	}
	if lines != quarantined {
		t.Errorf("%d lines of quarantine, want %d", lines, quarantined)
	}
}

func eachDocument(t *testing.T, d *shards.Dataset, i int, f func(side shards.Split, source string, ids []uint32)) {
	t.Helper()
	s, err := d.OpenShard(i)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range s.Index().Batches {
		b, err := s.Batch(n)
		if err != nil {
			t.Fatal(err)
		}
		for row := range b.Rows() {
			f(b.Split(), string(b.Source(row)), b.Tokens().AppendTo(nil, int(b.Bounds()[row]), int(b.Bounds()[row+1])))
		}
		if err := b.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunRefusesAnotherFolder(t *testing.T) {
	dir := setUp(t)
	env := openEnv(t, filepath.Join(dir, "out"))
	if err := Run(t.Context(), env, compile(t, env, parse(t, dir, testRecipe))); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "data", "0.jsonl"), []byte(`{"text":"another"}`))
	err := Run(t.Context(), env, compile(t, env, parse(t, dir, testRecipe, "shards.tokens=6k")))
	if err == nil || !strings.Contains(err.Error(), "shards.tokens: 5k before, 6k now, file web/0.jsonl (changed)") {
		t.Errorf("got %v", err)
	}
}

func TestLimit(t *testing.T) {
	dir := setUp(t)
	var want map[string]string
	for _, batch := range []int64{0, 1} {
		out := t.TempDir()
		env := openEnv(t, out)
		env.BatchBytes = batch
		plan := compile(t, env, parse(t, dir, testRecipe, "limit=777", "shards.tokens=1k"))
		// The second run is interrupted after each commit.
		for {
			ctx, cancel := context.WithCancel(t.Context())
			if batch == 1 {
				env.Events = func(e pipeline.Event) {
					if e.Kind == pipeline.Committed {
						cancel()
					}
				}
			}
			err := Run(ctx, env, plan)
			cancel()
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if m := manifest(t, out); m.Totals.Read != 777 {
			t.Errorf("%d records read, want 777", m.Totals.Read)
		}
		if err := shards.Verify(t.Context(), out, nil); err != nil {
			t.Error(err)
		}
		if want == nil {
			want = contents(t, out)
		}
		sameContents(t, contents(t, out), want)
	}
}

func TestOnError(t *testing.T) {
	dir := setUp(t)
	_, bad, _, _, _, _ := expected(t, dir)
	var messages []string
	for _, workers := range []int{1, 4} {
		env := openEnv(t, t.TempDir())
		env.Workers = workers
		err := Run(t.Context(), env, compile(t, env, parse(t, dir, testRecipe, "on_error.mode=fail")))
		if _, ok := errors.AsType[*pipeline.TooManyQuarantined](err); !ok {
			t.Fatalf("got %v, want the run to fail at the first bad record", err)
		}
		messages = append(messages, err.Error())

		// With one bad record fewer allowed than there are, the run fails; the same folder goes on when the limit is raised.
		set := fmt.Sprintf("on_error.limit=%d", bad-1)
		if err := Run(t.Context(), env, compile(t, env, parse(t, dir, testRecipe, set))); err == nil {
			t.Fatal("a limit that is passed goes unnoticed")
		}
		set = fmt.Sprintf("on_error.limit=%d", bad)
		if err := Run(t.Context(), env, compile(t, env, parse(t, dir, testRecipe, set))); err != nil {
			t.Fatal(err)
		}
	}
	if messages[0] != messages[1] || !strings.Contains(messages[0], "web/0.jsonl: byte ") {
		t.Errorf("messages %q", messages)
	}
}

func TestDefault(t *testing.T) {
	dir := setUp(t)
	r, err := Default(filepath.Join(dir, "tokenizer.json"), []string{filepath.Join(dir, "data", "0.jsonl"), filepath.Join(dir, "data", "page.html")})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	env := openEnv(t, out)
	if err := Run(t.Context(), env, compile(t, env, r)); err != nil {
		t.Fatal(err)
	}
	if m := manifest(t, out); m.Totals.Read != 401 || m.Totals.Documents < 300 {
		t.Errorf("totals %+v", m.Totals)
	}
}

func TestEndOfDocument(t *testing.T) {
	dir := setUp(t)
	for set, want := range map[string]string{
		"tokenizer.end_of_document=<|endoftext|>": "",
		"tokenizer.end_of_document=a":             `"a" is no special token`,
	} {
		_, err := Compile(t.Context(), &Env{}, parse(t, dir, testRecipe, set))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", set, err, want)
		}
	}
}

func TestInputThatChanges(t *testing.T) {
	dir := setUp(t)
	out := filepath.Join(dir, "out")
	env := openEnv(t, out)
	r := parse(t, dir, testRecipe)
	plan := compile(t, env, r)
	name := filepath.Join(dir, "data", "1.jsonl")
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, append([]byte("{\"text\":\"new\"}\n"), before...))
	if err := Run(t.Context(), env, plan); err == nil || !strings.Contains(err.Error(), "1.jsonl") {
		t.Fatalf("got %v, want an error that names the file", err)
	}
	if m, err := finished(env.Store, plan); err != nil || m != nil {
		t.Errorf("the dataset counts as complete: %v", err)
	}
	// With the file as it was, the run goes on in the same folder.
	writeFile(t, name, before)
	if err := Run(t.Context(), env, compile(t, env, r)); err != nil {
		t.Error(err)
	}
}

func TestBadPages(t *testing.T) {
	dir := setUp(t)
	pages := filepath.Join(dir, "pages")
	writeFile(t, filepath.Join(pages, "a.html"), []byte("<p>good"))
	writeFile(t, filepath.Join(pages, "b.html"), []byte(strings.Repeat("<div>", 400)+"deep"))
	writeFile(t, filepath.Join(pages, "c.html"), []byte("<script>nothing</script>"))
	writeFile(t, filepath.Join(pages, "d.txt"), []byte("<p>plain text stays"))
	out := filepath.Join(dir, "out")
	env := openEnv(t, out)
	// The pages are judged in the second pass: what it quarantines is counted like what the first does.
	r := parse(t, dir, "sources: [{paths: [pages]}]\nstages: [dedup, html]\ntokenizer: {file: tokenizer.json}")
	if err := Run(t.Context(), env, compile(t, env, r)); err != nil {
		t.Fatal(err)
	}
	const want = `{"documents":2,"tokens":25,"read":4,"kept":2,"dropped":1,"quarantined":1,"reasons":[` +
		`{"stage":"html","reason":"empty","kind":"drop","count":1},{"stage":"html","reason":"html-too-deep","kind":"quarantine","count":1}]}`
	if got := mustJSON(t, manifest(t, out).Totals); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	b, err := os.ReadFile(filepath.Join(out, "quarantine", "00000.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"source":"input/b.html","offset":0,"record":0,"bytes":0,"stage":"html","reason":"html-too-deep","detail":"elements nest more than max_depth 200"}` + "\n"; string(b) != want {
		t.Errorf("got  %swant %s", b, want)
	}
	if err := shards.Verify(t.Context(), out, nil); err != nil {
		t.Error(err)
	}
	env = openEnv(t, filepath.Join(dir, "strict"))
	err = Run(t.Context(), env, compile(t, env, parse(t, dir, "sources: [{paths: [pages]}]\nstages: [dedup, html]\ntokenizer: {file: tokenizer.json}\non_error: {mode: fail}")))
	if _, ok := errors.AsType[*pipeline.TooManyQuarantined](err); !ok {
		t.Errorf("got %v, want the run to fail at the bad page", err)
	}
}

func TestTexts(t *testing.T) {
	dir := setUp(t)
	r, err := Default("", []string{filepath.Join(dir, "data")})
	if err == nil {
		r, err = r.Override("stages=[html, clean, dedup, length]")
	}
	if err != nil {
		t.Fatal(err)
	}
	var texts, bad int64
	for text, err := range Texts(t.Context(), &Env{}, r, func(source string, offset int64, reason string) {
		bad++
		if !strings.HasPrefix(reason, "invalid-json: ") || !strings.HasPrefix(source, "input/") {
			t.Errorf("%s %d %s", source, offset, reason)
		}
	}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(text) == 0 || bytes.Contains(text, []byte("\r")) {
			t.Errorf("text %q is not clean", text)
		}
		texts++
	}
	read, wantBad, empty, _, _, _ := expected(t, dir)
	if bad != wantBad || texts != read-wantBad-empty {
		t.Errorf("%d texts, %d bad; want %d and %d", texts, bad, read-wantBad-empty, wantBad)
	}
	for range Texts(t.Context(), &Env{}, r, nil) {
		break // ends the reading
	}
}

// flaky fails all reads of a file behind the first.
type flaky struct {
	fs.FS
	reads *int
}

func (f flaky) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, "3.jsonl.gz") {
		return file, err
	}
	return flakyFile{file, f.reads}, nil
}

type flakyFile struct {
	fs.File
	reads *int
}

func (f flakyFile) Read(b []byte) (int, error) {
	if *f.reads--; *f.reads < 0 {
		return 0, errors.New("bad sector")
	}
	return f.File.Read(b[:min(len(b), 256)])
}

func TestStorageThatFails(t *testing.T) {
	dir := setUp(t)
	out := filepath.Join(dir, "out")
	env := openEnv(t, out)
	reads := 1 << 30
	env.Storage = func(root string) fs.FS { return flaky{os.DirFS(root), &reads} }
	plan := compile(t, env, parse(t, dir, testRecipe))
	reads = 3
	env.Workers = 1
	if err := Run(t.Context(), env, plan); err != nil {
		t.Fatal(err)
	}
	m := manifest(t, out)
	if i := len(m.Totals.Reasons) - 1; !strings.Contains(mustJSON(t, m.Totals.Reasons), `{"stage":"read","reason":"read-error","kind":"quarantine","count":1}`) || i < 1 {
		t.Errorf("reasons %s", mustJSON(t, m.Totals.Reasons))
	}
	if err := shards.Verify(t.Context(), out, nil); err != nil {
		t.Error(err)
	}
}

// What a lane holds until its commit is bounded, however short its documents are.
func TestShortDocumentsAreCommittedInTime(t *testing.T) {
	dir := setUp(t)
	var b bytes.Buffer
	for i := range maxSpillRows + 1000 {
		fmt.Fprintf(&b, "%d\n", i/2)
	}
	writeFile(t, filepath.Join(dir, "short.txt"), b.Bytes())
	out := t.TempDir()
	env := openEnv(t, out)
	plan := compile(t, env, parse(t, dir, `
sources: [{name: short, paths: [short.txt], document: line}]
stages: [dedup]
tokenizer: {file: tokenizer.json}
`))
	if err := Run(t.Context(), env, plan); err != nil {
		t.Fatal(err)
	}
	c, err := pipeline.ReadCommit(env.Store, plan, 0, 0, 0)
	if err != nil || c.Rows != maxSpillRows || c.Closes {
		t.Errorf("the first commit has %+v, %v", c, err)
	}
	if m := manifest(t, out); m.Totals.Read != maxSpillRows+1000 || m.Totals.Kept != m.Totals.Read/2 {
		t.Errorf("totals %+v", m.Totals)
	}
}

// A record with an endless id is a bad record, not the end of the run.
func TestEndlessID(t *testing.T) {
	dir := setUp(t)
	writeFile(t, filepath.Join(dir, "ids.jsonl"), []byte(`{"id":"`+strings.Repeat("x", 17<<20)+`","text":"hello"}`+"\n"+`{"id":"y","text":"bye"}`))
	out := t.TempDir()
	env := openEnv(t, out)
	err := Run(t.Context(), env, compile(t, env, parse(t, dir, "{sources: [{paths: [ids.jsonl]}], tokenizer: {file: tokenizer.json}}")))
	if err != nil {
		t.Fatal(err)
	}
	if m := manifest(t, out); m.Totals.Kept != 1 || m.Totals.Quarantined != 1 || m.Totals.Reasons[0].Reason != "unusable-id" {
		t.Errorf("totals %+v", m.Totals)
	}
}

func TestNothingToRead(t *testing.T) {
	dir := setUp(t)
	writeFile(t, filepath.Join(dir, "none", "a.jsonl"), nil)
	writeFile(t, filepath.Join(dir, "none", "b.txt"), []byte("\n\n"))
	out := t.TempDir()
	env := openEnv(t, out)
	if err := Run(t.Context(), env, compile(t, env, parse(t, dir, testRecipe, "sources.0.paths=[none]"))); err != nil {
		t.Fatal(err)
	}
	if err := shards.Verify(t.Context(), out, nil); err != nil {
		t.Error(err)
	}
	content, err := os.ReadFile(filepath.Join(out, "manifest.json"))
	if err != nil || !strings.Contains(string(content), `"shards": []`) {
		t.Errorf("readers expect a list of shards, %v:\n%s", err, content)
	}
}

// On_error is held against a dataset that is there, too.
func TestOnErrorOfAFinishedRun(t *testing.T) {
	dir := setUp(t)
	env := openEnv(t, t.TempDir())
	if err := Run(t.Context(), env, compile(t, env, parse(t, dir, testRecipe))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := Run(t.Context(), env, compile(t, env, parse(t, dir, testRecipe, "on_error.mode=fail")))
		if _, ok := errors.AsType[*pipeline.TooManyQuarantined](err); !ok {
			t.Fatalf("got %v, want the run to fail at the first bad record", err)
		}
	}
	if err := Run(t.Context(), env, compile(t, env, parse(t, dir, testRecipe))); err != nil {
		t.Fatal(err)
	}
}

// A run is overtaken by another one in the same folder, which ends and removes what the first still wants to read.
func TestOvertakenRun(t *testing.T) {
	dir := setUp(t)
	out := t.TempDir()
	r := parse(t, dir, testRecipe)
	for _, kind := range []pipeline.EventKind{pipeline.Committed, pipeline.Reduced, pipeline.PassFinished} {
		slow, fast := openEnv(t, out), openEnv(t, out)
		plan := compile(t, slow, r)
		overtaken := false
		slow.Workers = 1
		slow.Events = func(e pipeline.Event) {
			if e.Kind == kind && !overtaken {
				overtaken = true
				if err := Run(t.Context(), fast, plan); err != nil {
					t.Error(err)
				}
			}
		}
		if err := Run(t.Context(), slow, plan); err != nil || !overtaken {
			t.Errorf("overtaken %v at event %d: %v", overtaken, kind, err)
		}
		if err := shards.Verify(t.Context(), out, nil); err != nil {
			t.Error(err)
		}
		out = t.TempDir()
	}
}

// Each dedup cuts a run, wherever it stands, and runs in one folder at the same time help each other.
func TestDedupAnywhereByRunsAbreast(t *testing.T) {
	dir := setUp(t)
	for stages, limit := range map[string]string{"[dedup]": "0", "[dedup, clean, dedup]": "1200",
		"[dedup, html, clean, dedup, {length: {min_chars: 2}}]": "0"} {
		var want map[string]string
		for _, abreast := range []int{1, 3} {
			out := t.TempDir()
			r := parse(t, dir, testRecipe, "stages="+stages, "limit="+limit)
			errs := make(chan error)
			for i := range abreast {
				env := openEnv(t, out)
				env.Workers, env.MemoryBytes, env.BatchBytes = 1+i, int64(1+i)<<27, int64(i)
				plan := compile(t, env, r)
				go func() { errs <- Run(t.Context(), env, plan) }()
			}
			for range abreast {
				if err := <-errs; err != nil {
					t.Errorf("%s: %v", stages, err)
				}
			}
			if err := shards.Verify(t.Context(), out, nil); err != nil {
				t.Error(err)
			}
			if want == nil {
				want = contents(t, out)
			}
			sameContents(t, contents(t, out), want)
		}
		t.Logf("%s: %d files", stages, len(want))
	}
}
