package loader

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/shardmill/shardmill/schemas"
)

func prefetcher(t *testing.T, l *Loader, depth int) *Prefetcher {
	t.Helper()
	p, err := NewPrefetcher(l, depth)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// readOnce reads n batches into one Minibatch, as a training loop does.
func readOnce(t *testing.T, p *Prefetcher, n int) []schemas.Minibatch {
	t.Helper()
	var all []schemas.Minibatch
	var m schemas.Minibatch
	for len(all) < n {
		if err := p.Next(t.Context(), &m); err != nil {
			t.Fatal(err)
		}
		checkShape(t, &m)
		var c schemas.Minibatch
		join(&c, &m)
		all = append(all, c)
	}
	return all
}

func TestPrefetchChangesNothing(t *testing.T) {
	s := newMemory(2000)
	o := Options{Objective: MLM, SequenceTokens: 16, BatchSequences: 4, Seed: 2}
	want := read(t, open(t, s, o), 60)
	for _, depth := range []int{0, 1, 2, 7} {
		synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left behind
			p := prefetcher(t, open(t, s, o), depth)
			if got := readOnce(t, p, 30); !reflect.DeepEqual(got, want[:30]) {
				t.Fatalf("depth %d gives other batches", depth)
			}
			state := p.State()
			if state.Step != 30 {
				t.Errorf("depth %d: the state is at %d, want 30", depth, state.Step)
			}
			if err := p.SeekBatch(11); err != nil {
				t.Fatal(err)
			}
			if got := readOnce(t, p, 9); !reflect.DeepEqual(got, want[11:20]) {
				t.Fatalf("depth %d: other batches after SeekBatch", depth)
			}
			if err := p.Restore(state); err != nil {
				t.Fatal(err)
			}
			if got := readOnce(t, p, 30); !reflect.DeepEqual(got, want[30:]) {
				t.Fatalf("depth %d: other batches after Restore", depth)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if err := p.Next(t.Context(), new(schemas.Minibatch)); !errors.Is(err, errClosed) {
				t.Errorf("closed: %v", err)
			}
		})
	}
}

func TestPrefetchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := prefetcher(t, open(t, newMemory(101), Options{Split: HeldOut, Objective: Causal, SequenceTokens: 10, BatchSequences: 4}), 2)
		defer p.Close()
		for range 2 {
			readOnce(t, p, 3)
			for range 2 {
				if err := p.Next(t.Context(), new(schemas.Minibatch)); err != io.EOF {
					t.Fatalf("behind the end: %v, want io.EOF", err)
				}
			}
			if err := p.SeekBatch(0); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// failing is a stream whose Append panics or waits.
type failing struct {
	*memory
	panics bool
	wait   chan struct{}
}

func (f *failing) Append(dst []uint32, from, to int64) ([]uint32, error) {
	if f.panics {
		panic("broken stream")
	}
	<-f.wait
	return f.memory.Append(dst, from, to)
}

func TestPrefetchPanicIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := prefetcher(t, open(t, &failing{memory: newMemory(100), panics: true}, Options{Objective: Causal, SequenceTokens: 10, BatchSequences: 4}), 2)
		defer p.Close()
		if err := p.Next(t.Context(), new(schemas.Minibatch)); err == nil || !strings.Contains(err.Error(), "broken stream") {
			t.Errorf("got error %v", err)
		}
	})
}

func TestPrefetchIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &failing{memory: newMemory(100), wait: make(chan struct{})}
		p := prefetcher(t, open(t, slow, Options{Objective: Causal, SequenceTokens: 10, BatchSequences: 4}), 2)
		defer p.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait() // until Next waits for the slow stream
			cancel()
		}()
		if err := p.Next(ctx, new(schemas.Minibatch)); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
		close(slow.wait)
		if got := readOnce(t, p, 1); got[0].Step != 0 {
			t.Errorf("after a cancelled call batch %d came, want 0", got[0].Step)
		}
	})
}

func TestPrefetchCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &failing{memory: newMemory(100), wait: make(chan struct{})}
		p := prefetcher(t, open(t, slow, Options{Objective: Causal, SequenceTokens: 10, BatchSequences: 4}), 2)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			cancel()
		}()
		if err := p.Next(ctx, new(schemas.Minibatch)); !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v", err)
		}
		closed := make(chan error, 1)
		go func() { closed <- p.Close() }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned while its goroutine still read")
		default:
		}
		close(slow.wait)
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestPrefetchGoesOnAfterARefusal(t *testing.T) {
	s := newMemory(700)
	o := Options{Objective: Causal, SequenceTokens: 10, BatchSequences: 4}
	want := read(t, open(t, s, o), 6)
	p := prefetcher(t, open(t, s, o), 3)
	defer p.Close()
	readOnce(t, p, 2)
	if err := p.SeekBatch(-1); err == nil {
		t.Error("SeekBatch(-1): no error")
	}
	if got := readOnce(t, p, 2); !reflect.DeepEqual(got, want[2:4]) {
		t.Error("after a refused SeekBatch other batches came")
	}
	if err := p.Restore(State{}); err == nil {
		t.Error("a state without settings was accepted")
	}
	if got := readOnce(t, p, 2); !reflect.DeepEqual(got, want[4:]) {
		t.Error("after a refused Restore other batches came")
	}
}

func TestPrefetchDepthIsChecked(t *testing.T) {
	l := open(t, newMemory(100), Options{Objective: Causal, SequenceTokens: 10, BatchSequences: 4})
	for _, depth := range []int{-1, MaxPrefetch + 1} {
		if _, err := NewPrefetcher(l, depth); err == nil {
			t.Errorf("depth %d: no error", depth)
		}
	}
	p := prefetcher(t, l, 2)
	if p.Fingerprint() != l.Fingerprint() || p.Size() != l.Size() {
		t.Error("the prefetcher tells something else than its loader")
	}
}
