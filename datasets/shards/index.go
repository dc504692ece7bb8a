package shards

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/zeebo/xxh3"
)

// Layout of the index; see the package comment.
const (
	indexMagic   = "SHARDIDX"
	indexVersion = 1
	headerBytes  = 56
	entryBytes   = 72
	trailerBytes = 8
)

// Index describes a shard without its Arrow file.
type Index struct {
	TokenBytes    int   // width of an id: 2 or 4
	HeldOutPPM    int   // share of the held-out side, parts per million
	Rows, Tokens  int64 // sums over the batches
	ArrowBytes    int64 // length of the Arrow file
	FrameChecksum uint64
	Batches       []BatchInfo
}

// BatchInfo describes one record batch. Offsets count from the start of the Arrow file.
type BatchInfo struct {
	Split    Split
	Rows     int
	Tokens   int64
	Message  Range  // metadata and body of the IPC message
	Values   Range  // ids of all documents, back to back
	Lists    Range  // int32[Rows+1]: where each document starts and ends in Values
	Checksum uint64 // xxh3 of Message
}

// Range is a run of bytes in a file.
type Range struct{ Offset, Bytes int64 }

// end is the first byte behind r.
func (r Range) end() int64 { return r.Offset + r.Bytes }

// within tells whether r lies in o and starts at a multiple of 8. Both are known to be free of overflow if o ends in a file.
func (r Range) within(o Range) bool {
	return r.Offset%8 == 0 && r.Offset >= o.Offset && r.Bytes >= 0 && r.Bytes <= o.Bytes && r.Offset-o.Offset <= o.Bytes-r.Bytes
}

// encode returns the bytes of the index file.
func (x *Index) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, headerBytes+len(x.Batches)*entryBytes+trailerBytes)
	b = append(b, indexMagic...)
	b = le.AppendUint32(b, indexVersion)
	b = le.AppendUint32(b, uint32(x.TokenBytes))
	b = le.AppendUint32(b, uint32(x.HeldOutPPM))
	b = le.AppendUint32(b, uint32(len(x.Batches)))
	b = le.AppendUint64(b, uint64(x.Rows))
	b = le.AppendUint64(b, uint64(x.Tokens))
	b = le.AppendUint64(b, uint64(x.ArrowBytes))
	b = le.AppendUint64(b, x.FrameChecksum)
	for i := range x.Batches {
		e := &x.Batches[i]
		for _, r := range [...]Range{e.Message, e.Values, e.Lists} {
			b = le.AppendUint64(b, uint64(r.Offset))
			b = le.AppendUint64(b, uint64(r.Bytes))
		}
		b = le.AppendUint32(b, uint32(e.Rows))
		b = le.AppendUint32(b, uint32(e.Split))
		b = le.AppendUint64(b, uint64(e.Tokens))
		b = le.AppendUint64(b, e.Checksum)
	}
	return le.AppendUint64(b, xxh3.Hash(b))
}

// ReadIndex decodes an index file of size bytes and checks its checksum and that its numbers fit each other. Memory is bounded by size.
func ReadIndex(r io.Reader, size int64) (*Index, error) {
	const maxBytes = headerBytes + trailerBytes + entryBytes<<24
	if size < headerBytes+trailerBytes || size > maxBytes {
		return nil, fmt.Errorf("index: %d bytes is no possible length: %w", size, ErrCorrupt)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	return decodeIndex(b)
}

func decodeIndex(b []byte) (*Index, error) {
	le := binary.LittleEndian
	if len(b) < headerBytes+trailerBytes || !bytes.HasPrefix(b, []byte(indexMagic)) {
		return nil, fmt.Errorf("index: magic is missing: %w", ErrCorrupt)
	}
	if v := le.Uint32(b[8:]); v != indexVersion {
		return nil, fmt.Errorf("index: version %d, this program reads version %d", v, indexVersion)
	}
	n := int(le.Uint32(b[20:]))
	if want := headerBytes + int64(n)*entryBytes + trailerBytes; int64(len(b)) != want {
		return nil, fmt.Errorf("index: batches: %d of them need a file of %d bytes, it has %d: %w", n, want, len(b), ErrCorrupt)
	}
	body := b[:len(b)-trailerBytes]
	if got, want := xxh3.Hash(body), le.Uint64(b[len(body):]); got != want {
		return nil, fmt.Errorf("index: checksum is %016x, the bytes give %016x: %w", want, got, ErrCorrupt)
	}
	x := &Index{
		TokenBytes:    int(le.Uint32(b[12:])),
		HeldOutPPM:    int(le.Uint32(b[16:])),
		Rows:          int64(le.Uint64(b[24:])),
		Tokens:        int64(le.Uint64(b[32:])),
		ArrowBytes:    int64(le.Uint64(b[40:])),
		FrameChecksum: le.Uint64(b[48:]),
		Batches:       make([]BatchInfo, n),
	}
	for i := range x.Batches {
		e := b[headerBytes+i*entryBytes:]
		at := func(o int) Range { return Range{int64(le.Uint64(e[o:])), int64(le.Uint64(e[o+8:]))} }
		split := le.Uint32(e[52:])
		if split > uint32(HeldOut) {
			return nil, fmt.Errorf("index: batch %d: split: no side has the number %d: %w", i, split, ErrCorrupt)
		}
		x.Batches[i] = BatchInfo{
			Message: at(0), Values: at(16), Lists: at(32),
			Rows: int(le.Uint32(e[48:])), Split: Split(split), Tokens: int64(le.Uint64(e[56:])), Checksum: le.Uint64(e[64:]),
		}
	}
	return x, x.check()
}

// check holds the numbers of the index against each other, so that every range lies in a file of ArrowBytes bytes.
func (x *Index) check() error {
	bad := func(field string, got any) error {
		return fmt.Errorf("index: %s: %v is not possible here: %w", field, got, ErrCorrupt)
	}
	switch {
	case x.TokenBytes != 2 && x.TokenBytes != 4:
		return bad("token bytes", x.TokenBytes)
	case x.HeldOutPPM < 0 || x.HeldOutPPM > million:
		return bad("held-out share", x.HeldOutPPM)
	case x.ArrowBytes < 0:
		return bad("arrow bytes", x.ArrowBytes)
	}
	var rows, tokens int64
	file := Range{0, x.ArrowBytes}
	for i := range x.Batches {
		e := &x.Batches[i]
		field := func(name string) string { return fmt.Sprintf("batch %d: %s", i, name) }
		switch {
		case !e.Message.within(file), i > 0 && e.Message.Offset != x.Batches[i-1].Message.end():
			return bad(field("message"), e.Message)
		case e.Rows < 1 || e.Rows >= math.MaxInt32:
			return bad(field("rows"), e.Rows)
		case e.Tokens < 0 || e.Tokens > math.MaxInt32:
			return bad(field("tokens"), e.Tokens)
		case !e.Values.within(e.Message) || e.Values.Bytes != e.Tokens*int64(x.TokenBytes):
			return bad(field("values"), e.Values)
		case !e.Lists.within(e.Message) || e.Lists.Bytes != 4*int64(e.Rows+1):
			return bad(field("list"), e.Lists)
		}
		rows += int64(e.Rows)
		tokens += e.Tokens
	}
	switch {
	case rows != x.Rows:
		return fmt.Errorf("index: rows: %d in all, the batches give %d: %w", x.Rows, rows, ErrCorrupt)
	case tokens != x.Tokens:
		return fmt.Errorf("index: tokens: %d in all, the batches give %d: %w", x.Tokens, tokens, ErrCorrupt)
	}
	return nil
}
