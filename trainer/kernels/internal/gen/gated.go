package main

// dot: func(a, b []float32) float32, Σ a·b.
func (f *file) dot(set isa) {
	r := f.row(set, "dot", []string{"a", "b"}, nil, []string{"sum float32"})
	r.zero(0)
	r.each("loop", func() {
		r.load(0, 1)
		r.load(1, 2)
		r.do("VFMADD231PS", 1, 2, 0)
	})
	r.sum(0, 1)
	r.result(0, "sum")
	r.end()
}

// addScaled: func(dst, a []float32, factor float32), dst += a·factor.
func (f *file) addScaled(set isa) {
	r := f.row(set, "addScaled", []string{"dst", "a"}, []string{"factor float32"}, nil)
	r.scalar("factor", 2)
	r.each("loop", func() {
		r.load(0, 0)
		r.load(1, 1)
		r.do("VFMADD231PS", 1, 2, 0)
		r.store(0, 0)
	})
	r.end()
}

// scaleMultiply: func(x, gamma, y []float32, factor float32), y = x·factor·gamma.
func (f *file) scaleMultiply(set isa) {
	r := f.row(set, "scaleMultiply", []string{"x", "gamma", "y"}, []string{"factor float32"}, nil)
	r.scalar("factor", 2)
	r.each("loop", func() {
		r.load(0, 0)
		r.load(1, 1)
		r.do("VMULPS", 2, 0, 0)
		r.do("VMULPS", 1, 0, 0)
		r.store(0, 2)
	})
	r.end()
}

// rmsNormBackward: func(x, gamma, dy, dx, dgamma []float32, rstd, mean float32): with n = x·rstd, dgamma += dy·n and
// dx = rstd·(gamma·dy - n·c), where c, the mean of gamma·dy·n, is the sum times the argument inverse, 1/len(x).
func (f *file) rmsNormBackward(set isa) {
	r := f.row(set, "rmsNormBackward", []string{"x", "gamma", "dy", "dx", "dgamma"}, []string{"rstd float32", "inverse float32"}, nil)
	r.scalar("rstd", 5)
	r.scalar("inverse", 6)
	r.zero(0)
	r.each("dot", func() {
		r.load(0, 1)
		r.do("VMULPS", 5, 1, 1)
		r.load(2, 2)
		r.do("VMULPS", 2, 1, 1) // dy·n
		r.load(4, 3)
		r.do("VADDPS", 1, 3, 3)
		r.store(3, 4)
		r.load(1, 2)
		r.do("VFMADD231PS", 1, 2, 0)
	})
	r.sum(0, 1)
	r.spread(0)
	r.do("VMULPS", 6, 0, 0)
	r.rewind("x")
	r.each("loop", func() {
		r.load(0, 1)
		r.do("VMULPS", 5, 1, 1)
		r.load(1, 2)
		r.load(2, 3)
		r.do("VMULPS", 2, 3, 3)
		r.do("VFNMADD231PS", 0, 1, 3)
		r.do("VMULPS", 5, 3, 3)
		r.store(3, 3)
	})
	r.end()
}

// swiGLU: func(gate, up, y []float32), y = silu(gate)·up with silu(x) = x/(1+e^-x); backward: func(gate, up, dy, dgate, dup []float32),
// dup = dy·silu(gate) and dgate = dy·up·s·(1+gate·(1-s)) with s = 1/(1+e^-gate).
func (f *file) swiGLU(set isa, backward bool) {
	name, slices := "swiGLU", []string{"gate", "up", "y"}
	if backward {
		name, slices = "swiGLUBackward", []string{"gate", "up", "dy", "dgate", "dup"}
	}
	r := f.row(set, name, slices, nil, nil)
	r.each("loop", func() {
		r.load(0, 0)
		r.with("VMULPS", -1, 0, 1)
		r.exp(1, 2)
		r.with("VMOVUPS", 1, 6)
		r.do("VADDPS", 6, 1, 1)
		r.do("VDIVPS", 1, 6, 1) // s
		r.do("VMULPS", 1, 0, 2) // silu
		r.load(1, 3)            // up
		if !backward {
			r.do("VMULPS", 2, 3, 3)
			r.store(3, 2)
			return
		}
		r.load(2, 4) // dy
		r.do("VMULPS", 4, 2, 5)
		r.do("VSUBPS", 1, 6, 2) // 1-s
		r.do("VFMADD213PS", 6, 0, 2)
		r.do("VMULPS", 1, 2, 2)
		r.do("VMULPS", 4, 3, 3)
		r.do("VMULPS", 3, 2, 2)
		r.store(2, 3)
		r.store(5, 4)
	})
	r.end()
}
