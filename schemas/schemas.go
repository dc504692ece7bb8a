// Package schemas is the vocabulary that all rooms of shardmill share: documents on their way through the pipeline (Row, Batch), model
// inputs (Minibatch), and the files that describe a run (Plan, Commit, Ledger, Manifest). It holds plain data and imports the standard
// library only.
//
// # Positions
//
// A file of the input is cut into splits; a split is a byte range of the decompressed file that starts and ends at a record border.
// Consecutive splits form a lane. Offsets are always bytes in the decompressed file, counted from its start, and records are numbered
// from 0 inside their split.
//
//	file    |<------------- split 0 ------------->|<------- split 1 ------->|
//	bytes    lead record lead record … trail       lead record … trail
//	rows           Row         Row   … End row            Row  … End row
//
// Each byte of a split belongs to exactly one of: a record (Row.Bytes), the separators before a record or at the end of the split
// (Row.Lead), a range that could not be read (Row.Unreadable). The End row closes a split and carries what the reader counted on its
// own, so that a ledger can be held against it.
//
// # Files of a dataset folder
//
//	shards/LLLLL-NNNNNN.arrow   Arrow IPC file: rows of lane L, commit N
//	shards/LLLLL-NNNNNN.idx     offsets and checksums of its record batches (layout: package datasets/shards)
//	manifest.json               Manifest
//	ledger.jsonl                FileLedger of each input file, one line each
//	tokenizer.json              the tokenizer, byte for byte
//	quarantine/LLLLL.jsonl      Quarantined, one line each
//	run/plan.json               Plan
//	run/PASS/LLLLL-NNNNNN.json  Commit
package schemas

import (
	"fmt"
	"path"
)

// Pos says where a row comes from. Rows that a stage made out of one record share all fields but Part.
type Pos struct {
	File, Split int32 // indices into Plan.Files and Plan.Splits
	Part        int32 // number of the row among those made from one record, from 0
	Offset      int64 // first byte of the record in the decompressed file
	Record      int64 // number of the record in its split, from 0
}

// Cursor is the place between two records where reading goes on. The zero Cursor of a lane is {its first split, that split's start, 0}.
type Cursor struct {
	Split  int32 `json:"split"`
	Offset int64 `json:"offset"` // in the decompressed file
	Record int64 `json:"record"` // number of the next record in the split
}

// Kind is what becomes of a row.
type Kind uint8

const (
	Keep       Kind = iota // goes on
	Drop                   // a stage decided against it
	Quarantine             // it could not be read or processed: bad input is data
	End                    // no record: the end of a split (see Row)
)

// Verdict marks a row. Stage is an index into Plan.Stages, Reason one into that stage's Reasons.
type Verdict struct {
	Kind   Kind
	Stage  uint16
	Reason uint16
}

// Row is one document, or what is left of a record that could not become one. Its slices point into the Arena of its Batch and are
// valid until the batch is reset.
//
// A row of kind End closes its split: Pos.Offset is the end of the split as the decompressor counted it, Pos.Record the number of
// records that the reader saw, Lead the separators after the last record.
type Row struct {
	Pos        Pos
	Bytes      int64  // length of the record in the decompressed file, without separators; 0 for all parts but the first
	Lead       int64  // bytes of separators between the record before (or the start of the split) and this one
	Unreadable int64  // bytes of a range that is no record because it could not be read; such a row has Bytes 0
	ID         []byte // from the record; empty if it has none
	Text       []byte // UTF-8
	Tokens     []uint32
	Detail     string // for quarantined rows: what was wrong, for people
	Verdict    Verdict
}

// Next is the cursor behind the record of r.
func (r *Row) Next() Cursor {
	return Cursor{Split: r.Pos.Split, Offset: r.Pos.Offset + r.Bytes + r.Unreadable, Record: r.Pos.Record + 1}
}

// Batch carries rows of one lane, in their order, from stage to stage. A batch has one owner at a time.
type Batch struct {
	Lane     int
	Seq      uint64 // number of the batch in this reading of the lane; carries no meaning beyond order
	Rows     []Row
	RawBytes int64 // bytes of the (compressed) input consumed for this batch: progress only
	Arena    Arena

	// Limit is the number of text bytes at which a source stops adding rows. Grow is called before a single record makes the batch
	// larger than that; it blocks until the memory is granted. Nil means that any size is fine.
	Limit int64
	Grow  func(bytes int64) error
}

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	clear(b.Rows)
	b.Lane, b.Seq, b.Rows, b.RawBytes = 0, 0, b.Rows[:0], 0
	b.Arena.Reset()
}

// Arena hands out memory that lives as long as a batch. The zero Arena is ready to use.
type Arena struct {
	bytes slab[byte]
	ids   slab[uint32]
}

// Bytes returns n bytes of undefined content with capacity n.
func (a *Arena) Bytes(n int) []byte { return a.bytes.take(n) }

// IDs returns n token ids of undefined content with capacity n.
func (a *Arena) IDs(n int) []uint32 { return a.ids.take(n) }

// Copy returns a copy of p that lives as long as the batch.
func (a *Arena) Copy(p []byte) []byte {
	q := a.bytes.take(len(p))
	copy(q, p)
	return q
}

// CopyIDs returns a copy of ids that lives as long as the batch.
func (a *Arena) CopyIDs(ids []uint32) []uint32 {
	q := a.ids.take(len(ids))
	copy(q, ids)
	return q
}

// Size returns the number of bytes that the arena holds on to.
func (a *Arena) Size() int64 { return a.bytes.held + 4*a.ids.held }

// Reset takes back all memory handed out. Blocks beyond a few MiB, left by an oversized record, go back to the runtime.
func (a *Arena) Reset() {
	a.bytes.reset()
	a.ids.reset()
}

const (
	minBlock  = 64 << 10 // elements in the first block of a slab
	keepBlock = 4 << 20  // elements that a slab keeps over a reset
)

// slab hands out parts of blocks; a block that is full is left to the slices that point into it.
type slab[T any] struct {
	block []T   // the current block; len is what was handed out
	held  int64 // elements in all blocks since the last reset
}

func (s *slab[T]) take(n int) []T {
	if cap(s.block)-len(s.block) < n {
		size := max(n, minBlock, min(2*cap(s.block), keepBlock))
		s.block = make([]T, 0, size)
		s.held += int64(size)
	}
	from := len(s.block)
	s.block = s.block[:from+n]
	return s.block[from : from+n : from+n]
}

func (s *slab[T]) reset() {
	if cap(s.block) > keepBlock {
		s.block = nil
	}
	s.block = s.block[:0]
	s.held = int64(cap(s.block))
}

// Minibatch is the input of one model step: sequences of any length, back to back, without padding.
type Minibatch struct {
	Step      int64    // number of the step that it is for
	IDs       []uint32 // token ids
	Labels    []int32  // token to predict at each position; IgnoreLabel takes no part in the loss
	Positions []int32  // position of each token inside its sequence
	Segments  []uint8  // token type ids of BERT; nil if all are 0
	CuSeqlens []int32  // borders that attention does not cross: 0, …, len(IDs), ascending
	Targets   []int32  // class of each sequence, for models that classify; IgnoreLabel takes no part in the loss; nil for other models

	// For models with other heads; nil and 0 elsewhere.
	Spans   [][2]int32 // question answering: first and last token of the answer of each sequence, as indices of IDs; NoSpan takes no part in the loss
	Values  []float32  // regression and similarity: the number to predict for each sequence, or pair of them; NaN takes no part in the loss
	Choices int        // multiple choice: sequences of an example, whose Targets entry says which of them is right
}

// LabelCount is the number of terms of the loss: the labels and targets that are not IgnoreLabel, spans that are not NoSpan, and values that are
// not NaN. A span is one term: the mean of what its start and its end cost.
func (b *Minibatch) LabelCount() int64 {
	var n int64
	for _, labels := range [][]int32{b.Labels, b.Targets} {
		for _, l := range labels {
			if l != IgnoreLabel {
				n++
			}
		}
	}
	for _, span := range b.Spans {
		if span != NoSpan {
			n++
		}
	}
	for _, v := range b.Values {
		if v == v {
			n++
		}
	}
	return n
}

// NoSpan marks sequences without an answer to learn from.
var NoSpan = [2]int32{IgnoreLabel, IgnoreLabel}

// IgnoreLabel marks positions without a target, as in PyTorch's cross_entropy.
const IgnoreLabel = -100

// CommitName is the name of the files of commit n of a lane, without folder and suffix.
func CommitName(lane, n int) string { return fmt.Sprintf("%05d-%06d", lane, n) }

// ShardPath is the path of a shard below the dataset folder.
func ShardPath(lane, n int) string { return path.Join("shards", CommitName(lane, n)+".arrow") }
