package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

const minimal = "sources: [{paths: [a.jsonl]}]\ntokenizer: {file: t.json}\n"

func TestParseDefaults(t *testing.T) {
	r, err := Parse([]byte(minimal), "r.yaml", "/data")
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := r.YAML()
	if err != nil {
		t.Fatal(err)
	}
	const want = `sources:
- name: input
  paths:
  - /data/a.jsonl
  text: text
  id: id
  document: file
  max_record_bytes: 32Mi
stages: []
tokenizer:
  file: /data/t.json
lanes:
  bytes: 256Mi
shards:
  tokens: 64M
  held_out: 0
on_error:
  mode: quarantine
  limit: -1
limit: 0
`
	if string(yaml) != want {
		t.Errorf("got\n%s\nwant\n%s", yaml, want)
	}
	again, err := Parse(yaml, "again", "/other")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := mustJSON(t, r), mustJSON(t, again); a != b {
		t.Errorf("what is printed reads back as\n%s\nwant\n%s", b, a)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestMistakes parses recipes with a mistake each. The place is that of the mistake.
func TestMistakes(t *testing.T) {
	tests := []struct{ name, recipe, want string }{
		{"unknown field", minimal + "shard: {tokens: 1}", "r.yaml:3:1: shard: unknown field; did you mean shards?"},
		{"unknown field inside", minimal + "shards:\n  held-out: 0.1", "r.yaml:4:3: shards.held-out: unknown field; did you mean held_out?"},
		{"swapped letters", "sources:\n  - pahts: [a]\n    name: x\n", "r.yaml:2:5: sources.0.pahts: unknown field; did you mean paths?"},
		{"nothing near", minimal + "colour: red", "r.yaml:3:1: colour: unknown field; known are lanes, limit, on_error, shards, sources, stages, tokenizer"},
		{"text for a number", minimal + "shards: {tokens: many}", `r.yaml:3:18: shards.tokens: "many" is no size`},
		{"list for a number", minimal + "shards: {tokens: [1]}", "r.yaml:3:18: shards.tokens: want a number, not a list"},
		{"fraction for a size", minimal + "limit: 1.5", `r.yaml:3:8: limit: "1.5" is no size`},
		{"too large", minimal + "limit: 99999999999T", `r.yaml:3:8: limit: "99999999999T" is too large`},
		{"number for text", "sources: [{name: 2024, paths: [a]}]", `r.yaml:1:18: sources.0.name: want text, not a number: write "2024"`},
		{"text for a list", "sources: [{paths: a}]", "r.yaml:1:19: sources.0.paths: want a list, not text: write [a]"},
		{"mapping for a list", "sources: {paths: [a]}", "r.yaml:1:10: sources: want a list, not a mapping"},
		{"text for a mapping", minimal + "shards: big", "r.yaml:3:9: shards: want a mapping, not text"},
		{"share above one", minimal + "shards: {held_out: 1.5}", `r.yaml:3:20: shards.held_out: "1.5" is no share`},
		{"unknown stage", minimal + "stages:\n  - clena: {}", "r.yaml:4:5: stages.0.clena: unknown stage; did you mean clean?"},
		{"unknown option", minimal + "stages:\n  - length:\n      min_char: 1", "r.yaml:5:7: stages.0.length.min_char: unknown field; did you mean min_chars?"},
		{"option of a stage without any", minimal + "stages: [{dedup: {by: id}}]", "r.yaml:3:19: stages.0.dedup.by: unknown field; there are none here"},
		{"two stages in one item", minimal + "stages: [{clean: {}, dedup: {}}]", "r.yaml:3:10: stages.0: want one stage"},
		{"option out of range", minimal + "stages: [{clean: {blank_lines: -3}}]", "r.yaml:3:10: stages.0: clean: blank_lines is -3"},
		{"duplicate field", minimal + "limit: 1\nlimit: 2", "r.yaml:4:1: "},
		{"syntax", minimal + "stages: [", "r.yaml:3:9: "},
		{"alias", "sources: &a [{paths: [x]}]\nstages: *a", "r.yaml:1:10: anchor is not used in recipes"},
		{"tag", minimal + "limit: !!int 3", "r.yaml:3:8: tag is not used in recipes"},
		{"two documents", minimal + "---\nlimit: 1\n", "r.yaml:4:1: a second YAML document"},
		{"nesting", minimal + "stages: " + strings.Repeat("[", 40) + strings.Repeat("]", 40), "values nest more than 32 deep"},
		{"hostile nesting", strings.Repeat("[", 1<<19), "r.yaml: brackets or dashes nest too deeply"},
		{"hostile dashes", strings.Repeat("- ", 1<<19), "r.yaml: brackets or dashes nest too deeply"},
		{"too large a file", strings.Repeat("# \n", 1<<19), "r.yaml: 1572864 bytes, more than"},
		{"nothing", "", "r.yaml:1:1: sources: name at least one"},
		{"mode", minimal + "on_error: {mode: ignore}", `r.yaml:3:18: on_error.mode: "ignore" is neither quarantine nor fail`},
		{"format", "sources: [{paths: [a], format: csv}]\ntokenizer: {file: t}", `r.yaml:1:32: sources.0.format: format is "csv"`},
		{"paths missing", "sources:\n  - name: x\n", "r.yaml:2:5: sources.0.paths: paths must name"},
		{"sources without names", "sources:\n  - paths: [a]\n  - paths: [b]\n", "r.yaml:3:5: sources.1.name: the name must have"},
		{"two sources of a name", "sources:\n  - {name: x, paths: [a]}\n  - {name: x, paths: [b]}\n", `r.yaml:3:12: sources.1.name: source 0 is named "x", too`},
		{"record too large", "sources: [{paths: [a], max_record_bytes: 2GiB}]\n", "r.yaml:1:42: sources.0.max_record_bytes: "},
		{"document of JSON", "sources: [{paths: [a], format: jsonl, document: line}]\n", "r.yaml:1:49: sources.0.document: "},
		{"lane size", minimal + "lanes: {bytes: 0}", "r.yaml:3:16: lanes.bytes: 0 is not between 1"},
		{"shard size", minimal + "shards:\n  tokens: -1", "r.yaml:4:11: shards.tokens: -1 is not between 1"},
		{"limit below none", minimal + "limit: -1", "r.yaml:3:8: limit: -1 is not between 0"},
		{"limit of errors", minimal + "on_error: {limit: -2}", "r.yaml:3:19: on_error.limit: -2 is not"},
		{"a stage that is nothing", minimal + "stages: [clean, ]\nlimit: -1", "r.yaml:4:8: limit"},
		{"all mistakes at once", "a: 1\nb: 2\n", "r.yaml:2:1: b: unknown field"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.recipe), "r.yaml", "/")
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestOverride(t *testing.T) {
	const recipe = minimal + "stages: [{clean: {}}, {length: {min_chars: 1}}, dedup]\nlanes:\n"
	tests := []struct{ name, set, has, mistake string }{
		{"a field", "shards.tokens=100k", `"tokens":"100k"`, ""},
		{"below a field that is empty", "lanes.bytes=1MiB", `"bytes":"1Mi"`, ""},
		{"a share", "shards.held_out=0.25", `"held_out":0.25`, ""},
		{"an item by number", "sources.0.name=web", `"name":"web"`, ""},
		{"a stage by name", "stages.length.max_chars=9", `"min_chars":1,"max_chars":9`, ""},
		{"a whole list", "stages=[dedup]", `"stages":[{"dedup":{}}]`, ""},
		{"text with an equals sign", "tokenizer.end_of_document=a=b", `"end_of_document":"a=b"`, ""},
		{"unknown field", "shards.token=1", "", "--set shards.token=1: shards.token: unknown field; did you mean tokens?"},
		{"wrong type", "shards.tokens=[1]", "", "--set shards.tokens=[1]: shards.tokens: want a number, not a list"},
		{"no value", "shards.tokens", "", "--set shards.tokens: want a.b=value"},
		{"inside of a number", "stages.length.min_chars.x=1", "", "there is nothing inside of a number"},
		{"no such item", "sources.1.name=x", "", "the list has 1 items"},
		{"no such stage", "stages.html.max_bytes=1", "", "no item of the list is named html"},
		{"syntax", "limit=[", "", "--set limit=[: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := Parse([]byte(recipe), "r.yaml", "/", test.set)
			switch {
			case test.mistake != "":
				if err == nil || !strings.Contains(err.Error(), test.mistake) {
					t.Errorf("got %v, want %s", err, test.mistake)
				}
			case err != nil:
				t.Error(err)
			case !strings.Contains(mustJSON(t, r), test.has):
				t.Errorf("got %s, want %s in it", mustJSON(t, r), test.has)
			}
		})
	}
	r, err := Parse([]byte(recipe), "r.yaml", "/")
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Override("limit=7", "stages.clean.normalize=nfc"); err != nil || r.Limit != 7 || !strings.Contains(mustJSON(t, r), "nfc") {
		t.Errorf("Override gives %+v %v", r, err)
	}
}

func TestCanonicalLeavesPlacesOut(t *testing.T) {
	first, err := Parse([]byte(minimal+"on_error: {mode: fail}"), "r", "/a")
	if err != nil {
		t.Fatal(err)
	}
	second, err := Parse([]byte("tokenizer: {file: u.json}\nsources: [{paths: [b.jsonl], name: input}]\nshards: {tokens: 64000k}"), "r", "/b")
	if err != nil {
		t.Fatal(err)
	}
	a, err := first.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	b, err := second.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s\n%s\nshould be equal", a, b)
	}
	if strings.Contains(string(a), "json") || strings.Contains(string(a), "fail") {
		t.Errorf("%s holds a path or what happens on errors", a)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "17": 17, "100k": 100_000, "100K": 100_000, "64MiB": 64 << 20, "64Mi": 64 << 20,
		"512M": 512_000_000, "2GB": 2_000_000_000, "1TiB": 1 << 40, "-1": -1, "8B": 8} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("%s: got %d %v, want %d", text, got, err, want)
		}
		if back, err := ParseSize(Size(got).String()); err != nil || back != got {
			t.Errorf("%d is written %s, which reads as %d", got, Size(got), back)
		}
	}
	for _, text := range []string{"", "k", "1.5", "1 k", "+1", "1kk", "0x10", "1m", "1_000", "9223372036854775808", "99999999999999M"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is accepted as %d", text, got)
		}
	}
}

func TestPPM(t *testing.T) {
	for text, want := range map[string]PPM{"0": 0, "1": onePPM, "0.01": 10_000, "0.000001": 1, ".5": 500_000, "1.0": onePPM} {
		var p PPM
		if err := p.parse(text); err != nil || p != want {
			t.Errorf("%s: got %d %v, want %d", text, p, err, want)
		}
	}
	for _, text := range []string{"", ".", "1.1", "-0.1", "0.0000001", "1e-3", "2", "0.1.2", "x"} {
		var p PPM
		if err := p.parse(text); err == nil {
			t.Errorf("%q is accepted as %d", text, p)
		}
	}
	if got := mustJSON(t, []PPM{0, onePPM, 10_000, 1}); got != "[0,1,0.01,0.000001]" {
		t.Errorf("got %s", got)
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"paths", "pahts", 1}, {"clean", "lean", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: got %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r.yaml")
	if err := os.WriteFile(path, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Load(path, "limit=3")
	if err != nil {
		t.Fatal(err)
	}
	if r.Limit != 3 || r.Sources[0].Paths[0] != filepath.Join(dir, "a.jsonl") || r.Tokenizer.File != filepath.Join(dir, "t.json") {
		t.Errorf("got %+v", r)
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); err == nil {
		t.Error("a missing file goes unnoticed")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(minimal, "shards.tokens=1")
	f.Add("sources: [{paths: [a]}]\nstages: [{clean: {normalize: nfc}}, dedup, {html:\n}]\ntokenizer: {file: x}\nshards: {held_out: .5}", "stages.clean=")
	f.Add("a: &x |\n  b\n? c\n: *x\n<<: {}\n--- \n- - !!d 'e", "a.0.b={")
	f.Fuzz(func(t *testing.T, text, set string) {
		r, err := Parse([]byte(text), "r.yaml", "/", set)
		if err != nil {
			return
		}
		yaml, err := r.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(yaml, "again", "/")
		if err != nil {
			t.Fatalf("%v\n%s", err, yaml)
		}
		if a, b := mustJSON(t, r), mustJSON(t, again); a != b {
			t.Errorf("%s\n%s", a, b)
		}
	})
}

// The command line can name more files than a recipe that somebody writes.
func TestManyPaths(t *testing.T) {
	var files []string
	for i := range 20_000 {
		files = append(files, fmt.Sprintf("/a folder with a long name/of an author - and a title?/number [%d.txt", i))
	}
	r, err := Default("tokenizer.json", files)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Override("limit=7", "stages.html.extract=body"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Sources[0].Paths, files) || r.Limit != 7 {
		t.Errorf("%d paths, limit %d", len(r.Sources[0].Paths), r.Limit)
	}
	text, err := marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := fromPlan(&schemas.Plan{Recipe: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	if text2, err := marshal(again); err != nil || string(text2) != string(text) {
		t.Errorf("the recipe of a plan changes when it is read, %v", err)
	}
}

func TestPlansRecipeIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		``:                          "EOF",
		`{"sources": [`:             "EOF",
		`{} {}`:                     "behind",
		`{"sauces": []}`:            "sauces",
		`{"limit": 1, "limit": 2}`:  "twice",
		`{"limit": {"a": []}}`:      "mapping",
		strings.Repeat(`[`, 100000): "deep",
		strings.Repeat(`{"a":`, 40): "deep",
	} {
		if _, err := fromPlan(&schemas.Plan{Recipe: text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: got %v, want %q", text, err, want)
		}
	}
}
