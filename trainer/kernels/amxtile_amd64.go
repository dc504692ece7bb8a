package kernels

var matmulAMX = matmul{
	mr: amxSide, nr: amxSide, maxRows: maxChunkRows / amxSide * amxSide, depth: 2, unit: 16,
	tile: tileAMX, packRows: packRowsBF16, packColumns: packColumnsBF16, packRow: packRowBF16, turn: turnAMX,
}

// amxSide is the side of the square of C that the tiles of the processor hold.
const amxSide = 32

// tileAMX computes whole squares in place, and others aside. Sums begin with what is in c, if that is added to.
func tileAMX(k int, a []float32, rowStride, _ int, b, c []float32, ldc, rows, cols int, add bool) {
	panels := ceilDiv(rows, amxSide)
	_ = a[(panels*amxSide-1)*rowStride+k-1]
	_ = b[k*amxSide-1]
	_ = c[(rows-1)*ldc+cols-1]
	whole := 0
	if cols == amxSide {
		whole = rows / amxSide
	}
	if whole > 0 {
		tileAMXx32(k/16, &a[0], 4*rowStride, &b[0], &c[0], 4*ldc, whole, toInt(add))
	}
	for i := whole * amxSide; i < rows; i += amxSide {
		var square [amxSide * amxSide]float32
		part := c[i*ldc:]
		n := min(amxSide, rows-i)
		if add {
			for r := range n {
				copy(square[r*amxSide:], part[r*ldc:r*ldc+cols])
			}
		}
		tileAMXx32(k/16, &a[i*rowStride], 4*rowStride, &b[0], &square[0], 4*amxSide, 1, toInt(add))
		for r := range n {
			copy(part[r*ldc:r*ldc+cols], square[r*amxSide:])
		}
	}
}

// turnAMX transposes sixteen steps of a panel at a time.
func turnAMX(steps int, src, dst []float32) {
	_, _ = src[steps*amxSide-1], dst[(amxSide-1)*kStride+ceilDiv(steps, 16)*16-1]
	for p := 0; p < steps; p += 16 {
		packColumnsAVX512(amxSide, min(16, steps-p), &src[p*amxSide], 4*amxSide, &dst[p], 4*kStride)
	}
}
