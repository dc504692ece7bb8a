package shards

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// arrow-go allocates by counts that it finds in the flatbuffers of a file, before it knows that so much can be there, and follows
// compressed buffers and dictionaries that no shard has. So what it will read is checked here first: counts, types and ranges of a
// shard are known from its index. The slots are those of Footer, Schema, Field (Schema.fbs, File.fbs), Message and RecordBatch
// (Message.fbs) of the Arrow format, https://github.com/apache/arrow/tree/main/format.

const arrowMagic = "ARROW1"

const (
	slotFooterSchema  = 1
	slotFooterDicts   = 2
	slotFooterBatches = 3
	slotFooterCustom  = 4

	slotSchemaFields = 1
	slotSchemaCustom = 2

	slotFieldDictionary = 4
	slotFieldChildren   = 5
	slotFieldCustom     = 6

	slotMessageType   = 1
	slotMessageHeader = 2
	slotMessageBody   = 3
	slotMessageCustom = 4
	typeRecordBatch   = 3

	slotBatchLength      = 0
	slotBatchNodes       = 1
	slotBatchBuffers     = 2
	slotBatchCompression = 3
	slotBatchVariadic    = 4

	blockBytes  = 24 // struct Block: int64 offset, int32 metadata, padding, int64 body
	nodeBytes   = 16 // struct FieldNode: int64 length, int64 nulls
	bufferBytes = 16 // struct Buffer: int64 offset, int64 length
)

// table reads one flatbuffers table. It panics where that leaves the bytes: guarded turns this into an error.
type table struct{ flatbuffers.Table }

func root(b []byte) table {
	return table{flatbuffers.Table{Bytes: b, Pos: flatbuffers.GetUOffsetT(b)}}
}

// slot is the place of a field in the table, 0 if it is absent.
func (t table) slot(i int) flatbuffers.UOffsetT {
	return flatbuffers.UOffsetT(t.Offset(flatbuffers.VOffsetT(4 + 2*i)))
}

func (t table) has(slot int) bool { return t.slot(slot) != 0 }

func (t table) child(slot int) (table, bool) {
	o := t.slot(slot)
	if o == 0 {
		return table{}, false
	}
	return table{flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(t.Pos + o)}}, true
}

// count is the length of a vector, 0 if it is absent.
func (t table) count(slot int) int {
	if o := t.slot(slot); o != 0 {
		return t.VectorLen(o)
	}
	return 0
}

// structs is the content of a vector of n structs of that size.
func (t table) structs(slot, n, size int) []byte {
	if n == 0 {
		return nil
	}
	return t.Bytes[t.Vector(t.slot(slot)):][:n*size]
}

// element is element i of a vector of tables.
func (t table) element(slot, i int) table {
	at := t.Vector(t.slot(slot)) + flatbuffers.UOffsetT(4*i)
	return table{flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at)}}
}

func (t table) int64(slot int) int64 {
	if o := t.slot(slot); o != 0 {
		return t.GetInt64(t.Pos + o)
	}
	return 0
}

func (t table) byte(slot int) byte {
	if o := t.slot(slot); o != 0 {
		return t.GetByte(t.Pos + o)
	}
	return 0
}

// guarded calls f and makes an error of a panic: the readers of flatbuffers panic on offsets that lead nowhere.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v: %w", r, ErrCorrupt)
		}
	}()
	return f()
}

// guardFooter checks the footer of an Arrow file against its index.
func guardFooter(data []byte, x *Index) error {
	return guarded(func() error {
		const tail = 4 + len(arrowMagic)
		if len(data) < 8+tail || !bytes.HasPrefix(data, []byte(arrowMagic)) || !bytes.HasSuffix(data, []byte(arrowMagic)) {
			return fmt.Errorf("magic is missing: %w", ErrCorrupt)
		}
		size := int64(binary.LittleEndian.Uint32(data[len(data)-tail:]))
		if size < 4 || size > int64(len(data)-8-tail) {
			return fmt.Errorf("footer length: %d is not possible here: %w", size, ErrCorrupt)
		}
		footer := root(data[int64(len(data)-tail)-size : len(data)-tail])
		schema, ok := footer.child(slotFooterSchema)
		switch {
		case !ok || schema.count(slotSchemaFields) != columnCount || schema.has(slotSchemaCustom):
			return fmt.Errorf("footer: schema is not that of a shard: %w", ErrCorrupt)
		case footer.count(slotFooterDicts) != 0 || footer.has(slotFooterCustom):
			return fmt.Errorf("footer: dictionaries or metadata, which no shard has: %w", ErrCorrupt)
		case footer.count(slotFooterBatches) != len(x.Batches):
			return fmt.Errorf("footer: %d record batches, the index has %d: %w", footer.count(slotFooterBatches), len(x.Batches), ErrCorrupt)
		}
		for i := range columnCount {
			if err := guardField(schema.element(slotSchemaFields, i), i == columnTokens); err != nil {
				return err
			}
		}
		return guardBlocks(footer.structs(slotFooterBatches, len(x.Batches), blockBytes), x)
	})
}

func guardField(field table, list bool) error {
	children := 0
	if list {
		children = 1
	}
	if field.count(slotFieldChildren) != children || field.has(slotFieldDictionary) || field.count(slotFieldCustom) != 0 {
		return fmt.Errorf("footer: schema is not that of a shard: %w", ErrCorrupt)
	}
	if list {
		return guardField(field.element(slotFieldChildren, 0), false)
	}
	return nil
}

func guardBlocks(blocks []byte, x *Index) error {
	for i := range x.Batches {
		b := blocks[i*blockBytes:]
		offset, body := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[16:]))
		meta := int64(int32(binary.LittleEndian.Uint32(b[8:])))
		m := x.Batches[i].Message
		if offset != m.Offset || meta < 8 || body < 0 || body > m.Bytes || meta != m.Bytes-body {
			return fmt.Errorf("footer: record batch %d lies at %d with %d + %d bytes, the index says %v: %w", i, offset, meta, body, m, ErrCorrupt)
		}
	}
	return nil
}

// guardBatch checks the message of record batch i before arrow-go reads it.
func guardBatch(data []byte, x *Index, i int) error {
	e := &x.Batches[i]
	err := guarded(func() error {
		message := data[e.Message.Offset:e.Message.end()]
		size := int64(binary.LittleEndian.Uint32(message[4:]))
		if binary.LittleEndian.Uint32(message) != 0xFFFFFFFF || size > int64(len(message))-8 {
			return errors.New("message prefix is damaged")
		}
		meta := root(message[8 : 8+size])
		bodyBytes := int64(len(message)) - 8 - size
		batch, ok := meta.child(slotMessageHeader)
		switch {
		case !ok || meta.byte(slotMessageType) != typeRecordBatch:
			return errors.New("message is no record batch")
		case meta.int64(slotMessageBody) != bodyBytes:
			return fmt.Errorf("body has %d bytes, the message says %d", bodyBytes, meta.int64(slotMessageBody))
		case meta.has(slotMessageCustom) || batch.has(slotBatchCompression) || batch.count(slotBatchVariadic) != 0:
			return errors.New("metadata, compression or views, which no shard has")
		case batch.int64(slotBatchLength) != int64(e.Rows):
			return fmt.Errorf("%d rows, the index says %d", batch.int64(slotBatchLength), e.Rows)
		}
		return guardBuffers(batch, e, x.TokenBytes, bodyBytes)
	})
	if err != nil && !errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w: %w", err, ErrCorrupt)
	}
	return err
}

// guardBuffers checks the columns of a batch: lengths, no nulls, and buffers that have the right size and
// lie one behind the other.
func guardBuffers(batch table, e *BatchInfo, tokenBytes int, bodyBytes int64) error {
	const anyBytes = -1
	rows := int64(e.Rows)
	nodes := [...]int64{rows, e.Tokens, rows, rows, rows}
	ends := 4 * (rows + 1)
	sizes := [...]int64{0, ends, 0, e.Tokens * int64(tokenBytes), 0, ends, anyBytes, 0, ends, anyBytes, 0, 8 * rows}
	if batch.count(slotBatchNodes) != len(nodes) || batch.count(slotBatchBuffers) != len(sizes) {
		return fmt.Errorf("%d arrays and %d buffers, not %d and %d",
			batch.count(slotBatchNodes), batch.count(slotBatchBuffers), len(nodes), len(sizes))
	}
	b := batch.structs(slotBatchNodes, len(nodes), nodeBytes)
	for i, want := range nodes {
		length, nulls := int64(binary.LittleEndian.Uint64(b[i*nodeBytes:])), binary.LittleEndian.Uint64(b[i*nodeBytes+8:])
		if length != want || nulls != 0 {
			return fmt.Errorf("array %d has %d values and %d nulls, not %d and 0", i, length, nulls, want)
		}
	}
	b = batch.structs(slotBatchBuffers, len(sizes), bufferBytes)
	var at int64
	for i, want := range sizes {
		r := Range{int64(binary.LittleEndian.Uint64(b[i*bufferBytes:])), int64(binary.LittleEndian.Uint64(b[i*bufferBytes+8:]))}
		if r.Offset != at || !r.within(Range{0, bodyBytes}) || want != anyBytes && r.Bytes != want {
			return fmt.Errorf("buffer %d: %v is not possible here", i, r)
		}
		at += padded(r.Bytes)
	}
	if at != bodyBytes {
		return fmt.Errorf("buffers fill %d of %d bytes", at, bodyBytes)
	}
	return nil
}
