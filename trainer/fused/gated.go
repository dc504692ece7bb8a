package fused

import (
	G "gorgonia.org/gorgonia"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// RMSNorm gives gamma·x/√(mean of x² + eps) for each row (Zhang and Sennrich, 2019).
func (g *Graph) RMSNorm(x *Tensor, gamma *params.Param, eps float32) *Tensor {
	const kind = "RMSNorm"
	if !g.use(kind, x, len(gamma.Value)) {
		return nil
	}
	axis, width := x.Axis, x.Width
	spare := g.retire(g.inherit(x), x)
	out, rstd := g.bufferFrom(&spare, axis, width), g.newBuffer(axis, 1)
	nodes, ps := g.parameters(gamma)
	forward := func(in []G.Value) error {
		return kernels.RMSNorm(g.pool, g.rows(axis), width, floats(in[0]), gamma.Value, eps, out.data, rstd.data)
	}
	return g.emit(kind, out, spare, append(G.Nodes{x.node}, nodes...), trues(2), forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		dx := up.buf
		if dx == nil {
			dx = g.bufferFrom(&up.spare, axis, width)
		}
		return g.backward(kind, output, grad, width, gradient{dx, up.spare.with(x.branch.memory())}, ps, func(grad G.Value) (G.Value, error) {
			rows := g.rows(axis)
			if err := kernels.RMSNormBackward(g.pool, rows, width, x.buf.data, gamma.Value, rstd.data, floats(grad), dx.data, gamma.Grad); err != nil {
				return nil, err
			}
			return dx.value, x.branch.merge(g, dx.data, rows*width)
		})
	})
}

// SwiGLU gives silu(gate)·up (Shazeer, 2020), gate and up being the halves of each row of x, and silu(v) = v/(1+e^-v).
func (g *Graph) SwiGLU(x *Tensor) *Tensor {
	const kind = "SwiGLU"
	if !g.use(kind, x, 0) {
		return nil
	}
	if x.Width%2 != 0 {
		g.fail("%s: a width of %d has no halves", kind, x.Width)
		return nil
	}
	axis, width := x.Axis, x.Width/2
	spare := g.inherit(x)
	out := g.bufferFrom(&spare, axis, width)
	forward := func(in []G.Value) error {
		return kernels.SwiGLU(g.pool, g.rows(axis), width, floats(in[0]), out.data)
	}
	return g.emit(kind, out, g.retire(spare, x), G.Nodes{x.node}, trues(1), forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		dx := g.bufferFrom(&up.spare, axis, 2*width)
		known := gradient{dx, up.spare.with(up.buf).with(x.branch.memory())}
		return g.backward(kind, output, grad, 2*width, known, nil, func(grad G.Value) (G.Value, error) {
			rows := g.rows(axis)
			if err := kernels.SwiGLUBackward(g.pool, rows, width, x.buf.data, floats(grad), dx.data); err != nil {
				return nil, err
			}
			return dx.value, x.branch.merge(g, dx.data, rows*2*width)
		})
	})
}
