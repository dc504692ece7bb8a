package kernels

import (
	"fmt"
	"os"
	"strings"
)

// tier is one implementation of the inner loops.
type tier struct {
	name      string
	f32, bf16 matmul // by the precision of what is multiplied

	// The rest works on slices as long as the first of them; the caller sees to that. Destinations may be sources, except for the sums
	// dgamma and dbeta.

	add   func(dst, a, b []float32)            // dst = a + b
	scale func(x []float32, factor float32)    // x *= factor
	max   func(x []float32) (greatest float32) // -Inf of none
	// expSum writes y = e^(x·scale-offset) and returns Σ y; sumExp only returns it.
	expSum func(x, y []float32, scale, offset float32) (sum float32)
	sumExp func(x []float32, scale, offset float32) (sum float32)
	// softmaxBackward is dprob = scale·prob·(dprob - Σ prob·dprob).
	softmaxBackward func(prob, dprob []float32, scale float32)
	// The activations: y of x; backward, dx = dy·derivative(x).
	geluErf, geluTanh                 func(x, y []float32)
	geluErfBackward, geluTanhBackward func(x, dy, dx []float32)
	// norm and normBackward are one row of LayerNorm and LayerNormBackward.
	norm         func(x, gamma, beta, y []float32, eps float32) (mean, rstd float32)
	normBackward func(x, gamma, dy, dx, dgamma, dbeta []float32, mean, rstd float32)
	// dot is Σ a·b; addScaled is dst += a·factor; scaleMultiply is y = x·factor·gamma.
	dot           func(a, b []float32) (sum float32)
	addScaled     func(dst, a []float32, factor float32)
	scaleMultiply func(x, gamma, y []float32, factor float32)
	// rmsNormBackward is one row of RMSNormBackward, inverse being 1/len(x); swiGLU and its backward are one row of SwiGLU and SwiGLUBackward.
	rmsNormBackward func(x, gamma, dy, dx, dgamma []float32, rstd, inverse float32)
	swiGLU          func(gate, up, y []float32)
	swiGLUBackward  func(gate, up, dy, dgate, dup []float32)
	// The masked: dst = mask(src); dst = residual + mask(x); dst = residual + mask(x + bias). For the key see maskKey.
	dropout        func(dst, src []float32, k0, k1, index, threshold uint32, scale float32)
	dropoutAdd     func(dst, x, residual []float32, k0, k1, index, threshold uint32, scale float32)
	biasDropoutAdd func(dst, x, residual, bias []float32, k0, k1, index, threshold uint32, scale float32)
	// adamW is one step, see adamCoefficients.
	adamW func(values, grads, moment1, moment2 []float32, scale, beta1, rest1, beta2, rest2, root, eps, rate, keep float32)
}

var portable = tier{
	name: "portable", f32: matmulPortable, bf16: rounded(matmulPortable),
	add: addPortable, scale: scalePortable, max: maxPortable,
	expSum: expSumPortable, sumExp: sumExpPortable, softmaxBackward: softmaxBackwardPortable,
	geluErf: geluErfPortable, geluErfBackward: geluErfBackwardPortable,
	geluTanh: geluTanhPortable, geluTanhBackward: geluTanhBackwardPortable,
	norm: normPortable, normBackward: normBackwardPortable,
	dropout: dropoutPortable, dropoutAdd: dropoutAddPortable, biasDropoutAdd: biasDropoutAddPortable,
	adamW: adamWPortable,
	dot:   dotPortable, addScaled: addScaledPortable, scaleMultiply: scaleMultiplyPortable,
	rmsNormBackward: rmsNormBackwardPortable, swiGLU: swiGLUPortable, swiGLUBackward: swiGLUBackwardPortable,
}

// tiers holds what this processor can run, best first.
var tiers = append(nativeTiers(), &portable)

// active is the tier in use. tierErr says why it is not the one asked for.
var active, tierErr = chooseTier(os.Getenv("SHARDMILL_KERNELS"))

func chooseTier(name string) (*tier, error) {
	if name == "" {
		return tiers[0], nil
	}
	var names []string
	for _, t := range tiers {
		if t.name == name {
			return t, nil
		}
		names = append(names, t.name)
	}
	return &portable, fmt.Errorf("SHARDMILL_KERNELS=%q: this processor has %s; unset it to use %s", name, strings.Join(names, ", "), names[0])
}

// Tier is the name of the tier in use: amx, avx512bf16, avx512, avx2 or portable.
func Tier() string { return active.name }
