package kernels

import (
	"math"
	"testing"
)

// roundSlow is rounding to bfloat16 by comparison: the neighbours below and above in magnitude, and the nearer of them.
func roundSlow(x float32) float32 {
	u := math.Float32bits(x)
	switch {
	case x != x:
		return float32(math.NaN())
	case math.IsInf(float64(x), 0):
		return x
	case math.Abs(float64(x)) < 0x1p-126:
		return float32(math.Copysign(0, float64(x)))
	}
	low := u &^ 0xffff
	high := low + 0x10000
	value := func(u uint32) float64 {
		if u&0x7f800000 == 0x7f800000 {
			return math.Copysign(0x1p128, float64(x))
		}
		return float64(math.Float32frombits(u))
	}
	below, above := math.Abs(float64(x)-value(low)), math.Abs(value(high)-float64(x))
	if below < above || below == above && low>>16&1 == 0 {
		return math.Float32frombits(low)
	}
	return math.Float32frombits(high)
}

// sameValue compares with all that is not a number being equal.
func sameValue(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// awkward are numbers at the borders of rounding.
func awkward() []float32 {
	bits := []uint32{
		0, 1, 0x7fffff, 0x800000, 0x807fff, 0x808000, 0x808001, 0x818000, 0x3f800000, 0x3f808000, 0x3f808001, 0x3f818000, 0x3f817fff, 0x3fffffff,
		0x7f7f7fff, 0x7f7f8000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff,
	}
	var x []float32
	for _, u := range bits {
		x = append(x, math.Float32frombits(u), math.Float32frombits(u|1<<31))
	}
	rng := newRand(3)
	for len(x) < 4000 {
		x = append(x, math.Float32frombits(rng.Uint32()))
	}
	return x
}

func TestRoundBF16(t *testing.T) {
	x := awkward()
	got := append([]float32(nil), x...)
	roundBF16(got)
	for i, v := range x {
		if want := roundSlow(v); !sameValue(got[i], want) {
			t.Errorf("%x becomes %x, want %x", math.Float32bits(v), math.Float32bits(got[i]), math.Float32bits(want))
		}
	}
}

// TestPackedBF16 multiplies with 1, row by row of 1, so that the product is what packing made of the other operand: every tier rounds to the same bits.
func TestPackedBF16(t *testing.T) {
	all := awkward()
	eachProduct(t, func(t *testing.T) {
		for _, trans := range []bool{false, true} {
			for _, n := range []int{2, 14, 17, 33, 64, 130} {
				x := all[:n]
				one, zero := make([]float32, n), make([]float32, n*n)
				for i := range one {
					one[i] = 1
				}
				for _, left := range []bool{true, false} {
					m, cols, a, b := n, 2, x, one
					if !left {
						m, cols, a, b = 2, n, one, x
					}
					c := zero[:m*cols]
					// op(A) is m × 1 and op(B) 1 × cols, stored either way: the row or column of one element is the same memory.
					lda, ldb := 1, cols
					if trans {
						lda, ldb = m, 1
					}
					if err := GemmSerial(trans, trans, m, cols, 1, a, lda, b, ldb, 0, c, cols, &Scratch{Precision: BF16}); err != nil {
						t.Fatal(err)
					}
					for i, got := range c {
						v := a[i/cols]
						if !left {
							v = b[i%cols]
						}
						want := roundSlow(v)
						if want == 0 {
							want = 0 // a sum has no negative zero
						}
						if !sameValue(got, want) {
							t.Fatalf("%d numbers, left %v, transposed %v: %x becomes %x, want %x", n, left, trans, math.Float32bits(v), math.Float32bits(got), math.Float32bits(want))
						}
					}
				}
			}
		}
	})
}

func TestParsePrecision(t *testing.T) {
	for _, p := range []Precision{F32, BF16} {
		if got, err := ParsePrecision(p.String()); got != p || err != nil {
			t.Errorf("%v is read as %v, %v", p, got, err)
		}
	}
	if _, err := ParsePrecision("f16"); err == nil {
		t.Error("f16 is taken for a precision")
	}
}
