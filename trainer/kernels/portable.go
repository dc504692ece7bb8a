package kernels

import "math"

var matmulPortable = matmul{
	mr: 2, nr: 4, maxRows: 2, depth: 1, unit: 1, transpose: true, tile: tilePortable, packRows: packRowsPortable, packColumns: packColumnsPortable,
}

// tilePortable computes 2 × 4 elements: with their operands they fill the sixteen registers of a plain amd64. Rows of a are one float apart and steps
// of k two, and two steps are written out: the compiler then checks no bounds inside the loop, and does less besides the arithmetic.
func tilePortable(k int, a []float32, _, _ int, b, c []float32, ldc, rows, cols int, add bool) {
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	a, b = a[:k*2], b[:k*4]
	for len(b) >= 8 && len(a) >= 4 {
		a0, a1 := a[0], a[1]
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
		a0, a1 = a[2], a[3]
		b0, b1, b2, b3 = b[4], b[5], b[6], b[7]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
		a, b = a[4:], b[8:]
	}
	if len(b) == 4 {
		c00 += a[0] * b[0]
		c01 += a[0] * b[1]
		c02 += a[0] * b[2]
		c03 += a[0] * b[3]
		c10 += a[1] * b[0]
		c11 += a[1] * b[1]
		c12 += a[1] * b[2]
		c13 += a[1] * b[3]
	}
	out := [2][4]float32{{c00, c01, c02, c03}, {c10, c11, c12, c13}}
	for i := range rows {
		row := c[i*ldc : i*ldc+cols]
		for j := range row {
			if add {
				row[j] += out[i][j]
			} else {
				row[j] = out[i][j]
			}
		}
	}
}

func packRowsPortable(width, k, cols int, src []float32, ld int, dst []float32, panelStride int) {
	for p := range k {
		row := src[p*ld : p*ld+cols]
		for i := 0; len(row) > 0; i++ {
			piece := dst[i*panelStride+p*width:][:width]
			n := min(width, len(row))
			copy(piece, row[:n])
			clear(piece[n:])
			row = row[n:]
		}
	}
}

func packColumnsPortable(width, k, cols int, src []float32, ld int, dst []float32) {
	for j := range cols {
		for p, v := range src[j*ld : j*ld+k] {
			dst[p*width+j] = v
		}
	}
	for j := cols; j < width; j++ {
		for p := range k {
			dst[p*width+j] = 0
		}
	}
}

func addPortable(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func scalePortable(x []float32, factor float32) {
	for i := range x {
		x[i] *= factor
	}
}

func maxPortable(x []float32) float32 {
	top := float32(math.Inf(-1))
	for _, v := range x {
		if v > top {
			top = v
		}
	}
	return top
}

func expSumPortable(x, y []float32, scale, offset float32) float32 {
	var sum float64
	for i, v := range x {
		e := expFloat(v*scale - offset)
		y[i] = e
		sum += float64(e)
	}
	return float32(sum)
}

func sumExpPortable(x []float32, scale, offset float32) float32 {
	var sum float64
	for _, v := range x {
		sum += float64(expFloat(v*scale - offset))
	}
	return float32(sum)
}

func softmaxBackwardPortable(prob, dprob []float32, scale float32) {
	var dot float32
	for j, v := range prob {
		dot += v * dprob[j]
	}
	for j, v := range prob {
		dprob[j] = scale * v * (dprob[j] - dot)
	}
}

func geluErfPortable(x, y []float32) {
	for i, v := range x {
		y[i] = v * normalCDF(v)
	}
}

func geluErfBackwardPortable(x, dy, dx []float32) {
	const density = 0.3989422804014327 // 1/√(2π)
	for i, v := range x {
		dx[i] = dy[i] * (normalCDF(v) + v*density*expFloat(-0.5*v*v))
	}
}

func geluTanhPortable(x, y []float32) {
	for i, v := range x {
		y[i] = v * geluSigmoid(v)
	}
}

func geluTanhBackwardPortable(x, dy, dx []float32) {
	for i, v := range x {
		s := geluSigmoid(v)
		dx[i] = dy[i] * (s + v*s*(1-s)*(2*geluScale+6*geluScale*geluCube*v*v))
	}
}

func normPortable(x, gamma, beta, y []float32, eps float32) (mean, rstd float32) {
	n := float64(len(x))
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	mean = float32(sum / n)
	var squares float64
	for _, v := range x {
		d := float64(v - mean)
		squares += d * d
	}
	rstd = float32(1 / math.Sqrt(squares/n+float64(eps)))
	for j, v := range x {
		y[j] = (v-mean)*rstd*gamma[j] + beta[j]
	}
	return mean, rstd
}

func normBackwardPortable(x, gamma, dy, dx, dgamma, dbeta []float32, mean, rstd float32) {
	var sum, dot float64
	for j, v := range x {
		d, z := dy[j], (v-mean)*rstd
		dgamma[j] += d * z
		dbeta[j] += d
		d *= gamma[j]
		sum += float64(d)
		dot += float64(d) * float64(z)
	}
	meanD, meanDot := float32(sum/float64(len(x))), float32(dot/float64(len(x)))
	for j, v := range x {
		dx[j] = rstd * (dy[j]*gamma[j] - meanD - (v-mean)*rstd*meanDot)
	}
}

// maskHash mixes an element's index with both halves of the key: the rounds are those of the "lowbias32" function of Ellis's hash
// prospector, and the second half of the key between them makes masks of different keys independent of each other.
func maskHash(index, k0, k1 uint32) uint32 {
	h := index ^ k0
	h = (h ^ h>>16) * 0x7feb352d
	h += k1
	h = (h ^ h>>15) * 0x846ca68b
	return h ^ h>>16
}

func dropoutPortable(dst, src []float32, k0, k1, index, threshold uint32, scale float32) {
	for i := range dst {
		v := src[i]
		if maskHash(index+uint32(i), k0, k1) < threshold {
			v = 0
		}
		dst[i] = v * scale
	}
}

func dropoutAddPortable(dst, x, residual []float32, k0, k1, index, threshold uint32, scale float32) {
	for i := range dst {
		v := x[i]
		if maskHash(index+uint32(i), k0, k1) < threshold {
			v = 0
		}
		dst[i] = residual[i] + v*scale
	}
}

func biasDropoutAddPortable(dst, x, residual, bias []float32, k0, k1, index, threshold uint32, scale float32) {
	for i := range dst {
		v := x[i] + bias[i]
		if maskHash(index+uint32(i), k0, k1) < threshold {
			v = 0
		}
		dst[i] = residual[i] + v*scale
	}
}

func adamWPortable(values, grads, moment1, moment2 []float32, scale, beta1, rest1, beta2, rest2, root, eps, rate, keep float32) {
	for i := range values {
		g := grads[i] * scale
		m := beta1*moment1[i] + rest1*g
		v := beta2*moment2[i] + rest2*g*g
		moment1[i], moment2[i] = m, v
		values[i] = keep*values[i] - rate*m/(float32(math.Sqrt(float64(v)))*root+eps)
	}
}
