package fused

import (
	"errors"

	G "gorgonia.org/gorgonia"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// Branch is a residual connection: the value at which a sublayer begins, to be added where it ends. The gradient of the sum goes back to the
// beginning by two ways, the sublayer and the connection. The operation that ends the branch leaves the second one here, and the one that
// begins it adds both: in place, without a node of the graph. The order is safe because the beginning's backward operation follows the
// end's through the whole sublayer.
type Branch struct {
	from   *Tensor
	closed bool
	known  gradient // of the connection, as far as it is known when the graph is built
	value  G.Value  // the gradient of the connection, in a run, between the end's backward operation and the beginning's
}

// Branch opens a residual connection at x. x must then be read by one operation, the first of the sublayer, and the connection closed by
// [Graph.AddDropout] or [Graph.AddDropoutNorm].
func (g *Graph) Branch(x *Tensor) *Branch {
	b := &Branch{from: x}
	switch {
	case g.err != nil:
	case x == nil || x.graph != g || x.node == nil:
		g.fail("Branch: the input is not a tensor of this graph")
	case x.used || x.shared || x.branch != nil:
		g.fail("Branch: the input already has a reader, or a branch, or is shared")
	default:
		x.branch = b
		g.branches = append(g.branches, b)
	}
	return b
}

// close marks the branch as closed by an operation that reads sub.
func (g *Graph) close(kind string, b *Branch, sub *Tensor) bool {
	if !g.use(kind, sub, 0) {
		return false
	}
	if b == nil || b.from == nil || b.from.graph != g || b.closed {
		g.fail("%s: the branch is closed already, or of another graph", kind)
		return false
	}
	if sub.shared {
		g.fail("%s: what comes from the sublayer is shared, but is overwritten here", kind)
		return false
	}
	if b.from.Width != sub.Width || b.from.Axis != sub.Axis || sub == b.from {
		g.fail("%s: the branch has width %d, what comes from the sublayer %d", kind, b.from.Width, sub.Width)
		return false
	}
	b.closed = true
	return true
}

// take returns the gradient of the connection and forgets it.
func (b *Branch) take() (G.Value, error) {
	v := b.value
	b.value = nil
	if v == nil {
		return nil, errors.New("the gradient of the residual branch has not come yet: the sublayer does not follow from its beginning")
	}
	return v, nil
}

// merge adds the gradient of the connection that starts at the operation's input, if there is one, to the gradient dx of n floats.
func (b *Branch) merge(g *Graph, dx []float32, n int) error {
	if b == nil {
		return nil
	}
	v, err := b.take()
	if err != nil {
		return err
	}
	return kernels.Add(g.pool, n, dx, dx, floats(v))
}

// memory is the buffer that merge reads for the last time, if it is known.
func (b *Branch) memory() *buffer {
	if b == nil {
		return nil
	}
	return b.known.buf
}

// mask is the dropout mask of operation number op in the run under way.
func (g *Graph) mask(op int, rate float32) kernels.Mask {
	if !g.training {
		rate = 0
	}
	return kernels.Mask{Seed: g.batch.Seed, Step: uint64(g.batch.Step), Op: uint64(op), Rate: rate}
}

// newDropout gives the number of the next operation with dropout. A rate outside [0, 1) is a mistake.
func (g *Graph) newDropout(kind string, rate float32) int {
	if !(rate >= 0 && rate < 1) {
		g.fail("%s: the dropout rate is %v, want 0 to less than 1", kind, rate)
	}
	g.dropouts++
	return g.dropouts
}

// AddDropout ends a sublayer of a pre-norm transformer: y = x + dropout(sub + bias), x being the beginning of the branch. bias may be nil.
func (g *Graph) AddDropout(sub *Tensor, b *Branch, bias *params.Param, rate float32) *Tensor {
	const kind = "AddDropout"
	if !g.close(kind, b, sub) {
		return nil
	}
	drop := g.newDropout(kind, rate)
	nodes, ps := g.parameters(bias)
	children := append(G.Nodes{sub.node, b.from.node}, nodes...)
	wrt := append([]bool{true, false}, trues(len(nodes))...)
	width, axis := sub.Width, sub.Axis
	spare := sub.spare
	if !g.training {
		spare = spare.with(b.from.buf)
	}
	forward := func(in []G.Value) error {
		y := floats(in[0])
		return kernels.BiasDropoutAdd(g.pool, g.rows(axis), width, y, y, valueOf(bias), floats(in[1]), g.mask(drop, rate))
	}
	return g.emit(kind, sub.buf, spare, children, wrt, forward, func(output, grad *G.Node) (G.Nodes, error) {
		b.known = g.grads[grad]
		end := g.endBranch(b, axis, width, drop, rate, bias)
		nodes, err := g.backward(kind, output, grad, width, end.known, ps, func(grad G.Value) (G.Value, error) {
			return end.run(grad)
		})
		return insertNil(nodes), err
	})
}

// branchEnd is the part of a backward operation that splits the gradient of x + dropout(sub + bias).
type branchEnd struct {
	known gradient // of sub
	run   func(grad G.Value) (G.Value, error)
}

// endBranch leaves the gradient of the sum with the branch, whose memory b.known describes, and gives that of sub. Without dropout both are the same memory, which
// only the beginning of the branch may then overwrite.
func (g *Graph) endBranch(b *Branch, axis Axis, width, drop int, rate float32, bias *params.Param) branchEnd {
	spare := b.known.spare
	var dsub *buffer
	if rate > 0 {
		dsub = g.bufferFrom(&spare, axis, width)
	}
	b.known.spare = nil
	return branchEnd{gradient{dsub, spare}, func(grad G.Value) (G.Value, error) {
		b.value = grad
		n := g.rows(axis)
		if dsub != nil {
			if err := kernels.Dropout(g.pool, n*width, dsub.data, floats(grad), g.mask(drop, rate)); err != nil {
				return nil, err
			}
			grad = dsub.value
		}
		if bias == nil {
			return grad, nil
		}
		return grad, kernels.BiasGrad(g.pool, n, width, floats(grad), bias.Grad)
	}}
}

// insertNil puts a nil in second place, for the input that has its gradient by way of the branch.
func insertNil(nodes G.Nodes) G.Nodes {
	if len(nodes) == 0 {
		return nodes
	}
	return append(G.Nodes{nodes[0], nil}, nodes[1:]...)
}

func trues(n int) []bool {
	t := make([]bool, n)
	for i := range t {
		t[i] = true
	}
	return t
}

func valueOf(p *params.Param) []float32 {
	if p == nil {
		return nil
	}
	return p.Value
}
