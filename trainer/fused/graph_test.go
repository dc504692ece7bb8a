package fused

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// The sizes of the networks in these tests: odd where they may be.
const (
	testWidth     = 12
	testHeads     = 3
	testInner     = 20
	testVocab     = 11
	testPositions = 150
)

// testSet makes parameters with random values for the networks below.
func testSet(t *testing.T, seed uint64) *params.Set {
	t.Helper()
	h := testWidth
	specs := []params.Spec{
		{Name: "token", Shape: []int{testVocab, h}}, {Name: "position", Shape: []int{testPositions, h}}, {Name: "segment", Shape: []int{2, h}},
		{Name: "norm.gamma", Shape: []int{h}}, {Name: "norm.beta", Shape: []int{h}},
		{Name: "q", Shape: []int{h, h}}, {Name: "q.bias", Shape: []int{h}},
		{Name: "k", Shape: []int{h, h}}, {Name: "k.bias", Shape: []int{h}},
		{Name: "v", Shape: []int{h, h}}, {Name: "v.bias", Shape: []int{h}},
		{Name: "qkv", Shape: []int{h, 3 * h}}, {Name: "qkv.bias", Shape: []int{3 * h}},
		{Name: "proj", Shape: []int{h, h}}, {Name: "proj.bias", Shape: []int{h}},
		{Name: "norm1.gamma", Shape: []int{h}}, {Name: "norm1.beta", Shape: []int{h}},
		{Name: "up", Shape: []int{testInner, h}}, {Name: "up.bias", Shape: []int{testInner}},
		{Name: "down", Shape: []int{h, testInner}}, {Name: "down.bias", Shape: []int{h}},
		{Name: "upT", Shape: []int{h, testInner}}, {Name: "downT", Shape: []int{testInner, h}},
		{Name: "norm2.gamma", Shape: []int{h}}, {Name: "norm2.beta", Shape: []int{h}},
		{Name: "head", Shape: []int{h, h}}, {Name: "head.bias", Shape: []int{h}},
		{Name: "k1", Shape: []int{h / 3, h}}, {Name: "v1", Shape: []int{h / 3, h}},
		{Name: "odd", Shape: []int{5, h}}, {Name: "one", Shape: []int{1, h}}, {Name: "gate", Shape: []int{testInner, h}},
		{Name: "vocab.bias", Shape: []int{testVocab}},
	}
	s, err := params.NewSet(specs)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, p := range s.List {
		for i := range p.Value {
			p.Value[i] = float32(rng.NormFloat64() * 0.4)
			if strings.HasSuffix(p.Name, "gamma") {
				p.Value[i] += 1
			}
		}
	}
	return s
}

// testBatch is sequences of the given lengths, two thirds of whose tokens have a label.
func testBatch(seed uint64, lengths ...int) *Batch {
	rng := rand.New(rand.NewPCG(seed, 2))
	b := &Batch{CuSeqlens: []int32{0}, Seed: 5, Step: 3, Scale: 0.25}
	for _, n := range lengths {
		for i := range n {
			if rng.IntN(3) > 0 {
				b.Rows = append(b.Rows, int32(len(b.IDs)))
				b.Labels = append(b.Labels, int32(rng.IntN(testVocab)))
			}
			b.IDs = append(b.IDs, uint32(rng.IntN(testVocab)))
			b.Positions = append(b.Positions, int32(i))
			b.Segments = append(b.Segments, uint8(rng.IntN(2)))
		}
		b.CuSeqlens = append(b.CuSeqlens, int32(len(b.IDs)))
	}
	return b
}

// network is one architecture, built twice: as a graph, and in float64.
type network struct {
	name      string
	graph     func(g *Graph, s *params.Set, rate float32) *Loss
	reference func(r *reference, rate float32) float64
}

func ps(s *params.Set, names ...string) []*params.Param {
	var out []*params.Param
	for _, n := range names {
		out = append(out, s.Lookup(n))
	}
	return out
}

func norm(s *params.Set, name string) Norm {
	return Norm{s.Lookup(name + ".gamma"), s.Lookup(name + ".beta"), 1e-5}
}

var networks = []network{
	{
		name: "post-norm",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			x := g.Embed(Embedding{Token: s.Lookup("token"), Position: s.Lookup("position"), Segment: s.Lookup("segment")}, 0)
			x = g.LayerNorm(x, norm(s, "norm"), rate)
			b := g.Branch(x)
			y := g.Linear(x, Linear{Weights: ps(s, "q", "k", "v"), Biases: ps(s, "q.bias", "k.bias", "v.bias")})
			y = g.Attention(y, Attention{Heads: testHeads, Dropout: rate})
			x = g.AddDropoutNorm(g.Linear(y, Linear{Weights: ps(s, "proj")}), b, s.Lookup("proj.bias"), rate, norm(s, "norm1"))
			b = g.Branch(x)
			y = g.Linear(x, Linear{Weights: ps(s, "up"), Biases: ps(s, "up.bias"), Activation: kernels.GELUErf, Activated: true})
			x = g.AddDropoutNorm(g.Linear(y, Linear{Weights: ps(s, "down")}), b, s.Lookup("down.bias"), rate, norm(s, "norm2"))
			x = g.Linear(g.Gather(x), Linear{Weights: ps(s, "head"), Biases: ps(s, "head.bias"), Activation: kernels.Tanh, Activated: true})
			return g.CrossEntropy(x, s.Lookup("token"), s.Lookup("vocab.bias"))
		},
		reference: func(r *reference, rate float32) float64 {
			h := testWidth
			x := r.embed("token", "position", "segment", h, 0)
			x = r.dropout(r.norm(x, "norm.gamma", "norm.beta", 1e-5), rate)
			qkv := beside(r.linear(x, "q", "q.bias", h, false, nil), r.linear(x, "k", "k.bias", h, false, nil), r.linear(x, "v", "v.bias", h, false, nil))
			y := r.linear(r.attention(qkv, testHeads, false, rate), "proj", "", h, false, nil)
			x = r.norm(r.addDropout(x, y, "proj.bias", rate), "norm1.gamma", "norm1.beta", 1e-5)
			y = r.linear(r.linear(x, "up", "up.bias", testInner, false, geluErf), "down", "", h, false, nil)
			x = r.norm(r.addDropout(x, y, "down.bias", rate), "norm2.gamma", "norm2.beta", 1e-5)
			return r.crossEntropy(r.linear(r.gather(x), "head", "head.bias", h, false, math.Tanh), "token", "vocab.bias")
		},
	},
	{
		name: "pre-norm causal",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			x := g.Embed(Embedding{Token: s.Lookup("token"), Position: s.Lookup("position")}, rate)
			b := g.Branch(x)
			y := g.LayerNorm(x, norm(s, "norm"), 0)
			y = g.Linear(y, Linear{Weights: ps(s, "qkv"), Biases: ps(s, "qkv.bias"), InOut: true})
			y = g.Attention(y, Attention{Heads: testHeads, Causal: true, Dropout: rate})
			x = g.AddDropout(g.Linear(y, Linear{Weights: ps(s, "proj"), InOut: true}), b, s.Lookup("proj.bias"), rate)
			b = g.Branch(x)
			y = g.LayerNorm(x, norm(s, "norm1"), 0)
			y = g.Linear(y, Linear{Weights: ps(s, "upT"), Biases: ps(s, "up.bias"), InOut: true, Activation: kernels.GELUTanh, Activated: true})
			x = g.AddDropout(g.Linear(y, Linear{Weights: ps(s, "downT"), InOut: true}), b, s.Lookup("down.bias"), rate)
			return g.CrossEntropy(g.LayerNorm(g.Gather(x), norm(s, "norm2"), 0), s.Lookup("token"), nil)
		},
		reference: func(r *reference, rate float32) float64 {
			h := testWidth
			x := r.embed("token", "position", "", h, rate)
			y := r.dropout(r.norm(x, "norm.gamma", "norm.beta", 1e-5), 0)
			y = r.attention(r.linear(y, "qkv", "qkv.bias", 3*h, true, nil), testHeads, true, rate)
			x = r.addDropout(x, r.linear(y, "proj", "", h, true, nil), "proj.bias", rate)
			y = r.dropout(r.norm(x, "norm1.gamma", "norm1.beta", 1e-5), 0)
			y = r.linear(y, "upT", "up.bias", testInner, true, geluTanh)
			x = r.addDropout(x, r.linear(y, "downT", "", h, true, nil), "down.bias", rate)
			return r.crossEntropy(r.norm(r.gather(x), "norm2.gamma", "norm2.beta", 1e-5), "token", "")
		},
	},
	{
		name: "attention without a projection, branches without one",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			x := g.LayerNorm(g.Embed(Embedding{Token: s.Lookup("token"), Position: s.Lookup("position")}, 0), norm(s, "norm"), 0)
			b := g.Branch(x)
			y := g.Linear(x, Linear{Weights: ps(s, "qkv"), InOut: true})
			x = g.AddDropout(g.Attention(y, Attention{Heads: testHeads, Dropout: rate}), b, nil, rate)
			b = g.Branch(x)
			y = g.Linear(x, Linear{Weights: ps(s, "proj"), Biases: ps(s, "proj.bias"), Activation: kernels.GELUErf, Activated: true})
			x = g.AddDropoutNorm(y, b, nil, rate, norm(s, "norm1"))
			return g.CrossEntropy(g.Gather(x), s.Lookup("token"), nil)
		},
		reference: func(r *reference, rate float32) float64 {
			h := testWidth
			x := r.embed("token", "position", "", h, 0)
			x = r.dropout(r.norm(x, "norm.gamma", "norm.beta", 1e-5), 0)
			y := r.attention(r.linear(x, "qkv", "", 3*h, true, nil), testHeads, false, rate)
			x = r.addDropout(x, y, "", rate)
			y = r.linear(x, "proj", "proj.bias", h, false, geluErf)
			x = r.norm(r.addDropout(x, y, "", rate), "norm1.gamma", "norm1.beta", 1e-5)
			return r.crossEntropy(r.gather(x), "token", "")
		},
	},
	{
		name: "pooled and dropped out",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			x := g.LayerNorm(g.Embed(Embedding{Token: s.Lookup("token"), Position: s.Lookup("position")}, 0), norm(s, "norm"), 0)
			x = g.Linear(g.Gather(g.Dropout(x, rate)), Linear{Weights: ps(s, "head"), Biases: ps(s, "head.bias"), Activation: kernels.Tanh, Activated: true})
			return g.CrossEntropy(g.Dropout(x, rate), s.Lookup("token"), s.Lookup("vocab.bias"))
		},
		reference: func(r *reference, rate float32) float64 {
			x := r.embed("token", "position", "", testWidth, 0)
			x = r.dropout(r.dropout(r.norm(x, "norm.gamma", "norm.beta", 1e-5), 0), rate)
			x = r.linear(r.gather(x), "head", "head.bias", testWidth, false, math.Tanh)
			return r.crossEntropy(r.dropout(x, rate), "token", "vocab.bias")
		},
	},
	{
		name: "rotary, grouped heads, gated",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			turn := g.NewRotator(Rotary{Heads: 4, Size: 4, Theta: 100})
			x := g.Embed(Embedding{Token: s.Lookup("token")}, 0)
			b := g.Branch(x)
			y := g.RMSNorm(x, s.Lookup("norm.gamma"), 1e-5)
			y = g.Rotate(g.Linear(y, Linear{Weights: ps(s, "q", "k1", "v1")}), turn)
			y = g.Attention(y, Attention{Heads: 3, KVHeads: 1, Causal: true, Dropout: rate})
			x = g.AddDropout(g.Linear(y, Linear{Weights: ps(s, "proj")}), b, nil, 0)
			b = g.Branch(x)
			y = g.RMSNorm(x, s.Lookup("norm1.gamma"), 1e-5)
			y = g.SwiGLU(g.Linear(y, Linear{Weights: ps(s, "gate", "up")}))
			x = g.AddDropout(g.Linear(y, Linear{Weights: ps(s, "down")}), b, nil, rate)
			return g.CrossEntropy(g.RMSNorm(g.Gather(x), s.Lookup("norm2.gamma"), 1e-5), s.Lookup("token"), nil)
		},
		reference: func(r *reference, rate float32) float64 {
			h := testWidth
			x := r.embed("token", "", "", h, 0)
			y := r.rmsNorm(x, "norm.gamma", 1e-5)
			y = beside(r.linear(y, "q", "", h, false, nil), r.linear(y, "k1", "", h/3, false, nil), r.linear(y, "v1", "", h/3, false, nil))
			y = r.groupedAttention(r.rotate(y, 4, 4, 100), 3, 1, true, rate)
			x = r.addDropout(x, r.linear(y, "proj", "", h, false, nil), "", 0)
			y = r.rmsNorm(x, "norm1.gamma", 1e-5)
			y = r.swiGLU(beside(r.linear(y, "gate", "", testInner, false, nil), r.linear(y, "up", "", testInner, false, nil)))
			x = r.addDropout(x, r.linear(y, "down", "", h, false, nil), "", rate)
			return r.crossEntropy(r.rmsNorm(r.gather(x), "norm2.gamma", 1e-5), "token", "")
		},
	},
	{
		name: "a tensor with two readers",
		graph: func(g *Graph, s *params.Set, rate float32) *Loss {
			x := g.Embed(Embedding{Token: s.Lookup("token"), Position: s.Lookup("position")}, rate).Share()
			y := g.Linear(x, Linear{Weights: ps(s, "q"), Biases: ps(s, "q.bias"), Activation: kernels.Tanh, Activated: true}).Share()
			first := g.CrossEntropy(g.Gather(y), s.Lookup("token"), s.Lookup("vocab.bias"))
			z := g.LayerNorm(y, norm(s, "norm"), rate)
			second := g.CrossEntropy(g.Gather(z), s.Lookup("token"), nil)
			third := g.CrossEntropy(g.Gather(x), s.Lookup("token"), nil)
			return g.Sum([]*Loss{first, second, third}, []float32{0.5, 2, -1})
		},
		reference: func(r *reference, rate float32) float64 {
			x := r.embed("token", "position", "", testWidth, rate)
			y := r.linear(x, "q", "q.bias", testWidth, false, math.Tanh)
			z := r.dropout(r.norm(y, "norm.gamma", "norm.beta", 1e-5), rate)
			return 0.5*r.crossEntropy(r.gather(y), "token", "vocab.bias") + 2*r.crossEntropy(r.gather(z), "token", "") - r.crossEntropy(r.gather(x), "token", "")
		},
	},
}

func newTestPool(t testing.TB, threads int) *kernels.Pool {
	pool := kernels.NewPool(threads)
	t.Cleanup(pool.Close)
	return pool
}

// train runs the network on each of the batches, adding up gradients, and returns the loss of the last, scaled.
func train(t *testing.T, n network, s *params.Set, rate float32, threads int, batches ...*Batch) float64 {
	t.Helper()
	g := NewGraph(newTestPool(t, threads), true)
	loss := n.graph(g, s, rate)
	if err := g.Differentiate(loss); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, b := range batches {
		if err := g.Run(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return float64(*loss.node.Value().(*G.F32))
}

// TestGradientsAgainstFloat64 compares the loss and every element of every gradient with central differences of a plain implementation in float64.
func TestGradientsAgainstFloat64(t *testing.T) {
	for _, n := range networks {
		for _, rate := range []float32{0, 0.2} {
			t.Run(fmt.Sprintf("%s/dropout=%v", n.name, rate), func(t *testing.T) {
				b := testBatch(9, 5, 1, 8)
				b.Labels[2] = kernels.IgnoreLabel
				checkGradients(t, n, rate, b)
			})
		}
	}
}

// checkGradients compares loss and gradients of a network on b with finite differences in float64.
func checkGradients(t *testing.T, n network, rate float32, b *Batch) {
	t.Helper()
	s := testSet(t, 7)
	loss := train(t, n, s, rate, 2, b)

	values := inFloat64(s)
	eval := func() float64 {
		r := &reference{t: t, values: values, batch: b, training: true}
		return n.reference(r, rate) * float64(b.Scale)
	}
	if want := eval(); math.Abs(loss-want) > 1e-5*math.Abs(want) {
		t.Errorf("loss %v, want %v", loss, want)
	}
	for _, p := range s.List {
		var diff, size float64
		for i := range p.Grad {
			const eps = 1e-5
			if p.Name == "position" && i >= 8*testWidth { // beyond the longest sequence
				if p.Grad[i] != 0 {
					t.Fatalf("position %d has a gradient", i/testWidth)
				}
				continue
			}
			v := values[p.Name]
			v[i] += eps
			up := eval()
			v[i] -= 2 * eps
			want := (up - eval()) / (2 * eps)
			v[i] += eps
			diff += (float64(p.Grad[i]) - want) * (float64(p.Grad[i]) - want)
			size += want * want
		}
		if math.Sqrt(diff) > 2e-5*math.Sqrt(size)+1e-6 {
			t.Errorf("gradient of %s: relative error %.2g (size %.2g)", p.Name, math.Sqrt(diff/size), math.Sqrt(size))
		}
	}
}

func inFloat64(s *params.Set) map[string][]float64 {
	values := make(map[string][]float64)
	for _, p := range s.List {
		for _, v := range p.Value {
			values[p.Name] = append(values[p.Name], float64(v))
		}
	}
	return values
}

// TestLongSequences does the same along random directions, with sequences of several query tiles and more labelled rows than one chunk of the loss.
func TestLongSequences(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			s, b := testSet(t, 3), testBatch(4, 140, 150, 129, 2, 150, 128, 149)
			if len(b.Rows) <= lossRows {
				t.Fatalf("only %d labelled rows", len(b.Rows))
			}
			const rate = 0.1
			loss := train(t, n, s, rate, 2, b)
			values := inFloat64(s)
			eval := func() float64 {
				return n.reference(&reference{t: t, values: values, batch: b, training: true}, rate) * float64(b.Scale)
			}
			if want := eval(); math.Abs(loss-want) > 1e-5*math.Abs(want) {
				t.Errorf("loss %v, want %v", loss, want)
			}
			for seed := range uint64(2) {
				const eps = 1e-5
				move := func(step float64) (slope float64) {
					rng := rand.New(rand.NewPCG(seed, 3))
					for _, p := range s.List {
						for i, g := range p.Grad {
							d := rng.NormFloat64()
							values[p.Name][i] += step * d
							slope += d * float64(g)
						}
					}
					return slope
				}
				slope := move(eps)
				up := eval()
				move(-2 * eps)
				want := (up - eval()) / (2 * eps)
				move(eps)
				if math.Abs(slope-want) > 1e-4*math.Abs(want) {
					t.Errorf("slope along direction %d is %v, want %v", seed, slope, want)
				}
			}
		})
	}
}

// TestInferenceReusesMemoryRightly compares the loss of a graph without gradients, which overwrites what it needs no more, with the reference.
func TestInferenceReusesMemoryRightly(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			s, b := testSet(t, 11), testBatch(12, 6, 9, 1)
			g := NewGraph(newTestPool(t, 1), false)
			loss := n.graph(g, s, 0.3)
			if err := g.Compile(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := g.Run(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			want := n.reference(&reference{t: t, values: inFloat64(s), batch: b}, 0.3) * float64(b.Scale)
			if got := float64(*loss.node.Value().(*G.F32)); math.Abs(got-want) > 1e-5*math.Abs(want) {
				t.Errorf("loss %v, want %v", got, want)
			}
			for _, v := range s.Grads {
				if v != 0 {
					t.Fatal("a graph without gradients wrote one")
				}
			}
		})
	}
}

// TestThreadsAndRepetition demands the same bits for 1 and 3 threads, in a second graph, and after batches of other sizes.
func TestThreadsAndRepetition(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			b := testBatch(21, 140, 3, 60, 90)
			run := func(threads int, before ...*Batch) []float32 {
				s := testSet(t, 20)
				g := NewGraph(newTestPool(t, threads), true)
				if err := g.Differentiate(n.graph(g, s, 0.1)); err != nil {
					t.Fatal(err)
				}
				for _, b := range append(before, b) {
					s.ZeroGrads()
					if err := g.Run(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
				return s.Grads
			}
			want := run(1)
			for name, got := range map[string][]float32{
				"3 threads": run(3), "again": run(1),
				"after other sizes": run(2, testBatch(1, 5), testBatch(2, 150, 150, 150), testBatch(3, 1)),
			} {
				if !slices.Equal(got, want) {
					t.Errorf("%s: other gradients", name)
				}
			}
		})
	}
}

// TestGradientsAddUp demands that two runs leave the sum of their gradients.
func TestGradientsAddUp(t *testing.T) {
	n, a, b := networks[0], testBatch(1, 7, 4), testBatch(2, 3, 9)
	var sum []float64
	for _, batch := range []*Batch{a, b} {
		s := testSet(t, 1)
		train(t, n, s, 0, 1, batch)
		if sum == nil {
			sum = make([]float64, len(s.Grads))
		}
		for i, v := range s.Grads {
			sum[i] += float64(v)
		}
	}
	s := testSet(t, 1)
	train(t, n, s, 0, 1, a, b)
	for i, v := range s.Grads {
		if math.Abs(float64(v)-sum[i]) > 1e-5 {
			t.Fatalf("gradient %d is %v, want %v", i, v, sum[i])
		}
	}
}

// TestHashesThatMeet marks the hashes of a graph as taken in a second one, whose first node must then find another name, and so the rest.
func TestHashesThatMeet(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			b := testBatch(5, 4, 9)
			build := func(taken map[uint32]bool) (*Graph, []float32) {
				s := testSet(t, 4)
				g := NewGraph(newTestPool(t, 1), true)
				for h := range taken {
					g.hashes[h] = true
				}
				if err := g.Differentiate(n.graph(g, s, 0.1)); err != nil {
					t.Fatal(err)
				}
				if err := g.Run(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				return g, s.Grads
			}
			first, want := build(nil)
			second, got := build(first.hashes)
			if second.names <= first.names {
				t.Errorf("%d names were tried, %d in the first graph", second.names, first.names)
			}
			if !slices.Equal(got, want) {
				t.Error("the gradients depend on names")
			}
		})
	}
}

func TestMistakesInBuilding(t *testing.T) {
	s := testSet(t, 1)
	embed := func(g *Graph) *Tensor {
		return g.Embed(Embedding{Token: s.Lookup("token"), Position: s.Lookup("position")}, 0)
	}
	cases := []struct {
		name  string
		build func(g *Graph)
		want  string
	}{
		{"two readers", func(g *Graph) { x := embed(g); g.Gather(x); g.Gather(x) }, "already has a reader"},
		{"open branch", func(g *Graph) { x := embed(g); g.Branch(x); g.Gather(x) }, "not closed"},
		{"branch closed twice", func(g *Graph) {
			x := embed(g)
			b := g.Branch(x)
			y := g.AddDropout(g.LayerNorm(x, norm(s, "norm"), 0), b, nil, 0)
			g.AddDropout(y, b, nil, 0)
		}, "closed already"},
		{"branch of what has a reader", func(g *Graph) { x := embed(g); g.Gather(x); g.Branch(x) }, "already has a reader"},
		{"width", func(g *Graph) { g.Linear(embed(g), Linear{Weights: ps(s, "down")}) }, "down has shape [12 20]"},
		{"bias", func(g *Graph) { g.Linear(embed(g), Linear{Weights: ps(s, "up"), Biases: ps(s, "q.bias")}) }, "q.bias has shape"},
		{"heads", func(g *Graph) {
			g.Attention(g.Linear(embed(g), Linear{Weights: ps(s, "qkv"), InOut: true}), Attention{Heads: 5})
		}, "5 heads"},
		{"groups of heads", func(g *Graph) {
			g.Attention(g.Linear(embed(g), Linear{Weights: ps(s, "qkv"), InOut: true}), Attention{Heads: 3, KVHeads: 2})
		}, "3 heads, with 2 of key and value"},
		{"odd rotation", func(g *Graph) { g.NewRotator(Rotary{Heads: 1, Size: 3, Theta: 10}) }, "size 3"},
		{"rotation too wide", func(g *Graph) { g.Rotate(embed(g), g.NewRotator(Rotary{Heads: 7, Size: 2, Theta: 10})) }, "of width 12"},
		{"rotation of a branch", func(g *Graph) {
			x := embed(g)
			g.Branch(x)
			g.Rotate(x, g.NewRotator(Rotary{Heads: 1, Size: 2, Theta: 10}))
		}, "no other reader"},
		{"halves", func(g *Graph) { g.SwiGLU(g.Linear(embed(g), Linear{Weights: ps(s, "odd")})) }, "a width of 5 has no halves"},
		{"dropout", func(g *Graph) { g.LayerNorm(embed(g), norm(s, "norm"), 1) }, "dropout rate is 1"},
		{"tables", func(g *Graph) { g.Embed(Embedding{Token: s.Lookup("token"), Position: s.Lookup("up.bias")}, 0) }, "up.bias has shape"},
		{"other graph", func(g *Graph) { g.Gather(embed(NewGraph(g.pool, true))) }, "not a tensor of this graph"},
		{"loss over tokens", func(g *Graph) { g.CrossEntropy(embed(g), s.Lookup("token"), nil) }, "a row for each label"},
		{"no loss", func(g *Graph) { g.Sum(nil, nil) }, "0 losses"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewGraph(newTestPool(t, 1), true)
			c.build(g)
			if err := g.Compile(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if err := g.Run(t.Context(), &Batch{}); err == nil {
				t.Error("the graph ran all the same")
			}
		})
	}
}

func TestMistakesInRunning(t *testing.T) {
	s := testSet(t, 1)
	g := NewGraph(newTestPool(t, 2), true)
	if err := g.Differentiate(networks[0].graph(g, s, 0)); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name  string
		spoil func(b *Batch)
		want  string
	}{
		{"id", func(b *Batch) { b.IDs[3] = testVocab }, "ids[3] is 11"},
		{"position", func(b *Batch) { b.Positions[1] = testPositions }, "150"},
		{"segment", func(b *Batch) { b.Segments[0] = 2 }, "is 2"},
		{"row", func(b *Batch) { b.Rows[0] = 99 }, "99"},
		{"label", func(b *Batch) { b.Labels[1] = testVocab }, "label 11"},
		{"labels", func(b *Batch) { b.Labels = b.Labels[:1] }, "1 labels"},
		{"scale", func(b *Batch) { b.Scale = 0 }, "scale"},
		{"borders", func(b *Batch) { b.CuSeqlens[1] = 1 << 20 }, "sequence 1 has"},
		{"last border", func(b *Batch) { b.CuSeqlens[2] = 12 }, "from 0 to 11"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := testBatch(8, 5, 6)
			c.spoil(b)
			if err := g.Run(t.Context(), b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			s.ZeroGrads()
			if err := g.Run(t.Context(), testBatch(8, 5, 6)); err != nil {
				t.Errorf("after the error: %v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Run(ctx, testBatch(8, 5, 6)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled run returned %v", err)
	}
}

// TestSteadyStepAllocatesNoTensors demands that what a step allocates on the way through gorgonia and the pool does not grow with the batch.
func TestSteadyStepAllocatesNoTensors(t *testing.T) {
	s := testSet(t, 1)
	g := NewGraph(newTestPool(t, 1), true)
	if err := g.Differentiate(networks[0].graph(g, s, 0.1)); err != nil {
		t.Fatal(err)
	}
	allocated := func(b *Batch) int {
		const steps = 10
		var before, after runtime.MemStats
		for i := range steps + 1 {
			if i == 1 {
				runtime.ReadMemStats(&before)
			}
			if err := g.Run(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		return int(after.TotalAlloc-before.TotalAlloc) / steps
	}
	b := testBatch(2, 150, 150, 150, 150, 150, 150)
	large, small := allocated(b), allocated(testBatch(2, 50))
	if tensor := len(b.IDs) * testWidth * 4; large-small > tensor/2 {
		t.Errorf("%d bytes allocated in a step of 900 tokens, %d in one of 50; a tensor of the former has %d", large, small, tensor)
	}
	if large > 256<<10 {
		t.Errorf("%d bytes allocated in a step", large)
	}
}

// TestMistakesInDecoding asks a graph that keeps keys for what it can't do.
func TestMistakesInDecoding(t *testing.T) {
	s := testSet(t, 1)
	build := func(causal bool) (*Graph, *Tensor) {
		g := NewDecodingGraph(newTestPool(t, 1))
		x := g.Linear(g.Embed(Embedding{Token: s.Lookup("token")}, 0), Linear{Weights: ps(s, "qkv"), InOut: true})
		return g, g.Gather(g.Attention(x, Attention{Heads: testHeads, Causal: causal}))
	}
	if g, _ := build(false); g.Compile() == nil || !strings.Contains(g.Compile().Error(), "not causal") {
		t.Errorf("attention to all tokens: error %v", g.Compile())
	}
	g, _ := build(true)
	if err := g.Compile(); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	run := func(past int32, lengths ...int) error {
		b := testBatch(1, lengths...)
		b.Past = past
		return g.Run(t.Context(), b)
	}
	if err := errors.Join(run(0, 5), run(5, 1), run(3, 2)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		past    int32
		lengths []int
		want    string
	}{{6, []int{1}, "6 tokens are said to stand before these, but 5 are kept"}, {-1, []int{1}, "-1 tokens"}, {0, []int{2, 2}, "one sequence, not 2"}} {
		if err := run(c.past, c.lengths...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v after %d: error %v, want one with %q", c.lengths, c.past, err, c.want)
		}
	}
}
