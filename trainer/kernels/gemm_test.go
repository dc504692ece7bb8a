package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

type gemmCase struct {
	transA, transB bool
	m, n, k        int
	beta           float32
}

func (c gemmCase) String() string {
	return fmt.Sprintf("%dx%dx%d/transA=%v,transB=%v,beta=%v", c.m, c.n, c.k, c.transA, c.transB, c.beta)
}

// checkGemm runs a case in each precision.
func checkGemm(t *testing.T, rng *rand.Rand, c gemmCase) {
	t.Helper()
	if !onlyBF16() {
		checkProduct(t, rng, c, F32)
	}
	checkProduct(t, rng, c, BF16)
}

// checkProduct compares Gemm and GemmSerial with a float64 product. Rows are farther apart than they are long, and what lies between must not change.
func checkProduct(t *testing.T, rng *rand.Rand, c gemmCase, precision Precision) {
	t.Helper()
	aRows, aCols, bRows, bCols := c.m, c.k, c.k, c.n
	if c.transA {
		aRows, aCols = aCols, aRows
	}
	if c.transB {
		bRows, bCols = bCols, bRows
	}
	lda, ldb, ldc := aCols+rng.IntN(3), bCols+rng.IntN(3), c.n+rng.IntN(3)
	a, b, out := random(rng, aRows*lda, 1), random(rng, bRows*ldb, 1), random(rng, c.m*ldc, 1)
	if c.beta == 0 {
		for i := range c.m {
			for j := range c.n {
				out[i*ldc+j] = float32(math.NaN())
			}
		}
	}
	got := eachThreads(t, func(p *Pool, x [][]float32) error {
		p.SetPrecision(precision)
		return Gemm(p, c.transA, c.transB, c.m, c.n, c.k, a, lda, b, ldb, c.beta, x[0], ldc)
	}, out)[0]
	serial := append([]float32(nil), out...)
	if err := GemmSerial(c.transA, c.transB, c.m, c.n, c.k, a, lda, b, ldb, c.beta, serial, ldc, &Scratch{Precision: precision}); err != nil {
		t.Fatal(err)
	}
	if vector := c.m == 1 && (!c.transA || lda == 1); precision == BF16 && !vector {
		roundBF16(a)
		roundBF16(b)
	}
	at := func(x []float32, ld int, trans bool, i, j int) float64 {
		if trans {
			i, j = j, i
		}
		return float64(x[i*ld+j])
	}
	tolerance := 1e-6 * (4 + math.Sqrt(float64(c.k)))
	for i := range c.m {
		for j := range ldc {
			at0 := i*ldc + j
			if math.Float32bits(got[at0]) != math.Float32bits(serial[at0]) {
				t.Fatalf("%v: C[%d,%d] is %v by Gemm, %v by GemmSerial", c, i, j, got[at0], serial[at0])
			}
			if j >= c.n {
				if got[at0] != out[at0] {
					t.Fatalf("%v: wrote behind the end of row %d", c, i)
				}
				continue
			}
			want := 0.0
			if c.beta != 0 {
				want = float64(c.beta) * float64(out[at0])
			}
			for p := range c.k {
				want += at(a, lda, c.transA, i, p) * at(b, ldb, c.transB, p, j)
			}
			if !(math.Abs(float64(got[at0])-want) <= tolerance*(1+math.Abs(want))) {
				t.Fatalf("%v %v: C[%d,%d] = %v, want %v", c, precision, i, j, got[at0], want)
			}
		}
	}
}

func TestGemmOddSizes(t *testing.T) {
	eachProduct(t, func(t *testing.T) {
		rng := newRand(1)
		betas := []float32{0, 1, -0.5}
		for i, m := range oddSizes {
			for j, n := range oddSizes {
				for l, k := range oddSizes {
					c := gemmCase{transA: (i+j)%2 == 0, transB: (j+l)%2 == 0, m: m, n: n, k: k, beta: betas[(i+j+l)%3]}
					checkGemm(t, rng, c)
				}
			}
		}
	})
}

func TestGemmBlocks(t *testing.T) {
	cases := []gemmCase{
		{m: 5, n: 7, k: 0},
		{m: 5, n: 7, k: 0, beta: 2},
		{m: 9, n: 35, k: 2*kBlock + 3, beta: 1},
		{m: 9, n: 35, k: kBlock, beta: 0.5, transB: true},
		{m: 130, n: 70, k: kBlock + 1, transA: true},
		{m: 300, n: 600, k: 5, transB: true},
		{m: 3, n: 2*minChunkCols + 9, k: 17, beta: 1},
	}
	eachProduct(t, func(t *testing.T) {
		rng := newRand(2)
		for _, c := range cases {
			checkGemm(t, rng, c)
		}
	})
}

// TestGemmColumnBlocks packs B in several parts.
func TestGemmColumnBlocks(t *testing.T) {
	const m, k = 2, 1 << 15
	eachProduct(t, func(t *testing.T) {
		n := packedFloats/k + 40
		a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
		for i := range a {
			a[i] = float32(i / k)
		}
		for i := range b {
			b[i] = float32(i % n)
		}
		p := NewPool(2)
		if err := Gemm(p, false, false, m, n, k, a, k, b, n, 0, c, n); err != nil {
			t.Fatal(err)
		}
		for i, got := range c {
			if want := float32(i / n * (i % n) * k); got != want {
				t.Fatalf("c[%d] = %v, want %v", i, got, want)
			}
		}
	})
}

func TestGemmNamesTheWrongOperand(t *testing.T) {
	x := make([]float32, 12)
	tests := []struct {
		name          string
		m, n, k       int
		a, b, c       []float32
		lda, ldb, ldc int
		want          string
	}{
		{"short a", 3, 4, 3, x[:8], x, x, 3, 4, 4, "a has 8 elements, want 9"},
		{"short b", 3, 4, 3, x, x[:11], x, 3, 4, 4, "b has 11 elements, want 12"},
		{"short c", 3, 4, 3, x, x, x[:11], 3, 4, 4, "c has 11 elements, want 12"},
		{"stride", 3, 4, 3, x, x, x, 2, 4, 4, "a has row stride 2"},
		{"negative", 3, -4, 3, x, x, x, 3, 4, 4, "n is -4"},
		{"absurd", 1 << 40, 1 << 40, 1 << 40, x, x, x, 1 << 40, 1 << 40, 1 << 40, "m is 1099511627776"},
	}
	for _, test := range tests {
		err := Gemm(NewPool(1), false, false, test.m, test.n, test.k, test.a, test.lda, test.b, test.ldb, 0, test.c, test.ldc)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %q", test.name, err, test.want)
		}
	}
}

// FuzzGemm tries random sizes in every tier.
func FuzzGemm(f *testing.F) {
	f.Add(uint64(1), uint16(14), uint16(32), uint16(256), uint8(0))
	f.Add(uint64(2), uint16(113), uint16(257), uint16(300), uint8(7))
	f.Fuzz(func(t *testing.T, seed uint64, m, n, k uint16, flags uint8) {
		c := gemmCase{transA: flags&1 != 0, transB: flags&2 != 0, m: int(m % 160), n: int(n % 300), k: int(k % 600), beta: []float32{0, 1, 0.5, -2}[flags>>2&3]}
		eachProduct(t, func(t *testing.T) { checkGemm(t, rand.New(rand.NewPCG(seed, 0)), c) })
	})
}

// go test ./trainer/kernels -run '^$' -bench 'Gemm/tier=avx512/precision=f32/threads=1'
func BenchmarkGemm(b *testing.B) {
	shapes := []struct {
		op             string
		transA, transB bool
		m, n, k        int
	}{
		{"forward", false, true, 4096, 256, 256},
		{"forward", false, true, 4096, 1024, 256},
		{"forward", false, true, 4096, 256, 1024},
		{"dX", false, false, 4096, 256, 1024},
		{"dW", true, false, 1024, 256, 4096},
		{"forward", false, true, 2048, 768, 768},
		{"head", false, true, 614, 8192, 256},
		{"attention", false, true, 128, 128, 64},
		{"vector", false, true, 1, 1024, 1024},
	}
	for _, tier := range tiers {
		for setting := range 4 {
			precision, threads := Precision(setting/2), setting%2+1
			for _, s := range shapes {
				name := fmt.Sprintf("tier=%s/precision=%v/threads=%d/op=%s/shape=%dx%dx%d", tier.name, precision, threads, s.op, s.m, s.n, s.k)
				b.Run(name, func(b *testing.B) {
					useTier(b, tier)
					lda, ldb := s.k, s.n
					if s.transA {
						lda = s.m
					}
					if s.transB {
						ldb = s.k
					}
					x, y, z := ramp(s.m*s.k), ramp(s.k*s.n), make([]float32, s.m*s.n)
					p := NewPool(threads)
					p.SetPrecision(precision)
					for b.Loop() {
						if err := Gemm(p, s.transA, s.transB, s.m, s.n, s.k, x, lda, y, ldb, 0, z, s.n); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(2*float64(s.m)*float64(s.n)*float64(s.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}

// ramp returns n small numbers.
func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%17)/8 - 1
	}
	return x
}
