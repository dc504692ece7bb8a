package kernels

import "math"

// expFloat is e^x with a relative error below 2e-7; 0 below -87.33, infinite above 88.72. The reduction and the polynomial are those of
// the Cephes library (expf).
func expFloat(x float32) float32 {
	const (
		log2e = 1.44269504088896341
		ln2Hi = 0.693359375
		ln2Lo = -2.12194440e-4
	)
	switch {
	case x != x:
		return x
	case x < -87.33:
		return 0
	case x > 88.72:
		return float32(math.Inf(1))
	}
	half := float32(0.5)
	if x < 0 {
		half = -0.5
	}
	n := int32(x*log2e + half)
	r := x - float32(n)*ln2Hi
	r -= float32(n) * ln2Lo
	y := float32(1.9875691500e-4)
	y = y*r + 1.3981999507e-3
	y = y*r + 8.3334519073e-3
	y = y*r + 4.1665795894e-2
	y = y*r + 1.6666665459e-1
	y = y*r + 5.0000001201e-1
	y = y*r*r + r + 1
	if n == 128 { // 2^128 itself is no float32
		return 2 * y * math.Float32frombits(uint32(127+127)<<23)
	}
	return y * math.Float32frombits(uint32(n+127)<<23)
}

// normalCDF is Φ(x), the normal distribution function. Formula 7.1.26 of Abramowitz and Stegun gives its tail with an absolute error
// below 1e-7, and without cancellation for large |x|.
func normalCDF(x float32) float32 {
	ax := x
	if x < 0 {
		ax = -x
	}
	t := 1 / (1 + 0.3275911*math.Sqrt2/2*ax)
	p := float32(1.061405429)
	p = p*t - 1.453152027
	p = p*t + 1.421413741
	p = p*t - 0.284496736
	p = p*t + 0.254829592
	tail := 0.5 * p * t * expFloat(-0.5*x*x)
	if x > 0 {
		return 1 - tail
	}
	return tail
}

const (
	geluScale = 0.7978845608028654 // √(2/π)
	geluCube  = 0.044715
)

// geluSigmoid is (1+tanh u)/2 = 1/(1+e^(-2u)) with u = √(2/π)(x+0.044715x³), which does not cancel for negative x.
func geluSigmoid(x float32) float32 {
	return 1 / (1 + expFloat(-2*geluScale*x*(1+geluCube*x*x)))
}
