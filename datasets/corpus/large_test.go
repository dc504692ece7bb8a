package corpus_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/schemas"
)

var filler = bytes.Repeat([]byte{'x'}, 64<<10)

// repeat delivers x n times.
type repeat struct{ n int64 }

func (r *repeat) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.n)], filler)
	r.n -= int64(n)
	return n, nil
}

// sparseFile is an uncompressed file that is made while it is read: start, n bytes of x, end.
type sparseFile struct {
	fs.FileInfo
	start, end string
	n          int64
}

func (f *sparseFile) Size() int64                { return int64(len(f.start)+len(f.end)) + f.n }
func (f *sparseFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *sparseFile) Close() error               { return nil }
func (f *sparseFile) Read([]byte) (int, error)   { return 0, errors.ErrUnsupported }
func (f *sparseFile) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < f.Size() {
		step := 0
		switch middle := off - int64(len(f.start)); {
		case middle < 0:
			step = copy(p[n:], f.start[off:])
		case middle < f.n:
			step = copy(p[n:], filler[:min(f.n-middle, int64(len(filler)))])
		default:
			step = copy(p[n:], f.end[middle-f.n:])
		}
		n += step
		off += int64(step)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

type sparseFS struct{ file *sparseFile }

func (f sparseFS) Open(string) (fs.File, error) { return f.file, nil }

// A line of 100 MB, plain or out of a few kilobytes, is skipped without being held.
func TestHugeLine(t *testing.T) {
	const huge = 100e6
	start, end := "{\"text\":\"one\"}\n{\"text\":\"", "\"}\n{\"text\":\"two\"}\n"
	input := func() io.Reader {
		return io.MultiReader(strings.NewReader(start), &repeat{huge}, strings.NewReader(end))
	}
	gz, zst := new(bytes.Buffer), new(bytes.Buffer)
	gw := gzip.NewWriter(gz)
	zw, err := zstd.NewWriter(zst, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{gw, zw} {
		if _, err := io.Copy(w, input()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	compressed := newStorage(map[string][]byte{"in.jsonl.gz": gz.Bytes(), "in.jsonl.zst": zst.Bytes()})
	sparse := &sparseFile{start: start, n: huge, end: end}
	info, err := fs.Stat(compressed.open("/data"), "in.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	sparse.FileInfo = info
	want := "0@0#0 lead 0 bytes 14 id \"\" text \"one\"\n" +
		"0@15#1 lead 1 bytes 100000011 unreadable 0 record-too-large: 100000011 bytes, and max_record_bytes is 33554432\n" +
		"0@100000027#2 lead 1 bytes 14 id \"\" text \"two\"\n" +
		"0@100000042#3 lead 1 end\n"
	for _, c := range compressions[:3] {
		t.Run(c, func(t *testing.T) {
			source := corpus.Source{Name: "s", Paths: []string{"/data/in.jsonl" + extensions[c]}, Storage: compressed.open}
			p := &schemas.Plan{
				Sources: []schemas.Source{{Name: "s", Root: "/data"}},
				Files: []schemas.File{{Path: "in.jsonl", Size: sparse.Size(), ModTimeNano: modTime.UnixNano(),
					Format: corpus.JSONL}},
				Splits: []schemas.Split{{End: sparse.Size()}},
				Lanes:  []schemas.Lane{{End: 1}},
			}
			if c == corpus.None {
				source.Storage = func(string) fs.FS { return sparseFS{sparse} }
			} else {
				p = plan(t, 1<<20, source)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rows := readAll(t, p, 1<<20, source)
			runtime.ReadMemStats(&after)
			if d := diff(show(rows), want); d != "" {
				t.Error(d)
			}
			// A window of 32 MiB, as it grows twofold, and the decoder.
			if n := after.TotalAlloc - before.TotalAlloc; n > 90<<20 {
				t.Errorf("%d MiB allocated", n>>20)
			}
		})
	}
}

// Before a large record is held, its batch is empty and has grown to its size.
func TestGrow(t *testing.T) {
	text := strings.Repeat("x", 3<<20)
	st := newStorage(map[string][]byte{"in.txt": []byte("small\n" + text + "\nsmall\n" + text[:700<<10] + "\nsmall\n")})
	source := corpus.Source{Name: "s", Paths: []string{"/data"}, Document: corpus.ByLine, Storage: st.open}
	p := plan(t, 1<<30, source)
	opener, err := corpus.NewOpener(p, source)
	if err != nil {
		t.Fatal(err)
	}
	r, err := opener.Open(t.Context(), 0, p.Start(0))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const limit = 1 << 20
	var b schemas.Batch
	var sizes []int
	var raw int64
	for {
		b.Reset()
		b.Limit = limit
		granted := int64(limit)
		b.Grow = func(n int64) error {
			if len(b.Rows) > 0 || b.Arena.Size() > 1<<20 {
				t.Errorf("Grow(%d) with %d rows, %d bytes", n, len(b.Rows), b.Arena.Size())
			}
			granted = max(granted, n)
			return nil
		}
		err := r.Read(t.Context(), &b)
		raw += b.RawBytes
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, row := range b.Rows {
			size += len(row.Text)
		}
		if int64(size) > granted {
			t.Errorf("a batch of %d bytes, %d granted", size, granted)
		}
		sizes = append(sizes, size)
	}
	if len(sizes) != 3 || sizes[0] != 5 || sizes[1] != len(text) || sizes[2] != 10+700<<10 {
		t.Errorf("batches of %v bytes", sizes)
	}
	if raw != p.Files[0].Size {
		t.Errorf("%d raw bytes of %d", raw, p.Files[0].Size)
	}

	// What Grow returns ends the run.
	r, err = opener.Open(t.Context(), 0, schemas.Cursor{Offset: 5, Record: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b.Reset()
	refused := errors.New("no memory")
	b.Grow = func(int64) error { return refused }
	if err := r.Read(t.Context(), &b); err != refused {
		t.Errorf("Grow refused: %v", err)
	}
}

// Many tiny records do not make a batch of many times its limit.
func TestTinyRecords(t *testing.T) {
	st := newStorage(map[string][]byte{"in.txt": []byte(strings.Repeat("a\n", 100_000))})
	source := corpus.Source{Name: "s", Paths: []string{"/data"}, Document: corpus.ByLine, Storage: st.open}
	p := plan(t, 1<<30, source)
	opener, err := corpus.NewOpener(p, source)
	if err != nil {
		t.Fatal(err)
	}
	r, err := opener.Open(t.Context(), 0, p.Start(0))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := schemas.Batch{Limit: 100_000}
	if err := r.Read(t.Context(), &b); err != nil || len(b.Rows) > 1000 || len(b.Rows) < 100 {
		t.Errorf("%d rows in a batch of 100 kB, %v", len(b.Rows), err)
	}
}
