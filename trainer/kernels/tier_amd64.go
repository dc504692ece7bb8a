package kernels

import "golang.org/x/sys/cpu"

//go:generate go run ./internal/gen

func nativeTiers() []*tier {
	var native []*tier
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL {
		native = append(append(native, bf16Tiers()...), &avx512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		native = append(native, &avx2)
	}
	return native
}

var avx512 = tier{
	name: "avx512", f32: matmulAVX512, bf16: rounded(matmulAVX512),
	add: addAVX512, scale: scaleAVX512, max: maxAVX512,
	expSum: expSumAVX512, sumExp: sumExpAVX512, softmaxBackward: softmaxBackwardAVX512,
	geluErf: geluErfAVX512, geluErfBackward: geluErfBackwardAVX512,
	geluTanh: geluTanhAVX512, geluTanhBackward: geluTanhBackwardAVX512,
	norm: normAVX512, normBackward: normBackwardAVX512,
	dropout: dropoutAVX512, dropoutAdd: dropoutAddAVX512, biasDropoutAdd: biasDropoutAddAVX512,
	adamW: adamWAVX512,
	dot:   dotAVX512, addScaled: addScaledAVX512, scaleMultiply: scaleMultiplyAVX512,
	rmsNormBackward: rmsNormBackwardAVX512, swiGLU: swiGLUAVX512, swiGLUBackward: swiGLUBackwardAVX512,
}

var avx2 = tier{
	name: "avx2", f32: matmulAVX2, bf16: rounded(matmulAVX2),
	add: addAVX2, scale: scaleAVX2, max: maxAVX2,
	expSum: expSumAVX2, sumExp: sumExpAVX2, softmaxBackward: softmaxBackwardAVX2,
	geluErf: geluErfAVX2, geluErfBackward: geluErfBackwardAVX2,
	geluTanh: geluTanhAVX2, geluTanhBackward: geluTanhBackwardAVX2,
	norm: normAVX2, normBackward: normBackwardAVX2,
	dropout: dropoutAVX2, dropoutAdd: dropoutAddAVX2, biasDropoutAdd: biasDropoutAddAVX2,
	adamW: adamWAVX2,
	dot:   dotAVX2, addScaled: addScaledAVX2, scaleMultiply: scaleMultiplyAVX2,
	rmsNormBackward: rmsNormBackwardAVX2, swiGLU: swiGLUAVX2, swiGLUBackward: swiGLUBackwardAVX2,
}

var matmulAVX512 = matmul{
	mr: 14, nr: 32, maxRows: 14, depth: 1, unit: 1, tile: tileAVX512, packRows: packRows512, packColumns: packColumns512,
}

var matmulAVX2 = matmul{
	mr: 6, nr: 16, maxRows: 6, depth: 1, unit: 1, tile: tileAVX2, packRows: packRows2, packColumns: packColumns2,
}

// tileAVX512 uses the small kernel where it needs fewer instructions than the large one.
func tileAVX512(k int, a []float32, rowStride, kStride int, b, c []float32, ldc, rows, cols int, add bool) {
	checkTile(k, a, rowStride, kStride, b, 32, c, ldc, rows, cols)
	if rows > 12 {
		tileAVX512x14(k, &a[0], 4*rowStride, 4*kStride, &b[0], &c[0], 4*ldc, rows, cols, toInt(add))
		return
	}
	for i := 0; i < rows; i += 4 {
		tileAVX512x4(k, &a[i*rowStride], 4*rowStride, 4*kStride, &b[0], &c[i*ldc], 4*ldc, min(4, rows-i), cols, toInt(add))
	}
}

func tileAVX2(k int, a []float32, rowStride, kStride int, b, c []float32, ldc, rows, cols int, add bool) {
	checkTile(k, a, rowStride, kStride, b, 16, c, ldc, rows, cols)
	if rows > 2 {
		tileAVX2x6(k, &a[0], 4*rowStride, 4*kStride, &b[0], &c[0], 4*ldc, rows, cols, toInt(add))
		return
	}
	tileAVX2x2(k, &a[0], 4*rowStride, 4*kStride, &b[0], &c[0], 4*ldc, rows, cols, toInt(add))
}

// checkTile panics where the assembly would read or write behind the end of a slice. Tiles read their rows of a in groups that may
// reach beyond rows; a has them all (see tier.tile).
func checkTile(k int, a []float32, rowStride, kStride int, b []float32, nr int, c []float32, ldc, rows, cols int) {
	_ = a[(rows-1)*rowStride+(k-1)*kStride]
	_ = b[k*nr-1]
	_ = c[(rows-1)*ldc+cols-1]
}

func packRows512(width, k, cols int, src []float32, ld int, dst []float32, panelStride int) {
	panels := ceilDiv(cols, width)
	_, _ = src[(k-1)*ld+cols-1], dst[(panels-1)*panelStride+k*width-1]
	packRowsAVX512(k, panels, cols-(panels-1)*width, width, &src[0], 4*ld, &dst[0], 4*panelStride)
}

// packRows2 writes whole vectors: the panels of A, which are narrower, have room behind them.
func packRows2(width, k, cols int, src []float32, ld int, dst []float32, panelStride int) {
	panels := ceilDiv(cols, width)
	_, _ = src[(k-1)*ld+cols-1], dst[(panels-1)*panelStride+(k-1)*width+ceilDiv(width, 8)*8-1]
	packRowsAVX2(k, panels, cols-(panels-1)*width, width, &src[0], 4*ld, &dst[0], 4*panelStride)
}

func packColumns512(width, k, cols int, src []float32, ld int, dst []float32) {
	_, _ = src[(cols-1)*ld+k-1], dst[k*width-1]
	for j := 0; j < width; j += 16 {
		if j < cols {
			packColumnsAVX512(k, min(16, cols-j), &src[j*ld], 4*ld, &dst[j], 4*width)
		} else {
			clearColumns(width, k, j, dst)
		}
	}
}

func packColumns2(width, k, cols int, src []float32, ld int, dst []float32) {
	_, _ = src[(cols-1)*ld+k-1], dst[k*width-1]
	for j := 0; j < width; j += 8 {
		if j < cols {
			packColumnsAVX2(k, min(8, cols-j), &src[j*ld], 4*ld, &dst[j], 4*width)
		} else {
			clearColumns(width, k, j, dst)
		}
	}
}

// clearColumns clears the columns of a panel from the given one on.
func clearColumns(width, k, from int, dst []float32) {
	for p := range k {
		clear(dst[p*width+from : (p+1)*width])
	}
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
