// Package pipeline moves batches of documents: lanes, workers, order, byte credit, commits, passes, resume, events. It knows no text
// and no file format; sources, stages and outputs are handed to it.
//
//	lane:  Source ─► batches ─► [worker: all stages] ─► order by Seq ─► Part of the Output ─► commit
//	       one goroutine       n goroutines for all lanes              one goroutine
//
// A run is a list of passes over all lanes. Between two passes a Reduction may look at keys of all rows at once and leave verdicts for
// the pass that follows. RunLane and Reduce are the units of work: they can run in any order that respects the passes, in any process,
// more than once, and at the same time; the files that come out are the same.
package pipeline

import (
	"context"
	"io"
	"iter"

	"github.com/shardmill/shardmill/schemas"
)

// Source reads the rows of one lane.
type Source interface {
	// Read appends rows to b, which is empty, until b.Limit bytes of text are reached or the lane ends. A record that can't be read is a
	// row of kind Quarantine; a split ends with a row of kind End. It returns io.EOF, with b empty, when nothing is left. Memory comes
	// from b.Arena; before a record that makes b larger than b.Limit, Read calls b.Grow. An error ends the run: bad input is a row.
	Read(ctx context.Context, b *schemas.Batch) error
	Close() error
}

// Opener opens a lane at a cursor: the start of the lane, or the Next of a commit.
type Opener interface {
	Open(ctx context.Context, lane int, from schemas.Cursor) (Source, error)
}

// OpenerFunc is a function that is an Opener.
type OpenerFunc func(ctx context.Context, lane int, from schemas.Cursor) (Source, error)

// Open calls f.
func (f OpenerFunc) Open(ctx context.Context, lane int, from schemas.Cursor) (Source, error) {
	return f(ctx, lane, from)
}

// Stage changes rows one at a time and keeps nothing between them. It makes one worker for each goroutine, so that caches need no locks.
type Stage interface {
	// NewWorker makes a worker that uses about memory bytes for caches at most.
	NewWorker(memory int64) (Worker, error)
}

// StageFunc is a function that is a Stage.
type StageFunc func(memory int64) (Worker, error)

// NewWorker calls f.
func (f StageFunc) NewWorker(memory int64) (Worker, error) { return f(memory) }

// Worker processes batches for one goroutine.
type Worker interface {
	// Process changes the rows of b of kind Keep, or marks them with another verdict; it leaves other rows alone and removes none. A record
	// may become a few rows that follow one another, told apart by Pos.Part. Memory for new content comes from b.Arena. An error ends
	// the run.
	Process(ctx context.Context, b *schemas.Batch) error
}

// Output makes the files of commits.
type Output interface {
	// Create starts the files of one commit. Each call of create starts a file of the commit with the suffix given, such as ".arrow".
	Create(lane int, create func(suffix string) (io.Writer, error)) (Part, error)
}

// Part takes the rows of one commit. When it is full, and what it writes, depends on the rows alone, never on how calls cut them up.
type Part interface {
	// Append takes rows, all of kind Keep, from the front until the part is full, and at least one, even if the part is full already: a cut
	// never falls inside a record. It keeps no reference to them.
	Append(rows []schemas.Row) (taken int, full bool, err error)
	// Finish writes what is left. The part is not used afterwards, also if Append or Finish failed.
	Finish() (rows, tokens int64, err error)
}

// Reduction decides across rows, by keys: byte strings in ascending order. Its verdicts are applied by a stage of the next pass.
type Reduction interface {
	// Collect calls emit for each key of a row that its pass keeps. Keys of different parts never meet. Emit copies the key.
	Collect(row *schemas.Row, emit func(part int, key []byte))
	// Reduce gets all keys of one part, equal keys included, in ascending order, and writes the verdicts of the part to out. A key
	// is valid until the next.
	Reduce(ctx context.Context, part int, keys iter.Seq2[[]byte, error], out io.Writer) error
}

// Event tells what a run has done since the event before. All numbers are differences, so that listeners just add them up.
type Event struct {
	Kind        EventKind
	Pass, Lane  int
	Records     int64 // records read
	Bytes       int64 // bytes of their text, decompressed
	RawBytes    int64 // bytes of the stored input consumed
	Kept        int64 // rows written by this pass
	Dropped     int64
	Quarantined int64
	Tokens      int64
	Path        string // Committed: the commit
}

// EventKind is the kind of an Event.
type EventKind uint8

const (
	PassStarted EventKind = iota
	Resumed               // rows committed by an earlier run were found
	Progressed            // a batch was written
	Committed             // a commit is durable
	LaneFinished
	Reduced // one part of a reduction is durable
	PassFinished
)
