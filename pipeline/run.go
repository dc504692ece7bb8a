package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/shardmill/shardmill/schemas"
)

// Job is one pass of a plan with all that runs it.
type Job struct {
	Plan      *schemas.Plan
	Pass      int
	Store     Store
	Opener    Opener
	Stages    []Stage
	Output    Output
	Reduction Reduction // of the keys of this pass; nil if Plan.Passes[Pass].Parts is 0
}

func (j *Job) last() bool { return j.Pass == len(j.Plan.Passes)-1 }

// Options say how a run uses the machine. They decide nothing about the output.
type Options struct {
	Workers      int         // goroutines that run stages; at least 1
	Lanes        int         // lanes that are open at once; 0 means Workers, which is also the most that there are
	BatchBytes   int64       // text bytes after which a source closes a batch; 0 means DefaultBatchBytes
	CreditBytes  int64       // bound on the memory of all batches under way; 0 means 64 batches
	WorkerMemory int64       // bytes for the caches of one worker
	Limit        int64       // quarantined records that are allowed; negative: any number
	Events       func(Event) // called by one goroutine at a time; may be nil
}

// DefaultBatchBytes is the text in a batch unless options say otherwise.
const DefaultBatchBytes = 1 << 20

// batchFactor estimates the memory of a batch from its text: the text as read and as cleaned, tokens, rows, slack in the arena.
const batchFactor = 6

func (o *Options) setDefaults() {
	o.Workers = max(o.Workers, 1)
	if o.Lanes <= 0 || o.Lanes > o.Workers {
		o.Lanes = o.Workers
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = DefaultBatchBytes
	}
	if o.CreditBytes <= 0 {
		o.CreditBytes = 64 * batchFactor * o.BatchBytes
	}
}

// RunLane runs one lane of a pass: the unit of work of an engine that has processes of its own.
func RunLane(ctx context.Context, job *Job, lane int, opt Options) error {
	return RunLanes(ctx, job, []int{lane}, opt)
}

// RunLanes runs lanes of a pass, each from where its commits end; at most Options.Lanes are open at once. The error is the first that
// happened, not the cancellation that it caused.
func RunLanes(ctx context.Context, job *Job, lanes []int, opt Options) error {
	opt.setDefaults()
	group, ctx := errgroup.WithContext(ctx)
	open := min(opt.Lanes, max(len(lanes), 1))
	r := &runner{job: job, opt: opt, judge: NewJudge(job.Plan, opt.Limit), tasks: make(chan task), open: int64(open)}
	// One batch more than lanes lets a big record grow while every other lane waits for its turn.
	r.slots = max(opt.CreditBytes/(batchFactor*opt.BatchBytes), r.open+1)
	r.credit = semaphore.NewWeighted(r.slots)
	r.big = semaphore.NewWeighted(1)
	r.free.New = func() any { return new(schemas.Batch) }

	var next atomic.Int64
	var readers sync.WaitGroup
	readers.Add(open)
	for range open {
		group.Go(func() error {
			defer readers.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(lanes) {
					return nil
				}
				if err := r.lane(ctx, lanes[i]); err != nil {
					return err
				}
			}
		})
	}
	for range opt.Workers {
		group.Go(func() error { return r.work(ctx) })
	}
	group.Go(func() error {
		readers.Wait()
		close(r.tasks)
		return nil
	})
	return group.Wait()
}

// runner holds what the goroutines of RunLanes share.
type runner struct {
	job    *Job
	opt    Options
	judge  *Judge
	tasks  chan task
	open   int64 // lanes open at once
	slots  int64 // batches under way at most
	credit *semaphore.Weighted
	big    *semaphore.Weighted // held by the one batch that is larger than others
	free   sync.Pool           // of *schemas.Batch
	events sync.Mutex
}

// task is a batch on its way to a worker and from there to the writer of its lane.
type task struct {
	batch *schemas.Batch
	slots int64 // credit to give back when it is written
	big   bool  // so is runner.big
	done  chan<- task
}

func (r *runner) emit(e Event) {
	if r.opt.Events == nil {
		return
	}
	e.Pass = r.job.Pass
	r.events.Lock()
	defer r.events.Unlock()
	r.opt.Events(e)
}

// lane runs one lane from where its commits end. A reader and a writer goroutine share it, and are gone when it returns.
func (r *runner) lane(ctx context.Context, lane int) error {
	n, from, closed, err := r.resume(lane)
	if err != nil || closed {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	done := make(chan task, r.slots) // never blocks a worker
	total := make(chan uint64, 1)
	group.Go(func() (err error) {
		defer recoverAs(&err, "read")
		batches, err := r.read(ctx, lane, from, done)
		if err == nil {
			total <- batches // only a lane read to its end may be closed
		}
		return err
	})
	group.Go(func() (err error) {
		w := newLaneWriter(r.job, lane, n, from, r.judge)
		defer func() { err = errors.Join(err, w.discard()) }()
		defer recoverAs(&err, "write")
		return r.write(ctx, w, done, total)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	r.emit(Event{Kind: LaneFinished, Lane: lane})
	return nil
}

// resume finds the commits of a lane.
func (r *runner) resume(lane int) (n int, from schemas.Cursor, closed bool, err error) {
	e := Event{Kind: Resumed, Lane: lane}
	from = r.job.Plan.Start(lane)
	closed, err = EachCommit(r.job.Store, r.job.Plan, r.job.Pass, lane, func(c *schemas.Commit) error {
		if err := checkFiles(r.job.Store, c); err != nil {
			return err
		}
		n, from = c.N+1, c.Next
		e.Kept += c.Rows
		e.Tokens += c.Tokens
		e.Quarantined += int64(len(c.Quarantined))
		e.Records += c.Rows + int64(len(c.Quarantined))
		for i := range c.Ledger {
			e.Dropped += c.Ledger[i].DroppedTotal()
			e.Records += c.Ledger[i].DroppedTotal()
			e.Bytes += c.Ledger[i].RecordBytes
		}
		return r.judge.Add(lane, c.Quarantined, c.Closes)
	})
	if err == nil && n > 0 {
		r.emit(e)
	}
	return n, from, closed, err
}

// checkFiles looks whether the files of a commit are there in their full size.
func checkFiles(store Store, c *schemas.Commit) error {
	for _, a := range c.Files {
		f, err := store.Open(a.Path)
		if err != nil {
			return fmt.Errorf("%s is committed, but can't be opened (%w): use another output folder or bring the file back", a.Path, err)
		}
		size := f.Size()
		if err := f.Close(); err != nil {
			return err
		}
		if size != a.Bytes {
			return fmt.Errorf("%s is committed with %d bytes, but has %d: use another output folder or bring the file back", a.Path, a.Bytes, size)
		}
	}
	return nil
}

// read hands the batches of a lane to the workers and returns how many there were.
func (r *runner) read(ctx context.Context, lane int, from schemas.Cursor, done chan<- task) (batches uint64, err error) {
	src, err := r.job.Opener.Open(ctx, lane, from)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	for ; ; batches++ {
		t, err := r.begin(ctx, lane, batches, done)
		if err != nil {
			return batches, err
		}
		err = src.Read(ctx, t.batch)
		t.batch.Grow = nil
		if err == io.EOF {
			r.finish(*t)
			return batches, nil
		}
		if err != nil {
			return batches, err
		}
		select {
		case r.tasks <- *t:
		case <-ctx.Done():
			return batches, ctx.Err()
		}
	}
}

// begin takes credit and returns an empty batch.
func (r *runner) begin(ctx context.Context, lane int, seq uint64, done chan<- task) (*task, error) {
	if err := r.credit.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	b := r.free.Get().(*schemas.Batch)
	b.Reset()
	b.Lane, b.Seq, b.Limit = lane, seq, r.opt.BatchBytes
	t := &task{batch: b, slots: 1, done: done}
	b.Grow = func(bytes int64) error { return r.grow(ctx, t, bytes) }
	return t, nil
}

// grow takes credit for a record that makes a batch larger than usual. One batch at a time may be: the others keep a slot for each
// open lane at most while they wait, so that what it waits for always comes back.
func (r *runner) grow(ctx context.Context, t *task, bytes int64) error {
	need := min((bytes+r.opt.BatchBytes-1)/r.opt.BatchBytes, r.slots-r.open+1) - t.slots
	if need <= 0 && (t.big || bytes <= r.opt.BatchBytes) {
		return nil
	}
	if !t.big {
		if err := r.big.Acquire(ctx, 1); err != nil {
			return err
		}
		t.big = true
	}
	if need <= 0 {
		return nil
	}
	if err := r.credit.Acquire(ctx, need); err != nil {
		return err
	}
	t.slots += need
	return nil
}

// finish gives back the credit of a batch and the batch, but not one that a large record has made larger than a slot pays for.
func (r *runner) finish(t task) {
	if t.big {
		r.big.Release(1)
	} else {
		r.free.Put(t.batch)
	}
	r.credit.Release(t.slots)
}

// work runs the stages over batches of any lane.
func (r *runner) work(ctx context.Context) (err error) {
	defer recoverAs(&err, "process")
	chain := make([]Worker, len(r.job.Stages))
	for i, stage := range r.job.Stages {
		if chain[i], err = stage.NewWorker(r.opt.WorkerMemory / int64(len(chain))); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case t, ok := <-r.tasks:
			if !ok {
				return nil
			}
			for _, worker := range chain {
				if err := worker.Process(ctx, t.batch); err != nil {
					return err
				}
			}
			t.done <- t
		}
	}
}

// write puts the batches of a lane in order and commits their rows.
func (r *runner) write(ctx context.Context, w *laneWriter, done <-chan task, total <-chan uint64) error {
	waiting := make(map[uint64]task)
	committed := func(c *schemas.Commit) {
		r.emit(Event{Kind: Committed, Lane: w.lane, Path: CommitPath(r.job.Plan, r.job.Pass, w.lane, c.N)})
	}
	next, last := uint64(0), ^uint64(0)
	for {
		for t, ok := waiting[next]; ok; t, ok = waiting[next] {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.write(t.batch.Rows, committed); err != nil {
				return err
			}
			r.emit(progress(t.batch))
			delete(waiting, next)
			r.finish(t)
			next++
		}
		if next == last {
			return w.cut(true, committed)
		}
		select {
		case t := <-done:
			waiting[t.batch.Seq] = t
		case last = <-total:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func progress(b *schemas.Batch) Event {
	e := Event{Kind: Progressed, Lane: b.Lane, RawBytes: b.RawBytes}
	for i := range b.Rows {
		row := &b.Rows[i]
		switch row.Verdict.Kind {
		case schemas.End:
			continue
		case schemas.Keep:
			e.Kept++
			e.Tokens += int64(len(row.Tokens))
		case schemas.Drop:
			e.Dropped++
		case schemas.Quarantine:
			e.Quarantined++
		}
		e.Records++
		e.Bytes += row.Bytes
	}
	return e
}

// recoverAs turns a panic into an error of the call that it is deferred in.
func recoverAs(err *error, doing string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: panic: %v\n%s", doing, p, debug.Stack())
	}
}
