package kernels

import (
	"math"
	"testing"
)

// TestVectorTimesMatrix covers products of one row, which are not packed, over several chunks of columns.
func TestVectorTimesMatrix(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		rng := newRand(31)
		for _, n := range []int{1, 17, vectorCols, vectorCols + 1, 2*vectorCols + 33} {
			for _, k := range []int{0, 1, 16, 77, 300} {
				for _, transB := range []bool{false, true} {
					checkGemm(t, rng, gemmCase{m: 1, n: n, k: k, transB: transB, beta: float32(k % 2)})
				}
			}
		}
	})
}

func TestRMSNorm(t *testing.T) {
	const eps = 1e-5
	eachShape(t, func(t *testing.T, rows, cols int) {
		rng := newRand(41)
		n := rows * cols
		x, gamma, dy, dgamma := random(rng, n, 2), random(rng, cols, 1), random(rng, n, 1), random(rng, cols, 1)
		got := eachThreads(t, func(p *Pool, v [][]float32) error {
			if err := RMSNorm(p, rows, cols, x, gamma, eps, v[0], v[1]); err != nil {
				return err
			}
			return RMSNormBackward(p, rows, cols, x, gamma, v[1], v[2], v[2], v[3])
		}, make([]float32, n), make([]float32, rows), dy, dgamma)
		wantY, wantDX, wantGamma := make([]float64, n), make([]float64, n), make([]float64, cols)
		for j, v := range dgamma {
			wantGamma[j] = float64(v)
		}
		for i := range rows {
			var square, dot float64
			for j := range cols {
				square += float64(x[i*cols+j]) * float64(x[i*cols+j]) / float64(cols)
			}
			r := 1 / math.Sqrt(square+eps)
			for j := range cols {
				at := i*cols + j
				g := float64(dy[at]) * float64(gamma[j])
				wantY[at] = float64(x[at]) * r * float64(gamma[j])
				wantGamma[j] += float64(dy[at]) * float64(x[at]) * r
				dot += g * float64(x[at])
			}
			for j := range cols {
				at := i*cols + j
				wantDX[at] = r*float64(dy[at])*float64(gamma[j]) - float64(x[at])*r*r*r*dot/float64(cols)
			}
		}
		near(t, "y", got[0], wantY, 1e-6)
		near(t, "dx", got[2], wantDX, 2e-6)
		near(t, "dgamma", got[3], wantGamma, 2e-5)
	})
}

func TestSwiGLU(t *testing.T) {
	eachShape(t, func(t *testing.T, rows, cols int) {
		rng := newRand(42)
		n := rows * cols
		x, dy := random(rng, 2*n, 3), random(rng, n, 1)
		x[0] = -200 // far beyond where e^-x overflows
		got := eachThreads(t, func(p *Pool, v [][]float32) error {
			if err := SwiGLU(p, rows, cols, v[0], v[1]); err != nil {
				return err
			}
			return SwiGLUBackward(p, rows, cols, v[0], dy, v[0])
		}, x, make([]float32, n))
		wantY, wantDX := make([]float64, n), make([]float64, 2*n)
		for i := range rows {
			for j := range cols {
				gate, up, d := 2*i*cols+j, (2*i+1)*cols+j, float64(dy[i*cols+j])
				v, u := float64(x[gate]), float64(x[up])
				s := 1 / (1 + math.Exp(-v))
				wantY[i*cols+j] = v * s * u
				wantDX[up] = d * v * s
				wantDX[gate] = d * u * s * (1 + v*(1-s))
			}
		}
		near(t, "y", got[1], wantY, 1e-6)
		near(t, "dx", got[0], wantDX, 2e-6)
	})
}

func TestRotate(t *testing.T) {
	const rows, heads, size, ld = 70, 3, 6, 25
	rng := newRand(43)
	x, table := random(rng, rows*ld, 1), make([]float32, 90*size)
	for p := range 90 {
		for i := range size / 2 {
			angle := float64(p) / float64(i+1)
			table[p*size+i], table[p*size+size/2+i] = float32(math.Cos(angle)), float32(math.Sin(angle))
		}
	}
	positions := make([]int32, rows)
	for i := range positions {
		positions[i] = int32(89 - i)
	}
	got := eachThreads(t, func(p *Pool, v [][]float32) error {
		if err := Rotate(p, rows, ld, heads, size, v[0], table, positions, false); err != nil {
			return err
		}
		copy(v[1], v[0])
		return Rotate(p, rows, ld, heads, size, v[1], table, positions, true)
	}, x, make([]float32, len(x)))
	want, same := make([]float64, len(x)), make([]float64, len(x))
	for i, v := range x {
		want[i], same[i] = float64(v), float64(v)
	}
	for i := range rows {
		for h := range heads {
			for k := range size / 2 {
				at, angle := i*ld+h*size+k, float64(positions[i])/float64(k+1)
				a, b := float64(x[at]), float64(x[at+size/2])
				want[at], want[at+size/2] = a*math.Cos(angle)-b*math.Sin(angle), b*math.Cos(angle)+a*math.Sin(angle)
			}
		}
	}
	near(t, "turned", got[0], want, 1e-6)
	near(t, "and back", got[1], same, 1e-6)

	p := NewPool(1)
	for _, c := range []struct {
		size     int
		position int32
	}{{5, 0}, {6, 90}, {6, -1}} {
		if err := Rotate(p, 1, ld, 1, c.size, x, table, []int32{c.position}, false); err == nil {
			t.Errorf("size %d, position %d: no error", c.size, c.position)
		}
	}
}
