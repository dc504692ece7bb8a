package kernels

// Add writes dst = a + b elementwise, n elements. dst may be a or b.
func Add(p *Pool, n int, dst, a, b []float32) error {
	check := checker{op: "Add"}
	check.dim("n", n)
	check.need("dst", len(dst), n)
	check.need("a", len(a), n)
	check.need("b", len(b), n)
	if check.err != nil {
		return check.err
	}
	return p.ranges(n, chunkFloats, func(lo, hi int) {
		active.add(dst[lo:hi], a[lo:hi], b[lo:hi])
	})
}

// AddBias adds bias (cols) to each row of x (rows × cols).
func AddBias(p *Pool, rows, cols int, x, bias []float32) error {
	check := checker{op: "AddBias"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), rows*cols)
	check.need("bias", len(bias), cols)
	if check.err != nil {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := x[i*cols : (i+1)*cols]
			active.add(row, row, bias[:cols])
		}
	})
}

// BiasGrad adds the sum of the rows of dy (rows × cols) to dbias (cols).
func BiasGrad(p *Pool, rows, cols int, dy, dbias []float32) error {
	check := checker{op: "BiasGrad"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("dy", len(dy), rows*cols)
	check.need("dbias", len(dbias), cols)
	if check.err != nil {
		return check.err
	}
	return p.reduce(rows, cols, func(lo, hi int, sums []float32) {
		for i := lo; i < hi; i++ {
			active.add(sums, sums, dy[i*cols:(i+1)*cols])
		}
	}, dbias[:cols])
}
