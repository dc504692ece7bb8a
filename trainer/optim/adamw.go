package optim

import (
	"fmt"
	"math"

	"github.com/shardmill/shardmill/trainer/params"
)

// AdamWOptions are the constants of the update rule. The zero value stands for PyTorch's defaults, but without decay.
type AdamWOptions struct {
	Beta1       float64 // decay of the first moment; 0 means 0.9
	Beta2       float64 // decay of the second moment; 0 means 0.999
	Epsilon     float64 // added to the root of the second moment; 0 means 1e-8
	WeightDecay float64 // part of a decaying weight that lr 1 would take away at each update
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
	return nil
}

// AdamW holds the moments of a set of parameters, flat as the set is.
type AdamW struct {
	M, V    []float32 // first and second moments, at the offsets of Set.Values
	Updates int64     // updates done; decides the bias correction

	options AdamWOptions
	set     *params.Set
	spans   []span
}

// span is a run of floats, neighbours in the flat slices, that decay alike.
type span struct {
	from, to int
	decay    bool
}

// NewAdamW returns an optimizer of set whose moments are zero.
func NewAdamW(set *params.Set, o AdamWOptions) (*AdamW, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	n := len(set.Values)
	a := &AdamW{M: make([]float32, n), V: make([]float32, n), options: o.WithDefaults(), set: set}
	for _, p := range set.List {
		from, to := p.Offset, p.Offset+len(p.Value)
		if last := len(a.spans) - 1; last >= 0 && a.spans[last].decay == p.Decay {
			a.spans[last].to = to // over the padding, where everything is and stays zero
			continue
		}
		a.spans = append(a.spans, span{from, to, p.Decay})
	}
	return a, nil
}

// Step changes the weights by the gradients, each multiplied by scale, as torch.optim.AdamW does (Loshchilov and Hutter 2019,
// algorithm 2): with t = the number of this update,
//
//	w -= lr·decay·w                          where the parameter decays
//	m  = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²
//	w -= lr/(1-β1ᵗ) · m / (√v/√(1-β2ᵗ) + ε)
func (a *AdamW) Step(lr, scale float64) {
	a.Updates++
	o := a.options
	correct1 := 1 - math.Pow(o.Beta1, float64(a.Updates))
	correct2 := 1 - math.Pow(o.Beta2, float64(a.Updates))
	r := rule{
		beta1: float32(o.Beta1), rest1: float32(1 - o.Beta1),
		beta2: float32(o.Beta2), rest2: float32(1 - o.Beta2),
		rate: float32(lr / correct1), root: float32(math.Sqrt(correct2)), epsilon: float32(o.Epsilon),
		scale: float32(scale),
	}
	for _, s := range a.spans {
		r.keep = 1
		if s.decay {
			r.keep = float32(1 - float64(lr*o.WeightDecay))
		}
		r.apply(a.set.Values[s.from:s.to], a.set.Grads[s.from:s.to], a.M[s.from:s.to], a.V[s.from:s.to])
	}
}

// rule is one update with everything that is the same for all weights worked out.
type rule struct {
	beta1, rest1, beta2, rest2, rate, root, epsilon, scale, keep float32
}

// apply rounds every product on its own: a fused multiply-add, which the compiler may choose on some machines, would change bits.
func (r rule) apply(w, g, m, v []float32) {
	g, m, v = g[:len(w)], m[:len(w)], v[:len(w)]
	for i := range w {
		grad := float32(g[i] * r.scale)
		m[i] = float32(r.beta1*m[i]) + float32(r.rest1*grad)
		v[i] = float32(r.beta2*v[i]) + float32(r.rest2*float32(grad*grad))
		root := float32(math.Sqrt(float64(v[i])))
		step := float32(r.rate*m[i]) / (root/r.root + r.epsilon)
		w[i] = float32(r.keep*w[i]) - step
	}
}
