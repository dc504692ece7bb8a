package model

import (
	"hash/fnv"
	"math"
	"strings"
)

// initial says how a matrix starts: normal with mean 0, one row perhaps 0.
type initial struct {
	std        float64
	zeroRow    int
	hasZeroRow bool
}

// Initialize sets all weights as transformers does before pretraining: matrices normal, biases 0, norms 1 and 0. A weight is a function of
// seed, the name of its parameter and its index, so it does not depend on what other parameters there are.
func (n *Network) Initialize(seed uint64) {
	for _, p := range n.set.List {
		switch {
		case len(p.Shape) > 1:
			in := n.config.initial(p)
			normal(p.Value, in.std, seed, p.Name)
			if cols := p.Shape[1]; in.hasZeroRow && in.zeroRow >= 0 && in.zeroRow < p.Shape[0] {
				clear(p.Value[in.zeroRow*cols : (in.zeroRow+1)*cols])
			}
		case strings.HasSuffix(p.Name, ".weight"): // of a norm
			for i := range p.Value {
				p.Value[i] = 1
			}
		default:
			clear(p.Value)
		}
	}
}

// normal fills dst with numbers of standard deviation std: pairs of hashed counters through the transform of Box and Muller (1958).
func normal(dst []float32, std float64, seed uint64, name string) {
	h := fnv.New64a()
	h.Write([]byte(name))
	key := mix(mix(seed) ^ h.Sum64())
	for i := range dst {
		u := uniform(mix(key + 2*uint64(i)))
		v := uniform(mix(key + 2*uint64(i) + 1))
		dst[i] = float32(std * float64(math.Sqrt(-2*math.Log(u))*math.Cos(2*math.Pi*v)))
	}
}

// uniform maps 64 random bits to the middle of one of 2^53 steps between 0 and 1, neither included.
func uniform(bits uint64) float64 { return (float64(bits>>11) + 0.5) / (1 << 53) }

// mix is the output function of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
