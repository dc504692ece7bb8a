package shards

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/zeebo/xxh3"
)

// IndexPath is the path of the index that belongs to the Arrow file at path.
func IndexPath(path string) string { return strings.TrimSuffix(path, ".arrow") + ".idx" }

// Shard is a shard mapped into memory. Its methods are safe for many goroutines. The file must not be changed while it is open: what
// disappears under a mapping kills the process.
type Shard struct {
	path    string
	index   *Index
	data    []byte // the mapping
	reader  *ipc.FileReader
	batches []atomic.Pointer[Batch] // decoded once, when first asked for
	refs    atomic.Int64            // one until Close, and one for each batch in use
	closed  atomic.Bool
}

// Open maps the Arrow file at path and reads its index beside it. It looks at the index and at the header and footer of the file; a
// batch is looked at when it is first asked for. What doesn't fit is an error that is ErrCorrupt.
func Open(path string) (*Shard, error) {
	arrowFile, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open shard: %w", err)
	}
	defer arrowFile.Close()
	index, err := os.Open(IndexPath(path))
	if err != nil {
		return nil, fmt.Errorf("open index of shard: %w", err)
	}
	defer index.Close()
	return open(path, arrowFile, index)
}

// open needs the files only until it returns.
func open(path string, arrowFile, index *os.File) (*Shard, error) {
	if err := checkMachine(); err != nil {
		return nil, err
	}
	info, err := index.Stat()
	if err != nil {
		return nil, fmt.Errorf("open index of shard: %w", err)
	}
	x, err := ReadIndex(index, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", IndexPath(path), err)
	}
	if info, err = arrowFile.Stat(); err != nil {
		return nil, fmt.Errorf("open shard: %w", err)
	}
	if info.Size() != x.ArrowBytes || info.Size() == 0 || info.Size() > math.MaxInt {
		return nil, fmt.Errorf("%s: length: %d bytes, the index says %d: %w", path, info.Size(), x.ArrowBytes, ErrCorrupt)
	}
	s := &Shard{path: path, index: x, batches: make([]atomic.Pointer[Batch], len(x.Batches))}
	if s.data, err = mapFile(arrowFile, int(info.Size())); err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	s.refs.Store(1)
	if err := s.openArrow(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.Close())
	}
	return s, nil
}

// openArrow checks everything outside of the messages and starts the Arrow reader.
func (s *Shard) openArrow() error {
	if sum := frameChecksum(s.data, s.index); sum != s.index.FrameChecksum {
		return fmt.Errorf("header and footer: checksum is %016x, the index says %016x: %w", sum, s.index.FrameChecksum, ErrCorrupt)
	}
	if err := guardFooter(s.data, s.index); err != nil {
		return err
	}
	return guarded(func() (err error) {
		if s.reader, err = ipc.NewMappedFileReader(s.data, ipc.WithEnsureNativeEndian(false)); err != nil {
			return fmt.Errorf("%w: %w", err, ErrCorrupt)
		}
		if want := arrowSchema(s.index.TokenBytes); !s.reader.Schema().Equal(want) {
			return fmt.Errorf("schema is %v, not %v: %w", s.reader.Schema(), want, ErrCorrupt)
		}
		return nil
	})
}

// frameChecksum hashes what lies before and behind the messages.
func frameChecksum(data []byte, x *Index) uint64 {
	var h xxh3.Hasher
	if n := len(x.Batches); n > 0 {
		h.Write(data[:x.Batches[0].Message.Offset])
		data = data[x.Batches[n-1].Message.end():]
	}
	h.Write(data)
	return h.Sum64()
}

// Close gives up the shard. The mapping goes when the last batch in use is released.
func (s *Shard) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.release()
}

func (s *Shard) release() error {
	if s.refs.Add(-1) > 0 {
		return nil
	}
	if err := unmapFile(s.data); err != nil {
		return fmt.Errorf("unmap %s: %w", s.path, err)
	}
	return nil
}

// acquire takes a reference unless the shard is closed.
func (s *Shard) acquire() bool {
	for !s.closed.Load() {
		if n := s.refs.Load(); n > 0 && s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// Path is the path that the shard was opened with.
func (s *Shard) Path() string { return s.path }

// Index describes the batches of s. It is not to be changed, and stays valid after Close.
func (s *Shard) Index() *Index { return s.index }

// Batch returns record batch i and keeps s mapped until its Release. A batch that does not fit the index is an error that is ErrCorrupt;
// a change of ids alone is not noticed (CheckBatch).
func (s *Shard) Batch(i int) (*Batch, error) {
	if i < 0 || i >= len(s.batches) {
		return nil, fmt.Errorf("%s: batch %d: there are %d", s.path, i, len(s.batches))
	}
	if !s.acquire() {
		return nil, fmt.Errorf("%s: batch %d: the shard is closed", s.path, i)
	}
	if b := s.batches[i].Load(); b != nil {
		return b, nil
	}
	b, err := s.decode(i)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: batch %d: %w", s.path, i, err), s.release())
	}
	s.batches[i].Store(b)
	return b, nil
}

// CheckBatch holds all bytes of record batch i against its checksum.
func (s *Shard) CheckBatch(i int) error {
	b, err := s.Batch(i)
	if err != nil {
		return err
	}
	defer b.Release()
	m := b.info.Message
	if sum := xxh3.Hash(s.data[m.Offset:m.end()]); sum != b.info.Checksum {
		return fmt.Errorf("%s: batch %d: checksum is %016x, the index says %016x: %w", s.path, i, sum, b.info.Checksum, ErrCorrupt)
	}
	return nil
}

// decode views record batch i. Nothing is copied: the Arrow arrays only show where the columns lie.
func (s *Shard) decode(i int) (b *Batch, err error) {
	if err := guardBatch(s.data, s.index, i); err != nil {
		return nil, err
	}
	err = guarded(func() error {
		rec, err := s.reader.RecordBatchAt(i)
		if err != nil {
			return fmt.Errorf("%w: %w", err, ErrCorrupt)
		}
		defer rec.Release()
		b = &Batch{shard: s, info: s.index.Batches[i]}
		list := rec.Column(columnTokens).(*array.List)
		b.bounds = list.Offsets()
		switch ids := list.ListValues().(type) {
		case *array.Uint16:
			b.tokens.narrow = ids.Uint16Values()
		case *array.Uint32:
			b.tokens.wide = ids.Uint32Values()
		}
		b.ids = viewStrings(rec.Column(columnID).(*array.String))
		b.sources = viewStrings(rec.Column(columnSource).(*array.String))
		b.offsets = rec.Column(columnOffset).(*array.Int64).Int64Values()
		return b.check()
	})
	return b, err
}

func viewStrings(a *array.String) stringColumn {
	return stringColumn{ends: a.ValueOffsets(), data: a.ValueBytes()}
}

// Batch is one record batch: views of the mapped file, valid until Release.
type Batch struct {
	shard   *Shard
	info    BatchInfo
	tokens  Tokens
	bounds  []int32
	ids     stringColumn
	sources stringColumn
	offsets []int64
}

// check makes sure that no view leads out of the batch and that the index says where they lie.
func (b *Batch) check() error {
	base := uintptr(unsafe.Pointer(unsafe.SliceData(b.shard.data)))
	at := func(p unsafe.Pointer) int64 { return int64(uintptr(p) - base) }
	values := unsafe.Pointer(unsafe.SliceData(b.tokens.narrow))
	if b.tokens.wide != nil {
		values = unsafe.Pointer(unsafe.SliceData(b.tokens.wide))
	}
	if b.tokens.Len() > 0 && at(values) != b.info.Values.Offset {
		return fmt.Errorf("ids lie at %d, the index says %d: %w", at(values), b.info.Values.Offset, ErrCorrupt)
	}
	if p := at(unsafe.Pointer(unsafe.SliceData(b.bounds))); p != b.info.Lists.Offset {
		return fmt.Errorf("lists lie at %d, the index says %d: %w", p, b.info.Lists.Offset, ErrCorrupt)
	}
	if int64(b.tokens.Len()) != b.info.Tokens || len(b.offsets) != b.info.Rows {
		return fmt.Errorf("%d rows and %d tokens, the index says %d and %d: %w", len(b.offsets), b.tokens.Len(), b.info.Rows, b.info.Tokens, ErrCorrupt)
	}
	for _, c := range [...]struct {
		name string
		ends []int32
		size int
	}{{"tokens", b.bounds, b.tokens.Len()}, {"id", b.ids.ends, len(b.ids.data)}, {"source", b.sources.ends, len(b.sources.data)}} {
		if err := checkEnds(c.ends, b.info.Rows, c.size); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return nil
}

// checkEnds makes sure that ends cuts size elements into rows parts.
func checkEnds(ends []int32, rows, size int) error {
	if len(ends) != rows+1 || ends[0] != 0 || int64(ends[rows]) != int64(size) {
		return fmt.Errorf("its offsets do not cover %d elements: %w", size, ErrCorrupt)
	}
	for i := range rows {
		if ends[i] > ends[i+1] {
			return fmt.Errorf("row %d ends before it starts: %w", i, ErrCorrupt)
		}
	}
	return nil
}

// Release ends the use of b. Views taken from it are not valid any more.
func (b *Batch) Release() error { return b.shard.release() }

// Info is the entry of b in the index.
func (b *Batch) Info() BatchInfo { return b.info }

// Rows is the number of documents.
func (b *Batch) Rows() int { return b.info.Rows }

// Split is the side of the held-out split that all documents of b are on.
func (b *Batch) Split() Split { return b.info.Split }

// Tokens are the ids of all documents, back to back.
func (b *Batch) Tokens() Tokens { return b.tokens }

// Bounds tells the documents in Tokens apart: document i is [Bounds()[i], Bounds()[i+1]). It has Rows()+1 elements, from 0 to
// Tokens().Len(), ascending, and is not to be changed.
func (b *Batch) Bounds() []int32 { return b.bounds }

// ID is the id of document i, empty if its record had none. It is not to be changed.
func (b *Batch) ID(i int) []byte { return b.ids.at(i) }

// Source names the input file of document i. It is not to be changed.
func (b *Batch) Source(i int) []byte { return b.sources.at(i) }

// RecordOffset is the first byte of the record of document i in its decompressed input file.
func (b *Batch) RecordOffset(i int) int64 { return b.offsets[i] }

func (c *stringColumn) at(i int) []byte { return c.data[c.ends[i]:c.ends[i+1]:c.ends[i+1]] }

// Tokens is a view of ids of either width. It is valid as long as its Batch.
type Tokens struct {
	narrow []uint16
	wide   []uint32
}

// Len is the number of ids.
func (t Tokens) Len() int { return len(t.narrow) + len(t.wide) }

// At is id i.
func (t Tokens) At(i int) uint32 {
	if t.wide != nil {
		return t.wide[i]
	}
	return uint32(t.narrow[i])
}

// AppendTo appends the ids [from, to) to dst.
func (t Tokens) AppendTo(dst []uint32, from, to int) []uint32 {
	if t.wide != nil {
		return append(dst, t.wide[from:to]...)
	}
	for _, id := range t.narrow[from:to] {
		dst = append(dst, uint32(id))
	}
	return dst
}

// Uint16 is the view itself where ids have two bytes, nil where they have four. It is not to be changed.
func (t Tokens) Uint16() []uint16 { return t.narrow }

// Uint32 is the view itself where ids have four bytes, nil where they have two. It is not to be changed.
func (t Tokens) Uint32() []uint32 { return t.wide }
