package shards

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sort"

	"github.com/klauspost/compress/zstd"
	"github.com/shardmill/shardmill/schemas"
)

// SpillReader reads the rows of a spill in order, as a Source of a pipeline does. Rows have kind Keep; their Bytes and Lead are 0 and no
// row ends a split, since the pass that wrote the spill has accounted for the input.
type SpillReader struct {
	spill  *Spill
	from   schemas.Cursor
	next   int // block to read next
	zstd   *zstd.Decoder
	packed []byte
	memory []byte // of the current block, kept for the next
	rest   []byte // rows of the current block that are still to be read
	count  uint32 // their number
}

// From returns a reader of the rows at cursor c and behind it. The Offset of c plays no role.
func (s *Spill) From(c schemas.Cursor) (*SpillReader, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSpillRow+spillBlock),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("read spill: %w", err)
	}
	// Parts of a record can lie on both sides of the start of a block.
	i := sort.Search(len(s.blocks), func(i int) bool { return compareCursors(s.blocks[i].first, c) >= 0 })
	return &SpillReader{spill: s, from: c, next: max(i-1, 0), zstd: decoder}, nil
}

// Close gives up the memory of r. The spill stays open.
func (r *SpillReader) Close() error {
	r.zstd.Close()
	return nil
}

// Read appends rows to b, which is empty, until b.Limit bytes of text are reached or the spill ends; then it returns io.EOF, with b empty.
// Damage is an error that names the block.
func (r *SpillReader) Read(ctx context.Context, b *schemas.Batch) error {
	var size int64
	for (size < b.Limit || len(b.Rows) == 0) && len(b.Rows) < maxSpillBatchRows {
		if r.count == 0 {
			if r.next == len(r.spill.blocks) {
				break
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.load(b, size); err != nil {
				return fmt.Errorf("read spill: block %d: %w", r.next, err)
			}
			r.next++
			continue
		}
		n, err := r.row(b, size)
		if err != nil {
			return fmt.Errorf("read spill: block %d: %w", r.next-1, err)
		}
		size += n
	}
	if len(b.Rows) == 0 {
		return io.EOF
	}
	return nil
}

// load unpacks the next block. The one row of a block of its own goes to the memory of b at once.
func (r *SpillReader) load(b *schemas.Batch, size int64) error {
	e := r.spill.blocks[r.next]
	if e.rows == 1 {
		if err := grow(b, size+r.spill.blockEnd(r.next)-e.offset); err != nil {
			return err
		}
	}
	packed, raw, err := r.spill.readBlock(r.next, r.packed)
	if err != nil {
		return err
	}
	r.packed = reuse(packed, 2*spillBlock)
	b.RawBytes += int64(len(packed))
	memory := r.memory
	if e.rows == 1 {
		if err := grow(b, size+int64(len(packed)+raw)); err != nil {
			return err
		}
		memory = b.Arena.Bytes(raw)
	} else if cap(memory) < raw {
		memory = make([]byte, 2*spillBlock)
		r.memory = memory
	}
	r.rest, err = r.zstd.DecodeAll(packed[spillBlockHeader:], memory[:0:raw])
	if err != nil || len(r.rest) != raw {
		return fmt.Errorf("its content can't be unpacked: %w", ErrCorrupt)
	}
	r.count = e.rows
	p, _, _, _, err := decodeSpillRow(r.rest)
	if err == nil && (p.Split != e.first.Split || p.Record != e.first.Record) {
		err = fmt.Errorf("its first row is %v, the index says %v: %w", p, e.first, ErrCorrupt)
	}
	return err
}

// grow asks for the memory of size bytes of text in b.
func grow(b *schemas.Batch, size int64) error {
	if b.Grow == nil || size <= b.Limit {
		return nil
	}
	return b.Grow(size)
}

// row moves the next row of the block to b, unless it lies before the start, and returns the length of its text.
func (r *SpillReader) row(b *schemas.Batch, size int64) (int64, error) {
	p, id, text, rest, err := decodeSpillRow(r.rest)
	if err != nil {
		return 0, err
	}
	alone := r.spill.blocks[r.next-1].rows == 1
	r.rest, r.count = rest, r.count-1
	if r.count == 0 && len(rest) > 0 {
		return 0, fmt.Errorf("%d bytes behind its last row: %w", len(rest), ErrCorrupt)
	}
	if compareCursors(schemas.Cursor{Split: p.Split, Record: p.Record}, r.from) < 0 {
		return 0, nil
	}
	if !alone {
		if err := grow(b, size+int64(len(text))); err != nil {
			return 0, err
		}
		id, text = b.Arena.Copy(id), b.Arena.Copy(text)
	}
	b.Rows = append(b.Rows, schemas.Row{Pos: p, ID: id, Text: text})
	return int64(len(text)), nil
}

// decodeSpillRow takes one row from the front of b.
func decodeSpillRow(b []byte) (p schemas.Pos, id, text, rest []byte, err error) {
	bad := fmt.Errorf("a row is not possible: %w", ErrCorrupt)
	var n [7]uint64
	for i := range n {
		v, k := binary.Uvarint(b)
		if k <= 0 || v > math.MaxInt64 || i < 3 && v > math.MaxInt32 {
			return p, nil, nil, nil, bad
		}
		n[i], b = v, b[k:]
	}
	if n[5] > uint64(len(b)) || n[6] > uint64(len(b))-n[5] {
		return p, nil, nil, nil, bad
	}
	p = schemas.Pos{File: int32(n[0]), Split: int32(n[1]), Part: int32(n[2]), Offset: int64(n[3]), Record: int64(n[4])}
	k, end := n[5], n[5]+n[6]
	return p, b[:k:k], b[k:end:end], b[end:], nil
}
