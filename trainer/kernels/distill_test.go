package kernels

import (
	"math"
	"strings"
	"testing"
)

func TestSmoothedCrossEntropy(t *testing.T) {
	const scale, smoothing = 0.25, 0.1
	eachShape(t, func(t *testing.T, rows, cols int) {
		rng := newRand(11)
		x, weights := random(rng, rows*cols, 3), random(rng, cols, 1)
		labels := make([]int32, rows)
		for i := range labels {
			if labels[i] = int32(rng.IntN(cols)); rng.IntN(4) == 0 {
				labels[i] = IgnoreLabel
			}
		}
		for i, w := range weights {
			weights[i] = 0.5 + w*w
		}
		for _, w := range [][]float32{weights, nil} {
			for _, eps := range []float32{smoothing, 0} {
				got := eachThreads(t, func(p *Pool, v [][]float32) error {
					if err := SmoothedCrossEntropy(p, rows, cols, v[0], labels, eps, w, 0, v[1]); err != nil {
						return err
					}
					return SmoothedCrossEntropy(p, rows, cols, v[0], labels, eps, w, scale, v[2])
				}, x, make([]float32, rows), make([]float32, rows))
				for i := range rows {
					loss, grad := refSmoothed(x[i*cols:(i+1)*cols], int(labels[i]), float64(eps), w, scale)
					near(t, "loss alone", got[1][i:], []float64{loss}, 4e-6)
					near(t, "loss", got[2][i:], []float64{loss}, 4e-6)
					near(t, "gradient", got[0][i*cols:], grad, 2e-6)
				}
			}
		}
	})
}

// refSmoothed is the definition of PyTorch.
func refSmoothed(x []float32, label int, smoothing float64, weights []float32, scale float64) (loss float64, grad []float64) {
	grad = make([]float64, len(x))
	if label == IgnoreLabel {
		return 0, grad
	}
	prob, lse := refSoftmax(x, 1)
	for c := range x {
		w, target := 1.0, smoothing/float64(len(x))
		if weights != nil {
			w = float64(weights[c])
		}
		if c == label {
			target += 1 - smoothing
		}
		target *= w
		loss += target * (lse - float64(x[c]))
		grad[c] -= scale * target
		for j := range grad {
			grad[j] += scale * target * prob[j]
		}
	}
	return loss, grad
}

func TestDistillKL(t *testing.T) {
	const scale = 0.5
	eachShape(t, func(t *testing.T, rows, cols int) {
		rng := newRand(12)
		student, teacher := random(rng, rows*cols, 3), random(rng, rows*cols, 3)
		for _, temperature := range []float64{1, 2.5} {
			got := eachThreads(t, func(p *Pool, v [][]float32) error {
				return DistillKL(p, rows, cols, v[0], v[1], float32(temperature), scale, v[2], v[3])
			}, student, teacher, make([]float32, rows), make([]float32, rows*cols))
			for i := range rows {
				s, sLSE := refSoftmax(student[i*cols:(i+1)*cols], 1/temperature)
				p, pLSE := refSoftmax(teacher[i*cols:(i+1)*cols], 1/temperature)
				loss, grad := 0.0, make([]float64, cols)
				for j := range s {
					at := i*cols + j
					loss += p[j] * (float64(teacher[at])/temperature - pLSE - float64(student[at])/temperature + sLSE)
					grad[j] = scale * temperature * (s[j] - p[j])
				}
				near(t, "loss", got[2][i:], []float64{loss * temperature * temperature}, 2e-5)
				near(t, "gradient", got[3][i*cols:], grad, 2e-6)
			}
		}
	})
}

func TestCosines(t *testing.T) {
	eachShape(t, func(t *testing.T, rows, cols int) {
		rng := newRand(13)
		ld := cols + 2
		a, b, dcos := random(rng, rows*ld, 2), random(rng, rows*ld, 2), random(rng, rows, 1)
		cosine := func(i, moved int, by float64) float64 { // of row i, with element moved of a (or, from cols on, of b) moved
			var dot, aa, bb float64
			for j := range cols {
				x, y := float64(a[i*ld+j]), float64(b[i*ld+j])
				if j == moved {
					x += by
				} else if j+cols == moved {
					y += by
				}
				dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
			}
			return dot / math.Sqrt((aa+cosineEps)*(bb+cosineEps))
		}
		got := eachThreads(t, func(p *Pool, v [][]float32) error {
			if err := Cosines(p, rows, cols, ld, v[0], v[1], v[2]); err != nil {
				return err
			}
			return CosinesBackward(p, rows, cols, ld, v[0], v[1], v[3], v[4], v[5])
		}, a, b, make([]float32, rows), dcos, make([]float32, rows*ld), make([]float32, rows*ld))
		for i := range rows {
			near(t, "cosine", got[2][i:], []float64{cosine(i, -1, 0)}, 2e-6)
			for _, j := range []int{0, cols - 1, cols, 2*cols - 1} {
				const step = 1e-4
				slope := float64(dcos[i]) * (cosine(i, j, step) - cosine(i, j, -step)) / (2 * step)
				near(t, "gradient", got[4+j/cols][i*ld+j%cols:], []float64{slope}, 3e-5)
			}
		}
	})
}

func TestMistakesOfDistillation(t *testing.T) {
	p := NewPool(1)
	defer p.Close()
	x := make([]float32, 8)
	for want, err := range map[string]error{
		"label 4 of row 0":        SmoothedCrossEntropy(p, 1, 4, x, []int32{4}, 0, nil, 1, x),
		"weights has 3":           SmoothedCrossEntropy(p, 1, 4, x, []int32{1}, 0, x[:3], 1, x),
		"the temperature is 0":    DistillKL(p, 1, 4, x, x, 0, 1, x, x),
		"teacher has 3":           DistillKL(p, 1, 4, x, x[:3], 1, 1, x, x),
		"b has 3":                 Cosines(p, 1, 4, 4, x, x[:3], x),
		"db has 3 elements":       CosinesBackward(p, 1, 4, 4, x, x, x, x, x[:3]),
		"a has row stride 3":      Cosines(p, 2, 4, 3, x, x, x),
		"dcos has 0 elements":     CosinesBackward(p, 1, 4, 4, x, x, nil, x, nil),
		"labels has 0 elements":   SmoothedCrossEntropy(p, 1, 4, x, nil, 0, nil, 1, x),
		"the temperature is NaN":  DistillKL(p, 1, 4, x, x, float32(math.NaN()), 1, x, x),
		"cols is -1, want 0 to 2": Cosines(p, 1, -1, 4, x, x, x),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
