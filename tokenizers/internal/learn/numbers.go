package learn

import "math"

// The functions here are those of package math for the arguments that occur, but give the same bits on every machine: math.Exp and math.Log take
// instructions that some machines lack, and a compiler may join a product and a sum unless the product is converted.

const (
	ln2High = 6.93147180369123816490e-01 // its last 32 bits are 0, so that small multiples are exact
	ln2Low  = math.Ln2 - ln2High
)

// exp returns e to the power of x, for x from -700 to 700.
func exp(x float64) float64 {
	k := math.Floor(x/math.Ln2 + 0.5)
	r := x - float64(k*ln2High) - float64(k*ln2Low)
	sum := 1.0
	for n := 16.0; n > 0; n-- { // Taylor; r is at most 0.35
		sum = 1 + float64(sum*(r/n))
	}
	return math.Ldexp(sum, int(k))
}

// log returns the natural logarithm of x > 0.
func log(x float64) float64 {
	m, k := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, k = 2*m, k-1
	}
	s := (m - 1) / (m + 1)
	square := float64(s * s)
	sum := 0.0
	for n := 23.0; n > 0; n -= 2 { // 2 artanh s = 2 (s + s³/3 + s⁵/5 + …); s is at most 0.18
		sum = 1/n + float64(square*sum)
	}
	return float64(float64(k)*ln2High) + (float64(2*float64(s*sum)) + float64(float64(k)*ln2Low))
}

// digamma returns the derivative of the logarithm of the gamma function at x > 0: by its recurrence up to 7, then by its asymptotic series around x-½.
func digamma(x float64) float64 {
	result := 0.0
	for ; x < 7; x++ {
		result -= 1 / x
	}
	x -= 0.5
	square := 1 / float64(x*x)
	series := float64(square * (1.0/24 - float64(square*(7.0/960-float64(square*(31.0/8064-float64(square*(127.0/30720))))))))
	return result + log(x) + series
}
