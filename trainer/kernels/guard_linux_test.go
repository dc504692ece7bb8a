package kernels

import (
	"syscall"
	"testing"
	"unsafe"
)

// guarded returns n floats behind which lies memory that must not be touched.
func guarded(t *testing.T, n int) []float32 {
	t.Helper()
	page := syscall.Getpagesize()
	pages := ceilDiv(4*n, page)
	memory, err := syscall.Mmap(-1, 0, (pages+1)*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(memory) })
	if err := syscall.Mprotect(memory[pages*page:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&memory[pages*page-4*n])), n)
}

// TestNothingBehindTheEndIsTouched runs every vectorised operation on slices that end where the memory does: a stray access kills the test.
func TestNothingBehindTheEndIsTouched(t *testing.T) {
	eachProduct(t, func(t *testing.T) {
		p := NewPool(1)
		for _, n := range oddSizes {
			v := func() []float32 { return guarded(t, n) }
			one := func() []float32 { return guarded(t, 1) }
			mask := Mask{Rate: 0.5}
			errs := []error{
				Add(p, n, v(), v(), v()),
				BiasGrad(p, 1, n, v(), v()),
				Activate(p, GELUErf, 1, n, v(), v(), v()),
				Activate(p, GELUTanh, 1, n, v(), v(), v()),
				ActivateBackward(p, GELUErf, 1, n, v(), v(), v(), v()),
				ActivateBackward(p, GELUTanh, 1, n, v(), v(), v(), v()),
				LayerNorm(p, 1, n, v(), v(), v(), 1, v(), one(), one()),
				LayerNormBackward(p, 1, n, v(), v(), one(), one(), v(), v(), v(), v()),
				RMSNorm(p, 1, n, v(), v(), 1, v(), one()),
				RMSNormBackward(p, 1, n, v(), v(), one(), v(), v(), v()),
				SwiGLU(p, 1, n, guarded(t, 2*n), v()),
				SwiGLUBackward(p, 1, n, guarded(t, 2*n), v(), guarded(t, 2*n)),
				Softmax(p, 1, n, v()),
				LogSumExp(p, 1, n, v(), one()),
				SoftmaxBackwardTile(1, n, n, v(), v(), 1),
				Dropout(p, n, v(), v(), mask),
				BiasDropoutAdd(p, 1, n, v(), v(), v(), v(), mask),
				BiasDropoutAdd(p, 1, n, v(), v(), nil, v(), mask),
				AdamWStep(p, AdamW{Step: 1}, v(), v(), v(), v(), make([]uint8, ceilDiv(n, AdamWBlock)), []AdamWGroup{{Rate: 1}}),
			}
			for _, trans := range []bool{false, true} {
				for _, m := range []int{1, 7, 14} {
					errs = append(errs, Gemm(p, trans, !trans, m, n, 33, guarded(t, m*33), at(trans, m, 33), guarded(t, 33*n), at(trans, n, 33), 1, guarded(t, m*n), n),
						Gemm(p, trans, trans, m, n, 33, guarded(t, m*33), at(trans, m, 33), guarded(t, 33*n), at(trans, 33, n), 0, guarded(t, m*n), n))
					errs = append(errs, GemmSerial(trans, !trans, m, n, 33, guarded(t, m*33), at(trans, m, 33), guarded(t, 33*n), at(trans, n, 33), 1, guarded(t, m*n), n, &Scratch{Precision: BF16}),
						GemmSerial(trans, trans, m, n, 33, guarded(t, m*33), at(trans, m, 33), guarded(t, 33*n), at(trans, 33, n), 0, guarded(t, m*n), n, &Scratch{Precision: BF16}))
				}
			}
			for i, err := range errs {
				if err != nil {
					t.Errorf("%d elements, operation %d: %v", n, i, err)
				}
			}
		}
	})
}

func at(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}
