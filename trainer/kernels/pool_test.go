package kernels

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

func TestPoolRunsEachChunkOnce(t *testing.T) {
	for _, threads := range []int{0, 1, 2, 7} {
		p := NewPool(threads)
		for _, chunks := range []int{0, 1, 2, 100} {
			counts := make([]atomic.Int32, chunks)
			err := p.Run(chunks, func(chunk, worker int) {
				if worker < 0 || worker >= p.Threads() {
					t.Errorf("worker %d of %d", worker, p.Threads())
				}
				counts[chunk].Add(1)
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range counts {
				if n := counts[i].Load(); n != 1 {
					t.Errorf("%d threads: chunk %d ran %d times", threads, i, n)
				}
			}
		}
	}
}

func TestPoolTurnsPanicIntoError(t *testing.T) {
	for _, threads := range []int{1, 3} {
		p := NewPool(threads)
		err := p.Run(10, func(chunk, _ int) {
			if chunk == 4 {
				panic("broken chunk")
			}
		})
		if err == nil || !strings.Contains(err.Error(), "broken chunk") || !strings.Contains(err.Error(), "chunk 4 of 10") {
			t.Errorf("%d threads: error is %v, want one that names the panic and chunk 4", threads, err)
		}
		if err := p.Run(3, func(int, int) {}); err != nil {
			t.Errorf("%d threads: the pool is unusable after a panic: %v", threads, err)
		}
	}
}

func TestPoolRefusesNestingAndUseAfterClose(t *testing.T) {
	p := NewPool(2)
	var inner error
	if err := p.Run(1, func(int, int) { inner = p.Run(1, func(int, int) {}) }); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(inner, ErrBusy) {
		t.Errorf("Run inside a chunk: %v, want ErrBusy", inner)
	}
	p.Close()
	if err := p.Run(1, func(int, int) {}); err == nil {
		t.Error("Run after Close succeeded")
	}
}

// TestAllocations: an operation allocates what starts its workers, however much it works on.
func TestAllocations(t *testing.T) {
	const rows, cols = 600, 64
	rng := newRand(1)
	x, y, z, bias, lse := random(rng, rows*cols, 1), random(rng, rows*cols, 1), make([]float32, rows*cols), make([]float32, 2*cols), make([]float32, rows)
	p, mask := NewPool(2), Mask{Rate: 0.1}
	var scratch Scratch
	tests := []struct {
		name string
		most float64
		run  func() error
	}{
		{"Gemm", 24, func() error { return Gemm(p, false, true, rows, cols, cols, x, cols, y, cols, 0, z, cols) }},
		{"GemmSerial", 0, func() error { return GemmSerial(false, true, rows, cols, cols, x, cols, y, cols, 0, z, cols, &scratch) }},
		{"BiasDropoutAdd", 12, func() error { return BiasDropoutAdd(p, rows, cols, z, x, bias, y, mask) }},
		{"DropoutTile", 0, func() error { return DropoutTile(rows, cols, cols, z, mask, 0, 1<<24) }},
		{"SoftmaxTile", 0, func() error { return SoftmaxTile(rows, cols, cols, z, 1, cols, lse) }},
		{"LayerNormBackward", 12, func() error { return LayerNormBackward(p, rows, cols, x, bias, lse, lse, y, z, bias, bias[cols:]) }},
	}
	for _, test := range tests {
		got := testing.AllocsPerRun(5, func() {
			if err := test.run(); err != nil {
				t.Fatal(err)
			}
		})
		if got > test.most {
			t.Errorf("%s: %v allocations, want at most %v", test.name, got, test.most)
		}
	}
}

func TestUnknownTier(t *testing.T) {
	if _, err := chooseTier("sse9"); err == nil || !strings.Contains(err.Error(), "portable") {
		t.Errorf("error is %v, want one that lists the tiers", err)
	}
	for _, want := range tiers {
		if got, err := chooseTier(want.name); got != want || err != nil {
			t.Errorf("chooseTier(%q) = %v, %v", want.name, got.name, err)
		}
	}
}

func TestPeakFLOPs(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		p := NewPool(2)
		defer p.Close()
		if peak, err := p.PeakFLOPs(); err != nil || !(peak > 1e6 && peak < 1e15) {
			t.Errorf("peak %v, error %v", peak, err)
		}
	})
}
