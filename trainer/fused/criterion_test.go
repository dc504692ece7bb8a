package fused

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// states is the hidden states that the losses below stand on: embeddings, offset in the table of positions, and a layer.
func states(g *Graph, s *params.Set, rate float32) *Tensor {
	x := g.Embed(Embedding{Token: s.Lookup("token"), Position: s.Lookup("position"), FirstPosition: 2}, rate)
	return g.Linear(x, Linear{Weights: ps(s, "q"), Biases: ps(s, "q.bias"), Activation: kernels.ReLU, Activated: true})
}

func (r *reference) states(rate float32) matrix {
	batch, moved := r.batch, *r.batch
	moved.Positions = nil
	for _, p := range batch.Positions {
		moved.Positions = append(moved.Positions, p+2)
	}
	r.batch = &moved
	x := r.embed("token", "position", "", testWidth, rate)
	r.batch = batch
	return r.linear(x, "q", "q.bias", testWidth, false, func(v float64) float64 { return max(v, 0) })
}

// logProbabilities of a row of scores divided by a temperature.
func logProbabilities(scores []float64, temperature float64) []float64 {
	var sum float64
	for _, v := range scores {
		sum += math.Exp(v / temperature)
	}
	out := make([]float64, len(scores))
	for i, v := range scores {
		out[i] = v/temperature - math.Log(sum)
	}
	return out
}

func cosine(a, b []float64) float64 {
	var dot, aa, bb float64
	for i := range a {
		dot, aa, bb = dot+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	return dot / math.Sqrt((aa+1e-12)*(bb+1e-12))
}

func inFloat64Row(x []float32) (out []float64) {
	for _, v := range x {
		out = append(out, float64(v))
	}
	return out
}

func testObjective() Objective {
	o := Objective{Smoothing: 0.2, Distill: &Distillation{Hard: 0.5, Soft: 2, Temperature: 3}}
	for i := range testVocab {
		o.Weights = append(o.Weights, 0.5+float32(i)/4)
	}
	return o
}

var criteria = []network{
	{
		name: "distillation",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			x := states(g, s, rate).Share()
			first := g.RefinedCrossEntropy(g.Gather(x), s.Lookup("token"), s.Lookup("vocab.bias"), testObjective())
			return g.Sum([]*Loss{first, g.HiddenCosine(x)}, []float32{1, 1.5})
		},
		reference: func(r *reference, rate float32) (total float64) {
			o, x := testObjective(), r.states(rate)
			logits := r.linear(r.gather(x), "token", "vocab.bias", testVocab, false, nil)
			for i, label := range r.batch.Labels {
				if label == kernels.IgnoreLabel {
					continue
				}
				logP := logProbabilities(logits.row(i), 1)
				student := logProbabilities(logits.row(i), 3)
				teacher := logProbabilities(inFloat64Row(r.batch.Teacher[i*testVocab:(i+1)*testVocab]), 3)
				for c := range logP {
					target := 0.2 / testVocab
					if c == int(label) {
						target += 0.8
					}
					total -= 0.5 * target * float64(o.Weights[c]) * logP[c]
					total += 2 * 9 * math.Exp(teacher[c]) * (teacher[c] - student[c])
				}
			}
			for i := range x.rows {
				share := 1.5 * float64(len(r.batch.Rows)) / float64(x.rows)
				total += share * (1 - cosine(x.row(i), inFloat64Row(r.batch.Hidden[i*testWidth:(i+1)*testWidth])))
			}
			return total
		},
	},
	{
		name: "pairs",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			return g.Sum([]*Loss{g.PairCosine(g.Mean(states(g, s, rate)))}, []float32{0.7})
		},
		reference: func(r *reference, rate float32) (total float64) {
			x := r.states(rate)
			means := newMatrix(len(r.batch.CuSeqlens)-1, testWidth)
			for s := range means.rows {
				from, to := r.batch.CuSeqlens[s], r.batch.CuSeqlens[s+1]
				for i := from; i < to; i++ {
					for j, v := range x.row(int(i)) {
						means.row(s)[j] += v / float64(to-from)
					}
				}
			}
			for i, v := range r.batch.Values {
				if v == v {
					diff := cosine(means.row(2*i), means.row(2*i+1)) - float64(v)
					total += 0.7 * diff * diff
				}
			}
			return total
		},
	},
	{
		name: "groups",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			return g.GroupCrossEntropy(g.Logits(g.Gather(states(g, s, rate)), s.Lookup("odd"), nil))
		},
		reference: func(r *reference, rate float32) (total float64) {
			scores := r.linear(r.gather(r.states(rate)), "odd", "", 5, false, nil)
			for i, label := range r.batch.Labels {
				var column []float64
				for row := r.batch.Groups[i/5]; row < r.batch.Groups[i/5+1]; row++ {
					column = append(column, scores.row(int(row))[i%5])
				}
				total -= logProbabilities(column, 1)[label] / 5
			}
			return total
		},
	},
	{
		name: "numbers",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			return g.SquaredError(g.Logits(g.Gather(states(g, s, rate)), s.Lookup("one"), nil))
		},
		reference: func(r *reference, rate float32) (total float64) {
			for i, v := range r.linear(r.gather(r.states(rate)), "one", "", 1, false, nil).data {
				total += (v - float64(r.batch.Values[i])) * (v - float64(r.batch.Values[i]))
			}
			return total
		},
	},
}

// criterionBatch is testBatch with what the loss of that name learns from.
func criterionBatch(name string) *Batch {
	b := testBatch(9, 5, 1, 6, 3)
	rng := rand.New(rand.NewPCG(1, 8))
	number := func() float32 { return float32(rng.NormFloat64()) }
	switch name {
	case "distillation":
		b.Labels[2] = kernels.IgnoreLabel
		for range len(b.Rows) * testVocab {
			b.Teacher = append(b.Teacher, number())
		}
		for range len(b.IDs) * testWidth {
			b.Hidden = append(b.Hidden, number())
		}
	case "pairs":
		b.Rows, b.Labels = make([]int32, 4), nil
		b.Values = []float32{0.3, float32(math.NaN())}
		b.CuSeqlens = []int32{0, 5, 6, 12, 15}
	case "groups":
		b.Groups, b.Labels = []int32{0, 1, 4, int32(len(b.Rows))}, nil
		for group := range 3 {
			for range 5 {
				b.Labels = append(b.Labels, int32(rng.IntN(int(b.Groups[group+1]-b.Groups[group]))))
			}
		}
	case "numbers":
		b.Labels = nil
		for range b.Rows {
			b.Values = append(b.Values, number())
		}
	}
	return b
}

func TestCriteriaAgainstFloat64(t *testing.T) {
	for _, n := range criteria {
		t.Run(n.name, func(t *testing.T) { checkGradients(t, n, 0.2, criterionBatch(n.name)) })
	}
}

func TestMistakesOfCriteria(t *testing.T) {
	for _, n := range criteria {
		s := testSet(t, 1)
		g := NewGraph(newTestPool(t, 1), false)
		n.graph(g, s, 0)
		if err := g.Compile(); err != nil {
			t.Fatal(err)
		}
		b := criterionBatch(n.name)
		if b.Teacher != nil {
			b.Teacher = b.Teacher[1:]
		} else if b.Groups != nil {
			b.Groups[3]--
		} else {
			b.Values = b.Values[1:]
		}
		if err := g.Run(t.Context(), b); err == nil || !strings.Contains(err.Error(), "the batch has") {
			t.Errorf("%s: error %v", n.name, err)
		}
		g.Close()
	}
	nan := float32(math.NaN())
	for want, o := range map[string]Objective{
		"smoothing is 1":        {Smoothing: 1},
		"smoothing is NaN":      {Smoothing: nan},
		"1 weights for 11":      {Weights: []float32{1}},
		"weight of class 3":     {Weights: []float32{1, 1, 1, -1, 1, 1, 1, 1, 1, 1, 1}},
		"at temperature 0":      {Distill: &Distillation{Hard: 1}},
		"with weights NaN":      {Distill: &Distillation{Hard: nan, Temperature: 1}},
		"and 2 at temperature ": {Distill: &Distillation{Soft: 2, Temperature: nan}},
	} {
		s := testSet(t, 1)
		g := NewGraph(newTestPool(t, 1), true)
		g.RefinedCrossEntropy(g.Gather(states(g, s, 0)), s.Lookup("token"), nil, o)
		if err := g.Compile(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
