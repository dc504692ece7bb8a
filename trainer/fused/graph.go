package fused

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/chewxy/hm"
	_ "go4.org/unsafe/assume-no-moving-gc" // the newest release, without which a dependency of gorgonia refuses to start under a newer Go
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// Batch is what one run of a graph works on. Its slices are read only. Its ids, positions and borders must have been checked: an operation
// turns a wrong one into an error that knows no names.
type Batch struct {
	IDs       []uint32  // token ids
	Positions []int32   // position of each token inside its sequence
	Segments  []uint8   // token types; nil if all are 0
	CuSeqlens []int32   // 0, …, len(IDs), ascending: the borders of sequences
	Past      int32     // in a graph for decoding: tokens of the sequence before these, which earlier runs were given
	Rows      []int32   // tokens that Gather keeps, ascending without repetition when gradients are wanted
	Labels    []int32   // the target of each of those rows, where the graph ends in a cross-entropy; of each column of each group, with GroupCrossEntropy
	Groups    []int32   // 0, …, len(Rows), ascending: the borders of groups of rows among which GroupCrossEntropy chooses
	Values    []float32 // the numbers that SquaredError compares with
	Teacher   []float32 // logits of a teacher for each row, as many as the student has, for Objective.Distill
	Hidden    []float32 // hidden states of a teacher for each token, as wide as the student's, for HiddenCosine
	Seed      uint64    // with Step, decides the dropout masks
	Step      int64
	Scale     float32 // multiplies every gradient
}

// Graph is a network under construction, then a program. It is not safe for concurrent use; its operations share the workers of one pool.
type Graph struct {
	pool     *kernels.Pool
	training bool
	decoding bool // attention keeps keys and values

	expr     *G.ExprGraph
	machine  G.VM
	inputs   G.Nodes                   // one node for each use of a parameter
	params   map[*G.Node]*params.Param // of those
	buffers  []*buffer
	capacity [axes]int
	grads    map[*G.Node]gradient
	hashes   map[uint32]bool // of the nodes made here
	names    int             // names given
	dropouts int             // dropout operations made: each has masks of its own
	branches []*Branch
	err      error // the first mistake in building

	stop       func() error // says whether the run under way is cancelled
	batch      *Batch       // of the run under way
	length     [axes]int    // rows of the last run
	failure    error        // the first error of an operation in the run under way
	explaining bool         // operations look for the first value that is not finite
	workers    []scratch    // memory of each worker of the pool
	zeros      []uint8      // segments of a batch without any
}

// NewGraph returns an empty graph. One for training keeps what the gradients need and drops out; any other reuses memory as it goes.
func NewGraph(pool *kernels.Pool, training bool) *Graph {
	return &Graph{
		pool: pool, training: training, expr: G.NewGraph(),
		params: make(map[*G.Node]*params.Param), grads: make(map[*G.Node]gradient), hashes: make(map[uint32]bool), workers: make([]scratch, pool.Threads()),
	}
}

// NewDecodingGraph returns an empty graph that runs one causal sequence piece by piece: its attention keeps the keys and values of the tokens that
// it was given, so that the next run needs no more than the tokens after them. Batch.Past says how many of those kept are valid. The memory
// for that grows with the sequence and stays.
func NewDecodingGraph(pool *kernels.Pool) *Graph {
	g := NewGraph(pool, false)
	g.decoding = true
	return g
}

// Tensor is an activation: rows of Width floats, made by one operation. It may be given to one operation only, unless Share was called.
type Tensor struct {
	Axis  Axis
	Width int

	graph  *Graph
	node   *G.Node
	buf    *buffer
	spare  spares
	branch *Branch // the residual connection that starts here, if any
	shared bool
	used   bool
}

// Floats returns the content after a run: as many rows of Width as the axis had. It is valid until the next run, and only for a tensor that no
// later operation has overwritten: the last one of a graph.
func (t *Tensor) Floats() []float32 { return t.buf.data[:t.graph.length[t.Axis]*t.Width] }

// Share allows t to be the input of several operations. Their gradients are summed by gorgonia, one thread at a time, over the whole
// capacity; for a residual connection, [Graph.Branch] is the faster way.
func (t *Tensor) Share() *Tensor {
	t.shared = true
	return t
}

// gradient is what is known, when the graph is built, of a node that holds the gradient of one tensor.
type gradient struct {
	buf   *buffer // its memory, which the one operation that reads it may overwrite; nil if it may not
	spare spares
}

// fail keeps the first mistake. Operations after it return tensors of no use, so that builders need not check each step.
func (g *Graph) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("build graph: "+format, args...)
	}
}

// rows is the number of rows of an axis in the run under way.
func (g *Graph) rows(a Axis) int { return g.length[a] }

func (g *Graph) newBuffer(axis Axis, width int) *buffer {
	b := &buffer{axis: axis, width: width}
	g.buffers = append(g.buffers, b)
	return b
}

// bufferFrom takes a spare buffer, or makes a new one.
func (g *Graph) bufferFrom(s *spares, axis Axis, width int) *buffer {
	if b := s.take(axis, width); b != nil {
		return b
	}
	return g.newBuffer(axis, width)
}

// use marks x as read by an operation and checks that it may be.
func (g *Graph) use(kind string, x *Tensor, width int) bool {
	switch {
	case g.err != nil:
		return false
	case x == nil || x.graph != g || x.node == nil:
		g.fail("%s: the input is not a tensor of this graph", kind)
	case width != 0 && x.Width != width:
		g.fail("%s: the input has width %d, want %d", kind, x.Width, width)
	case x.used && !x.shared:
		g.fail("%s: the input already has a reader; call Share, or Branch for a residual connection", kind)
	}
	x.used = true
	return g.err == nil
}

// inherit returns the spares that come with x, for an operation that reads x.
func (g *Graph) inherit(x *Tensor) spares {
	if x.shared {
		return nil
	}
	return x.spare
}

// retire adds the memory of x, which nobody reads any more, to the spares, where no gradient needs it.
func (g *Graph) retire(s spares, x *Tensor) spares {
	if g.training || x.shared || x.branch != nil {
		return s
	}
	return s.with(x.buf)
}

// parameters adds a node for each of ps, leaving out those that are nil.
func (g *Graph) parameters(ps ...*params.Param) (nodes G.Nodes, used []*params.Param) {
	for _, p := range ps {
		if p != nil {
			nodes, used = append(nodes, g.parameter(p)), append(used, p)
		}
	}
	return nodes, used
}

// parameter adds a node bound to the memory of p.
func (g *Graph) parameter(p *params.Param) *G.Node {
	shape := tensor.Shape(p.Shape)
	name := g.unique(p.Name, G.TensorType{Dims: len(shape), Of: tensor.Float32}, shape, nil)
	n := G.NewTensor(g.expr, G.Float32, len(shape), G.WithName(name), G.WithShape(shape...),
		G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(p.Value))))
	g.inputs = append(g.inputs, n)
	g.params[n] = p
	return n
}

// unique returns a name that begins with kind and gives its node a hash of its own. Gorgonia takes nodes with equal hashes for the same one, and
// these have 32 bits: in a deep network two may well meet by chance.
func (g *Graph) unique(kind string, t hm.Type, shape tensor.Shape, children G.Nodes) string {
	for {
		g.names++
		name := fmt.Sprintf("%s.%d", kind, g.names)
		if h := nodeHash(name, t, shape, children); !g.hashes[h] {
			g.hashes[h] = true
			return name
		}
	}
}

// nodeHash is what gorgonia's Node.Hashcode will give for a node whose operation, or the node itself, writes name.
func nodeHash(name string, t hm.Type, shape tensor.Shape, children G.Nodes) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%v%v%s", t, shape, name)
	h.Write([]byte{byte(len(children))})
	for _, c := range children {
		h.Write(binary.LittleEndian.AppendUint32(nil, c.Hashcode()))
	}
	return h.Sum32()
}

// add puts an operation over children into the graph. wrt says which of them have a gradient; nil means none.
func (g *Graph) add(kind string, output hm.Type, shape tensor.Shape, children G.Nodes, wrt []bool, do func([]G.Value) (G.Value, error), diff func(output, grad *G.Node) (G.Nodes, error)) (*G.Node, error) {
	o := &op{graph: g, output: output, shape: shape, wrt: wrt, do: do, diff: diff}
	if wrt == nil {
		o.wrt = make([]bool, len(children))
	}
	for _, c := range children {
		o.inputs = append(o.inputs, c.Type())
		o.reads = append(o.reads, g.params[c])
	}
	o.name = g.unique(kind, output, shape, children)
	n, err := G.ApplyOp(o, children...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	if n.Op() != G.Op(o) {
		return nil, fmt.Errorf("%s: gorgonia merged it with %v", o.name, n.Op())
	}
	return n, nil
}

// activation is the type of a buffer in the graph. The number of rows in nominal means nothing: values have their own.
var activation = G.TensorType{Dims: 2, Of: tensor.Float32}

func nominal(width int) tensor.Shape { return tensor.Shape{2, width} }

// emit adds the operation that gives the tensor out. diff adds the backward operation, by way of [Graph.backward].
func (g *Graph) emit(kind string, out *buffer, spare spares, children G.Nodes, wrt []bool, do func(in []G.Value) error, diff func(output, grad *G.Node) (G.Nodes, error)) *Tensor {
	if g.err != nil {
		return nil
	}
	n, err := g.add(kind, activation, nominal(out.width), children, wrt, func(in []G.Value) (G.Value, error) {
		if err := do(in); err != nil {
			return nil, err
		}
		return out.value, nil
	}, diff)
	if err != nil {
		g.fail("%w", err)
		return nil
	}
	n.Op().(*op).out = out
	return &Tensor{Axis: out.axis, Width: out.width, graph: g, node: n, buf: out, spare: spare}
}

// backward adds the operation that runs when the gradient of output has come, and nodes for what it computes: first the gradient of the
// activation that the operation read, which do returns and out describes, then those of parameters.
func (g *Graph) backward(kind string, output, grad *G.Node, width int, out gradient, ps []*params.Param, do func(grad G.Value) (G.Value, error)) (G.Nodes, error) {
	n, err := g.add(kind+".backward", activation, nominal(width), G.Nodes{output, grad}, nil, func(in []G.Value) (G.Value, error) {
		return do(in[1])
	}, nil)
	if err != nil {
		return nil, err
	}
	g.grads[n] = out
	views, err := g.views(n, ps...)
	return append(G.Nodes{n}, views...), err
}

// views adds a node for the gradient of each parameter, which the operation of node n computes.
func (g *Graph) views(n *G.Node, ps ...*params.Param) (G.Nodes, error) {
	var views G.Nodes
	for _, p := range ps {
		shape := tensor.Shape(p.Shape)
		value := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(p.Grad))
		v, err := g.add("view "+p.Name, G.TensorType{Dims: len(shape), Of: tensor.Float32}, shape, G.Nodes{n}, nil,
			func([]G.Value) (G.Value, error) { return value, nil }, nil)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// Differentiate closes a graph for training: it adds the gradients of loss with respect to all parameters, and compiles.
func (g *Graph) Differentiate(loss *Loss) error {
	if g.err == nil && loss == nil {
		g.fail("no loss to differentiate")
	}
	if g.err != nil {
		return g.err
	}
	if _, err := G.Grad(loss.node, g.inputs...); err != nil {
		return fmt.Errorf("differentiate graph: %w", err)
	}
	return g.Compile()
}

// Compile closes the graph. No operation may be added after it.
func (g *Graph) Compile() (err error) {
	if g.err != nil {
		return g.err
	}
	for _, b := range g.branches {
		if !b.closed {
			return errors.New("compile graph: a residual branch is not closed")
		}
	}
	if err := g.checkHashes(); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("compile graph: %v", r)
		}
	}()
	g.machine = G.NewTapeMachine(g.expr)
	return nil
}

// checkHashes looks for two nodes with the same hash, of which the compiler would run only one: [Graph.unique] avoids them but for nodes that gorgonia
// adds itself.
func (g *Graph) checkHashes() error {
	seen := make(map[uint32]*G.Node)
	for _, n := range g.expr.AllNodes() {
		h := n.Hashcode()
		if other := seen[h]; other != nil {
			return fmt.Errorf("compile graph: %v and %v have the same hash", n, other)
		}
		seen[h] = n
	}
	return nil
}

// Run executes the graph for b. Cancelling ctx stops it between two operations. After an error the gradients are of no use.
func (g *Graph) Run(ctx context.Context, b *Batch) error {
	if g.machine == nil {
		return errors.New("run graph: it is not compiled")
	}
	g.stop, g.batch, g.failure = ctx.Err, b, nil
	defer func() { g.stop, g.batch = nil, nil }()
	g.length = [axes]int{Tokens: len(b.IDs), Rows: len(b.Rows)}
	before := g.capacity
	for a, n := range g.length {
		if n > g.capacity[a] {
			g.capacity[a] = max((n+rowBlock-1)/rowBlock*rowBlock, min(2*g.capacity[a], n+n/4))
		}
	}
	if g.capacity != before {
		if err := g.reserve(availableBytes()); err != nil {
			g.capacity = before
			return fmt.Errorf("run graph: %w", err)
		}
	}
	for _, buf := range g.buffers {
		buf.grow(g.capacity[buf.axis])
	}
	err := g.machine.RunAll()
	g.machine.Reset()
	if g.failure != nil {
		err = g.failure
	}
	if err != nil {
		return fmt.Errorf("run graph: %w", err)
	}
	return nil
}

// Explain runs the graph for b again, whose loss was not finite, and returns an error that names the first parameter or operation whose values are not. Gradients are of no
// use afterwards.
func (g *Graph) Explain(ctx context.Context, b *Batch) error {
	g.explaining = true
	defer func() { g.explaining = false }()
	if err := g.Run(ctx, b); err != nil {
		return err
	}
	return errors.New("no operation gave anything else the second time")
}

// Close releases the machine. The graph can't be run afterwards.
func (g *Graph) Close() error {
	if g.machine == nil {
		return nil
	}
	m := g.machine
	g.machine = nil
	return m.Close()
}
