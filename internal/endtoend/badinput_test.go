package endtoend

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// good is a line that every case keeps.
func good(i int) string {
	return fmt.Sprintf(`{"id":"good-%d","text":"A good neighbour number %d says hello to the world."}`, i, i)
}

func gz(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zst(t testing.TB, s string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

// bz2 compresses with the bzip2 command, since Go reads the format only.
func bz2(t testing.TB, s string) string {
	t.Helper()
	cmd := exec.Command("bzip2", "-c")
	cmd.Stdin = strings.NewReader(s)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("needs the bzip2 command: %v", err)
	}
	return string(out)
}

func lines(ls ...string) string { return strings.Join(ls, "\n") + "\n" }

func TestBadInputIsData(t *testing.T) {
	ingest := bin(t, "ingest", "")
	dir := t.TempDir()
	train := filepath.Join(dir, "train.txt")
	write(t, train, newWriter(3).text(60000))
	tok := tokenizer(t, dir, "bpe", train)
	offset := int64(len(good(0)) + 1) // of the second line

	var many []string
	w := newWriter(5)
	for i := range 400 {
		many = append(many, fmt.Sprintf(`{"id":"good-%d","text":%q}`, i, w.text(1500)))
	}
	long := lines(many...) // 600 kB: several blocks in each format
	cut := func(s string, part float64) string { return s[:int(float64(len(s))*part)] }
	flip := func(s string, part float64) string {
		b := []byte(s)
		b[int(float64(len(b))*part)] ^= 0x40
		return string(b)
	}
	for _, c := range []struct {
		name, file, content string
		offset              int64 // -1: any
		reason              string
		keeps               int64 // -1: some, at least one
	}{
		{"cut JSON line", "a.jsonl", lines(good(0), `{"text": "cut`, good(2)), offset, "json", 2},
		{"cut last line", "a.jsonl", good(0) + "\n" + `{"text": "cut`, offset, "json", 1},
		{"array", "a.jsonl", lines(good(0), `["text"]`, good(2)), offset, "object", 2},
		{"number", "a.jsonl", lines(good(0), `12`, good(2)), offset, "object", 2},
		{"missing text", "a.jsonl", lines(good(0), `{"id": "x"}`, good(2)), offset, "text", 2},
		{"null text", "a.jsonl", lines(good(0), `{"text": null}`, good(2)), offset, "text", 2},
		{"text is a number", "a.jsonl", lines(good(0), `{"text": 5}`, good(2)), offset, "text", 2},
		{"invalid UTF-8", "a.jsonl", lines(good(0), "{\"text\": \"a\xff\xfeb\"}", good(2)), offset, "utf", 2},
		{"NUL", "a.jsonl", lines(good(0), `{"text": "a\u0000b"}`, good(2)), offset, "nul", 2},
		{"raw NUL", "a.jsonl", lines(good(0), "{\"text\": \"a\x00b\"}", good(2)), offset, "", 2},
		{"deep nesting", "a.jsonl", lines(good(0), `{"x": `+strings.Repeat("[", 200000)+`, "text": "y"}`, good(2)), offset, "", 2},
		{"line of 100 MB", "a.jsonl", lines(good(0), `{"text": "`+strings.Repeat("long ", 20<<20)+`"}`, good(2)), offset, "large", 2},
		{"truncated gzip", "a.jsonl.gz", cut(gz(t, long), 0.6), -1, "corrupt", -1},
		{"flipped gzip", "a.jsonl.gz", flip(gz(t, long), 0.6), -1, "corrupt", -1},
		{"truncated zstd", "a.jsonl.zst", cut(zst(t, long), 0.8), -1, "corrupt", -1},
		{"flipped zstd", "a.jsonl.zst", flip(zst(t, long), 0.5), -1, "corrupt", -1},
		{"truncated bzip2", "a.jsonl.bz2", cut(bz2(t, strings.Repeat(long, 3)), 0.8), -1, "corrupt", -1},
		{"flipped bzip2", "a.jsonl.bz2", flip(bz2(t, strings.Repeat(long, 3)), 0.8), -1, "corrupt", -1},
		{"no gzip at all", "a.jsonl.gz", "this is not gzip", 0, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := t.TempDir()
			write(t, filepath.Join(in, "0-neighbour.jsonl"), lines(good(1), good(2)))
			write(t, filepath.Join(in, c.file), c.content)
			out := filepath.Join(t.TempDir(), "out")
			r := run(t, ingest, "run", "--tokenizer", tok, "--out", out, "--progress", "none", in)
			if r.code != 0 || strings.Contains(r.stderr, "goroutine") {
				t.Fatalf("exit %d: %s", r.code, r.stderr)
			}
			s, bad := inspect(t, out), quarantine(t, out)
			if s.Ledger.Total.Quarantined != int64(len(bad)) {
				t.Errorf("%d records in quarantine, but the ledger says %d", len(bad), s.Ledger.Total.Quarantined)
			}
			if strings.HasPrefix(c.name, "flipped") && len(bad) > 1 {
				// Formats that check a block when it has ended let broken lines through before they report the damage.
				bad = bad[len(bad)-1:]
			}
			if len(bad) != 1 {
				t.Fatalf("%d records in quarantine, want 1: %+v", len(bad), bad)
			}
			if !strings.Contains(bad[0].Source, c.file) || !strings.Contains(bad[0].Reason, c.reason) || bad[0].Reason == "" {
				t.Errorf("source %q, reason %q; want %q and one with %q", bad[0].Source, bad[0].Reason, c.file, c.reason)
			}
			if c.offset >= 0 && bad[0].Offset != c.offset {
				t.Errorf("offset %d, want %d", bad[0].Offset, c.offset)
			}
			if kept := s.Documents - 2; c.keeps >= 0 && kept != c.keeps || c.keeps < 0 && kept < 1 {
				t.Errorf("%d documents of the file were kept, want %d", kept, c.keeps)
			}
			t.Logf("%s at %d, %d kept", bad[0].Reason, bad[0].Offset, s.Documents-2)
			must(t, ingest, "verify", out)
			ledgerBalances(t, out)

			// The same input is fatal when the recipe says so, and the message names the place.
			r = run(t, ingest, "run", "--tokenizer", tok, "--out", out+"-fail", "--progress", "none", "--set", "on_error.mode=fail", in)
			if first := quarantine(t, out)[0]; r.code != 1 || !strings.Contains(r.stderr, c.file) || !strings.Contains(r.stderr, fmt.Sprint(first.Offset)) {
				t.Errorf("on_error: fail: exit %d: %s", r.code, r.stderr)
			}
		})
	}
}

// ledgerBalances recomputes both balances of each file from ledger.jsonl.
func ledgerBalances(t testing.TB, out string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(out, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		var l struct {
			Read, Kept, Quarantined int64
			Dropped                 json.RawMessage
			LengthBytes             int64 `json:"length_bytes"`
			RecordBytes             int64 `json:"record_bytes"`
			SeparatorBytes          int64 `json:"separator_bytes"`
			UnreadableBytes         int64 `json:"unreadable_bytes"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if l.LengthBytes != l.RecordBytes+l.SeparatorBytes+l.UnreadableBytes {
			t.Errorf("bytes do not balance: %s", line)
		}
		if len(l.Dropped) == 0 && l.Read != l.Kept+l.Quarantined {
			t.Errorf("records do not balance: %s", line)
		}
	}
}

func TestWhatIsNoRecord(t *testing.T) {
	ingest := bin(t, "ingest", "")
	dir := t.TempDir()
	train := filepath.Join(dir, "train.txt")
	write(t, train, newWriter(3).text(60000))
	tok := tokenizer(t, dir, "bpe", train)

	t.Run("empty file", func(t *testing.T) {
		in := t.TempDir()
		write(t, filepath.Join(in, "empty.jsonl"), "")
		write(t, filepath.Join(in, "full.jsonl"), lines(good(1)))
		out := filepath.Join(t.TempDir(), "out")
		must(t, ingest, "run", "--tokenizer", tok, "--out", out, "--progress", "none", in)
		if s := inspect(t, out); s.Documents != 1 || s.Ledger.Total.Read != 1 {
			t.Errorf("got %+v", s)
		}
	})
	for _, c := range []struct {
		name, path string
		make       func(t *testing.T, in string)
	}{
		{"missing file", "missing.jsonl", func(*testing.T, string) {}},
		{"missing glob", "*.nothing", func(*testing.T, string) {}},
		{"directory loop", "loop", func(t *testing.T, in string) {
			write(t, filepath.Join(in, "loop", "a.jsonl"), lines(good(0)))
			if err := os.Symlink("..", filepath.Join(in, "loop", "again")); err != nil {
				t.Fatal(err)
			}
		}},
		{"unknown kind of file", "a.docx", func(t *testing.T, in string) { write(t, filepath.Join(in, "a.docx"), "x") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := t.TempDir()
			c.make(t, in)
			r := run(t, ingest, "run", "--tokenizer", tok, "--out", filepath.Join(t.TempDir(), "out"), "--progress", "none", filepath.Join(in, c.path))
			if r.code == 0 || !strings.Contains(r.stderr, strings.TrimPrefix(c.path, "*")) || strings.Contains(r.stderr, "goroutine") {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
		})
	}
}

// A limit on quarantined records is met or missed in the same place for any number of workers.
func TestLimitOfQuarantine(t *testing.T) {
	ingest := bin(t, "ingest", "")
	dir := t.TempDir()
	train := filepath.Join(dir, "train.txt")
	write(t, train, newWriter(3).text(60000))
	tok := tokenizer(t, dir, "bpe", train)
	for i := range 6 {
		write(t, filepath.Join(dir, "in", fmt.Sprintf("%d.jsonl", i)), strings.Repeat(lines(good(1), `{"no":1}`, good(2)), 50))
	}
	var want string
	for _, workers := range []string{"1", "2", "8"} {
		r := run(t, ingest, "run", "--tokenizer", tok, "--out", filepath.Join(t.TempDir(), "out"), "--progress", "none", "--workers", workers,
			"--set", "on_error.limit=120", "--set", "lanes.bytes=1000", filepath.Join(dir, "in"))
		if r.code != 1 || !strings.Contains(r.stderr, "2.jsonl") {
			t.Fatalf("workers %s: exit %d: %s", workers, r.code, r.stderr)
		}
		if want == "" {
			want = r.stderr
		}
		if r.stderr != want {
			t.Errorf("workers %s: %q, want %q", workers, r.stderr, want)
		}
	}
	must(t, ingest, "run", "--tokenizer", tok, "--out", filepath.Join(t.TempDir(), "out"), "--progress", "none", "--set", "on_error.limit=300", filepath.Join(dir, "in"))
}

// A mistake in a recipe is named with its place and the nearest name.
func TestRecipeMistakes(t *testing.T) {
	ingest := bin(t, "ingest", "")
	dir := t.TempDir()
	for _, c := range []struct{ name, yaml, wants string }{
		{"unknown field", "sources:\n  - name: a\n    pats: [x.jsonl]\n", "3:5|pats|paths"},
		{"unknown stage", "sources:\n  - {name: a, paths: [x.jsonl]}\nstages:\n  - claen: {}\n", "4|claen|clean"},
		{"wrong type", "sources:\n  - {name: a, paths: [x.jsonl]}\nshards: {tokens: [1]}\n", "3|tokens"},
	} {
		t.Run(c.name, func(t *testing.T) {
			recipe := filepath.Join(dir, "recipe.yaml")
			write(t, recipe, c.yaml)
			r := run(t, ingest, "run", recipe, "--out", filepath.Join(dir, "out"))
			if r.code == 0 {
				t.Fatal("it was taken")
			}
			for _, want := range strings.Split("recipe.yaml|"+c.wants, "|") {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("the message lacks %q: %s", want, r.stderr)
				}
			}
		})
	}
}
