package kernels

import (
	"fmt"
	"math"
)

// Precision is the form that operands of a matrix product take before they are multiplied.
type Precision int

const (
	// F32 takes them as they are.
	F32 Precision = iota
	// BF16 rounds them to bfloat16, the upper half of a float32, to nearest and ties to even; numbers too small to be normal become zero. Products are
	// summed in float32. The product of a single row, its elements side by side, stays in float32: it takes as long as reading the matrix does.
	BF16
)

// Precisions are the names of all, as String gives and ParsePrecision takes them.
var Precisions = []string{"f32", "bf16"}

// String is the name of the precision.
func (p Precision) String() string { return Precisions[p] }

// ParsePrecision returns the precision of a name.
func ParsePrecision(name string) (Precision, error) {
	for i, n := range Precisions {
		if n == name {
			return Precision(i), nil
		}
	}
	return F32, fmt.Errorf("precision %q is neither f32 nor bf16", name)
}

// matmul is one implementation of the inner loops of the matrix product. It goes through k in steps of depth elements, one 32-bit word of packed
// A or B each: a float32, or two numbers in bfloat16, the first in the lower half.
type matmul struct {
	// mr and nr are the rows of a panel of A and the columns of one of B; maxRows, a multiple of mr, are the rows that one call of tile computes.
	mr, nr, maxRows int
	depth           int
	// unit is what the steps of a packed block are a multiple of; those added are zero.
	unit int
	// round says that packing leaves float32, to be rounded to bfloat16.
	round bool
	// transpose asks for packed A in steps of k, rows one float apart, even where it is stored by rows.
	transpose bool
	// tile computes c[i*ldc+j] = Σ a[i*rowStride+p*kStride]·b[p*nr+j] over steps p < k, for i < rows ≤ maxRows and j < cols ≤ nr, and adds it
	// to c when add is set. It may read whole panels of a.
	tile func(k int, a []float32, rowStride, kStride int, b, c []float32, ldc, rows, cols int, add bool)
	// packRows cuts k rows of cols floats, ld apart, into panels of width: dst[i*panelStride+p*width+j] = src[p*ld+i*width+j]. The last
	// panel is filled up with zeros.
	packRows func(width, k, cols int, src []float32, ld int, dst []float32, panelStride int)
	// packColumns writes one panel: dst[p*width+j] = src[j*ld+p] for p < k and j < cols ≤ width; columns from cols to width are zero.
	packColumns func(width, k, cols int, src []float32, ld int, dst []float32)
	// packRow, where depth is not 1, writes one row of A, filled up with zeros to whole units.
	packRow func(src, dst []float32)
	// turn, where the tile wants A by rows alone, makes rows kStride apart of a panel in steps, and fills them up with zeros to whole units.
	turn func(steps int, src, dst []float32)
}

// steps is the number of steps of a packed block of k elements.
func (m *matmul) steps(k int) int { return ceilDiv(ceilDiv(k, m.depth), m.unit) * m.unit }

// rounded multiplies in float32 what was rounded before, for processors that know no bfloat16.
func rounded(m matmul) matmul {
	m.round = true
	return m
}

func (t *tier) matmul(p Precision) *matmul {
	if p == BF16 {
		return &t.bf16
	}
	return &t.f32
}

// roundBF16 rounds numbers to bfloat16 and leaves them as float32.
func roundBF16(x []float32) {
	const exponent = 0x7f800000
	for i, v := range x {
		u := math.Float32bits(v)
		switch u & exponent {
		case 0:
			u &= 1 << 31
		case exponent:
			if u&^(1<<31) > exponent { // not a number: it keeps its sign and becomes quiet
				u |= 1 << 22
			}
		default:
			u += 0x7fff + u>>16&1
		}
		x[i] = math.Float32frombits(u &^ 0xffff)
	}
}
