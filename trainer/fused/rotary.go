package fused

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// Rotary is a rotary position embedding (Su et al., 2021): element i of the first half of a head and element i of the second are turned, as a
// point in the plane, by position·Theta^(-2i/Size). Halves are those of Hugging Face's Llama, where the paper takes neighbours.
type Rotary struct {
	Heads int // leading heads of a row that are turned: those of query and key
	Size  int // of a head, even
	Theta float64
}

// Rotator applies one [Rotary], whose angles it computes once, in any number of places of a graph.
type Rotator struct {
	Rotary
	frequencies []float32 // one for each pair
	table       []float32 // for each position Size/2 cosines, then as many sines
}

// NewRotator computes the frequencies. They and the angles are rounded to float32 where transformers rounds them, so that distant positions agree.
func (g *Graph) NewRotator(r Rotary) *Rotator {
	if r.Heads < 1 || r.Size < 2 || r.Size%2 != 0 || !(r.Theta > 0) {
		g.fail("NewRotator: %d heads of size %d, theta %v: want an even size, and nothing below 1", r.Heads, r.Size, r.Theta)
		return nil
	}
	t := &Rotator{Rotary: r}
	for i := range r.Size / 2 {
		exponent := float32(2*i) / float32(r.Size)
		t.frequencies = append(t.frequencies, 1/float32(math.Pow(r.Theta, float64(exponent))))
	}
	return t
}

// prepare extends the table to the positions of a batch.
func (r *Rotator) prepare(positions []int32) error {
	last := int32(-1)
	for i, p := range positions {
		if p < 0 || p >= maxSequence {
			return fmt.Errorf("token %d has the position %d, want 0 to %d", i, p, maxSequence-1)
		}
		last = max(last, p)
	}
	for p := len(r.table) / r.Size; p <= int(last); p++ {
		row := make([]float32, r.Size)
		for i, f := range r.frequencies {
			sin, cos := math.Sincos(float64(float32(p) * f))
			row[i], row[r.Size/2+i] = float32(cos), float32(sin)
		}
		r.table = append(r.table, row...)
	}
	return nil
}

// turn turns rows of width floats in x, or with back set turns them back.
func (r *Rotator) turn(g *Graph, width int, x []float32, back bool) error {
	n := g.rows(Tokens)
	return kernels.Rotate(g.pool, n, width, r.Heads, r.Size, x, r.table, g.batch.Positions, back)
}

// Rotate turns the leading heads of each row of x by the position of its token, in the memory of x. Its gradient is turned back.
func (g *Graph) Rotate(x *Tensor, r *Rotator) *Tensor {
	const kind = "Rotate"
	if !g.use(kind, x, 0) {
		return nil
	}
	if r == nil || x.Axis != Tokens || x.Width < r.Heads*r.Size || x.shared || x.branch != nil {
		g.fail("%s: the input, of width %d, must have a row for each token with all heads, and no other reader", kind, x.Width)
		return nil
	}
	width := x.Width
	forward := func(in []G.Value) error {
		if err := r.prepare(g.batch.Positions); err != nil {
			return err
		}
		return r.turn(g, width, floats(in[0]), false)
	}
	return g.emit(kind, x.buf, x.spare, G.Nodes{x.node}, trues(1), forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		dx := up.buf
		if dx == nil {
			dx = g.bufferFrom(&up.spare, Tokens, width)
		}
		return g.backward(kind, output, grad, width, gradient{dx, up.spare}, nil, func(grad G.Value) (G.Value, error) {
			n := g.rows(Tokens) * width
			copy(dx.data[:n], floats(grad)[:n]) // nothing to do where both are the same memory
			return dx.value, r.turn(g, width, dx.data, true)
		})
	})
}
