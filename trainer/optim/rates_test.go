package optim

import (
	"math"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/trainer/params"
)

func layered(t *testing.T) *params.Set {
	t.Helper()
	var specs []params.Spec
	for _, name := range []string{
		"bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.output.dense.weight", "bert.encoder.layer.1.output.dense.weight",
		"bert.encoder.layer.10.output.dense.weight", "bert.pooler.dense.weight", "classifier.weight",
	} {
		specs = append(specs, params.Spec{Name: name, Shape: []int{3}, Decay: true})
	}
	set, err := params.NewSet(specs)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestRateFactors(t *testing.T) {
	half := func(n float64) float64 { return math.Pow(0.5, n) }
	for _, c := range []struct {
		rates Rates
		want  []float64
	}{
		{Rates{}, []float64{1, 1, 1, 1, 1, 1}},
		{Rates{LayerDecay: 0.5}, []float64{half(12), half(11), half(10), half(1), 1, 1}},
		{Rates{Frozen: []string{"embeddings"}}, []float64{0, 1, 1, 1, 1, 1}},
		{Rates{Frozen: []string{"bert"}}, []float64{0, 0, 0, 0, 0, 1}},
		{Rates{Frozen: []string{"encoder.layer.1"}}, []float64{1, 1, 0, 1, 1, 1}}, // and not layer 10
		{Rates{Frozen: []string{"layers<2"}, LayerDecay: 0.5}, []float64{0, 0, 0, half(1), 1, 1}},
		{Rates{Frozen: []string{"layers<0"}}, []float64{0, 1, 1, 1, 1, 1}},
	} {
		got, err := c.rates.factors(layered(t))
		if err != nil {
			t.Errorf("%v: %v", c.rates, err)
		}
		for i, want := range c.want {
			if math.Abs(got[i]-want) > 1e-12 {
				t.Errorf("%v: factor %d is %v, want %v", c.rates, i, got[i], want)
			}
		}
	}
}

func TestFrozenParametersStay(t *testing.T) {
	set := layered(t)
	adam, err := NewAdamW(set, AdamWOptions{WeightDecay: 0.5, Rates: Rates{Frozen: []string{"bert"}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range set.Values {
		set.Values[i], set.Grads[i] = 1, 2
	}
	adam.DropFrozen()
	if set.List[0].Grad[0] != 0 || set.List[5].Grad[0] != 2 {
		t.Errorf("gradients %v and %v after dropping the frozen ones", set.List[0].Grad[0], set.List[5].Grad[0])
	}
	set.List[0].Grad[0] = 7
	update(t, adam, 0.1, 1)
	for i, p := range set.List {
		if stays := p.Value[0] == 1; stays != (i < 5) || p.Grad[0] != 0 || i < 5 && adam.M[p.Offset] != 0 {
			t.Errorf("%s is %v with gradient %v and moment %v", p.Name, p.Value[0], p.Grad[0], adam.M[p.Offset])
		}
	}
}

func TestRatesRefuse(t *testing.T) {
	for _, c := range []struct {
		rates Rates
		want  string
	}{
		{Rates{LayerDecay: 1.5}, "outside 0..1"},
		{Rates{LayerDecay: math.NaN()}, "outside 0..1"},
		{Rates{Frozen: []string{""}}, "names no parameters"},
		{Rates{Frozen: []string{"layers<x"}}, "names no parameters"},
		{Rates{Frozen: []string{"layer.1"}}, ""},
		{Rates{Frozen: []string{"encoder.layer.2"}}, "no parameter"},
		{Rates{Frozen: []string{"bert", "classifier"}}, "nothing is left"},
	} {
		_, err := NewAdamW(layered(t), AdamWOptions{Rates: c.rates})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.rates, err, c.want)
		}
	}
}
