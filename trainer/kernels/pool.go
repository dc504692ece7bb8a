package kernels

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// ErrBusy is returned when a pool is used from inside one of its own chunks, or by two callers at once.
var ErrBusy = errors.New("kernels: the pool is already running an operation; inside a chunk call the functions that take no pool")

// Pool runs chunks of work on a fixed number of workers and owns the scratch memory of the operations. It starts goroutines only
// inside a call and joins them before it returns. One operation runs at a time.
type Pool struct {
	threads   int
	precision Precision
	err       error // what every Run returns: the pool is closed, or the tier asked for is not there
	busy      sync.Mutex
	shared    []float32 // packed B of Gemm, or the partial sums of a reduction
	workers   []Scratch // by worker index
}

// NewPool returns a pool of the given number of workers (at least 1), the calling goroutine included.
func NewPool(threads int) *Pool {
	threads = max(threads, 1)
	return &Pool{threads: threads, err: tierErr, workers: make([]Scratch, threads)}
}

// SetPrecision chooses the precision of the operands of [Gemm]. It is F32 at first, and must not change under graphs built on the pool.
func (p *Pool) SetPrecision(v Precision) { p.precision = v }

// Precision is what SetPrecision chose.
func (p *Pool) Precision() Precision { return p.precision }

// Threads is the number of workers.
func (p *Pool) Threads() int { return p.threads }

// Close releases the scratch memory. Later operations return an error.
func (p *Pool) Close() {
	p.busy.Lock()
	defer p.busy.Unlock()
	p.shared, p.workers, p.err = nil, nil, errors.New("kernels: the pool is closed")
}

// Run calls fn once for each chunk in [0, chunks) and returns when all calls have ended. Chunks are handed out in ascending order to
// whichever worker is free; worker, in [0, Threads), says which scratch memory of the caller fn may use. A panic in fn becomes the
// returned error, and chunks not yet begun are left out.
func (p *Pool) Run(chunks int, fn func(chunk, worker int)) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	return p.run(chunks, fn)
}

func (p *Pool) begin() error {
	if !p.busy.TryLock() {
		return ErrBusy
	}
	if p.err != nil {
		p.busy.Unlock()
		return p.err
	}
	return nil
}

func (p *Pool) end() { p.busy.Unlock() }

// run is Run for an operation that has begun and may need several rounds.
func (p *Pool) run(chunks int, fn func(chunk, worker int)) error {
	var (
		next   atomic.Int64
		failed atomic.Pointer[error]
		wg     sync.WaitGroup
	)
	work := func(worker int) {
		chunk := -1
		defer func() {
			if r := recover(); r != nil {
				err := fmt.Errorf("kernels: chunk %d of %d panicked: %v\n%s", chunk, chunks, r, debug.Stack())
				failed.CompareAndSwap(nil, &err)
			}
		}()
		for failed.Load() == nil {
			if chunk = int(next.Add(1) - 1); chunk >= chunks {
				return
			}
			fn(chunk, worker)
		}
	}
	for w := 1; w < min(p.threads, chunks); w++ {
		wg.Go(func() { work(w) })
	}
	work(0)
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// sharedFloats returns n floats of unspecified content, valid until the operation ends.
func (p *Pool) sharedFloats(n int) []float32 { return grow(&p.shared, n) }

// grow returns the first n elements of *s, reallocating when it is too small.
func grow(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	return (*s)[:n]
}

// chunkFloats is the size of a chunk of elementwise work: it fits the second-level cache and is worth a hand-out.
const chunkFloats = 1 << 14

// reduceRows is the number of rows whose sums are kept apart in a reduction over rows.
const reduceRows = 128

// rowsPerChunk cuts rows of cols elements; it depends on nothing else, so that results do not depend on the threads.
func rowsPerChunk(cols int) int { return max(1, chunkFloats/max(cols, 1)) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// ranges runs fn over [0, n) in pieces of at most per.
func (p *Pool) ranges(n, per int, fn func(lo, hi int)) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	return p.run(ceilDiv(n, per), func(chunk, _ int) {
		lo := chunk * per
		fn(lo, min(lo+per, n))
	})
}

// reduce runs fn over the rows in chunks of reduceRows, gives each chunk width zeroed floats for its sums, and adds
// the chunks' sums to the targets in chunk order. The widths of the targets add up to width.
func (p *Pool) reduce(rows, width int, fn func(lo, hi int, sums []float32), targets ...[]float32) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	chunks := ceilDiv(rows, reduceRows)
	partial := p.sharedFloats(chunks * width)
	err := p.run(chunks, func(chunk, _ int) {
		sums := partial[chunk*width : (chunk+1)*width]
		clear(sums)
		lo := chunk * reduceRows
		fn(lo, min(lo+reduceRows, rows), sums)
	})
	if err != nil {
		return err
	}
	for chunk := range chunks {
		sums := partial[chunk*width : (chunk+1)*width]
		for _, t := range targets {
			active.add(t, t, sums[:len(t)])
			sums = sums[len(t):]
		}
	}
	return nil
}
