package corpus_test

import (
	"context"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/schemas"
)

// limitedFS hides what its files can do beyond fs.File.
type limitedFS struct {
	fs.FS
	seek  bool // files offer io.Seeker
	empty bool // reading delivers neither bytes nor an error
}

type plainFile struct {
	fs.File
	empty bool
}

func (f plainFile) Read(p []byte) (int, error) {
	if f.empty {
		return 0, nil
	}
	return f.File.Read(p)
}

type seekableFile struct {
	fs.File
	io.Seeker
}

func (f limitedFS) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	seeker, ok := file.(io.Seeker)
	switch {
	case err != nil || !ok:
		return file, err
	case f.seek:
		return seekableFile{file, seeker}, nil
	}
	return plainFile{file, f.empty}, nil
}

func TestStorageThatCanDoLess(t *testing.T) {
	for _, seek := range []bool{true, false} {
		for _, s := range samples {
			st := newStorage(map[string][]byte{"in" + s.ext: []byte(strings.Join(s.parts, ""))})
			source := s.source
			source.Name, source.Paths = "s", []string{"/data"}
			source.Storage = func(root string) fs.FS {
				sub, err := fs.Sub(st.files, fsPath(root))
				if err != nil {
					t.Fatal(err)
				}
				return limitedFS{FS: sub, seek: seek}
			}
			p := plan(t, 10, source)
			if d := diff(show(readAll(t, p, 1<<20, source)), s.want); d != "" {
				t.Errorf("%s, seek %v: %s", s.name, seek, d)
			}
			checkResume(t, p, source)
		}
	}
}

// fsPath makes an fs path of an absolute one.
func fsPath(root string) string {
	if root == "/" {
		return "."
	}
	return strings.TrimPrefix(root, "/")
}

// A storage that delivers nothing does not hang a run.
func TestStorageWithoutProgress(t *testing.T) {
	st := newStorage(map[string][]byte{"in.txt": []byte("one\n")})
	source := corpus.Source{Name: "s", Paths: []string{"/data"}, Storage: st.open}
	p := plan(t, 10, source)
	source.Storage = func(string) fs.FS { return limitedFS{FS: st.files, empty: true} }
	p.Files[0].Path = "data/in.txt"
	want := "0@0#0 lead 0 bytes 0 unreadable 0 read-error: " + io.ErrNoProgress.Error() + "\n0@0#1 lead 0 end\n"
	if d := diff(show(readAll(t, p, 1<<20, source)), want); d != "" {
		t.Error(d)
	}
}

func TestOpenErrors(t *testing.T) {
	st := newStorage(map[string][]byte{
		"1.txt":      []byte(strings.Repeat("a line\n", 10)),
		"2.jsonl.gz": compress(t, corpus.Gzip, "{\"text\":\"a\"}\n"),
	})
	source := corpus.Source{Name: "s", Paths: []string{"/data"}, Document: corpus.ByLine, Storage: st.open}
	p := plan(t, 35, source)
	tests := []struct {
		name  string
		lane  int
		from  schemas.Cursor
		words string
	}{
		{"lane below", -1, schemas.Cursor{}, "lane -1"},
		{"lane above", 99, schemas.Cursor{}, "the plan has"},
		{"split below", 1, schemas.Cursor{}, "split 0 of the cursor"},
		{"split above", 0, schemas.Cursor{Split: 2}, "split 2 of the cursor"},
		{"offset below", 1, schemas.Cursor{Split: 1, Offset: 34}, "cursor"},
		{"offset above", 0, schemas.Cursor{Offset: 36}, "cursor"},
		{"record below", 0, schemas.Cursor{Record: -1}, "cursor"},
		{"offset behind the end of a compressed file", 2, schemas.Cursor{Split: 2, Offset: 100}, "byte 100"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := readFrom(t, p, test.lane, test.from, 1<<20, source); err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("error %v, want one that says %q", err, test.words)
			}
		})
	}
	if rows, err := readFrom(t, p, 0, schemas.Cursor{Split: 1}, 1<<20, source); err != nil || rows != nil {
		t.Errorf("behind the lane: %v, %v", rows, err)
	}
	st.bad = 5
	if _, err := readFrom(t, p, 2, schemas.Cursor{Split: 2, Offset: 12}, 1<<20, source); err == nil || !strings.Contains(err.Error(), errDisk.Error()) {
		t.Errorf("storage error before the cursor: %v", err)
	}

	if _, err := corpus.NewOpener(p); err == nil {
		t.Error("no error for a plan with a source too many")
	}
	source.Name = "other"
	if _, err := corpus.NewOpener(p, source); err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("another source: %v", err)
	}
	source.Name, source.Format = "s", "csv"
	if _, err := corpus.NewOpener(p, source); err == nil {
		t.Error("no error for a bad source")
	}
	source.Format = ""
	opener, err := corpus.NewOpener(p, source)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := opener.Open(ctxCanceled, 0, p.Start(0)); err != context.Canceled || r != nil {
		t.Errorf("canceled: %v, %v", r, err)
	}
}
