package kernels

import (
	"fmt"
	"math"
)

// AdamWBlock is the number of values that one entry of AdamWStep's groups stands for.
const AdamWBlock = 16

// SumSquares returns Σ x² in float64, summed in an order that depends on len(x) alone.
func SumSquares(p *Pool, x []float32) (float64, error) {
	sums := make([]float64, ceilDiv(len(x), chunkFloats))
	err := p.ranges(len(x), chunkFloats, func(lo, hi int) {
		sums[lo/chunkFloats] = sumSquares(x[lo:hi])
	})
	var total float64
	for _, s := range sums {
		total += s
	}
	return total, err
}

// AdamW holds the hyper-parameters of one step, with the meaning they have in torch.optim.AdamW.
type AdamW struct {
	LearningRate float64
	Beta1, Beta2 float64
	Epsilon      float64
	WeightDecay  float64 // decoupled, for the groups that decay
	GradScale    float64 // each gradient is multiplied with it first: clipping, 1/accumulation
	Step         int64   // 1 for the first step: bias correction
}

// AdamWGroup says how the weights of a group differ from others.
type AdamWGroup struct {
	Rate  float64 // factor of the learning rate; a group with 0 stays as it is, moments included
	Decay bool    // whether weights decay
}

// AdamWStep does one step over flat slices of equal length: values, their gradients, which it leaves zero, and the two moments. Values
// [i·AdamWBlock, (i+1)·AdamWBlock) belong to groups[group[i]].
func AdamWStep(p *Pool, o AdamW, values, grads, moment1, moment2 []float32, group []uint8, groups []AdamWGroup) error {
	n := len(values)
	check := checker{op: "AdamWStep"}
	check.need("grads", len(grads), n)
	check.need("moment1", len(moment1), n)
	check.need("moment2", len(moment2), n)
	check.need("group", len(group), ceilDiv(n, AdamWBlock))
	if check.err == nil && o.Step < 1 {
		check.err = fmt.Errorf("AdamWStep: step is %d, want 1 for the first", o.Step)
	}
	for i, g := range group {
		if check.err == nil && int(g) >= len(groups) {
			check.err = fmt.Errorf("AdamWStep: block %d is of group %d, of %d", i, g, len(groups))
		}
	}
	if check.err != nil {
		return check.err
	}
	coefficients := make([]adamCoefficients, len(groups))
	for i, g := range groups {
		coefficients[i] = o.coefficients(g)
	}
	return p.ranges(n, chunkFloats, func(lo, hi int) {
		for lo < hi { // runs of blocks of one group
			g := group[lo/AdamWBlock]
			end := lo
			for end < hi && group[end/AdamWBlock] == g {
				end += AdamWBlock
			}
			end = min(end, hi)
			if groups[g].Rate != 0 {
				c := &coefficients[g]
				active.adamW(values[lo:end], grads[lo:], moment1[lo:], moment2[lo:],
					c.scale, c.beta1, c.rest1, c.beta2, c.rest2, c.root, c.eps, c.rate, c.keep)
			}
			clear(grads[lo:end])
			lo = end
		}
	})
}

// adamCoefficients are the factors of one step, rounded once:
//
//	m ← beta1·m + rest1·g, v ← beta2·v + rest2·g², x ← keep·x - rate·m/(√v·root + eps), with g = scale·gradient
type adamCoefficients struct {
	scale, beta1, rest1, beta2, rest2, root, eps, rate, keep float32
}

func (o AdamW) coefficients(g AdamWGroup) adamCoefficients {
	step, rate := float64(o.Step), o.LearningRate*g.Rate
	c := adamCoefficients{
		scale: float32(o.GradScale),
		beta1: float32(o.Beta1), rest1: float32(1 - o.Beta1),
		beta2: float32(o.Beta2), rest2: float32(1 - o.Beta2),
		root: float32(1 / math.Sqrt(1-math.Pow(o.Beta2, step))),
		eps:  float32(o.Epsilon),
		rate: float32(rate / (1 - math.Pow(o.Beta1, step))),
		keep: 1,
	}
	if g.Decay {
		c.keep = float32(1 - rate*o.WeightDecay)
	}
	return c
}

// sumSquares keeps eight sums, so that additions need not wait for each other.
func sumSquares(x []float32) float64 {
	var sums [8]float64
	for len(x) >= 8 {
		for i, v := range x[:8] {
			sums[i] += float64(v) * float64(v)
		}
		x = x[8:]
	}
	for i, v := range x {
		sums[i] += float64(v) * float64(v)
	}
	return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
}
