package optim

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// AdamWOptions are the constants of the update rule. The zero value stands for PyTorch's defaults, but without decay.
type AdamWOptions struct {
	Beta1       float64 // decay of the first moment; 0 means 0.9
	Beta2       float64 // decay of the second moment; 0 means 0.999
	Epsilon     float64 // added to the root of the second moment; 0 means 1e-8
	WeightDecay float64 // part of a decaying weight that lr 1 would take away at each update
	Rates       Rates   // which parameters learn slower than others, or not at all
}

// WithDefaults returns o with its zero constants replaced.
func (o AdamWOptions) WithDefaults() AdamWOptions {
	if o.Beta1 == 0 {
		o.Beta1 = 0.9
	}
	if o.Beta2 == 0 {
		o.Beta2 = 0.999
	}
	if o.Epsilon == 0 {
		o.Epsilon = 1e-8
	}
	return o
}

// Validate returns an error that names the first constant which makes no sense.
func (o AdamWOptions) Validate() error {
	o = o.WithDefaults()
	switch {
	case !(o.Beta1 > 0 && o.Beta1 < 1):
		return fmt.Errorf("AdamW beta1 %v is outside 0..1", o.Beta1)
	case !(o.Beta2 > 0 && o.Beta2 < 1):
		return fmt.Errorf("AdamW beta2 %v is outside 0..1", o.Beta2)
	case !(o.Epsilon > 0) || math.IsInf(o.Epsilon, 0):
		return fmt.Errorf("AdamW epsilon %v is not above 0", o.Epsilon)
	case !(o.WeightDecay >= 0) || math.IsInf(o.WeightDecay, 0):
		return fmt.Errorf("AdamW weight decay %v is below 0", o.WeightDecay)
	}
	return o.Rates.Validate()
}

// AdamW holds the moments of a set of parameters, flat as the set is.
type AdamW struct {
	M, V    []float32 // first and second moments, at the offsets of Set.Values
	Updates int64     // updates done; decides the bias correction

	options AdamWOptions
	set     *params.Set
	groups  []kernels.AdamWGroup
	group   []uint8 // for each block of kernels.AdamWBlock floats
	frozen  []*params.Param
}

// Blocks never straddle two parameters: a negative constant here would not compile.
const _ = uint(-(params.Align % kernels.AdamWBlock))

// maxGroups is the number of kinds of parameters that an entry of AdamW.group can tell apart.
const maxGroups = 256

// NewAdamW returns an optimizer of set whose moments are zero.
func NewAdamW(set *params.Set, o AdamWOptions) (*AdamW, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	n := len(set.Values)
	a := &AdamW{
		M: make([]float32, n), V: make([]float32, n), group: make([]uint8, n/kernels.AdamWBlock),
		options: o.WithDefaults(), set: set,
	}
	factors, err := o.Rates.factors(set)
	if err != nil {
		return nil, err
	}
	for i, p := range set.List {
		g := kernels.AdamWGroup{Rate: factors[i], Decay: p.Decay}
		if g.Rate == 0 {
			a.frozen = append(a.frozen, p)
		}
		number := slices.Index(a.groups, g)
		if number < 0 {
			if number = len(a.groups); number == maxGroups {
				return nil, fmt.Errorf("the parameters have more than %d learning rates", maxGroups)
			}
			a.groups = append(a.groups, g)
		}
		for at := p.Offset; at < p.Offset+len(p.Value); at += kernels.AdamWBlock {
			a.group[at/kernels.AdamWBlock] = uint8(number)
		}
	}
	if len(a.frozen) == len(set.List) {
		return nil, errors.New("all parameters are frozen: nothing is left to learn")
	}
	return a, nil
}

// DropFrozen zeroes the gradients of parameters that do not learn, so that they have no part in the norm.
func (a *AdamW) DropFrozen() {
	for _, p := range a.frozen {
		clear(p.Grad)
	}
}

// Step changes the weights by the gradients, each multiplied by scale, and leaves the gradients zero. It follows torch.optim.AdamW
// (Loshchilov and Hutter 2019, algorithm 2): with t = the number of this update,
//
//	w -= lr·decay·w                          where the parameter decays
//	m  = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²
//	w -= lr/(1-β1ᵗ) · m / (√v/√(1-β2ᵗ) + ε)
//
// where lr is that of the parameter, by Rates. A frozen one stays as it is, moments included.
func (a *AdamW) Step(pool *kernels.Pool, lr, scale float64) error {
	o := kernels.AdamW{
		LearningRate: lr, Beta1: a.options.Beta1, Beta2: a.options.Beta2, Epsilon: a.options.Epsilon,
		WeightDecay: a.options.WeightDecay, GradScale: scale, Step: a.Updates + 1,
	}
	if err := kernels.AdamWStep(pool, o, a.set.Values, a.set.Grads, a.M, a.V, a.group, a.groups); err != nil {
		return err
	}
	a.Updates++
	return nil
}
