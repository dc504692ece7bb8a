package fused

import (
	G "gorgonia.org/gorgonia"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// Norm is a layer normalization (Ba, Kiros and Hinton, 2016): gamma·(x - mean)/√(variance + Eps) + beta, for each row.
type Norm struct {
	Gamma, Beta *params.Param // Width each
	Eps         float32
}

// LayerNorm gives dropout(norm(x)).
func (g *Graph) LayerNorm(x *Tensor, n Norm, rate float32) *Tensor {
	const kind = "LayerNorm"
	if !g.use(kind, x, len(n.Gamma.Value)) {
		return nil
	}
	drop := g.newDropout(kind, rate)
	axis, width := x.Axis, x.Width
	spare := g.retire(g.inherit(x), x)
	out := g.bufferFrom(&spare, axis, width)
	mean, rstd := g.newBuffer(axis, 1), g.newBuffer(axis, 1)
	nodes, ps := g.parameters(n.Gamma, n.Beta)

	forward := func(in []G.Value) error {
		rows := g.rows(axis)
		if err := kernels.LayerNorm(g.pool, rows, width, floats(in[0]), n.Gamma.Value, n.Beta.Value, n.Eps, out.data, mean.data, rstd.data); err != nil {
			return err
		}
		if mask := g.mask(drop, rate); mask.Rate > 0 {
			return kernels.Dropout(g.pool, rows*width, out.data, out.data, mask)
		}
		return nil
	}
	return g.emit(kind, out, spare, append(G.Nodes{x.node}, nodes...), trues(3), forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		dx := up.buf
		if dx == nil {
			dx = g.bufferFrom(&up.spare, axis, width)
		}
		return g.backward(kind, output, grad, width, gradient{dx, up.spare.with(x.branch.memory())}, ps, func(grad G.Value) (G.Value, error) {
			rows := g.rows(axis)
			dy := floats(grad)
			if rate > 0 {
				if err := kernels.Dropout(g.pool, rows*width, dx.data, dy, g.mask(drop, rate)); err != nil {
					return nil, err
				}
				dy = dx.data
			}
			if err := kernels.LayerNormBackward(g.pool, rows, width, x.buf.data, n.Gamma.Value, mean.data, rstd.data, dy, dx.data, n.Gamma.Grad, n.Beta.Grad); err != nil {
				return nil, err
			}
			return dx.value, x.branch.merge(g, dx.data, rows*width)
		})
	})
}

// Dropout gives dropout(x), for places where no other operation brings it along, such as before a classifier.
func (g *Graph) Dropout(x *Tensor, rate float32) *Tensor {
	const kind = "Dropout"
	drop := g.newDropout(kind, rate)
	if g.err == nil && (!g.training || rate == 0) {
		return x
	}
	if !g.use(kind, x, 0) {
		return nil
	}
	axis, width := x.Axis, x.Width
	spare := g.inherit(x)
	out := g.bufferFrom(&spare, axis, width)
	forward := func(in []G.Value) error {
		return kernels.Dropout(g.pool, g.rows(axis)*width, out.data, floats(in[0]), g.mask(drop, rate))
	}
	return g.emit(kind, out, spare, G.Nodes{x.node}, trues(1), forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		dx := up.buf
		if dx == nil {
			dx = g.bufferFrom(&up.spare, axis, width)
		}
		return g.backward(kind, output, grad, width, gradient{dx, up.spare.with(x.branch.memory())}, nil, func(grad G.Value) (G.Value, error) {
			n := g.rows(axis) * width
			if err := kernels.Dropout(g.pool, n, dx.data, floats(grad), g.mask(drop, rate)); err != nil {
				return nil, err
			}
			return dx.value, x.branch.merge(g, dx.data, n)
		})
	})
}

// AddDropoutNorm ends a sublayer of a post-norm transformer: y = norm(x + dropout(sub + bias)), x being the beginning of the branch. bias may be
// nil. The sum takes the place of sub.
func (g *Graph) AddDropoutNorm(sub *Tensor, b *Branch, bias *params.Param, rate float32, n Norm) *Tensor {
	const kind = "AddDropoutNorm"
	if !g.close(kind, b, sub) {
		return nil
	}
	if sub.Width != len(n.Gamma.Value) {
		g.fail("%s: the input has width %d, the norm %d", kind, sub.Width, len(n.Gamma.Value))
		return nil
	}
	drop := g.newDropout(kind, rate)
	axis, width := sub.Axis, sub.Width
	spare, out := sub.spare, sub.buf // without gradients, norm and sum share memory
	if g.training {
		out = g.newBuffer(axis, width)
	} else {
		spare = spare.with(b.from.buf)
	}
	mean, rstd := g.newBuffer(axis, 1), g.newBuffer(axis, 1)
	nodes, ps := g.parameters(bias, n.Gamma, n.Beta)
	wrt := append([]bool{true, false}, trues(len(nodes))...)

	forward := func(in []G.Value) error {
		rows, z := g.rows(axis), floats(in[0])
		if err := kernels.BiasDropoutAdd(g.pool, rows, width, z, z, valueOf(bias), floats(in[1]), g.mask(drop, rate)); err != nil {
			return err
		}
		return kernels.LayerNorm(g.pool, rows, width, z, n.Gamma.Value, n.Beta.Value, n.Eps, out.data, mean.data, rstd.data)
	}
	return g.emit(kind, out, spare, append(G.Nodes{sub.node, b.from.node}, nodes...), wrt, forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		dz := up.buf
		if dz == nil {
			dz = g.bufferFrom(&up.spare, axis, width)
		}
		b.known = gradient{dz, up.spare}
		end := g.endBranch(b, axis, width, drop, rate, bias)
		nodes, err := g.backward(kind, output, grad, width, end.known, ps, func(grad G.Value) (G.Value, error) {
			if err := kernels.LayerNormBackward(g.pool, g.rows(axis), width, sub.buf.data, n.Gamma.Value, mean.data, rstd.data, floats(grad), dz.data, n.Gamma.Grad, n.Beta.Grad); err != nil {
				return nil, err
			}
			return end.run(dz.value)
		})
		return insertNil(nodes), err
	})
}
