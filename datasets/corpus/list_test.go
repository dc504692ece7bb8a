package corpus_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/datasets/corpus"
)

// tree writes files, by path and content, and links (content "-> target") below a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(strings.ReplaceAll(target, "$DIR", dir), name)
		} else {
			err = os.WriteFile(name, []byte(content), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestList(t *testing.T) {
	gz, zst, bz2 := compress(t, corpus.Gzip, "{}\n"), compress(t, corpus.Zstd, "{}\n"), compress(t, corpus.Bzip2, "{}\n")
	outside := tree(t, map[string]string{"z.txt": "z", "more/y.txt": "y"})
	dir := tree(t, map[string]string{
		"b/2.jsonl":         "{}",
		"b/10.jsonl":        "{}",
		"b/c/3.json.gz":     string(gz),
		"b/.hidden.jsonl":   "{}",
		"b/.cache/4.jsonl":  "{}",
		"a.txt":             "",
		"lies.jsonl.gz":     string(zst),
		"plain.ndjson":      string(bz2),
		"damaged.json.zst":  "no frame",
		"page.HTML":         "<p>",
		"readme.md.bz2":     "BZhello",
		"odd/x[1].txt":      "x",
		"odd/x1.txt":        "x",
		"unknown/data.bin":  "x",
		"links/out":         "-> " + outside,
		"links/a.txt":       "-> ../a.txt",
		"loop/sub/up":       "-> ..",
		"loop/a.txt":        "",
		"self/l":            "-> l",
		"dangling/l.txt":    "-> nowhere",
		"badname/\xff.txt":  "",
		"b/deep/er/5.jsonl": "{}",
	})
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o777); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		source corpus.Source
		root   string   // below dir
		files  []string // path format compression
		err    []string // words of the error
	}{
		{"file", corpus.Source{Paths: []string{"a.txt"}}, "", []string{"a.txt text "}, nil},
		{"folder", corpus.Source{Paths: []string{"b"}}, "b",
			[]string{"10.jsonl jsonl ", "2.jsonl jsonl ", "c/3.json.gz jsonl gzip", "deep/er/5.jsonl jsonl "}, nil},
		{"glob", corpus.Source{Paths: []string{"b/*.jsonl"}}, "b", []string{"10.jsonl jsonl ", "2.jsonl jsonl "}, nil},
		{"glob of folders", corpus.Source{Paths: []string{"b/c*"}}, "b", []string{"c/3.json.gz jsonl gzip"}, nil},
		{"glob inside", corpus.Source{Paths: []string{"b/*/3.*"}}, "b", []string{"c/3.json.gz jsonl gzip"}, nil},
		{"name behind a glob", corpus.Source{Paths: []string{"b/d*/er/5.jsonl", "b/*/c.txt"}}, "", nil, []string{"b/*/c.txt", "no file"}},
		{"name behind a glob, found", corpus.Source{Paths: []string{"b/d*/er/5.jsonl"}}, "b", []string{"deep/er/5.jsonl jsonl "}, nil},
		{"hidden by name", corpus.Source{Paths: []string{"b/.h*"}}, "b", []string{".hidden.jsonl jsonl "}, nil},
		{"any depth", corpus.Source{Paths: []string{"b/**/*.jsonl"}}, "b",
			[]string{"10.jsonl jsonl ", "2.jsonl jsonl ", "deep/er/5.jsonl jsonl "}, nil},
		{"all below", corpus.Source{Paths: []string{"b/**"}}, "b",
			[]string{"10.jsonl jsonl ", "2.jsonl jsonl ", "c/3.json.gz jsonl gzip", "deep/er/5.jsonl jsonl "}, nil},
		{"several, each file once", corpus.Source{Paths: []string{"b/c", "b/*/*.gz", "a.txt"}}, "",
			[]string{"a.txt text ", "b/c/3.json.gz jsonl gzip"}, nil},
		{"same file twice", corpus.Source{Paths: []string{"a.txt", "a.txt"}}, "", []string{"a.txt text "}, nil},
		{"special characters", corpus.Source{Paths: []string{"odd/x[1].txt"}}, "odd", []string{"x[1].txt text "}, nil},
		{"content tells compression", corpus.Source{Paths: []string{"lies*", "plain*"}}, "",
			[]string{"lies.jsonl.gz jsonl zstd", "plain.ndjson jsonl bzip2"}, nil},
		{"else the name does", corpus.Source{Paths: []string{"damaged*", "readme*"}}, "",
			[]string{"damaged.json.zst jsonl zstd", "readme.md.bz2 text bzip2"}, nil},
		{"the source has the last word", corpus.Source{Paths: []string{"lies*", "readme*"}, Format: "html", Compression: "none"}, "",
			[]string{"lies.jsonl.gz html ", "readme.md.bz2 html "}, nil},
		{"capitals", corpus.Source{Paths: []string{"page.HTML"}}, "", []string{"page.HTML html "}, nil},
		{"links", corpus.Source{Paths: []string{"links"}}, "links", []string{"a.txt text ", "out/more/y.txt text ", "out/z.txt text "}, nil},

		{"missing file", corpus.Source{Paths: []string{"nowhere.txt"}}, "", nil, []string{"nowhere.txt", "no such file"}},
		{"missing folder", corpus.Source{Paths: []string{"nowhere/*.txt"}}, "", nil, []string{"nowhere/*.txt", "no such file"}},
		{"glob without match", corpus.Source{Paths: []string{"a.txt", "b/*.txt"}}, "", nil, []string{"b/*.txt", "no file"}},
		{"empty folder", corpus.Source{Paths: []string{"empty"}}, "", nil, []string{"empty", "no file"}},
		{"bad glob", corpus.Source{Paths: []string{"b/[x"}}, "", nil, []string{"b/[x", "glob"}},
		{"unknown format", corpus.Source{Paths: []string{"unknown"}}, "", nil, []string{"unknown/data.bin", "set format"}},
		{"loop", corpus.Source{Paths: []string{"loop"}}, "", nil, []string{"loop/sub/up", "leads back"}},
		{"loop in any depth", corpus.Source{Paths: []string{"loop/**/*.txt"}}, "", nil, []string{"loop/sub/up", "leads back"}},
		{"link to itself", corpus.Source{Paths: []string{"self"}}, "", nil, []string{"self/l"}},
		{"dangling link", corpus.Source{Paths: []string{"dangling"}}, "", nil, []string{"dangling/l.txt", "no such file"}},
		{"name that is no text", corpus.Source{Paths: []string{"badname"}}, "", nil, []string{`badname/\xff.txt`, "rename"}},
		{"device", corpus.Source{Paths: []string{os.DevNull}, Format: "text"}, "", nil, []string{os.DevNull, "neither"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.source.Name = "s"
			for i, p := range test.source.Paths {
				if !filepath.IsAbs(p) {
					test.source.Paths[i] = dir + "/" + p
				}
			}
			roots, files, err := corpus.List(t.Context(), test.source)
			if test.err != nil {
				for _, word := range append(test.err, `source "s"`) {
					if err == nil || !strings.Contains(err.Error(), word) {
						t.Errorf("error %v, want one that says %q", err, word)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				got = append(got, strings.Join([]string{f.Path, f.Format, f.Compression}, " "))
				data, err := os.ReadFile(roots[0].Root + "/" + f.Path)
				if err != nil {
					t.Fatal(err)
				}
				hash := sha256.Sum256(data)
				if f.Digest != hex.EncodeToString(hash[:]) || f.Size != int64(len(data)) || f.ModTimeNano == 0 || f.Source != 0 {
					t.Errorf("%+v of %d bytes, digest %x", f, len(data), hash)
				}
			}
			if d := diff(strings.Join(got, "\n"), strings.Join(test.files, "\n")); d != "" {
				t.Error(d)
			}
			if want := filepath.Join(dir, test.root); roots[0].Root != want || roots[0].Name != "s" {
				t.Errorf("root %+v, want %s", roots[0], want)
			}
		})
	}
}

func TestListRelativePath(t *testing.T) {
	dir := tree(t, map[string]string{"in/a.txt": "a"})
	t.Chdir(dir)
	for _, p := range []string{"in", "./in/a.txt", "in/*.txt", "in/../in"} {
		roots, files, err := corpus.List(t.Context(), corpus.Source{Name: "s", Paths: []string{p}})
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != 1 || files[0].Path != "a.txt" || !filepath.IsAbs(roots[0].Root) {
			t.Errorf("%s: %+v, %+v", p, roots, files)
		}
	}
}

func TestListCanceled(t *testing.T) {
	st := newStorage(map[string][]byte{"a.txt": nil})
	if _, _, err := corpus.List(ctxCanceled, corpus.Source{Name: "s", Paths: []string{"/data"}, Storage: st.open}); err == nil {
		t.Error("no error with a canceled context")
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		source corpus.Source
		words  string
	}{
		{corpus.Source{Paths: []string{"a"}}, "name"},
		{corpus.Source{Name: "a/b", Paths: []string{"a"}}, "slash"},
		{corpus.Source{Name: "s"}, "paths"},
		{corpus.Source{Name: "s", Paths: []string{""}}, "paths"},
		{corpus.Source{Name: "s", Paths: []string{"a"}, Format: "csv"}, `format is "csv"`},
		{corpus.Source{Name: "s", Paths: []string{"a"}, Compression: "xz"}, `compression is "xz"`},
		{corpus.Source{Name: "s", Paths: []string{"a"}, Document: "page"}, `document is "page"`},
		{corpus.Source{Name: "s", Paths: []string{"a"}, Format: "jsonl", Document: "line"}, "only for text"},
		{corpus.Source{Name: "s", Paths: []string{"a"}, IDField: "text"}, `both be field "text"`},
		{corpus.Source{Name: "s", Paths: []string{"a"}, MaxRecordBytes: -1}, "max_record_bytes is -1"},
		{corpus.Source{Name: "s", Paths: []string{"a"}, MaxRecordBytes: 1 << 40}, "max_record_bytes"},
	}
	for _, test := range tests {
		test.source.SetDefaults()
		if err := test.source.Validate(); err == nil || !strings.Contains(err.Error(), test.words) {
			t.Errorf("%+v: error %v, want one that says %q", test.source, err, test.words)
		}
	}
	twice := corpus.Source{Name: "s", Paths: []string{"a"}}
	if _, _, err := corpus.List(t.Context(), twice, twice); err == nil || !strings.Contains(err.Error(), `two sources are named "s"`) {
		t.Errorf("two sources of one name: %v", err)
	}
}
