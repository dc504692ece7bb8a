package loader

import (
	"math/bits"

	"github.com/shardmill/shardmill/stages/mask"
)

const feistelRounds = 6

// MaxPermutation is the largest range that a Permutation covers.
const MaxPermutation = 1 << 62

// Permutation is a keyed bijection of [0, n): a shuffled order that is computed, never stored. The package comment gives the
// construction. The zero Permutation is that of an empty range.
type Permutation struct {
	n    uint64
	half uint // bits in each half of an index
	keys [feistelRounds]uint64
}

// NewPermutation returns the order that epoch has under seed. A range longer than MaxPermutation is cut to it.
func NewPermutation(n, seed, epoch uint64) Permutation {
	p := Permutation{n: min(n, MaxPermutation)}
	if p.n > 0 {
		p.half = uint(max(1, (bits.Len64(p.n-1)+1)/2))
	}
	key := mask.NewKey(seed, epoch)
	for i := range p.keys {
		p.keys[i] = key.At(uint64(i))
	}
	return p
}

// At returns the index at position i of the order, for i in [0, n).
func (p *Permutation) At(i uint64) uint64 {
	if i >= p.n {
		return i
	}
	// The network permutes [0, 4^half), at most 4 times as large as [0, n). Following its cycle from inside [0, n) leads back into it.
	for {
		i = p.network(i)
		if i < p.n {
			return i
		}
	}
}

func (p *Permutation) network(i uint64) uint64 {
	low := uint64(1)<<p.half - 1
	left, right := i>>p.half, i&low
	for _, key := range p.keys {
		left, right = right, left^mask.Key(key^right).At(0)>>(64-p.half)
	}
	return left<<p.half | right
}
