package fused

import (
	"math"
	"slices"
	"testing"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// The tests in this file say nothing about our code. They hold gorgonia to the behaviour that the package relies on, and keep watch over
// the mistakes for which it is built as it is: should one of these fail after an upgrade, look again at what the comment names.

// probe makes an operation that copies its input to out and notes that it ran.
func probe(g *Graph, name string, ran *[]string, out G.Value, in ...*G.Node) *op {
	o := &op{graph: g, name: name, output: activation, shape: nominal(3)}
	for _, n := range in {
		o.inputs = append(o.inputs, n.Type())
	}
	o.wrt = trues(len(in))
	o.do = func([]G.Value) (G.Value, error) {
		*ran = append(*ran, name)
		return out, nil
	}
	return o
}

func dense(values ...float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(values)/3, 3), tensor.WithBacking(values))
}

func probeGraph() (*Graph, *G.Node) {
	g := &Graph{expr: G.NewGraph(), stop: func() error { return nil }}
	return g, G.NewMatrix(g.expr, G.Float32, G.WithShape(2, 3), G.WithName("x"), G.WithValue(dense(1, 2, 3, 4, 5, 6)))
}

// Equal hashes make one node: why each operation hashes a unique name.
func TestCanaryNodesMergeByHash(t *testing.T) {
	g, x := probeGraph()
	var ran []string
	a := G.Must(G.ApplyOp(probe(g, "same", &ran, dense(0, 0, 0), x), x))
	b := G.Must(G.ApplyOp(probe(g, "same", &ran, dense(0, 0, 0), x), x))
	c := G.Must(G.ApplyOp(probe(g, "other", &ran, dense(0, 0, 0), x), x))
	if a != b || a == c {
		t.Errorf("same name merged: %v, other name merged: %v; want true, false", a == b, a == c)
	}
	y := G.NewMatrix(g.expr, G.Float32, G.WithShape(2, 3), G.WithName("x"))
	z := G.NewMatrix(g.expr, G.Float32, G.WithShape(2, 3), G.WithName("z"))
	if x != y || x == z {
		t.Error("inputs are no longer merged by name, or merged without")
	}
}

// Nodes are hashed as nodeHash does, so that names can be chosen whose hashes do not meet.
func TestCanaryHashes(t *testing.T) {
	g := NewGraph(newTestPool(t, 1), true)
	if err := g.Differentiate(networks[0].graph(g, testSet(t, 1), 0.1)); err != nil {
		t.Fatal(err)
	}
	stock := 0
	for _, n := range g.expr.AllNodes() {
		if !g.hashes[n.Hashcode()] {
			stock++
		}
	}
	if stock != 1 { // the constant 1 that differentiation begins with
		t.Errorf("%d of %d nodes have a hash that was not foreseen, want 1", stock, len(g.expr.AllNodes()))
	}
}

// The tape runs each node once, children first, in an order that is the same for each compilation; a node that nobody reads runs too.
func TestCanaryTapeOrder(t *testing.T) {
	var orders [][]string
	for range 5 {
		g, x := probeGraph()
		var ran []string
		apply := func(name string, in ...*G.Node) *G.Node {
			return G.Must(G.ApplyOp(probe(g, name, &ran, dense(0, 0, 0), in...), in...))
		}
		a := apply("a", x)
		b, c := apply("b", a), apply("c", a)
		apply("d", c, b)
		apply("unused", x)
		m := G.NewTapeMachine(g.expr)
		for range 2 {
			ran = nil
			if err := m.RunAll(); err != nil {
				t.Fatal(err)
			}
			m.Reset()
			orders = append(orders, ran)
		}
	}
	for _, o := range orders {
		if !slices.Equal(o, orders[0]) {
			t.Errorf("order %v, then %v", orders[0], o)
		}
		at := func(name string) int { return slices.Index(o, name) }
		if len(o) != 5 || at("a") > at("b") || at("a") > at("c") || at("d") < at("b") || at("d") < at("c") || at("unused") < 0 {
			t.Errorf("order %v", o)
		}
	}
}

// An operation's value reaches its reader as the same object, Reset lets the machine run again, and values stay bound to nodes.
func TestCanaryValuesAreKept(t *testing.T) {
	g, x := probeGraph()
	var ran []string
	out := dense(7, 8, 9)
	a := G.Must(G.ApplyOp(probe(g, "a", &ran, out, x), x))
	reader := probe(g, "reader", &ran, dense(0, 0, 0), a)
	var got []G.Value
	reader.do = func(in []G.Value) (G.Value, error) {
		got = append(got, in[0])
		return in[0], nil
	}
	G.Must(G.ApplyOp(reader, a))
	m := G.NewTapeMachine(g.expr)
	for range 3 {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		m.Reset()
	}
	if len(got) != 3 || got[0] != G.Value(out) || got[2] != G.Value(out) {
		t.Errorf("the reader got %v, want the value itself three times", got)
	}
	if a.Value() != G.Value(out) {
		t.Error("Reset unbound the node's value")
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	got = nil
	if err := m.RunAll(); err != nil || got != nil {
		t.Errorf("RunAll without Reset ran %d readers, error %v; it used to do nothing", len(got), err)
	}
}

// A value with two readers gets the sum of both gradients, even if its first dimension is not the one that the node was declared with.
func TestCanaryFanOutAdds(t *testing.T) {
	g, x := probeGraph()
	var ran []string
	double := func(name string, in *G.Node, grad *tensor.Dense) *G.Node {
		o := probe(g, name, &ran, dense(make([]float32, 9)...), in)
		o.diff = func(output, _ *G.Node) (G.Nodes, error) {
			n, err := G.ApplyOp(probe(g, name+".backward", &ran, grad, output), output)
			return G.Nodes{n}, err
		}
		return G.Must(G.ApplyOp(o, in))
	}
	first, second := dense(1, 2, 3, 4, 5, 6, 7, 8, 9), dense(10, 20, 30, 40, 50, 60, 70, 80, 90)
	a, b := double("a", x, first), double("b", x, second)
	loss := &op{graph: g, name: "loss", inputs: []hm.Type{a.Type(), b.Type()}, output: tensor.Float32, shape: tensor.ScalarShape(), wrt: trues(2)}
	value := G.NewF32(1)
	loss.do = func([]G.Value) (G.Value, error) { return value, nil }
	loss.diff = func(_, grad *G.Node) (G.Nodes, error) {
		if v, ok := grad.Value().(*G.F32); !ok || *v != 1 {
			t.Errorf("the gradient of the cost is %v, want the constant 1 as *F32", grad.Value())
		}
		n, err := G.ApplyOp(probe(g, "loss.backward", &ran, dense(0, 0, 0), a), a)
		return G.Nodes{n, n}, err
	}
	grads, err := G.Grad(G.Must(G.ApplyOp(loss, a, b)), x)
	if err != nil {
		t.Fatal(err)
	}
	m := G.NewTapeMachine(g.expr)
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	got := grads[0].Value().(*tensor.Dense).Float32s()
	if want := []float32{11, 22, 33, 44, 55, 66, 77, 88, 99}; !slices.Equal(got, want) {
		t.Errorf("sum of gradients %v, want %v", got, want)
	}
}

// The gradient of gorgonia's Dropout divides by the wrong probability: one reason for having our own operations.
func TestCanaryStockDropoutIsWrong(t *testing.T) {
	const n, drop = 4096, 0.1
	ones := make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	g := G.NewGraph()
	x := G.NewMatrix(g, G.Float32, G.WithShape(1, n), G.WithName("x"), G.WithValue(tensor.New(tensor.WithShape(1, n), tensor.WithBacking(ones))))
	y := G.Must(G.Sum(G.Must(G.Dropout(x, drop))))
	grads, err := G.Grad(y, x)
	if err != nil {
		t.Fatal(err)
	}
	if err := G.NewTapeMachine(g).RunAll(); err != nil {
		t.Fatal(err)
	}
	var mean float64
	for _, v := range grads[0].Value().(*tensor.Dense).Float32s() {
		mean += float64(v) / n
	}
	if math.Abs(mean-1) < 0.5 {
		t.Errorf("the mean gradient is %v: gorgonia's Dropout has been mended", mean)
	}
}
