package corpus_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

var _ pipeline.Source = (*corpus.Reader)(nil)

var compressions = []string{corpus.None, corpus.Gzip, corpus.Zstd, corpus.Bzip2}

var extensions = map[string]string{corpus.None: "", corpus.Gzip: ".gz", corpus.Zstd: ".zst", corpus.Bzip2: ".bz2"}

// compress makes a file of several members, frames or streams.
func compress(t testing.TB, compression string, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, part := range parts {
		var w io.WriteCloser
		var err error
		switch compression {
		case corpus.None:
			out.WriteString(part)
			continue
		case corpus.Gzip:
			gz := gzip.NewWriter(&out)
			gz.Name = "name"
			w = gz
		case corpus.Zstd:
			w, err = zstd.NewWriter(&out, zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10))
		case corpus.Bzip2:
			out.Write(bzip2(t, part))
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

var update = flag.Bool("update", false, "make the files of testdata/bzip2 again, by the bzip2 command")

// bzip2 compresses text. Go has no encoder: what the bzip2 command makes of the small texts of these tests lies in testdata, by digest.
func bzip2(t testing.TB, text string) []byte {
	t.Helper()
	hash := sha256.Sum256([]byte(text))
	golden := filepath.Join("testdata", "bzip2", hex.EncodeToString(hash[:8])+".bz2")
	data, err := os.ReadFile(golden)
	if err == nil && !*update {
		return data
	}
	cmd := exec.Command("bzip2", "-1c")
	cmd.Stdin = strings.NewReader(text)
	if data, err = cmd.Output(); err != nil {
		t.Skipf("bzip2 can't be run to make the input: %v", err)
	}
	if *update && len(data) < 8<<10 {
		if err := os.MkdirAll(filepath.Dir(golden), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

var modTime = time.Unix(1_700_000_000, 0)

// storage is a file system in memory, with faults.
type storage struct {
	files fstest.MapFS
	chunk int   // bytes that a read delivers at most; 0: all
	bad   int64 // reading fails from this byte on; 0: never
	cut   int64 // files seem to end at this byte; 0: where they do
}

func newStorage(files map[string][]byte) *storage {
	s := &storage{files: make(fstest.MapFS)}
	for name, data := range files {
		s.files["data/"+name] = &fstest.MapFile{Data: data, ModTime: modTime}
	}
	return s
}

func (s *storage) open(root string) fs.FS {
	if root == "/" {
		return faultyFS{s.files, s}
	}
	sub, err := fs.Sub(s.files, strings.TrimPrefix(root, "/"))
	if err != nil {
		panic(err)
	}
	return faultyFS{sub, s}
}

type faultyFS struct {
	fs.FS
	storage *storage
}

func (f faultyFS) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if _, isFile := file.(io.ReaderAt); !isFile {
		return file, err
	}
	return &faultyFile{File: file, storage: f.storage}, nil
}

type faultyFile struct {
	fs.File
	storage *storage
	pos     int64
}

var errDisk = errors.New("the disk is broken")

func (f *faultyFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if f.storage.chunk > 0 && len(p) > f.storage.chunk {
		p = p[:f.storage.chunk]
	}
	if cut := f.storage.cut; cut > 0 && off+int64(len(p)) > cut {
		n, err := f.File.(io.ReaderAt).ReadAt(p[:max(0, cut-off)], off)
		return n, cmp.Or(err, io.EOF)
	}
	short := error(nil)
	if bad := f.storage.bad; bad > 0 && off+int64(len(p)) > bad {
		p = p[:max(0, bad-off)]
		short = &fs.PathError{Op: "read", Path: "/some/machine", Err: errDisk}
	}
	n, err := f.File.(io.ReaderAt).ReadAt(p, off)
	if short != nil {
		return n, short
	}
	return n, err
}

// plan lists and splits the files of sources.
func plan(t testing.TB, laneBytes int64, sources ...corpus.Source) *schemas.Plan {
	t.Helper()
	roots, files, err := corpus.List(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	splits, lanes, err := corpus.Split(t.Context(), sources, roots, files, laneBytes)
	if err != nil {
		t.Fatal(err)
	}
	return &schemas.Plan{Sources: roots, Files: files, Splits: splits, Lanes: lanes}
}

// copyRow makes a row that outlives its batch.
func copyRow(r schemas.Row) schemas.Row {
	r.Text, r.ID = bytes.Clone(r.Text), bytes.Clone(r.ID)
	return r
}

// readFrom reads a lane from a cursor to its end, with one batch used again and again.
func readFrom(t testing.TB, p *schemas.Plan, lane int, from schemas.Cursor, limit int64, sources ...corpus.Source) ([]schemas.Row, error) {
	t.Helper()
	opener, err := corpus.NewOpener(p, sources...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := opener.Open(t.Context(), lane, from)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	var rows []schemas.Row
	var b schemas.Batch
	for {
		b.Reset()
		b.Limit = limit
		granted := limit
		b.Grow = func(n int64) error {
			if n <= limit {
				t.Errorf("Grow(%d) with a limit of %d", n, limit)
			}
			granted = max(granted, n)
			return nil
		}
		err := r.Read(t.Context(), &b)
		if err == io.EOF {
			if len(b.Rows) != 0 {
				t.Errorf("io.EOF with %d rows", len(b.Rows))
			}
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		if len(b.Rows) == 0 {
			t.Fatal("an empty batch without io.EOF")
		}
		size := int64(0)
		for _, row := range b.Rows {
			size += int64(len(row.Text) + len(row.ID))
			rows = append(rows, copyRow(row))
		}
		if size > granted {
			t.Errorf("batch of %d bytes, but %d were granted", size, granted)
		}
	}
}

// readAll reads all lanes and checks the balance of each split.
func readAll(t testing.TB, p *schemas.Plan, limit int64, sources ...corpus.Source) []schemas.Row {
	t.Helper()
	var all []schemas.Row
	for lane := range p.Lanes {
		rows, err := readFrom(t, p, lane, p.Start(lane), limit, sources...)
		if err != nil {
			t.Fatalf("lane %d: %v", lane, err)
		}
		checkBalance(t, p, lane, rows)
		all = append(all, rows...)
	}
	return all
}

func checkBalance(t testing.TB, p *schemas.Plan, lane int, rows []schemas.Row) {
	t.Helper()
	split := p.Lanes[lane].First
	var bytes, records int64
	for i, r := range rows {
		if r.Pos.Split != split {
			t.Fatalf("row %d is of split %d, want %d", i, r.Pos.Split, split)
		}
		start := p.Splits[split].Start
		if at := start + bytes + r.Lead; r.Pos.Offset != at {
			t.Errorf("split %d row %d: offset %d, but %d bytes before it", split, i, r.Pos.Offset, at)
		}
		if r.Pos.Record != records {
			t.Errorf("split %d row %d: record %d, but %d before it", split, i, r.Pos.Record, records)
		}
		bytes += r.Lead + r.Bytes + r.Unreadable
		records++
		if r.Verdict.Kind == schemas.End {
			split, bytes, records = split+1, 0, 0
		}
	}
	if split != p.Lanes[lane].End {
		t.Errorf("lane %d ends in split %d, want %d", lane, split, p.Lanes[lane].End)
	}
}

// show writes rows one a line, for comparison.
func show(rows []schemas.Row) string {
	var out strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&out, "%d@%d#%d lead %d ", r.Pos.Split, r.Pos.Offset, r.Pos.Record, r.Lead)
		switch r.Verdict.Kind {
		case schemas.End:
			out.WriteString("end")
		case schemas.Quarantine:
			fmt.Fprintf(&out, "bytes %d unreadable %d %s: %s", r.Bytes, r.Unreadable, corpus.Reasons[r.Verdict.Reason], r.Detail)
		default:
			fmt.Fprintf(&out, "bytes %d id %q text %q", r.Bytes, r.ID, r.Text)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// diff returns the first line in which two texts differ, or nothing.
func diff(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, a, b)
		}
	}
	return ""
}

var ctxCanceled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
