package recipe

import (
	"io/fs"

	"github.com/shardmill/shardmill/pipeline"
)

// Env is the machine that a run works on. Nothing in it decides about the output.
type Env struct {
	Store       pipeline.Store             // the dataset folder
	Storage     func(root string) fs.FS    // opens the roots of sources; default os.DirFS
	TempDir     string                     // folder for what exceeds memory while a reduction sorts; default that of the system
	Workers     int                        // goroutines that run stages; default 1
	MemoryBytes int64                      // bound of the run's memory; default DefaultMemoryBytes
	BatchBytes  int64                      // text in a batch, at most what memory allows; default by memory, at most pipeline.DefaultBatchBytes
	Events      func(event pipeline.Event) // called by one goroutine at a time; may be nil
}

// DefaultMemoryBytes bounds a run unless Env says otherwise.
const DefaultMemoryBytes = 2 << 30

// memory says what the parts of a run may use.
type memory struct {
	credit int64 // all batches under way
	batch  int64 // text of one batch
	worker int64 // caches of one worker
	lanes  int   // that are open
	sort   int64 // buffer of a reduction, which runs when batches do not
}

const (
	maxWorkerCache = 64 << 20 // more does not help: the words of a language fit
	minBatchBytes  = 64 << 10
	// laneBytes is the memory of an open lane: a window of the input and of its decompressor (8 MiB for zstd -19), the shard being written.
	laneBytes = 16 << 20
	// batchFactor is the memory of a batch by its text; pipeline counts credit by it.
	batchFactor = 6
	batchBytes  = 512 << 10 // memory of a batch, however little text it has
	maxBatches  = 1024      // under way, however small they are
)

// split shares the memory of a run out. A quarter goes to batches, an eighth to the workers' caches, a quarter to sorting, and while
// there is nothing to sort to open lanes. The rest is for what does not grow with the input (tokenizer) and for garbage that is not collected yet.
func (e *Env) split() memory {
	total := e.MemoryBytes
	if total <= 0 {
		total = DefaultMemoryBytes
	}
	workers := int64(max(e.Workers, 1))
	m := memory{credit: total / 4, worker: min(total/8/workers, maxWorkerCache), sort: total / 4, batch: e.BatchBytes,
		lanes: int(min(max(total/4/laneBytes, 1), workers))}
	if m.batch <= 0 {
		// Each worker has a batch in hand and one more waits, or is being written.
		m.batch = min(max(m.credit/(2*workers+2)/batchFactor, minBatchBytes), pipeline.DefaultBatchBytes)
	}
	m.batch = min(m.batch, max(m.credit/batchFactor, 1)) // a batch that asks for more than there is would not be bounded
	batches := min(m.credit/max(batchFactor*m.batch, batchBytes), maxBatches)
	m.credit = max(batches, 1) * batchFactor * m.batch
	return m
}

func (e *Env) options(limit int64) pipeline.Options {
	m := e.split()
	return pipeline.Options{Workers: max(e.Workers, 1), Lanes: m.lanes, BatchBytes: m.batch, CreditBytes: m.credit, WorkerMemory: m.worker,
		Limit: limit, Events: e.Events}
}
