package shards

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/shardmill/shardmill/schemas"
	"github.com/zeebo/xxh3"
)

// A spill keeps the text of rows from one pass to the next: id, text and position, in blocks of about spillBlock bytes that are
// compressed on their own. All integers are little endian.
//
//	header   magic "SHARDSPL", version uint32
//	blocks   raw bytes uint32, packed bytes uint32, rows uint32, checksum uint64 (xxh3 of the three and of what follows),
//	         one zstd frame: for each row the uvarints file, split, part, offset, record, id bytes, text bytes; then id and text
//	index    for each block: offset in the file uint64, split of its first row uint32, rows uint32, record of its first row uint64
//	trailer  blocks uint64, rows uint64, checksum uint64 (xxh3 of the index and the two), magic "SHARDSPL"
//
// A row larger than a block has a block to itself; a block with several rows is smaller than two blocks.
const (
	spillMagic        = "SHARDSPL"
	spillVersion      = 1
	spillHeader       = len(spillMagic) + 4
	spillBlock        = 1 << 20
	spillBlockHeader  = 20
	spillIndexEntry   = 24
	spillTrailer      = 24 + len(spillMagic)
	maxSpillRow       = 1 << 30
	maxSpillVarints   = 7 * binary.MaxVarintLen64
	maxSpillBatchRows = 4096
)

// SpillOptions says when a spill is full. It decides about the bytes.
type SpillOptions struct {
	MaxBytes int64 // of text and ids, with the row that reaches it; default 256 MiB
	MaxRows  int64 // default 2^20
}

// SpillWriter writes a spill. It is a Part of a pipeline, and holds one block in memory.
type SpillWriter struct {
	w     io.Writer
	opts  SpillOptions
	zstd  *zstd.Encoder
	index []byte
	at    int64  // bytes written
	raw   []byte // rows of the open block
	rows  uint32 // their number
	first schemas.Pos
	last  schemas.Pos
	out   []byte
	done  SpillOptions // bytes and rows taken so far
}

// NewSpillWriter starts a spill on w.
func NewSpillWriter(w io.Writer, opts SpillOptions) (*SpillWriter, error) {
	opts.MaxBytes = cmp.Or(opts.MaxBytes, 256<<20)
	opts.MaxRows = cmp.Or(opts.MaxRows, 1<<20)
	if opts.MaxBytes < 0 || opts.MaxRows < 0 {
		return nil, fmt.Errorf("SpillOptions has MaxBytes %d and MaxRows %d: they can't be negative", opts.MaxBytes, opts.MaxRows)
	}
	// One goroutine and no settings taken from the machine: the bytes are a function of the rows.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(spillBlock), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("start spill: %w", err)
	}
	s := &SpillWriter{w: w, opts: opts, zstd: encoder}
	return s, s.write(binary.LittleEndian.AppendUint32([]byte(spillMagic), spillVersion))
}

// Append takes rows from the front until the spill is full, but at least one. Rows come in the order of (split, record, part), and only
// their position, id and text are kept.
func (s *SpillWriter) Append(rows []schemas.Row) (taken int, full bool, err error) {
	for i := range rows {
		if err := s.append(&rows[i]); err != nil {
			return i, false, err
		}
		if s.done.MaxBytes >= s.opts.MaxBytes || s.done.MaxRows >= s.opts.MaxRows {
			return i + 1, true, nil
		}
	}
	return len(rows), false, nil
}

func (s *SpillWriter) append(row *schemas.Row) error {
	p := row.Pos
	size := len(row.ID) + len(row.Text)
	switch {
	case size > maxSpillRow:
		return fmt.Errorf("spill row %v: %d bytes are more than the %d that a row can have", p, size, maxSpillRow)
	case p.File < 0 || p.Split < 0 || p.Part < 0 || p.Offset < 0 || p.Record < 0:
		return fmt.Errorf("spill row %v: its position is negative", p)
	case s.done.MaxRows > 0 && comparePositions(s.last, p) >= 0:
		return fmt.Errorf("spill row %v: it can't follow %v", p, s.last)
	}
	if s.rows > 0 && size+maxSpillVarints > spillBlock {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if s.rows == 0 {
		s.first = p
	}
	for _, n := range [...]int64{int64(p.File), int64(p.Split), int64(p.Part), p.Offset, p.Record, int64(len(row.ID)), int64(len(row.Text))} {
		s.raw = binary.AppendUvarint(s.raw, uint64(n))
	}
	s.raw = append(append(s.raw, row.ID...), row.Text...)
	s.rows++
	s.last = p
	s.done.MaxBytes += int64(size)
	s.done.MaxRows++
	if len(s.raw) >= spillBlock {
		return s.flush()
	}
	return nil
}

// comparePositions orders rows of a lane.
func comparePositions(a, b schemas.Pos) int {
	return cmp.Or(cmp.Compare(a.Split, b.Split), cmp.Compare(a.Record, b.Record), cmp.Compare(a.Part, b.Part))
}

// flush writes the open block.
func (s *SpillWriter) flush() error {
	le := binary.LittleEndian
	b := append(s.out[:0], make([]byte, spillBlockHeader)...)
	b = s.zstd.EncodeAll(s.raw, b)
	le.PutUint32(b, uint32(len(s.raw)))
	le.PutUint32(b[4:], uint32(len(b)-spillBlockHeader))
	le.PutUint32(b[8:], s.rows)
	le.PutUint64(b[12:], blockChecksum(b))
	s.index = le.AppendUint64(s.index, uint64(s.at))
	s.index = le.AppendUint32(s.index, uint32(s.first.Split))
	s.index = le.AppendUint32(s.index, s.rows)
	s.index = le.AppendUint64(s.index, uint64(s.first.Record))
	s.raw, s.rows, s.out = reuse(s.raw, 2*spillBlock), 0, reuse(b, 2*spillBlock)
	return s.write(b)
}

// blockChecksum hashes a block without its checksum.
func blockChecksum(b []byte) uint64 {
	var h xxh3.Hasher
	h.Write(b[:12])
	h.Write(b[spillBlockHeader:])
	return h.Sum64()
}

func (s *SpillWriter) write(b []byte) error {
	n, err := s.w.Write(b)
	s.at += int64(n)
	if err != nil {
		return fmt.Errorf("write spill: %w", err)
	}
	return nil
}

// Finish writes what is left and the index. A spill has no tokens.
func (s *SpillWriter) Finish() (rows, tokens int64, err error) {
	defer func() { err = errors.Join(err, s.zstd.Close()) }()
	if s.rows > 0 {
		if err := s.flush(); err != nil {
			return 0, 0, err
		}
	}
	le := binary.LittleEndian
	b := le.AppendUint64(s.index, uint64(len(s.index)/spillIndexEntry))
	b = le.AppendUint64(b, uint64(s.done.MaxRows))
	b = append(le.AppendUint64(b, xxh3.Hash(b)), spillMagic...)
	return s.done.MaxRows, 0, s.write(b)
}

// Spill reads a spill. Its methods are safe for many goroutines if its ReaderAt is.
type Spill struct {
	r      io.ReaderAt
	rows   int64
	blocks []spillEntry
	end    int64 // of the blocks
}

// spillEntry is one block in the index.
type spillEntry struct {
	offset int64
	first  schemas.Cursor // of its first row, without Offset
	rows   uint32
}

// OpenSpill reads the index of a spill of size bytes.
func OpenSpill(r io.ReaderAt, size int64) (*Spill, error) {
	bad := func(what string) error { return fmt.Errorf("open spill: %s: %w", what, ErrCorrupt) }
	if size < int64(spillHeader+spillTrailer) {
		return nil, bad("it is too short")
	}
	head, tail := make([]byte, spillHeader), make([]byte, spillTrailer)
	if err := errors.Join(readAt(r, head, 0), readAt(r, tail, size-int64(spillTrailer))); err != nil {
		return nil, fmt.Errorf("open spill: %w", err)
	}
	le := binary.LittleEndian
	if string(head[:len(spillMagic)]) != spillMagic || string(tail[24:]) != spillMagic {
		return nil, bad("magic is missing")
	}
	if v := le.Uint32(head[len(spillMagic):]); v != spillVersion {
		return nil, fmt.Errorf("open spill: version %d, this program reads version %d", v, spillVersion)
	}
	n := le.Uint64(tail)
	if room := uint64(size) - uint64(spillHeader+spillTrailer); n > room/(spillIndexEntry+spillBlockHeader) {
		return nil, bad(fmt.Sprintf("%d blocks do not fit into %d bytes", n, size))
	}
	b := make([]byte, n*spillIndexEntry, int(n)*spillIndexEntry+spillTrailer)
	s := &Spill{r: r, rows: int64(le.Uint64(tail[8:])), blocks: make([]spillEntry, n), end: size - int64(spillTrailer) - int64(len(b))}
	if err := readAt(r, b, s.end); err != nil {
		return nil, fmt.Errorf("open spill: read index: %w", err)
	}
	if xxh3.Hash(append(b, tail[:16]...)) != le.Uint64(tail[16:]) {
		return nil, bad("checksum of the index is wrong")
	}
	for i := range s.blocks {
		e := b[i*spillIndexEntry:]
		s.blocks[i] = spillEntry{offset: int64(le.Uint64(e)), rows: le.Uint32(e[12:]),
			first: schemas.Cursor{Split: int32(le.Uint32(e[8:])), Record: int64(le.Uint64(e[16:]))}}
	}
	return s, s.check()
}

// check makes sure that blocks lie behind one another, in order.
func (s *Spill) check() error {
	at, rows := int64(spillHeader), int64(0)
	for i, b := range s.blocks {
		if i == 0 && b.offset != at || b.offset < at || b.offset > s.end-spillBlockHeader || b.rows == 0 ||
			i > 0 && compareCursors(s.blocks[i-1].first, b.first) > 0 {
			return fmt.Errorf("open spill: index of block %d is not possible: %w", i, ErrCorrupt)
		}
		at, rows = b.offset+spillBlockHeader, rows+int64(b.rows)
	}
	if rows != s.rows || len(s.blocks) == 0 && s.end != at {
		return fmt.Errorf("open spill: its %d blocks have %d rows, not %d: %w", len(s.blocks), rows, s.rows, ErrCorrupt)
	}
	return nil
}

func compareCursors(a, b schemas.Cursor) int {
	return cmp.Or(cmp.Compare(a.Split, b.Split), cmp.Compare(a.Record, b.Record))
}

func readAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Rows is the number of rows.
func (s *Spill) Rows() int64 { return s.rows }

// blockEnd is where block i ends.
func (s *Spill) blockEnd(i int) int64 {
	if i+1 < len(s.blocks) {
		return s.blocks[i+1].offset
	}
	return s.end
}

// readBlock reads block i, header included, into buf, which it returns, with the length of its rows.
func (s *Spill) readBlock(i int, buf []byte) (packed []byte, raw int, err error) {
	e := s.blocks[i]
	size := s.blockEnd(i) - e.offset
	if size > math.MaxInt32 {
		return nil, 0, fmt.Errorf("it has %d bytes: %w", size, ErrCorrupt)
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if err := readAt(s.r, buf, e.offset); err != nil {
		return nil, 0, err
	}
	le := binary.LittleEndian
	if le.Uint64(buf[12:]) != blockChecksum(buf) {
		return nil, 0, fmt.Errorf("its checksum is wrong: %w", ErrCorrupt)
	}
	raw = int(le.Uint32(buf))
	var frame zstd.Header
	err = frame.Decode(buf[spillBlockHeader:])
	switch {
	// The encoder leaves the size of a frame out if it is below 256.
	case err != nil || frame.HasFCS && frame.FrameContentSize != uint64(raw) || !frame.HasFCS && raw >= 256,
		int64(le.Uint32(buf[4:])) != size-spillBlockHeader, le.Uint32(buf[8:]) != e.rows,
		raw > maxSpillRow+maxSpillVarints, e.rows > 1 && raw >= 2*spillBlock:
		return nil, 0, fmt.Errorf("its header is not possible: %w", ErrCorrupt)
	}
	return buf, raw, nil
}
