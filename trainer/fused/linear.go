package fused

import (
	G "gorgonia.org/gorgonia"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// Linear is act(x·W + b), where W may be several matrices side by side, such as those of query, key and value.
type Linear struct {
	Weights []*params.Param
	Biases  []*params.Param // one for each weight; nil for none
	// InOut says that weights have the shape (in, out), as in GPT-2's Conv1D, and not (out, in), as in torch.nn.Linear.
	InOut bool
	// Activation is applied if Activated is set.
	Activation kernels.Activation
	Activated  bool
}

// part is one weight of a Linear: columns [at, at+cols) of its output.
type part struct {
	weight, bias *params.Param
	at, cols     int
}

// layout checks the shapes against the width of the input.
func (g *Graph) layout(kind string, l Linear, in int) (parts []part, out int) {
	if len(l.Weights) == 0 || l.Biases != nil && len(l.Biases) != len(l.Weights) {
		g.fail("%s: %d weights with %d biases", kind, len(l.Weights), len(l.Biases))
		return nil, 0
	}
	for i, w := range l.Weights {
		rows, cols := in, 0
		if len(w.Shape) == 2 {
			if rows, cols = w.Shape[1], w.Shape[0]; l.InOut {
				rows, cols = cols, rows
			}
		}
		if cols == 0 || rows != in {
			g.fail("%s: the weight %s has shape %v, and the input width %d", kind, w.Name, w.Shape, in)
			return nil, 0
		}
		p := part{weight: w, at: out, cols: cols}
		if l.Biases != nil {
			p.bias = l.Biases[i]
			if len(p.bias.Value) != cols {
				g.fail("%s: the bias %s has shape %v, want %d", kind, p.bias.Name, p.bias.Shape, cols)
				return nil, 0
			}
		}
		parts = append(parts, p)
		out += cols
	}
	return parts, out
}

// Linear gives act(x·W + b).
func (g *Graph) Linear(x *Tensor, l Linear) *Tensor {
	const kind = "Linear"
	if !g.use(kind, x, 0) {
		return nil
	}
	parts, width := g.layout(kind, l, x.Width)
	if g.err != nil {
		return nil
	}
	spare := g.inherit(x)
	f := &linear{graph: g, Linear: l, x: x, parts: parts, width: width, sum: g.bufferFrom(&spare, x.Axis, width)}
	f.out = f.sum
	if l.Activated && g.training {
		f.out = g.newBuffer(x.Axis, width) // the gradient needs what went into the activation
	}
	spare = g.retire(spare, x)
	if l.Biases != nil && len(parts) > 1 {
		f.bias, f.dbias = make([]float32, width), make([]float32, width)
	}
	nodes, ps := g.parameters(append(append([]*params.Param(nil), l.Weights...), l.Biases...)...)
	children := append(G.Nodes{x.node}, nodes...)
	return g.emit(kind, f.out, spare, children, trues(len(children)), f.forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		f.dsum = up.buf
		if f.dsum == nil && l.Activated {
			f.dsum = g.bufferFrom(&up.spare, x.Axis, width)
		}
		if x.branch != nil {
			return g.backward(kind, output, grad, x.Width, gradient{x.branch.known.buf, up.spare.with(f.dsum)}, ps, f.backward)
		}
		f.dx = g.bufferFrom(&up.spare, x.Axis, x.Width)
		return g.backward(kind, output, grad, x.Width, gradient{f.dx, up.spare.with(f.dsum)}, ps, f.backward)
	})
}

// linear is the state of one Linear in a graph.
type linear struct {
	Linear
	graph       *Graph
	x           *Tensor
	parts       []part
	width       int
	sum, out    *buffer   // x·W (+ b where an activation follows); the result
	dsum, dx    *buffer   // their gradients; nil where the memory is not ours
	bias, dbias []float32 // the biases of several parts, side by side
}

func (f *linear) forward(in []G.Value) error {
	g, x := f.graph, floats(in[0])
	rows, k := g.rows(f.x.Axis), f.x.Width
	for _, p := range f.parts {
		ld := k
		if f.InOut {
			ld = p.cols
		}
		if err := kernels.Gemm(g.pool, false, !f.InOut, rows, p.cols, k, x, k, p.weight.Value, ld, 0, f.sum.data[p.at:], f.width); err != nil {
			return err
		}
	}
	bias := f.joinBiases()
	switch {
	case f.Activated:
		return kernels.Activate(g.pool, f.Activation, rows, f.width, f.sum.data, bias, f.out.data)
	case bias != nil:
		return kernels.AddBias(g.pool, rows, f.width, f.sum.data, bias)
	}
	return nil
}

// joinBiases returns the biases of all parts in one slice, or nil.
func (f *linear) joinBiases() []float32 {
	if f.Biases == nil || len(f.parts) == 1 {
		return valueOf(f.parts[0].bias)
	}
	for _, p := range f.parts {
		copy(f.bias[p.at:], p.bias.Value)
	}
	return f.bias
}

func (f *linear) backward(grad G.Value) (G.Value, error) {
	g := f.graph
	rows, k := g.rows(f.x.Axis), f.x.Width
	dy, err := f.activationBackward(rows, floats(grad))
	if err != nil {
		return nil, err
	}
	dx, beta := G.Value(nil), float32(0)
	if f.x.branch != nil {
		if dx, err = f.x.branch.take(); err != nil {
			return nil, err
		}
		beta = 1
	} else {
		dx = f.dx.value
	}
	for _, p := range f.parts {
		dy, x, dw := dy[p.at:], f.x.buf.data, p.weight.Grad
		if f.InOut {
			err = kernels.Gemm(g.pool, true, false, k, p.cols, rows, x, k, dy, f.width, 1, dw, p.cols)
		} else {
			err = kernels.Gemm(g.pool, true, false, p.cols, k, rows, dy, f.width, x, k, 1, dw, k)
		}
		if err != nil {
			return nil, err
		}
		ld := k
		if f.InOut {
			ld = p.cols
		}
		if err := kernels.Gemm(g.pool, false, f.InOut, rows, k, p.cols, dy, f.width, p.weight.Value, ld, beta, floats(dx), k); err != nil {
			return nil, err
		}
		beta = 1
	}
	return dx, nil
}

// activationBackward turns the gradient of the result into that of x·W + b, and adds those of the biases.
func (f *linear) activationBackward(rows int, dy []float32) ([]float32, error) {
	g := f.graph
	var dbias []float32
	switch {
	case f.Biases != nil && len(f.parts) == 1:
		dbias = f.parts[0].bias.Grad
	case f.Biases != nil:
		clear(f.dbias)
		dbias = f.dbias
	}
	var err error
	switch {
	case f.Activated:
		err = kernels.ActivateBackward(g.pool, f.Activation, rows, f.width, f.sum.data, dy, f.dsum.data, dbias)
		dy = f.dsum.data
	case dbias != nil:
		err = kernels.BiasGrad(g.pool, rows, f.width, dy, dbias)
	}
	if err != nil || len(f.parts) == 1 || dbias == nil {
		return dy, err
	}
	for _, p := range f.parts {
		for i, v := range dbias[p.at : p.at+p.cols] {
			p.bias.Grad[i] += v
		}
	}
	return dy, nil
}
