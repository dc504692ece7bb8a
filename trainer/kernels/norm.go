package kernels

import "math"

// LayerNorm writes y = (x-mean)·rstd·gamma + beta for each of rows rows of cols elements, with rstd = 1/√(variance+eps), and keeps mean
// and rstd (rows each) for the backward pass. y may be x where there is none.
func LayerNorm(p *Pool, rows, cols int, x, gamma, beta []float32, eps float32, y, mean, rstd []float32) error {
	check := checker{op: "LayerNorm"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), rows*cols)
	check.need("gamma", len(gamma), cols)
	check.need("beta", len(beta), cols)
	check.need("y", len(y), rows*cols)
	check.need("mean", len(mean), rows)
	check.need("rstd", len(rstd), rows)
	if check.err != nil || cols == 0 {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			mean[i], rstd[i] = normRow(x[i*cols:(i+1)*cols], gamma[:cols], beta[:cols], eps, y[i*cols:(i+1)*cols])
		}
	})
}

// LayerNormBackward writes dx and adds to dgamma and dbeta (cols each), given what LayerNorm read and kept. dx may be dy.
func LayerNormBackward(p *Pool, rows, cols int, x, gamma, mean, rstd, dy, dx, dgamma, dbeta []float32) error {
	check := checker{op: "LayerNormBackward"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), rows*cols)
	check.need("gamma", len(gamma), cols)
	check.need("mean", len(mean), rows)
	check.need("rstd", len(rstd), rows)
	check.need("dy", len(dy), rows*cols)
	check.need("dx", len(dx), rows*cols)
	check.need("dgamma", len(dgamma), cols)
	check.need("dbeta", len(dbeta), cols)
	if check.err != nil || cols == 0 {
		return check.err
	}
	return p.reduce(rows, 2*cols, func(lo, hi int, sums []float32) {
		for i := lo; i < hi; i++ {
			normBackwardRow(x[i*cols:(i+1)*cols], gamma[:cols], mean[i], rstd[i], dy[i*cols:(i+1)*cols], dx[i*cols:(i+1)*cols], sums[:cols], sums[cols:])
		}
	}, dgamma[:cols], dbeta[:cols])
}

func normRow(x, gamma, beta []float32, eps float32, y []float32) (mean, rstd float32) {
	n := float64(len(x))
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	mean = float32(sum / n)
	var squares float64
	for _, v := range x {
		d := float64(v - mean)
		squares += float64(d * d)
	}
	rstd = float32(1 / math.Sqrt(squares/n+float64(eps)))
	for j, v := range x {
		y[j] = (v-mean)*rstd*gamma[j] + beta[j]
	}
	return mean, rstd
}

func normBackwardRow(x, gamma []float32, mean, rstd float32, dy, dx, dgamma, dbeta []float32) {
	var sum, dot float64
	for j, d := range dy {
		z := (x[j] - mean) * rstd
		dgamma[j] += d * z
		dbeta[j] += d
		d *= gamma[j]
		sum += float64(d)
		dot += float64(d) * float64(z)
	}
	meanD, meanDot := float32(sum/float64(len(dy))), float32(dot/float64(len(dy)))
	for j, d := range dy {
		z := (x[j] - mean) * rstd
		dx[j] = rstd * (d*gamma[j] - meanD - z*meanDot)
	}
}
