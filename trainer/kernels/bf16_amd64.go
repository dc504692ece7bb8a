package kernels

import "golang.org/x/sys/cpu"

// bf16Tiers are avx512 with products in bfloat16 by the processor, as far as it has them.
func bf16Tiers() []*tier {
	if !cpu.X86.HasAVX512BF16 {
		return nil
	}
	pairs := avx512
	pairs.name, pairs.bf16 = "avx512bf16", matmulAVX512BF16
	if !cpu.X86.HasAMXTile || !cpu.X86.HasAMXBF16 || !allowTiles() {
		return []*tier{&pairs}
	}
	tiles := avx512
	tiles.name, tiles.bf16 = "amx", matmulAMX
	return []*tier{&tiles, &pairs}
}

var matmulAVX512BF16 = matmul{
	mr: 14, nr: 32, maxRows: 14, depth: 2, unit: 1, tile: tileBF16, packRows: packRowsBF16, packColumns: packColumnsBF16, packRow: packRowBF16,
}

// tileBF16 is tileAVX512 over pairs.
func tileBF16(k int, a []float32, rowStride, kStride int, b, c []float32, ldc, rows, cols int, add bool) {
	checkTile(k, a, rowStride, kStride, b, 32, c, ldc, rows, cols)
	if rows > 12 {
		tileAVX512BF16x14(k, &a[0], 4*rowStride, 4*kStride, &b[0], &c[0], 4*ldc, rows, cols, toInt(add))
		return
	}
	for i := 0; i < rows; i += 4 {
		tileAVX512BF16x4(k, &a[i*rowStride], 4*rowStride, 4*kStride, &b[0], &c[i*ldc], 4*ldc, min(4, rows-i), cols, toInt(add))
	}
}

// zeroRow is the second of a pair of rows where there is but one.
var zeroRow [packPanels * 32]float32

func packRowsBF16(width, k, cols int, src []float32, ld int, dst []float32, panelStride int) {
	panels, pairs := ceilDiv(cols, width), k/2
	_, _ = src[(k-1)*ld+cols-1], dst[(panels-1)*panelStride+ceilDiv(k, 2)*width-1]
	last := cols - (panels-1)*width
	if pairs > 0 {
		packRowsAVX512BF16(pairs, panels, last, width, &src[0], &src[ld], 8*ld, &dst[0], 4*panelStride)
	}
	if k%2 != 0 {
		_ = zeroRow[cols-1]
		packRowsAVX512BF16(1, panels, last, width, &src[(k-1)*ld], &zeroRow[0], 0, &dst[pairs*width], 4*panelStride)
	}
}

func packColumnsBF16(width, k, cols int, src []float32, ld int, dst []float32) {
	_, _ = src[(cols-1)*ld+k-1], dst[ceilDiv(k, 2)*width-1]
	for j := 0; j < width; j += 16 {
		if j < cols {
			packColumnsAVX512BF16(k, min(16, cols-j), &src[j*ld], 4*ld, &dst[j], 4*width)
		} else {
			clearColumns(width, ceilDiv(k, 2), j, dst)
		}
	}
}

// packRowBF16 writes sixteen pairs at a time.
func packRowBF16(src, dst []float32) {
	_ = dst[ceilDiv(len(src), 32)*16-1]
	packRowAVX512BF16(len(src), &src[0], &dst[0])
}
