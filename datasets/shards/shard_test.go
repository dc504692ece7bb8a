package shards

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/zeebo/xxh3"
)

func TestNothingIsCopied(t *testing.T) {
	for _, width := range []int{2, 4} {
		arrowFile, index := encode(t, documents(3000, 5000, 1), Options{TokenBytes: width, HeldOutPPM: 200_000, Source: sourceName})
		s := openShard(t, put(t, t.TempDir(), "x", arrowFile, index))
		for i, e := range s.Index().Batches {
			b := batch(t, s, i)
			views := map[string][]byte{"bounds": bytesOf(b.Bounds()), "tokens": bytesOf(b.Tokens().Uint16()), "id": b.ID(1), "source": b.Source(1)}
			if width == 4 {
				views["tokens"] = bytesOf(b.Tokens().Uint32())
			}
			lo := uintptr(unsafe.Pointer(unsafe.SliceData(s.data)))
			for name, view := range views {
				at := uintptr(unsafe.Pointer(unsafe.SliceData(view)))
				if at < lo || at+uintptr(len(view)) > lo+uintptr(len(s.data)) {
					t.Errorf("width %d, batch %d: %s lies outside of the mapping", width, i, name)
				}
			}
			if v, r := views["tokens"], e.Values; !bytes.Equal(v, s.data[r.Offset:r.end()]) {
				t.Errorf("width %d, batch %d: ids are not where the index says", width, i)
			}
			if v, r := views["bounds"], e.Lists; !bytes.Equal(v, s.data[r.Offset:r.end()]) {
				t.Errorf("width %d, batch %d: bounds are not where the index says", width, i)
			}
		}
	}
}

// TestMappingOutlivesClose reads a batch after Close; a mapping that is gone would end the process.
func TestMappingOutlivesClose(t *testing.T) {
	arrowFile, index := encode(t, documents(3000, 5000, 1), Options{TokenBytes: 2})
	s, err := Open(put(t, t.TempDir(), "x", arrowFile, index))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Batch(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Batch(1); err == nil {
		t.Error("a closed shard gives a batch")
	}
	var sum uint64
	for i := range b.Tokens().Len() {
		sum += uint64(b.Tokens().At(i))
	}
	if sum == 0 || s.refs.Load() != 1 {
		t.Errorf("sum %d, %d references, want 1", sum, s.refs.Load())
	}
	if err := b.Release(); err != nil || s.refs.Load() != 0 {
		t.Errorf("%d references are left, error %v", s.refs.Load(), err)
	}
}

func TestManyReaders(t *testing.T) {
	arrowFile, index := encode(t, documents(5000, 5000, 1), Options{TokenBytes: 2})
	s := openShard(t, put(t, t.TempDir(), "x", arrowFile, index))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range s.Index().Batches {
				b, err := s.Batch(i)
				if err != nil {
					t.Error(err)
					return
				}
				_ = b.Tokens().AppendTo(nil, 0, b.Tokens().Len())
				if err := b.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// readAll opens a shard and looks at everything in it.
func readAll(path string) (err error) {
	s, err := Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for i := range s.Index().Batches {
		b, err := s.Batch(i)
		if err != nil {
			return err
		}
		for row := range b.Rows() {
			_ = b.Tokens().AppendTo(nil, int(b.Bounds()[row]), int(b.Bounds()[row+1]))
			_ = string(b.ID(row)) + string(b.Source(row)) + fmt.Sprint(b.RecordOffset(row))
		}
		if err := b.Release(); err != nil {
			return err
		}
	}
	return nil
}

func TestTruncated(t *testing.T) {
	arrowFile, index := encode(t, documents(50, 500, 1), Options{TokenBytes: 2, HeldOutPPM: 300_000})
	dir := t.TempDir()
	for n := 0; n < len(arrowFile); n += 1 + n/16 {
		if err := readAll(put(t, dir, "x", arrowFile[:n], index)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d of %d bytes: error %v", n, len(arrowFile), err)
		}
	}
	for n := 0; n < len(index); n++ {
		if err := readAll(put(t, dir, "x", arrowFile, index[:n])); !errors.Is(err, ErrCorrupt) {
			t.Errorf("index of %d of %d bytes: error %v", n, len(index), err)
		}
	}
	if _, err := Open(filepath.Join(dir, "none.arrow")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: error %v", err)
	}
}

// forge makes the checksums of an index fit an Arrow file, as someone would who builds a hostile shard.
func forge(arrowFile, index []byte) []byte {
	index = bytes.Clone(index)
	le := binary.LittleEndian
	if len(index) < headerBytes+trailerBytes {
		return index
	}
	le.PutUint64(index[40:], uint64(len(arrowFile)))
	body := index[:len(index)-trailerBytes]
	le.PutUint64(index[len(body):], xxh3.Hash(body))
	x, err := decodeIndex(index)
	if err != nil {
		return index
	}
	le.PutUint64(index[48:], frameChecksum(arrowFile, x))
	le.PutUint64(index[len(body):], xxh3.Hash(body))
	return index
}

// TestHostile changes a shard and its checksums with it: whatever comes out, nothing may break.
func TestHostile(t *testing.T) {
	arrowFile, index := encode(t, documents(30, 500, 1), Options{TokenBytes: 2, HeldOutPPM: 300_000})
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(9, 9))
	refused := 0
	for range 3000 {
		a, x := bytes.Clone(arrowFile), bytes.Clone(index)
		for range 1 + r.IntN(3) {
			target := a
			if r.IntN(3) == 0 {
				target = x[8 : len(x)-trailerBytes]
			}
			at := r.IntN(len(target))
			switch r.IntN(3) {
			case 0:
				target[at] ^= 1 << r.IntN(8)
			case 1:
				target[at] = byte(r.Uint32())
			case 2:
				copy(target[at&^3:], []byte{0xff, 0xff, 0xff, byte(r.IntN(2) * 0x7f)})
			}
		}
		if err := readAll(put(t, dir, "x", a, forge(a, x))); err != nil {
			refused++
		}
	}
	if refused < 300 {
		t.Errorf("%d of 3000 hostile shards were refused: the test does not reach what it should", refused)
	}
}

// FuzzShard reads hostile shards: bytes replace those of a small shard at an offset, in either file, and checksums are made to fit.
func FuzzShard(f *testing.F) {
	arrowFile, index := encode(f, documents(12, 500, 1), Options{TokenBytes: 2, HeldOutPPM: 300_000})
	f.Add(uint32(0), []byte{}, uint32(0), []byte{})
	f.Add(uint32(len(arrowFile)-40), []byte{255, 255, 255, 127}, uint32(20), []byte{9})
	f.Add(uint32(400), []byte{1, 0, 0, 0, 255, 255}, uint32(60), []byte{8, 0, 0, 0})
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, indexAt uint32, indexPatch []byte) {
		a, x := bytes.Clone(arrowFile), bytes.Clone(index)
		copy(a[int(at)%len(a):], patch)
		copy(x[int(indexAt)%len(x):], indexPatch)
		_ = readAll(put(t, t.TempDir(), "x", a, forge(a, x)))
	})
}

func FuzzIndex(f *testing.F) {
	arrowFile, index := encode(f, documents(12, 500, 1), Options{TokenBytes: 2, HeldOutPPM: 300_000})
	f.Add(index)
	f.Add([]byte(indexMagic))
	f.Fuzz(func(t *testing.T, index []byte) {
		index = forge(arrowFile, index)
		if x, err := decodeIndex(index); err == nil && !bytes.Equal(x.encode(), index) {
			t.Errorf("it is read, but written as other bytes")
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	arrowFile, index := encode(b, documents(20_000, 5000, 1), Options{TokenBytes: 2})
	path := put(b, b.TempDir(), "x", arrowFile, index)
	b.Run("open=shard", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	s, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.Run("open=first", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.decode(i % len(s.batches)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open=again", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			batch, err := s.Batch(i % len(s.batches))
			if err != nil {
				b.Fatal(err)
			}
			if err := batch.Release(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// inMemory is a shard over bytes.
func inMemory(arrowFile, index []byte) (*Shard, error) {
	x, err := decodeIndex(index)
	if err != nil {
		return nil, err
	}
	s := &Shard{path: "memory", index: x, data: arrowFile, batches: make([]atomic.Pointer[Batch], len(x.Batches))}
	s.refs.Store(1)
	return s, s.openArrow()
}

// TestMetadataBits flips each bit of the metadata of a message and of the footer, with checksums that fit: the content that is read is
// that which was written, or nothing.
func TestMetadataBits(t *testing.T) {
	arrowFile, index := encode(t, documents(9, 500, 1), Options{TokenBytes: 2, Source: sourceName})
	sound, err := inMemory(arrowFile, index)
	if err != nil {
		t.Fatal(err)
	}
	want := batch(t, sound, 0)
	metadata := func(e BatchInfo) Range { return Range{e.Message.Offset, e.Lists.Offset - e.Message.Offset} }(want.Info())
	footer := Range{want.Info().Message.end(), int64(len(arrowFile)) - want.Info().Message.end()}
	refused := 0
	for _, region := range []Range{metadata, footer} {
		for bit := region.Offset * 8; bit < region.end()*8; bit++ {
			broken := bytes.Clone(arrowFile)
			broken[bit/8] ^= 1 << (bit % 8)
			s, err := inMemory(broken, forge(broken, index))
			if err != nil {
				refused++
				continue
			}
			got, err := s.decode(0)
			if err != nil {
				refused++
				continue
			}
			if fmt.Sprint(got.Tokens(), got.Bounds(), got.ids, got.sources, got.offsets) !=
				fmt.Sprint(want.Tokens(), want.Bounds(), want.ids, want.sources, want.offsets) {
				t.Errorf("bit %d of byte %d changes what is read", bit%8, bit/8)
			}
		}
	}
	if refused < 1000 {
		t.Errorf("%d changes were refused: the test does not reach what it should", refused)
	}
}

// TestGuardComesFirst hands the guards what arrow-go would allocate or read for.
func TestGuardComesFirst(t *testing.T) {
	arrowFile, index := encode(t, documents(9, 500, 1), Options{TokenBytes: 2, Source: sourceName})
	x, err := decodeIndex(index)
	if err != nil {
		t.Fatal(err)
	}
	e := &x.Batches[0]
	message := func(a []byte) table { return root(a[e.Message.Offset+8:]) }
	batchOf := func(a []byte) table { b, _ := message(a).child(slotMessageHeader); return b }
	footer := func(a []byte) table {
		end := len(a) - 10
		return root(a[end-int(binary.LittleEndian.Uint32(a[end:])) : end])
	}
	schema := func(a []byte) table { s, _ := footer(a).child(slotFooterSchema); return s }
	huge := func(v []byte) { binary.LittleEndian.PutUint32(v, 0x7fffffff) }
	count := func(tb table, slot int) []byte { return tb.Bytes[tb.Vector(tb.slot(slot))-4:] }
	for _, test := range []struct {
		name   string
		change func(a []byte)
	}{
		{"columns", func(a []byte) { huge(count(schema(a), slotSchemaFields)) }},
		{"children", func(a []byte) { huge(count(schema(a).element(slotSchemaFields, 0), slotFieldChildren)) }},
		{"batches", func(a []byte) { huge(count(footer(a), slotFooterBatches)) }},
		{"block", func(a []byte) { huge(footer(a).structs(slotFooterBatches, 1, blockBytes)) }},
		{"block body", func(a []byte) { huge(footer(a).structs(slotFooterBatches, 1, blockBytes)[16:]) }},
		{"rows", func(a []byte) { b := batchOf(a); huge(b.Bytes[b.Pos+b.slot(slotBatchLength):]) }},
		{"nodes", func(a []byte) { huge(count(batchOf(a), slotBatchNodes)) }},
		{"node", func(a []byte) { huge(batchOf(a).structs(slotBatchNodes, 1, nodeBytes)) }},
		{"nulls", func(a []byte) { huge(batchOf(a).structs(slotBatchNodes, 1, nodeBytes)[8:]) }},
		{"buffers", func(a []byte) { huge(count(batchOf(a), slotBatchBuffers)) }},
		{"buffer offset", func(a []byte) { huge(batchOf(a).structs(slotBatchBuffers, 4, bufferBytes)[3*bufferBytes:]) }},
		{"buffer unaligned", func(a []byte) { batchOf(a).structs(slotBatchBuffers, 4, bufferBytes)[3*bufferBytes]++ }},
		{"buffer length", func(a []byte) { huge(batchOf(a).structs(slotBatchBuffers, 7, bufferBytes)[6*bufferBytes+8:]) }},
		{"prefix", func(a []byte) { huge(a[e.Message.Offset+4:]) }},
	} {
		a := bytes.Clone(arrowFile)
		if err := errors.Join(guardFooter(a, x), guardBatch(a, x, 0)); err != nil {
			t.Fatalf("a sound shard is refused: %v", err)
		}
		test.change(a)
		if err := errors.Join(guardFooter(a, x), guardBatch(a, x, 0)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error %v", test.name, err)
		}
	}
}
