package kernels

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// oddSizes surround the widths of vectors and tiles.
var oddSizes = []int{1, 2, 3, 15, 16, 17, 31, 33, 64, 100}

// eachTier runs test once in every tier of this processor that has functions of its own beside products in bfloat16.
func eachTier(t *testing.T, test func(t *testing.T)) {
	eachProduct(t, func(t *testing.T) {
		if onlyBF16() {
			t.Skip("another tier has the same functions")
		}
		test(t)
	})
}

// onlyBF16 says that all but the products in bfloat16 is avx512.
func onlyBF16() bool { return active.bf16.depth == 2 }

// eachProduct runs test once in every tier.
func eachProduct(t *testing.T, test func(t *testing.T)) {
	for _, tier := range tiers {
		t.Run(tier.name, func(t *testing.T) {
			useTier(t, tier)
			test(t)
		})
	}
}

// useTier makes a tier the one in use until the test or benchmark ends.
func useTier(t testing.TB, chosen *tier) {
	before := active
	t.Cleanup(func() { active = before })
	active = chosen
}

// eachThreads runs the operation with 1, 2 and 3 threads on copies of the operands and demands equal bits in all of them. It returns the operands as
// the operation left them.
func eachThreads(t *testing.T, op func(p *Pool, operands [][]float32) error, operands ...[]float32) [][]float32 {
	t.Helper()
	var first [][]float32
	for threads := 1; threads <= 3; threads++ {
		p := NewPool(threads)
		work := make([][]float32, len(operands))
		for i, x := range operands {
			work[i] = slices.Clone(x)
		}
		if err := op(p, work); err != nil {
			t.Fatalf("%d threads: %v", threads, err)
		}
		p.Close()
		if first == nil {
			first = work
			continue
		}
		for i := range work {
			for j, v := range work[i] {
				if math.Float32bits(v) != math.Float32bits(first[i][j]) {
					t.Fatalf("operand %d, element %d: %v with %d threads, %v with 1", i, j, v, threads, first[i][j])
				}
			}
		}
	}
	return first
}

func random(rng *rand.Rand, n int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * scale)
	}
	return x
}

func newRand(seed int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), 1)) }

// near demands |got-want| ≤ tolerance·(1+|want|) for each element.
func near(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	for i, w := range want {
		if g := float64(got[i]); !(math.Abs(g-w) <= tolerance*(1+math.Abs(w))) {
			t.Fatalf("%s[%d] = %v, want %v (tolerance %g)", what, i, g, w, tolerance)
		}
	}
}
