package kernels

import (
	"slices"
	"time"
)

// PeakFLOPs measures how many floating-point operations the pool's threads do in a second at best: the tile of [Gemm], in the precision of the pool, on data that
// stays in the nearest cache, a multiplication and an addition being two. It takes some 20 milliseconds.
func (p *Pool) PeakFLOPs() (float64, error) {
	const depth, repeats, rounds = 256, 400, 6
	t := active.matmul(p.precision)
	rowStride, kStep := depth, 1
	if t.transpose {
		rowStride, kStep = 1, t.mr
	}
	type operands struct{ a, b, c []float32 }
	all := make([]operands, p.threads)
	for i := range all {
		all[i] = operands{make([]float32, t.maxRows*depth), make([]float32, t.nr*depth), make([]float32, t.maxRows*t.nr)}
	}
	var rates []float64
	for range rounds {
		began := time.Now()
		err := p.Run(p.threads, func(chunk, _ int) {
			o := &all[chunk]
			for range repeats {
				t.tile(depth, o.a, rowStride, kStep, o.b, o.c, t.nr, t.maxRows, t.nr, true)
			}
		})
		if err != nil {
			return 0, err
		}
		rates = append(rates, float64(2*depth*t.depth*repeats*t.maxRows*t.nr*p.threads)/time.Since(began).Seconds())
	}
	return slices.Max(rates), nil
}
