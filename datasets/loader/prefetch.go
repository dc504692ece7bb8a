package loader

import (
	"context"
	"fmt"

	"github.com/shardmill/shardmill/schemas"
)

// MaxPrefetch is the most batches that a Prefetcher prepares ahead.
const MaxPrefetch = 1024

// Prefetcher gives the batches of a Loader, prepared ahead by one goroutine. It has one user at a time, and is the only user of the loader.
type Prefetcher struct {
	loader *Loader
	depth  int
	step   int64 // the next batch for the user
	closed bool
	work   *prefetch // nil while no goroutine runs
}

// prefetch is one run of the goroutine.
type prefetch struct {
	ready chan prefetched         // depth batches
	free  chan *schemas.Minibatch // memory for batches; holds all there is, so that giving back never waits
	stop  chan struct{}           // closed to end it
	done  chan struct{}           // closed when it has ended
}

type prefetched struct {
	batch *schemas.Minibatch
	err   error
}

// NewPrefetcher lets up to depth batches of l wait for their user. It goes on where l stands. With depth 0 nothing is prepared ahead.
func NewPrefetcher(l *Loader, depth int) (*Prefetcher, error) {
	if depth < 0 || depth > MaxPrefetch {
		return nil, fmt.Errorf("prefetch %d batches: the number must lie between 0 and %d", depth, MaxPrefetch)
	}
	return &Prefetcher{loader: l, depth: depth, step: l.step}, nil
}

// Next is Loader.Next. It exchanges the slices of m for others: those that m held are written to while the user works.
func (p *Prefetcher) Next(ctx context.Context, m *schemas.Minibatch) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("load batch %d: %w", p.step, err)
	}
	if p.closed {
		return fmt.Errorf("load batch %d: %w", p.step, errClosed)
	}
	if p.depth == 0 {
		err := p.loader.Next(ctx, m)
		p.step = p.loader.step
		return err
	}
	if p.work == nil {
		if err := p.start(); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("load batch %d: %w", p.step, ctx.Err())
	case next := <-p.work.ready:
		if next.err != nil {
			p.join() // the goroutine ends at an error; another Next tries again
			return next.err
		}
		*m, *next.batch = *next.batch, *m
		p.work.free <- next.batch
		p.step++
		return nil
	}
}

// SeekBatch is Loader.SeekBatch.
func (p *Prefetcher) SeekBatch(n int64) error {
	p.join()
	if err := p.loader.SeekBatch(n); err != nil {
		return err
	}
	p.step = n
	return nil
}

// State is Loader.State: batches prepared ahead don't count.
func (p *Prefetcher) State() State {
	return State{Step: p.step, Settings: append([]Setting(nil), p.loader.settings...)}
}

// Restore is Loader.Restore.
func (p *Prefetcher) Restore(s State) error {
	p.join()
	if err := p.loader.Restore(s); err != nil {
		return err
	}
	p.step = s.Step
	return nil
}

// Fingerprint is Loader.Fingerprint.
func (p *Prefetcher) Fingerprint() string { return p.loader.Fingerprint() }

// Size is Loader.Size.
func (p *Prefetcher) Size() Size { return p.loader.Size() }

// Close waits for the goroutine to end and closes the loader.
func (p *Prefetcher) Close() error {
	p.join()
	p.closed = true
	return p.loader.Close()
}

func (p *Prefetcher) start() error {
	if err := p.loader.SeekBatch(p.step); err != nil {
		return err
	}
	w := &prefetch{
		ready: make(chan prefetched, p.depth),
		free:  make(chan *schemas.Minibatch, p.depth),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	for range p.depth {
		w.free <- new(schemas.Minibatch)
	}
	p.work = w
	go w.run(p.loader)
	return nil
}

// join ends the goroutine, if one runs.
func (p *Prefetcher) join() {
	if p.work == nil {
		return
	}
	close(p.work.stop)
	<-p.work.done
	p.work = nil
}

// run fills batches until it is stopped or one fails.
func (w *prefetch) run(l *Loader) {
	defer close(w.done)
	for {
		var batch *schemas.Minibatch
		select {
		case batch = <-w.free:
		case <-w.stop:
			return
		}
		err := fillSafely(l, batch)
		select {
		case w.ready <- prefetched{batch, err}:
		case <-w.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// fillSafely turns a panic, which would end the process from this goroutine, into an error.
func fillSafely(l *Loader, m *schemas.Minibatch) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("load batch %d: panic: %v", l.step, cause)
		}
	}()
	return l.fill(m)
}
