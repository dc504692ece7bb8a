package fused

import (
	"fmt"

	G "gorgonia.org/gorgonia"
)

// Mean gives the mean of the rows of x, one for each token, of each sequence. Batch.Rows must have an entry for each sequence; what it is means nothing.
func (g *Graph) Mean(x *Tensor) *Tensor {
	const kind = "Mean"
	if !g.use(kind, x, 0) {
		return nil
	}
	if x.Axis != Tokens {
		g.fail("%s: the input has no row for each token", kind)
		return nil
	}
	width := x.Width
	out := g.newBuffer(Rows, width)
	forward := func(in []G.Value) error {
		return g.eachSequence(func(s, from, to int) {
			mean := out.data[s*width : (s+1)*width]
			for j := range mean {
				var sum float64
				for i := from; i < to; i++ {
					sum += float64(floats(in[0])[i*width+j])
				}
				mean[j] = float32(sum / float64(to-from))
			}
		})
	}
	return g.emit(kind, out, g.retire(g.inherit(x), x), G.Nodes{x.node}, trues(1), forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		dx := g.bufferFrom(&up.spare, Tokens, width)
		return g.backward(kind, output, grad, width, gradient{dx, up.spare.with(up.buf).with(x.branch.memory())}, nil, func(grad G.Value) (G.Value, error) {
			err := g.eachSequence(func(s, from, to int) {
				factor := 1 / float32(to-from)
				for i := from; i < to; i++ {
					for j, v := range floats(grad)[s*width : (s+1)*width] {
						dx.data[i*width+j] = factor * v
					}
				}
			})
			if err != nil {
				return nil, err
			}
			return dx.value, x.branch.merge(g, dx.data, g.rows(Tokens)*width)
		})
	})
}

// eachSequence calls fn for the tokens of each sequence of the batch, on the workers of the pool.
func (g *Graph) eachSequence(fn func(sequence, from, to int)) error {
	borders := g.batch.CuSeqlens
	if g.rows(Rows) != len(borders)-1 {
		return fmt.Errorf("the batch has %d rows for %d sequences", g.rows(Rows), len(borders)-1)
	}
	return g.pool.Run(len(borders)-1, func(s, _ int) { fn(s, int(borders[s]), int(borders[s+1])) })
}
