package fused

import (
	G "gorgonia.org/gorgonia"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// Embedding is the tables that are summed for a token. All have the same width.
type Embedding struct {
	Token    *params.Param // by id
	Position *params.Param // by position; nil for none
	Segment  *params.Param // by segment; nil for none
	// FirstPosition is the row of Position for position 0: RoBERTa leaves the rows before it to padding.
	FirstPosition int
}

// positions are the rows of the table of positions that are used, in its values or gradients.
func (e Embedding) positions(table []float32) (rows []float32, n int) {
	width := e.Position.Shape[1]
	return table[e.FirstPosition*width:], e.Position.Shape[0] - e.FirstPosition
}

// Embed gives dropout(Token[id] + Position[position] + Segment[segment]) for each token of the batch.
func (g *Graph) Embed(e Embedding, rate float32) *Tensor {
	const kind = "Embed"
	nodes, ps := g.parameters(e.Token, e.Position, e.Segment)
	width := e.Token.Shape[len(e.Token.Shape)-1]
	for _, p := range ps {
		if len(p.Shape) != 2 || p.Shape[1] != width {
			g.fail("%s: the table %s has shape %v, want a width of %d", kind, p.Name, p.Shape, width)
			return nil
		}
	}
	if e.Position != nil && (e.FirstPosition < 0 || e.FirstPosition >= e.Position.Shape[0]) {
		g.fail("%s: the first position is row %d of %d", kind, e.FirstPosition, e.Position.Shape[0])
		return nil
	}
	drop := g.newDropout(kind, rate)
	out := g.newBuffer(Tokens, width)
	forward := func([]G.Value) error {
		b, n := g.batch, len(g.batch.IDs)
		if err := kernels.Gather(g.pool, n, width, e.Token.Value, e.Token.Shape[0], b.IDs, out.data, false); err != nil {
			return err
		}
		if e.Position != nil {
			table, rows := e.positions(e.Position.Value)
			if err := kernels.Gather(g.pool, n, width, table, rows, b.Positions, out.data, true); err != nil {
				return err
			}
		}
		if e.Segment != nil {
			if err := kernels.Gather(g.pool, n, width, e.Segment.Value, e.Segment.Shape[0], g.segments(), out.data, true); err != nil {
				return err
			}
		}
		if mask := g.mask(drop, rate); mask.Rate > 0 {
			return kernels.Dropout(g.pool, n*width, out.data, out.data, mask)
		}
		return nil
	}
	return g.emit(kind, out, nil, nodes, trues(len(nodes)), forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		dx := up.buf
		if dx == nil && rate > 0 {
			dx = g.bufferFrom(&up.spare, Tokens, width)
		}
		nodes, err := g.backward(kind, output, grad, width, gradient{}, ps, func(grad G.Value) (G.Value, error) {
			b, n := g.batch, len(g.batch.IDs)
			dy := floats(grad)
			if rate > 0 {
				if err := kernels.Dropout(g.pool, n*width, dx.data, dy, g.mask(drop, rate)); err != nil {
					return nil, err
				}
				dy = dx.data
			}
			if err := kernels.ScatterAdd(g.pool, n, width, e.Token.Grad, e.Token.Shape[0], b.IDs, dy); err != nil {
				return nil, err
			}
			if e.Position != nil {
				table, rows := e.positions(e.Position.Grad)
				if err := kernels.ScatterAdd(g.pool, n, width, table, rows, b.Positions, dy); err != nil {
					return nil, err
				}
			}
			if e.Segment == nil {
				return grad, nil
			}
			return grad, kernels.ScatterAdd(g.pool, n, width, e.Segment.Grad, e.Segment.Shape[0], g.segments(), dy)
		})
		if err != nil {
			return nil, err
		}
		return nodes[1:], nil // there is no activation among the inputs
	})
}

// segments returns the segments of the batch, made of zeros where it has none.
func (g *Graph) segments() []uint8 {
	if g.batch.Segments != nil {
		return g.batch.Segments
	}
	if len(g.zeros) < len(g.batch.IDs) {
		g.zeros = make([]uint8, g.capacity[Tokens])
	}
	return g.zeros
}

// Gather gives the rows of x, a row for each token, that Batch.Rows names.
func (g *Graph) Gather(x *Tensor) *Tensor {
	const kind = "Gather"
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
		return kernels.Gather(g.pool, g.rows(Rows), width, floats(in[0]), g.rows(Tokens), g.batch.Rows, out.data, false)
	}
	return g.emit(kind, out, g.retire(g.inherit(x), x), G.Nodes{x.node}, trues(1), forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		dx := g.bufferFrom(&up.spare, Tokens, width)
		return g.backward(kind, output, grad, width, gradient{dx, up.spare.with(up.buf).with(x.branch.memory())}, nil, func(grad G.Value) (G.Value, error) {
			n := g.rows(Tokens)
			clear(dx.data[:n*width])
			if err := kernels.ScatterAdd(g.pool, g.rows(Rows), width, dx.data, n, g.batch.Rows, floats(grad)); err != nil {
				return nil, err
			}
			return dx.value, x.branch.merge(g, dx.data, n*width)
		})
	})
}
