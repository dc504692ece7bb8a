package kernels

import "math"

// RMSNorm writes y = x·rstd·gamma for each of rows rows of cols elements, with rstd = 1/√(mean of x² + eps) (Zhang and Sennrich, 2019), and keeps
// rstd (rows) for the backward pass. y may be x where there is none.
func RMSNorm(p *Pool, rows, cols int, x, gamma []float32, eps float32, y, rstd []float32) error {
	check := checker{op: "RMSNorm"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), rows*cols)
	check.need("gamma", len(gamma), cols)
	check.need("y", len(y), rows*cols)
	check.need("rstd", len(rstd), rows)
	if check.err != nil || cols == 0 {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := x[i*cols : (i+1)*cols]
			square := float64(active.dot(row, row)) / float64(cols)
			rstd[i] = float32(1 / math.Sqrt(square+float64(eps)))
			active.scaleMultiply(row, gamma[:cols], y[i*cols:(i+1)*cols], rstd[i])
		}
	})
}

// RMSNormBackward writes dx and adds to dgamma (cols), given what RMSNorm read and kept. dx may be dy.
func RMSNormBackward(p *Pool, rows, cols int, x, gamma, rstd, dy, dx, dgamma []float32) error {
	check := checker{op: "RMSNormBackward"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), rows*cols)
	check.need("gamma", len(gamma), cols)
	check.need("rstd", len(rstd), rows)
	check.need("dy", len(dy), rows*cols)
	check.need("dx", len(dx), rows*cols)
	check.need("dgamma", len(dgamma), cols)
	if check.err != nil || cols == 0 {
		return check.err
	}
	inverse := 1 / float32(cols)
	return p.reduce(rows, cols, func(lo, hi int, sums []float32) {
		for i := lo; i < hi; i++ {
			lo, hi := i*cols, (i+1)*cols
			active.rmsNormBackward(x[lo:hi], gamma[:cols], dy[lo:hi], dx[lo:hi], sums, rstd[i], inverse)
		}
	}, dgamma[:cols])
}

// SwiGLU writes y = silu(gate)·up (Shazeer, 2020), where silu(x) = x/(1+e^-x). A row of x is gate and up side by side, cols each; y has rows × cols.
func SwiGLU(p *Pool, rows, cols int, x, y []float32) error {
	check := checker{op: "SwiGLU"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), 2*rows*cols)
	check.need("y", len(y), rows*cols)
	if check.err != nil {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			active.swiGLU(x[2*i*cols:(2*i+1)*cols], x[(2*i+1)*cols:(2*i+2)*cols], y[i*cols:(i+1)*cols])
		}
	})
}

// SwiGLUBackward writes dx, the gradients of gate and up side by side, given x and dy. dx may be x.
func SwiGLUBackward(p *Pool, rows, cols int, x, dy, dx []float32) error {
	check := checker{op: "SwiGLUBackward"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), 2*rows*cols)
	check.need("dy", len(dy), rows*cols)
	check.need("dx", len(dx), 2*rows*cols)
	if check.err != nil {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			gate, up := 2*i*cols, (2*i+1)*cols
			active.swiGLUBackward(x[gate:up], x[up:up+cols], dy[i*cols:(i+1)*cols], dx[gate:up], dx[up:up+cols])
		}
	})
}

func dotPortable(a, b []float32) float32 {
	b = b[:len(a)]
	var sums [4]float32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		sums[0] += a[i] * b[i]
		sums[1] += a[i+1] * b[i+1]
		sums[2] += a[i+2] * b[i+2]
		sums[3] += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		sums[0] += a[i] * b[i]
	}
	return sums[0] + sums[1] + (sums[2] + sums[3])
}

func addScaledPortable(dst, a []float32, factor float32) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] += a[i] * factor
	}
}

func scaleMultiplyPortable(x, gamma, y []float32, factor float32) {
	gamma, y = gamma[:len(x)], y[:len(x)]
	for i, v := range x {
		y[i] = v * factor * gamma[i]
	}
}

func rmsNormBackwardPortable(x, gamma, dy, dx, dgamma []float32, rstd, inverse float32) {
	var sum float64
	for i, v := range x {
		g := dy[i] * (v * rstd)
		dgamma[i] += g
		sum += float64(g) * float64(gamma[i])
	}
	c := float32(sum) * inverse
	for i, v := range x {
		dx[i] = rstd * (gamma[i]*dy[i] - v*rstd*c)
	}
}

func swiGLUPortable(gate, up, y []float32) {
	for i, v := range gate {
		y[i] = v / (1 + expFloat(-v)) * up[i]
	}
}

func swiGLUBackwardPortable(gate, up, dy, dgate, dup []float32) {
	for i, v := range gate {
		s := 1 / (1 + expFloat(-v))
		d := dy[i]
		dgate[i], dup[i] = d*up[i]*(s*(1+v*(1-s))), d*(v*s)
	}
}
