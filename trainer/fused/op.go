package fused

import (
	"fmt"
	"hash"
	"hash/fnv"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/shardmill/shardmill/trainer/params"
)

// op is the one kind of operation that this package gives to gorgonia. What it computes is a closure over the buffers that belong to it.
type op struct {
	graph  *Graph
	name   string // unique in the graph: gorgonia merges operations whose hashes are equal
	inputs []hm.Type
	output hm.Type
	shape  tensor.Shape
	wrt    []bool
	reads  []*params.Param // for each input, nil where that is no parameter
	out    *buffer         // of an activation
	do     func(in []G.Value) (G.Value, error)
	diff   func(output, grad *G.Node) (G.Nodes, error)
}

// Arity, Type, InferShape, ReturnsPtr, CallsExtern, OverwritesInput, WriteHash, Hashcode and String make it a gorgonia.Op that owns its
// output and leaves its inputs to others.
func (o *op) Arity() int { return len(o.inputs) }

// Type is built anew for each call, since gorgonia puts it into a pool after use.
func (o *op) Type() hm.Type {
	return hm.NewFnType(append(append([]hm.Type(nil), o.inputs...), o.output)...)
}

func (o *op) InferShape(...G.DimSizer) (tensor.Shape, error) { return o.shape.Clone(), nil }
func (o *op) ReturnsPtr() bool                               { return true }
func (o *op) CallsExtern() bool                              { return false }
func (o *op) OverwritesInput() int                           { return -1 }
func (o *op) WriteHash(h hash.Hash)                          { h.Write([]byte(o.name)) }
func (o *op) String() string                                 { return o.name }

func (o *op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// DiffWRT says which inputs have a gradient.
func (o *op) DiffWRT(int) []bool { return o.wrt }

// SymDiff adds the backward operation to the graph and returns one node for each input.
func (o *op) SymDiff(_ G.Nodes, output, grad *G.Node) (G.Nodes, error) {
	if o.diff == nil {
		return nil, fmt.Errorf("%s has no gradient", o.name)
	}
	return o.diff(output, grad)
}

// Do runs the operation. The tape's goroutine is not ours, so a panic is turned into an error here; the first error of a run is also kept in
// the graph, because gorgonia wraps it in a type that errors.Is can't look into.
func (o *op) Do(in ...G.Value) (v G.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
		if err != nil && o.graph.failure == nil {
			o.graph.failure = fmt.Errorf("%s: %w", o.name, err)
		}
	}()
	if err := o.graph.stop(); err != nil {
		return nil, err
	}
	if v, err = o.do(in); err == nil && o.graph.explaining {
		err = o.explain(v)
	}
	return v, err
}

// explain returns an error if one of the parameters that the operation read, or what it gave, is not finite.
func (o *op) explain(v G.Value) error {
	var names []string
	for _, p := range o.reads {
		if p == nil {
			continue
		}
		names = append(names, p.Name)
		if i := slices.IndexFunc(p.Value, notFinite); i >= 0 {
			return fmt.Errorf("the parameter %s holds %v at element %d", p.Name, p.Value[i], i)
		}
	}
	of := ""
	if len(names) > 0 {
		of = " with " + strings.Join(names, ", ")
	}
	if scalar, ok := v.(*G.F32); ok && notFinite(float32(*scalar)) {
		return fmt.Errorf("it gave %v%s, from finite values", *scalar, of)
	}
	if o.out == nil {
		return nil
	}
	values := o.out.data[:o.graph.rows(o.out.axis)*o.out.width]
	if i := slices.IndexFunc(values, notFinite); i >= 0 {
		return fmt.Errorf("it is the first to give %v, in row %d%s", values[i], i/o.out.width, of)
	}
	return nil
}

func notFinite(v float32) bool { return v-v != 0 }

// floats is the memory of a value.
func floats(v G.Value) []float32 {
	return v.(*tensor.Dense).Float32s()
}
