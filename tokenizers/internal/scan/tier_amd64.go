package scan

import (
	"math/bits"

	"github.com/shardmill/shardmill/tokenizers/internal/simd"
)

// classify fills in the masks of a block, as far as they are those of ASCII.
func classify(tier simd.Tier, t *Table, block *[64]byte, m *masks) {
	switch tier {
	case simd.AVX512:
		classify512(&t.ascii, block, m)
	case simd.AVX2:
		classify2(&t.ascii, block, m)
	default:
		t.classifyPortable(block, m)
	}
}

// flatten writes the places of the bits of a block to dst, which has room for 64, and returns how many they are.
func flatten(tier simd.Tier, dst []uint32, at int, starts uint64) int {
	if tier == simd.AVX512 {
		flatten512((*[64]uint32)(dst), uint32(at), starts)
		return bits.OnesCount64(starts)
	}
	return flattenPortable(dst, at, starts)
}

//go:noescape
func classify512(ascii *[128]Class, block *[64]byte, m *masks)

//go:noescape
func classify2(ascii *[128]Class, block *[64]byte, m *masks)

//go:noescape
func flatten512(dst *[64]uint32, at uint32, starts uint64)
