package kernels

import (
	"fmt"
	"math"
)

// Mask is a dropout mask: a pure function of its fields and the index of an element, so that the backward pass computes it again
// instead of storing it, and a resumed run repeats it. The zero value keeps everything.
type Mask struct {
	Seed uint64  // of the run
	Step uint64  // optimizer step and micro-batch
	Op   uint64  // which dropout of the model
	Rate float32 // probability of dropping, 0 to less than 1; what is kept is scaled by 1/(1-Rate)
}

// Dropout writes dst[i] = src[i]/(1-rate), or 0 where the mask drops element i, for i < n. dst may be src. It is its own backward pass.
func Dropout(p *Pool, n int, dst, src []float32, mask Mask) error {
	check := checker{op: "Dropout"}
	check.dim("n", n)
	check.need("dst", len(dst), n)
	check.need("src", len(src), n)
	check.mask(mask)
	if check.err != nil {
		return check.err
	}
	key := mask.key()
	return p.ranges(n, chunkFloats, func(lo, hi int) {
		key.apply(dst[lo:hi], src[lo:hi], uint64(lo))
	})
}

// DropoutTile applies the mask in place to a tile of a larger matrix: x has rows × cols, its rows ld apart; its element (i, j) is element
// first + i·width + j of the mask.
func DropoutTile(rows, cols, ld int, x []float32, mask Mask, first uint64, width int) error {
	check := checker{op: "DropoutTile"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.dim("width", width)
	check.matrix("x", len(x), rows, cols, ld)
	check.mask(mask)
	if check.err != nil || cols == 0 {
		return check.err
	}
	key := mask.key()
	for i := range rows {
		row := x[i*ld : i*ld+cols]
		key.apply(row, row, first+uint64(i)*uint64(width))
	}
	return nil
}

// BiasDropoutAdd writes dst = residual + dropout(x + bias) for rows × cols: the end of a residual branch in one pass. bias (cols) may be
// nil; dst may be x or residual. Its backward pass is Dropout of the gradient for x, BiasGrad of that for bias, and the gradient itself
// for residual.
func BiasDropoutAdd(p *Pool, rows, cols int, dst, x, bias, residual []float32, mask Mask) error {
	check := checker{op: "BiasDropoutAdd"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("dst", len(dst), rows*cols)
	check.need("x", len(x), rows*cols)
	check.need("residual", len(residual), rows*cols)
	if bias != nil {
		check.need("bias", len(bias), cols)
	}
	check.mask(mask)
	if check.err != nil {
		return check.err
	}
	key := mask.key()
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			key.biasDropoutAdd(dst[i*cols:(i+1)*cols], x[i*cols:(i+1)*cols], bias, residual[i*cols:(i+1)*cols], uint64(i)*uint64(cols))
		}
	})
}

func (c *checker) mask(m Mask) {
	if c.err == nil && !(m.Rate >= 0 && m.Rate < 1) {
		c.err = fmt.Errorf("%s: dropout rate is %v, want 0 to less than 1", c.op, m.Rate)
	}
}

// maskKey is a mask ready for use. An element is dropped when its 32-bit hash lies below threshold.
type maskKey struct {
	k0, k1    uint32
	seed      uint64
	threshold uint32
	scale     float32
}

func (m Mask) key() maskKey {
	seed := splitMix(splitMix(splitMix(m.Seed)^m.Step) ^ m.Op)
	k := maskKey{seed: seed, threshold: uint32(math.Round(float64(m.Rate) * (1 << 32))), scale: float32(1 / (1 - float64(m.Rate)))}
	return k.section(0)
}

// section is the key for elements high·2³² and on: the hash itself counts in 32 bits.
func (k maskKey) section(high uint32) maskKey {
	h := splitMix(k.seed ^ uint64(high))
	k.k0, k.k1 = uint32(h), uint32(h>>32)
	return k
}

// splitMix is the output function of SplitMix64 (Steele, Lea and Flood, 2014).
func splitMix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// apply masks elements first and on.
func (k maskKey) apply(dst, src []float32, first uint64) {
	k.eachSection(len(src), first, func(k maskKey, lo, hi int, index uint32) {
		active.dropout(dst[lo:hi], src[lo:], k.k0, k.k1, index, k.threshold, k.scale)
	})
}

func (k maskKey) biasDropoutAdd(dst, x, bias, residual []float32, first uint64) {
	k.eachSection(len(x), first, func(k maskKey, lo, hi int, index uint32) {
		if bias == nil {
			active.dropoutAdd(dst[lo:hi], x[lo:], residual[lo:], k.k0, k.k1, index, k.threshold, k.scale)
		} else {
			active.biasDropoutAdd(dst[lo:hi], x[lo:], residual[lo:], bias[lo:], k.k0, k.k1, index, k.threshold, k.scale)
		}
	})
}

// eachSection cuts n elements from first on where the upper half of the index changes.
func (k maskKey) eachSection(n int, first uint64, fn func(k maskKey, lo, hi int, index uint32)) {
	for lo := 0; lo < n; {
		at := first + uint64(lo)
		hi := n
		if room := 1<<32 - at&(1<<32-1); uint64(n-lo) > room {
			hi = lo + int(room)
		}
		fn(k.section(uint32(at>>32)), lo, hi, uint32(at))
		lo = hi
	}
}
