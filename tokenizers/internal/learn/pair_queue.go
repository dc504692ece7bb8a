package learn

import (
	"math/bits"
	"slices"
)

// queuedPair is a pair with its count when it was queued, and places where it arose.
type queuedPair struct {
	count  int64
	pair   Pair
	state  uint32
	places []uint32
}

// before is a total order, so that the queue gives pairs in one order, however they came in.
func (a *queuedPair) before(b *queuedPair) bool {
	switch {
	case a.count != b.count:
		return a.count > b.count
	case a.pair.Left != b.pair.Left:
		return a.pair.Left < b.pair.Left
	case a.pair.Right != b.pair.Right:
		return a.pair.Right < b.pair.Right
	}
	return slices.Compare(a.places, b.places) < 0
}

// pairQueue is a heap: four children each, the first to come at the root.
type pairQueue []queuedPair

func (q *pairQueue) push(p queuedPair) {
	*q = append(*q, p)
	h := *q
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !p.before(&h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = p
}

func (q *pairQueue) pop() queuedPair {
	h := *q
	top, last := h[0], h[len(h)-1]
	h[len(h)-1] = queuedPair{}
	h = h[:len(h)-1]
	*q = h
	for i := 0; len(h) > 0; {
		first, best := 4*i+1, -1
		for child := first; child < min(first+4, len(h)); child++ {
			if best < 0 || h[child].before(&h[best]) {
				best = child
			}
		}
		if best < 0 || !h[best].before(&last) {
			h[i] = last
			break
		}
		h[i] = h[best]
		i = best
	}
	return top
}

// pairIndex is a hash table of pairs: places in a slice of pairStates, plus 1.
type pairIndex struct {
	slots []indexSlot // a power of two; at most half of them are taken
	shift int
	used  int
}

type indexSlot struct {
	pair Pair
	at   uint32 // 0 in an empty slot
}

const hashSeed = 0x9E3779B97F4A7C15

func (p Pair) hash() uint64 { return (uint64(p.Left)<<32 | uint64(p.Right)) * hashSeed }

// find returns the place of a pair in states, and takes the place behind the last for a new one.
func (x *pairIndex) find(p Pair, states []pairState) int {
	if 2*x.used >= len(x.slots) {
		x.grow()
	}
	for i := p.hash() >> x.shift; ; i++ {
		s := &x.slots[i&uint64(len(x.slots)-1)]
		if s.at == 0 {
			x.used++
			*s = indexSlot{p, uint32(len(states) + 1)}
			return len(states)
		}
		if s.pair == p {
			return int(s.at - 1)
		}
	}
}

func (x *pairIndex) grow() {
	old := x.slots
	x.slots = make([]indexSlot, max(1<<12, 2*len(old)))
	x.shift = 64 - bits.Len(uint(len(x.slots)-1))
	for _, s := range old {
		if s.at != 0 {
			i := s.pair.hash() >> x.shift
			for x.slots[i&uint64(len(x.slots)-1)].at != 0 {
				i++
			}
			x.slots[i&uint64(len(x.slots)-1)] = s
		}
	}
}
