package shards

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
	"github.com/zeebo/xxh3"
)

// spilled writes rows to a spill.
func spilled(t testing.TB, rows []schemas.Row, opts SpillOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewSpillWriter(&b, opts)
	if err != nil {
		t.Fatal(err)
	}
	for len(rows) > 0 {
		taken, _, err := w.Append(rows)
		if err != nil || taken == 0 {
			t.Fatalf("Append took %d rows, error %v", taken, err)
		}
		rows = rows[taken:]
	}
	if _, _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// texts makes rows of compressible text; some records have several parts, and row big has 5 MB.
func texts(n, big int) []schemas.Row {
	r := rand.New(rand.NewPCG(3, 4))
	var rows []schemas.Row
	record := int64(0)
	for i := range n {
		p := schemas.Pos{File: int32(i / 1000), Split: int32(i / 500), Offset: int64(i) * 100, Record: record}
		if i%500 == 0 {
			p.Record, record = 0, 0
		}
		if i%7 == 3 && i%500 > 0 {
			p = rows[i-1].Pos
			p.Part++
		} else {
			record++
		}
		text := bytes.Repeat(fmt.Appendf(nil, "word%d ", r.IntN(1000)), r.IntN(1000))
		if i == big {
			text = bytes.Repeat([]byte("large record "), 5<<20/13)
		}
		rows = append(rows, schemas.Row{Pos: p, ID: fmt.Appendf(nil, "%d", i)[:i%3], Text: text, Bytes: 9, Lead: 1})
	}
	return rows
}

// readSpill collects all rows from c on.
func readSpill(t testing.TB, file []byte, c schemas.Cursor, limit int64) []schemas.Row {
	t.Helper()
	s, err := OpenSpill(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.From(c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var rows []schemas.Row
	b := &schemas.Batch{Limit: limit}
	for {
		b.Reset()
		var granted int64
		b.Grow = func(n int64) error { granted = n; return nil }
		err := r.Read(t.Context(), b)
		if err == io.EOF && len(b.Rows) == 0 {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		var size, last int64
		for _, row := range b.Rows {
			last = int64(len(row.Text))
			size += last
			row.ID, row.Text = bytes.Clone(row.ID), bytes.Clone(row.Text)
			rows = append(rows, row)
		}
		if size-last >= limit {
			t.Fatalf("a batch goes on behind its limit of %d: %d bytes, the last row has %d", limit, size, last)
		}
		if size > max(limit, granted) {
			t.Fatalf("a batch of %d bytes, limit %d, granted %d", size, limit, granted)
		}
	}
}

func TestSpill(t *testing.T) {
	rows := texts(3000, 1234)
	file := spilled(t, rows, SpillOptions{MaxRows: 1 << 40, MaxBytes: 1 << 40})
	for _, limit := range []int64{1, 1000, 1 << 20, 1 << 40} {
		sameTexts(t, readSpill(t, file, schemas.Cursor{}, limit), rows)
	}
	sameTexts(t, readSpill(t, spilled(t, nil, SpillOptions{}), schemas.Cursor{}, 100), nil)
}

func TestSpillOfFewBytes(t *testing.T) {
	for size := range 300 {
		rows := []schemas.Row{{Text: bytes.Repeat([]byte{'a' + byte(size%26)}, size)}}
		sameTexts(t, readSpill(t, spilled(t, rows, SpillOptions{}), schemas.Cursor{}, 100), rows)
	}
}

func TestSpillFrom(t *testing.T) {
	rows := texts(3000, 700)
	file := spilled(t, rows, SpillOptions{MaxRows: 1 << 40, MaxBytes: 1 << 40})
	for i := 0; i < len(rows); i += 307 {
		c := schemas.Cursor{Split: rows[i].Pos.Split, Record: rows[i].Pos.Record}
		for i > 0 && rows[i-1].Pos.Split == c.Split && rows[i-1].Pos.Record == c.Record {
			i--
		}
		sameTexts(t, readSpill(t, file, c, 1<<18), rows[i:])
	}
	sameTexts(t, readSpill(t, file, schemas.Cursor{Split: 99}, 1), nil)
}

func sameTexts(t *testing.T, got, want []schemas.Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := &got[i], &want[i]
		if g.Pos != w.Pos || string(g.ID) != string(w.ID) || string(g.Text) != string(w.Text) || g.Bytes != 0 || g.Lead != 0 {
			t.Fatalf("row %d is %v %q of %d bytes, want %v %q of %d", i, g.Pos, g.ID, len(g.Text), w.Pos, w.ID, len(w.Text))
		}
	}
}

func TestSpillIsFullByRowsAlone(t *testing.T) {
	rows := texts(500, 400)
	for _, opts := range []SpillOptions{{MaxRows: 77}, {MaxBytes: 100_000}, {MaxRows: 1}, {MaxBytes: 1}} {
		var want []byte
		var wantTaken int
		for _, chunk := range []int{500, 1, 13} {
			var b bytes.Buffer
			w, err := NewSpillWriter(&b, opts)
			if err != nil {
				t.Fatal(err)
			}
			taken, full := 0, false
			for !full {
				n := 0
				n, full, err = w.Append(rows[taken:min(taken+chunk, len(rows))])
				if err != nil {
					t.Fatal(err)
				}
				taken += n
			}
			if n, tokens, err := w.Finish(); n != int64(taken) || tokens != 0 || err != nil {
				t.Fatalf("Finish: %d rows, %d tokens, error %v; want %d, 0", n, tokens, err, taken)
			}
			if want == nil {
				want, wantTaken = b.Bytes(), taken
			}
			if taken != wantTaken || !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%+v in chunks of %d: %d rows, %d bytes; at once: %d rows, %d bytes", opts, chunk, taken, b.Len(), wantTaken, len(want))
			}
		}
	}
}

func TestSpillRefuses(t *testing.T) {
	row := func(split int32, record int64, part int32) schemas.Row {
		return schemas.Row{Pos: schemas.Pos{Split: split, Record: record, Part: part}}
	}
	for _, test := range []struct {
		name string
		rows []schemas.Row
	}{
		{"twice", []schemas.Row{row(0, 0, 0), row(0, 0, 0)}},
		{"split back", []schemas.Row{row(1, 0, 0), row(0, 5, 0)}},
		{"record back", []schemas.Row{row(1, 3, 0), row(1, 2, 9)}},
		{"negative", []schemas.Row{row(-1, 0, 0)}},
	} {
		w, err := NewSpillWriter(io.Discard, SpillOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Append(test.rows); err == nil {
			t.Errorf("%s: no error", test.name)
		}
	}
}

func TestSpillFailingWriter(t *testing.T) {
	rows := texts(200, 100)
	size := len(spilled(t, rows, SpillOptions{}))
	for room := 0; room < size; room += 1 + size/20 {
		w, err := NewSpillWriter(&fullDisk{room: room}, SpillOptions{})
		if err == nil {
			if _, _, err = w.Append(rows); err == nil {
				_, _, err = w.Finish()
			}
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("room for %d of %d bytes: error %v", room, size, err)
		}
	}
}

var errFull = errors.New("no space left")

// fullDisk takes room bytes.
type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// drain reads a spill to its end or first error.
func drain(ctx context.Context, file []byte) (int, error) {
	s, err := OpenSpill(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return 0, err
	}
	r, err := s.From(schemas.Cursor{})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n := 0
	for b := (&schemas.Batch{Limit: 1 << 16}); ; b.Reset() {
		if err := r.Read(ctx, b); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		n += len(b.Rows)
	}
}

func TestSpillDamage(t *testing.T) {
	file := spilled(t, texts(400, -1), SpillOptions{})
	r := rand.New(rand.NewPCG(5, 6))
	for range 400 {
		bit := r.IntN(8 * len(file))
		broken := bytes.Clone(file)
		broken[bit/8] ^= 1 << (bit % 8)
		if _, err := drain(t.Context(), broken); err == nil {
			t.Errorf("bit %d is flipped, no error", bit)
		} else if !strings.Contains(err.Error(), "spill") {
			t.Errorf("bit %d: error does not say what is broken: %v", bit, err)
		}
	}
	for n := 0; n < len(file); n += 1 + n/8 {
		if _, err := drain(t.Context(), file[:n]); err == nil {
			t.Errorf("%d of %d bytes, no error", n, len(file))
		}
	}
}

// forgeSpill makes the checksums of a spill fit, as someone would who builds a hostile one.
func forgeSpill(file []byte) []byte {
	le := binary.LittleEndian
	trailer := len(file) - spillTrailer
	if trailer < spillHeader {
		return file
	}
	n := le.Uint64(file[trailer:])
	if n > uint64(trailer-spillHeader)/spillIndexEntry {
		return file
	}
	index := trailer - int(n)*spillIndexEntry
	end := index
	for i := int(n) - 1; i >= 0; i-- {
		start := le.Uint64(file[index+i*spillIndexEntry:])
		if start >= uint64(spillHeader) && start+spillBlockHeader <= uint64(end) {
			le.PutUint64(file[start+12:], blockChecksum(file[start:end]))
			end = int(start)
		}
	}
	le.PutUint64(file[trailer+16:], xxh3.Hash(file[index:trailer+16]))
	return file
}

// TestSpillHostile changes a spill and its checksums with it: whatever comes out, nothing may break.
func TestSpillHostile(t *testing.T) {
	file := spilled(t, texts(30, -1), SpillOptions{})
	r := rand.New(rand.NewPCG(6, 6))
	refused := 0
	for range 1000 {
		broken := bytes.Clone(file)
		at := r.IntN(len(file))
		if r.IntN(2) == 0 { // the header of the block, the index or the trailer
			at = [...]int{spillHeader, len(file) - spillTrailer - spillIndexEntry}[r.IntN(2)] + r.IntN(spillIndexEntry)
		}
		broken[at] = byte(r.Uint32())
		if _, err := drain(t.Context(), forgeSpill(broken)); err != nil {
			refused++
		}
	}
	if refused < 300 {
		t.Errorf("%d of 1000 hostile spills were refused: the test does not reach what it should", refused)
	}
}

// FuzzSpill reads hostile spills whose checksums fit.
func FuzzSpill(f *testing.F) {
	file := spilled(f, texts(20, -1), SpillOptions{})
	if n, err := drain(f.Context(), forgeSpill(bytes.Clone(file))); n != 20 || err != nil {
		f.Fatalf("a sound spill has %d rows, error %v", n, err)
	}
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _ = drain(t.Context(), forgeSpill(bytes.Clone(file)))
	})
}
