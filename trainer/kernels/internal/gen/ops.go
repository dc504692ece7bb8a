package main

import "math"

// add: func(dst, a, b []float32), dst = a + b.
func (f *file) add(set isa) {
	r := f.row(set, "add", []string{"dst", "a", "b"}, nil, nil)
	r.each("loop", func() {
		r.load(1, 0)
		r.load(2, 1)
		r.do("VADDPS", 1, 0, 0)
		r.store(0, 0)
	})
	r.end()
}

// scale: func(x []float32, factor float32), x *= factor.
func (f *file) scale(set isa) {
	r := f.row(set, "scale", []string{"x"}, []string{"factor float32"}, nil)
	r.scalar("factor", 1)
	r.each("loop", func() {
		r.load(0, 0)
		r.do("VMULPS", 1, 0, 0)
		r.store(0, 0)
	})
	r.end()
}

// max: func(x []float32) float32, the greatest element, -Inf of none.
func (f *file) max(set isa) {
	r := f.row(set, "max", []string{"x"}, nil, []string{"greatest float32"})
	r.with("VMOVUPS", math.Inf(-1), 0)
	r.each("loop", func() {
		r.load(0, 1)
		switch {
		case !r.masked:
			r.do("VMAXPS", 1, 0, 0)
		case r.register == "Z":
			r.op("VMAXPS Z1, Z0, K1, Z0")
		default:
			r.op("VBLENDVPS Y15, Y1, Y0, Y1")
			r.do("VMAXPS", 1, 0, 0)
		}
	})
	r.fold("VMAXPS", 0, 1)
	r.result(0, "greatest")
	r.end()
}

// expSum: func(x, y []float32, scale, offset float32) float32, y = e^(x·scale-offset), and the sum of y; sumExp is the same without y.
func (f *file) expSum(set isa, store bool) {
	name, slices := "sumExp", []string{"x"}
	if store {
		name, slices = "expSum", []string{"x", "y"}
	}
	r := f.row(set, name, slices, []string{"scale float32", "offset float32"}, []string{"sum float32"})
	r.scalar("scale", 6)
	r.scalar("offset", 7)
	r.zero(0)
	r.each("loop", func() {
		r.load(0, 1)
		r.do("VFMSUB213PS", 7, 6, 1)
		r.exp(1, 2)
		if store {
			r.store(1, 1)
		}
		r.clearTail(1)
		r.do("VADDPS", 1, 0, 0)
	})
	r.sum(0, 1)
	r.result(0, "sum")
	r.end()
}

// softmaxBackward: func(prob, dprob []float32, scale float32), dprob = scale·prob·(dprob - Σ prob·dprob).
func (f *file) softmaxBackward(set isa) {
	r := f.row(set, "softmaxBackward", []string{"prob", "dprob"}, []string{"scale float32"}, nil)
	r.zero(0)
	r.each("dot", func() {
		r.load(0, 1)
		r.load(1, 2)
		r.do("VFMADD231PS", 1, 2, 0)
	})
	r.sum(0, 1)
	r.spread(0)
	r.scalar("scale", 3)
	r.rewind("prob")
	r.each("loop", func() {
		r.load(0, 1)
		r.load(1, 2)
		r.do("VSUBPS", 0, 2, 2)
		r.do("VMULPS", 3, 1, 1)
		r.do("VMULPS", 1, 2, 2)
		r.store(2, 1)
	})
	r.end()
}

// geluErf: func(x, y []float32), y = gelu(x); backward: func(x, dy, dx []float32), dx = dy·gelu'(x). The method is that of normalCDF.
func (f *file) geluErf(set isa, backward bool) {
	r := f.activation(set, "geluErf", backward)
	r.each("loop", func() {
		r.load(0, 0)
		r.do("VMULPS", 0, 0, 1)
		r.with("VMULPS", -0.5, 1, 1)
		r.exp(1, 2)                                                       // e^(-x²/2)
		r.op("VANDPS %s, %s, %s", r.constant(0x7fffffff), r.v(0), r.v(2)) // |x|
		r.with("VMOVUPS", 1, 3)
		r.with("VFMADD231PS", 0.3275911*math.Sqrt2/2, 2, 3)
		r.with("VMOVUPS", 1, 4)
		r.do("VDIVPS", 3, 4, 2) // t
		r.with("VMOVUPS", 0.5*1.061405429, 3)
		for _, c := range []float64{-1.453152027, 1.421413741, -0.284496736, 0.254829592} {
			r.with("VFMADD213PS", 0.5*c, 2, 3)
		}
		r.do("VMULPS", 2, 3, 3)
		r.do("VMULPS", 1, 3, 3) // Φ(-|x|)
		r.do("VSUBPS", 3, 4, 4) // Φ(|x|)
		if r.register == "Z" {
			r.op("VPMOVD2M Z0, K2")
			r.op("VMOVAPS Z3, K2, Z4")
		} else {
			r.op("VBLENDVPS Y0, Y3, Y4, Y4")
		}
		if !backward {
			r.do("VMULPS", 4, 0, 0)
			r.store(0, 1)
			return
		}
		r.with("VMULPS", 0.3989422804014327, 0, 0)
		r.do("VFMADD213PS", 4, 1, 0)
		r.load(1, 1)
		r.do("VMULPS", 1, 0, 0)
		r.store(0, 2)
	})
	r.end()
}

// geluTanh is as geluErf, with the method of geluSigmoid.
func (f *file) geluTanh(set isa, backward bool) {
	const scale, cube = 0.7978845608028654, 0.044715
	r := f.activation(set, "geluTanh", backward)
	r.each("loop", func() {
		r.load(0, 0)
		r.do("VMULPS", 0, 0, 6) // x²
		r.with("VMULPS", -2*scale*cube, 6, 1)
		r.with("VADDPS", -2*scale, 1, 1)
		r.do("VMULPS", 0, 1, 1)
		r.exp(1, 2)
		r.with("VMOVUPS", 1, 2)
		r.do("VADDPS", 2, 1, 1)
		r.do("VDIVPS", 1, 2, 1) // s = 1/(1+e^-2u)
		if !backward {
			r.do("VMULPS", 1, 0, 0)
			r.store(0, 1)
			return
		}
		r.do("VSUBPS", 1, 2, 2) // 1-s
		r.do("VMULPS", 1, 2, 2)
		r.do("VMULPS", 0, 2, 2) // x·s·(1-s)
		r.with("VMULPS", 6*scale*cube, 6, 6)
		r.with("VADDPS", 2*scale, 6, 6)
		r.do("VFMADD231PS", 2, 6, 1)
		r.load(1, 0)
		r.do("VMULPS", 0, 1, 1)
		r.store(1, 2)
	})
	r.end()
}

func (f *file) activation(set isa, name string, backward bool) *row {
	if backward {
		return f.row(set, name+"Backward", []string{"x", "dy", "dx"}, nil, nil)
	}
	return f.row(set, name, []string{"x", "y"}, nil, nil)
}

// norm: func(x, gamma, beta, y []float32, eps float32) (mean, rstd float32), y = (x-mean)·rstd·gamma + beta.
func (f *file) norm(set isa) {
	r := f.row(set, "norm", []string{"x", "gamma", "beta", "y"}, []string{"eps float32"}, []string{"mean float32", "rstd float32"})
	r.op("VCVTSI2SSQ CX, X7, X7")
	r.spread(7) // n
	r.zero(0)
	r.each("mean", func() {
		r.load(0, 1)
		r.do("VADDPS", 1, 0, 0)
	})
	r.sum(0, 1)
	r.spread(0)
	r.do("VDIVPS", 7, 0, 0)
	r.rewind("x")
	r.zero(2)
	r.each("variance", func() {
		r.load(0, 1)
		r.do("VSUBPS", 0, 1, 1)
		r.clearTail(1)
		r.do("VFMADD231PS", 1, 1, 2)
	})
	r.sum(2, 1)
	r.spread(2)
	r.do("VDIVPS", 7, 2, 2)
	r.scalar("eps", 1)
	r.do("VADDPS", 1, 2, 2)
	r.do("VSQRTPS", 2, 2)
	r.with("VMOVUPS", 1, 1)
	r.do("VDIVPS", 2, 1, 2)
	r.rewind("x")
	r.each("loop", func() {
		r.load(0, 1)
		r.load(1, 3)
		r.load(2, 4)
		r.do("VSUBPS", 0, 1, 1)
		r.do("VMULPS", 2, 1, 1)
		r.do("VFMADD213PS", 4, 3, 1)
		r.store(1, 3)
	})
	r.result(0, "mean")
	r.result(2, "rstd")
	r.end()
}

// normBackward: func(x, gamma, dy, dx, dgamma, dbeta []float32, mean, rstd float32).
func (f *file) normBackward(set isa) {
	r := f.row(set, "normBackward", []string{"x", "gamma", "dy", "dx", "dgamma", "dbeta"}, []string{"mean float32", "rstd float32"}, nil)
	r.op("VCVTSI2SSQ CX, X7, X7")
	r.spread(7)
	r.scalar("mean", 5)
	r.scalar("rstd", 6)
	r.zero(0, 1)
	r.each("sums", func() {
		r.load(0, 2)
		r.load(2, 3)
		r.do("VSUBPS", 5, 2, 2)
		r.do("VMULPS", 6, 2, 2) // z
		r.load(4, 4)
		r.do("VFMADD231PS", 2, 3, 4)
		r.store(4, 4)
		r.load(5, 4)
		r.do("VADDPS", 3, 4, 4)
		r.store(4, 5)
		r.load(1, 4)
		r.do("VMULPS", 4, 3, 3) // dy·gamma
		r.do("VADDPS", 3, 0, 0)
		r.do("VFMADD231PS", 2, 3, 1)
	})
	for _, i := range []int{0, 1} {
		r.sum(i, 2)
		r.spread(i)
		r.do("VDIVPS", 7, i, i)
	}
	r.rewind("x")
	r.each("loop", func() {
		r.load(0, 2)
		r.load(2, 3)
		r.load(1, 4)
		r.do("VSUBPS", 5, 2, 2)
		r.do("VMULPS", 6, 2, 2)
		r.do("VFMSUB213PS", 0, 4, 3) // dy·gamma - mean of dy·gamma
		r.do("VFNMADD231PS", 2, 1, 3)
		r.do("VMULPS", 6, 3, 3)
		r.store(3, 3)
	})
	r.end()
}

// dropout: func(dst, src []float32, k0, k1, index, threshold uint32, scale float32): see maskKey.
func (f *file) dropout(set isa) {
	r := f.row(set, "dropout", []string{"dst", "src"}, maskScalars, nil)
	r.maskStart()
	r.each("loop", func() {
		r.load(1, 0)
		r.mask()
		r.do("VMULPS", 7, 0, 0)
		r.store(0, 0)
	})
	r.end()
}

// biasDropoutAdd: func(dst, x, bias, residual []float32, k0, k1, index, threshold uint32, scale float32); dropoutAdd is the same without bias.
func (f *file) biasDropoutAdd(set isa, bias bool) {
	name, slices := "dropoutAdd", []string{"dst", "x", "residual"}
	if bias {
		name, slices = "biasDropoutAdd", []string{"dst", "x", "residual", "bias"}
	}
	r := f.row(set, name, slices, maskScalars, nil)
	r.maskStart()
	r.each("loop", func() {
		r.load(1, 0)
		if bias {
			r.load(3, 1)
			r.do("VADDPS", 1, 0, 0)
		}
		r.mask()
		r.load(2, 1)
		r.do("VFMADD213PS", 1, 7, 0)
		r.store(0, 0)
	})
	r.end()
}

var maskScalars = []string{"k0 uint32", "k1 uint32", "index uint32", "threshold uint32", "scale float32"}

// maskStart loads the key into registers 4 to 7 and the indices of the first elements into 3.
func (r *row) maskStart() {
	for i, name := range []string{"index", "k0", "k1", "threshold", "scale"} {
		r.scalar(name, 3+i)
	}
	r.op("VPADDD iota<>(SB), %s, %s", r.v(3), r.v(3))
	if r.register == "Y" { // compares are signed there
		r.op("VPXOR %s, Y6, Y6", r.constant(1<<31))
	}
}

// mask makes the dropped elements of register 0 zero and moves the indices on. It uses registers 1, 2 and 8.
func (r *row) mask() {
	xor := "VPXOR"
	if r.register == "Z" {
		xor = "VPXORD"
	}
	r.do(xor, 4, 3, 1)
	fold := func(shift int) {
		r.op("VPSRLD $%d, %s, %s", shift, r.v(1), r.v(2))
		r.do(xor, 2, 1, 1)
	}
	fold(16)
	r.op("VPMULLD %s, %[2]s, %[2]s", r.constant(0x7feb352d), r.v(1))
	r.do("VPADDD", 5, 1, 1)
	fold(15)
	r.op("VPMULLD %s, %[2]s, %[2]s", r.constant(0x846ca68b), r.v(1))
	fold(16)
	if r.register == "Z" {
		r.op("VPCMPUD $5, Z6, Z1, K2") // not below
		r.op("VMOVAPS.Z Z0, K2, Z0")
	} else {
		r.op("VPXOR %s, Y1, Y1", r.constant(1<<31))
		r.op("VPCMPGTD Y1, Y6, Y1")
		r.op("VANDNPS Y0, Y1, Y0")
	}
	r.op("VPADDD %s, %s, %s", r.constant(uint32(r.lanes)), r.v(3), r.v(3))
}

// adamW: func(values, grads, moment1, moment2 []float32, scale, beta1, rest1, beta2, rest2, root, eps, rate, keep float32): see adamCoefficients.
func (f *file) adamW(set isa) {
	const scale, beta1, rest1, beta2, rest2, root, eps, rate, keep = 5, 6, 7, 8, 9, 10, 11, 12, 13
	names := []string{"scale", "beta1", "rest1", "beta2", "rest2", "root", "eps", "rate", "keep"}
	var scalars []string
	for _, name := range names {
		scalars = append(scalars, name+" float32")
	}
	r := f.row(set, "adamW", []string{"values", "grads", "moment1", "moment2"}, scalars, nil)
	for i, name := range names {
		r.scalar(name, scale+i)
	}
	r.each("loop", func() {
		r.load(1, 0)
		r.do("VMULPS", scale, 0, 0) // g
		r.load(2, 1)
		r.do("VMULPS", beta1, 1, 1)
		r.do("VFMADD231PS", rest1, 0, 1)
		r.store(1, 2)
		r.do("VMULPS", 0, 0, 0)
		r.load(3, 2)
		r.do("VMULPS", beta2, 2, 2)
		r.do("VFMADD231PS", rest2, 0, 2)
		r.store(2, 3)
		r.do("VSQRTPS", 2, 2)
		r.do("VFMADD213PS", eps, root, 2)
		r.do("VDIVPS", 2, 1, 1)
		r.load(0, 0)
		r.do("VMULPS", keep, 0, 0)
		r.do("VFNMADD231PS", rate, 1, 0)
		r.store(0, 0)
	})
	r.end()
}
