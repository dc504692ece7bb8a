package kernels

import (
	"fmt"
	"os"
	"strings"
)

// tier is one implementation of the inner loops.
type tier struct {
	name string
	// mr and nr are the rows and columns of the tile of C that one call of tile computes.
	mr, nr int
	// tile computes c[i*ldc+j] = Σ a[i*rowStride+p*kStride]·b[p*nr+j] over p < k, for i < rows ≤ mr and j < cols ≤ nr, and adds it
	// to c when add is set. It may read mr rows of a.
	tile func(k int, a []float32, rowStride, kStride int, b, c []float32, ldc, rows, cols int, add bool)
	// packRows writes dst[p*width+j] = src[p*ld+j] for p < k and j < cols ≤ width; columns from cols to width are zero.
	packRows func(width, k, cols int, src []float32, ld int, dst []float32)
	// packColumns writes b[p*nr+j] = src[j*ld+p] for p < k and j < cols ≤ nr; columns from cols to nr are zero.
	packColumns func(nr, k, cols int, src []float32, ld int, b []float32)
}

var portable = tier{name: "portable", mr: 2, nr: 4, tile: tilePortable, packRows: packRowsPortable, packColumns: packColumnsPortable}

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

// Tier is the name of the tier in use: avx512, avx2 or portable.
func Tier() string { return active.name }
