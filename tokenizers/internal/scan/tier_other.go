//go:build !amd64

package scan

import "github.com/shardmill/shardmill/tokenizers/internal/simd"

// classify fills in the masks of a block, as far as they are those of ASCII.
func classify(_ simd.Tier, t *Table, block *[64]byte, m *masks) { t.classifyPortable(block, m) }

// flatten writes the places of the bits of a block to dst, which has room for 64, and returns how many they are.
func flatten(_ simd.Tier, dst []uint32, at int, starts uint64) int {
	return flattenPortable(dst, at, starts)
}
