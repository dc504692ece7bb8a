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
