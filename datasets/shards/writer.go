package shards

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/shardmill/shardmill/schemas"
	"github.com/zeebo/xxh3"
)

// A record batch ends with the row that reaches one of these. They are part of the format in so far as changing one changes bytes.
const (
	batchRows   = 1024
	batchTokens = 1 << 20
	batchBytes  = 4 << 20 // of ids and sources

	maxRowTokens = 1 << 30 // list offsets are int32
	maxIDBytes   = 1 << 24
)

// DefaultShardTokens makes shards of 256 MiB with ids of two bytes.
const DefaultShardTokens = 1 << 27

// Options says how rows become a shard. All of it decides about the bytes.
type Options struct {
	TokenBytes  int                     // width of an id, 2 or 4; default 4 (see TokenBytes)
	ShardTokens int64                   // a shard is full with the row that reaches this number of tokens; default DefaultShardTokens
	HeldOutPPM  int                     // share of documents that are held out, in parts per million; default 0
	Source      func(file int32) string // names the file of Pos.File; default: no names
}

func (o Options) withDefaults() Options {
	if o.TokenBytes == 0 {
		o.TokenBytes = 4
	}
	if o.ShardTokens == 0 {
		o.ShardTokens = DefaultShardTokens
	}
	if o.Source == nil {
		o.Source = func(int32) string { return "" }
	}
	return o
}

func (o Options) check() error {
	switch {
	case o.TokenBytes != 2 && o.TokenBytes != 4:
		return fmt.Errorf("Options.TokenBytes is %d: an id takes 2 or 4 bytes", o.TokenBytes)
	case o.ShardTokens < 0:
		return fmt.Errorf("Options.ShardTokens is %d: it can't be negative", o.ShardTokens)
	case o.HeldOutPPM < 0 || o.HeldOutPPM > million:
		return fmt.Errorf("Options.HeldOutPPM is %d: parts per million lie in 0…%d", o.HeldOutPPM, million)
	}
	return nil
}

// Writer writes one shard. It holds two open record batches, one for each side of the held-out split, and is a Part of a pipeline.
type Writer struct {
	opts   Options
	schema *arrow.Schema
	out    tracker
	arrow  *ipc.FileWriter
	index  io.Writer

	open       [2]openBatch // by Split
	contents   Index
	sourceFile int32 // file that sourceName belongs to
	sourceName []byte
	rows       int64
	tokens     int64
}

// NewWriter starts a shard whose Arrow file goes to arrowFile and whose index, in Finish, to index.
func NewWriter(arrowFile, index io.Writer, opts Options) (*Writer, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return nil, err
	}
	if err := checkMachine(); err != nil {
		return nil, err
	}
	w := &Writer{opts: opts, schema: arrowSchema(opts.TokenBytes), index: index, sourceFile: -1}
	header, err := headerLength(w.schema)
	if err != nil {
		return nil, err
	}
	w.out = tracker{w: arrowFile, next: header}
	w.arrow, err = ipc.NewFileWriter(&w.out, ipc.WithSchema(w.schema))
	if err != nil {
		return nil, fmt.Errorf("start arrow file: %w", err)
	}
	w.contents = Index{TokenBytes: opts.TokenBytes, HeldOutPPM: opts.HeldOutPPM}
	for side := range w.open {
		w.open[side].reset(Split(side))
	}
	return w, nil
}

// Append takes rows from the front until the shard is full, but at least one, and copies what it keeps. A row with an id that does not
// fit TokenBytes is an error, which names the row.
func (w *Writer) Append(rows []schemas.Row) (taken int, full bool, err error) {
	for i := range rows {
		if err := w.append(&rows[i]); err != nil {
			return i, false, err
		}
		if w.tokens >= w.opts.ShardTokens {
			return i + 1, true, nil
		}
	}
	return len(rows), false, nil
}

func (w *Writer) append(row *schemas.Row) error {
	if w.sourceFile != row.Pos.File || w.sourceName == nil {
		w.sourceFile, w.sourceName = row.Pos.File, validUTF8([]byte(w.opts.Source(row.Pos.File)))
	}
	b := &w.open[SplitOf(row.Tokens, w.opts.HeldOutPPM)]
	if err := b.append(row, w.sourceName, w.opts.TokenBytes); err != nil {
		return fmt.Errorf("row %.100q at byte %d of %s: %w", row.ID, row.Pos.Offset, w.sourceName, err)
	}
	w.rows++
	w.tokens += int64(len(row.Tokens))
	if b.full() {
		return w.flush(b)
	}
	return nil
}

// Finish writes the open batches, the footer and the index. A shard without rows is a valid file too.
func (w *Writer) Finish() (rows, tokens int64, err error) {
	for side := range w.open {
		if b := &w.open[side]; b.rows() > 0 {
			if err := w.flush(b); err != nil {
				return 0, 0, err
			}
		}
	}
	w.out.next = math.MaxInt64
	if err := w.arrow.Close(); err != nil {
		return 0, 0, fmt.Errorf("close arrow file: %w", err)
	}
	w.contents.Rows, w.contents.Tokens = w.rows, w.tokens
	w.contents.ArrowBytes = w.out.pos
	w.contents.FrameChecksum = w.out.frame.Sum64()
	if err := w.contents.check(); err != nil {
		return 0, 0, fmt.Errorf("arrow file has an unexpected layout: %w", err)
	}
	if _, err := w.index.Write(w.contents.encode()); err != nil {
		return 0, 0, fmt.Errorf("write index: %w", err)
	}
	return w.rows, w.tokens, nil
}

// flush writes b as a record batch and empties it.
func (w *Writer) flush(b *openBatch) error {
	cols, body := b.columns(w.opts.TokenBytes)
	batch := array.NewRecordBatch(w.schema, cols[:], int64(b.rows()))
	defer batch.Release()
	for _, c := range cols {
		c.Release()
	}
	start := w.out.next
	if err := w.arrow.Write(batch); err != nil {
		return fmt.Errorf("write record batch %d: %w", len(w.contents.Batches), err)
	}
	end := w.out.pos
	lists := Range{end - body, 4 * int64(b.rows()+1)}
	w.contents.Batches = append(w.contents.Batches, BatchInfo{
		Split: b.split, Rows: b.rows(), Tokens: b.tokens(),
		Message:  Range{start, end - start},
		Lists:    lists,
		Values:   Range{lists.Offset + padded(lists.Bytes), b.tokens() * int64(w.opts.TokenBytes)},
		Checksum: w.out.message.Sum64(),
	})
	w.out.next = end
	w.out.message.Reset()
	b.reset(b.split)
	return nil
}

// openBatch collects the columns of a record batch in the layout that they have on disk, so that they are written as they are.
type openBatch struct {
	split   Split
	lists   []int32 // rows+1 offsets into the ids
	narrow  []uint16
	wide    []uint32
	ids     stringColumn
	sources stringColumn
	offsets []int64
}

func (b *openBatch) rows() int     { return len(b.offsets) }
func (b *openBatch) tokens() int64 { return int64(len(b.narrow) + len(b.wide)) }
func (b *openBatch) full() bool {
	return b.rows() >= batchRows || b.tokens() >= batchTokens || len(b.ids.data)+len(b.sources.data) >= batchBytes
}

func (b *openBatch) append(row *schemas.Row, source []byte, tokenBytes int) error {
	if len(row.Tokens) > maxRowTokens {
		return fmt.Errorf("%d tokens are more than the %d that a row can hold: split the record", len(row.Tokens), maxRowTokens)
	}
	if len(row.ID) > maxIDBytes {
		return fmt.Errorf("its id has %d bytes, more than the %d allowed", len(row.ID), maxIDBytes)
	}
	if tokenBytes == 4 {
		b.wide = append(b.wide, row.Tokens...)
	} else {
		for i, id := range row.Tokens {
			if id > math.MaxUint16 {
				return fmt.Errorf("token %d has the id %d, which needs more than 2 bytes: the vocabulary is larger than declared", i, id)
			}
			b.narrow = append(b.narrow, uint16(id))
		}
	}
	b.lists = append(b.lists, int32(b.tokens()))
	b.ids.append(validUTF8(row.ID))
	b.sources.append(source)
	b.offsets = append(b.offsets, row.Pos.Offset)
	return nil
}

// columns views b as Arrow arrays, with the length of the body of their message.
func (b *openBatch) columns(tokenBytes int) (cols [columnCount]arrow.Array, body int64) {
	buffer := func(p []byte) *memory.Buffer {
		body += padded(int64(len(p)))
		return memory.NewBufferBytes(p)
	}
	newData := func(dt arrow.DataType, n int64, buffers []*memory.Buffer, children ...arrow.ArrayData) *array.Data {
		return array.NewData(dt, int(n), buffers, children, 0, 0)
	}
	schema := arrowSchema(tokenBytes)
	values := bytesOf(b.narrow)
	if tokenBytes == 4 {
		values = bytesOf(b.wide)
	}
	rows := int64(b.rows())
	ids := newData(tokenType(tokenBytes), b.tokens(), []*memory.Buffer{nil, buffer(values)})
	data := [columnCount]*array.Data{
		columnTokens: newData(schema.Field(columnTokens).Type, rows, []*memory.Buffer{nil, buffer(bytesOf(b.lists))}, ids),
		columnID:     newData(arrow.BinaryTypes.String, rows, []*memory.Buffer{nil, buffer(bytesOf(b.ids.ends)), buffer(b.ids.data)}),
		columnSource: newData(arrow.BinaryTypes.String, rows, []*memory.Buffer{nil, buffer(bytesOf(b.sources.ends)), buffer(b.sources.data)}),
		columnOffset: newData(arrow.PrimitiveTypes.Int64, rows, []*memory.Buffer{nil, buffer(bytesOf(b.offsets))}),
	}
	ids.Release()
	for i, d := range data {
		cols[i] = array.MakeFromData(d)
		d.Release()
	}
	return cols, body
}

// reset empties b. Buffers that an oversized row has grown are left to the garbage collector.
func (b *openBatch) reset(split Split) {
	*b = openBatch{
		split:   split,
		lists:   append(b.lists[:0], 0),
		narrow:  reuse(b.narrow, 2*batchTokens),
		wide:    reuse(b.wide, 2*batchTokens),
		ids:     b.ids.emptied(),
		sources: b.sources.emptied(),
		offsets: b.offsets[:0],
	}
}

// stringColumn is a utf8 column: string i is data[ends[i]:ends[i+1]].
type stringColumn struct {
	ends []int32
	data []byte
}

func (c *stringColumn) append(s []byte) {
	c.data = append(c.data, s...)
	c.ends = append(c.ends, int32(len(c.data)))
}

func (c *stringColumn) emptied() stringColumn {
	return stringColumn{ends: append(c.ends[:0], 0), data: reuse(c.data, 2*batchBytes)}
}

func reuse[T any](s []T, maxCap int) []T {
	if cap(s) > maxCap {
		return nil
	}
	return s[:0]
}

// validUTF8 replaces what is not UTF-8, since Arrow demands it: names of files can be any bytes.
func validUTF8(p []byte) []byte {
	if utf8.Valid(p) {
		return p
	}
	return bytes.ToValidUTF8(p, []byte("\uFFFD"))
}

// padded is the length of a buffer of n bytes in the body of an IPC message.
func padded(n int64) int64 { return (n + 7) &^ 7 }

// tracker counts and hashes what an ipc.FileWriter writes: bytes from next on belong to the current message, others to the frame.
type tracker struct {
	w              io.Writer
	pos, next      int64
	message, frame xxh3.Hasher
}

// Write passes p on.
func (t *tracker) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	p = p[:n]
	head := min(max(t.next-t.pos, 0), int64(n))
	t.frame.Write(p[:head])
	t.message.Write(p[head:])
	t.pos += int64(n)
	return n, err
}

// headerLength is the number of bytes before the first record batch: magic, padding and the schema message. Such a message is a
// continuation marker, the int32 length of its metadata, and the metadata.
func headerLength(schema *arrow.Schema) (int64, error) {
	var b bytes.Buffer
	w, err := ipc.NewFileWriter(&b, ipc.WithSchema(schema))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("encode schema: %w", err)
	}
	const magic, prefix = 8, 8
	return magic + prefix + int64(binary.LittleEndian.Uint32(b.Bytes()[magic+4:])), nil
}
