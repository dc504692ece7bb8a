package kernels

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
			mean[i], rstd[i] = active.norm(x[i*cols:(i+1)*cols], gamma, beta, y[i*cols:], eps)
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
			active.normBackward(x[i*cols:(i+1)*cols], gamma, dy[i*cols:], dx[i*cols:], sums, sums[cols:], mean[i], rstd[i])
		}
	}, dgamma[:cols], dbeta[:cols])
}
