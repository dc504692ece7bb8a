package shards

import (
	"math/bits"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// Split is the side of the held-out split that a document is on.
type Split uint8

const (
	Train   Split = iota // for training
	HeldOut              // for evaluation only
)

// String names s.
func (s Split) String() string {
	switch s {
	case Train:
		return "train"
	case HeldOut:
		return "held-out"
	}
	return "unknown split"
}

// splitSeed keys the hash of SplitOf, so that the split is independent of any other use of the same hash.
const splitSeed = 0x73706c69742d3031

// million is the unit of a held-out share.
const million = 1_000_000

// SplitOf tells the side of a document from its tokens alone, wherever and however often it occurs, with the share of the held-out side
// in parts per million. The document is held out if floor(h * 1e6 / 2^64) < heldOutPPM, where h is the 64-bit xxh3 with the seed
// 0x73706c69742d3031 of the ids as little-endian uint32.
func SplitOf(tokens []uint32, heldOutPPM int) Split {
	if heldOutPPM <= 0 {
		return Train
	}
	h := xxh3.HashSeed(bytesOf(tokens), splitSeed)
	if share, _ := bits.Mul64(h, million); share < uint64(heldOutPPM) {
		return HeldOut
	}
	return Train
}

// bytesOf views integers as the bytes that they are in memory: little endian on every machine that NewWriter and Open accept.
func bytesOf[T uint16 | uint32 | int32 | int64](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(v[0])))
}
