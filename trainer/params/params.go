// Package params holds the weights of a model and their gradients: named tensors that are windows into two flat slices.
//
// A [Set] is made once from the list of a model's tensors, in checkpoint order. The model writes gradients through the windows; an
// optimizer walks the flat slices, without caring about names; a checkpoint walks the list. Nothing here knows how a tensor is used.
//
//	Values  | embeddings.weight ..... |pad| layer.0.query.weight ..... |pad| ...
//	Grads   | the same offsets                                                  |
//
// Every window starts at a multiple of [Align] floats, so that vector code meets aligned rows and no two parameters share a cache
// line. The floats between windows are zero in both slices and stay so, as long as an optimizer maps (0, 0) to 0.
package params

import (
	"fmt"
	"math"
	"slices"
)

// Align is the number of float32 that the start of every parameter is a multiple of: one cache line of 64 bytes.
const Align = 16

// Spec describes one parameter before it has memory.
type Spec struct {
	Name  string // the name of the tensor in a checkpoint
	Shape []int  // row-major sizes, each at least 1
	Decay bool   // whether weight decay applies: true for matrices, false for biases and normalization
}

// Param is one named tensor. Value and Grad have as many elements as Shape, are row-major, and are windows of their Set.
type Param struct {
	Name   string
	Shape  []int
	Offset int // of the window in Set.Values and Set.Grads, in floats
	Value  []float32
	Grad   []float32
	Decay  bool
}

// Set is all parameters of a model.
type Set struct {
	List   []*Param  // in checkpoint order
	Values []float32 // flat, zero between parameters
	Grads  []float32 // flat, same offsets
	byName map[string]*Param
}

// NewSet allocates the parameters that specs describe, all zero. It fails on a name that is empty or used twice, on a shape with a
// size below 1, and on more floats in all than it can hold.
func NewSet(specs []Spec) (*Set, error) {
	s := &Set{byName: make(map[string]*Param, len(specs))}
	total := 0
	for _, spec := range specs {
		if spec.Name == "" {
			return nil, fmt.Errorf("lay out parameters: parameter %d has no name", len(s.List))
		}
		if s.byName[spec.Name] != nil {
			return nil, fmt.Errorf("lay out parameters: the name %q is used twice", spec.Name)
		}
		n, err := elements(spec.Shape)
		if err != nil {
			return nil, fmt.Errorf("lay out parameter %q: %w", spec.Name, err)
		}
		p := &Param{Name: spec.Name, Shape: slices.Clone(spec.Shape), Offset: total, Decay: spec.Decay}
		s.List = append(s.List, p)
		s.byName[spec.Name] = p
		total += (n + Align - 1) / Align * Align
		if total > maxFloats {
			return nil, fmt.Errorf("lay out parameter %q: the model has more than %d floats", spec.Name, maxFloats)
		}
	}
	s.Values, s.Grads = make([]float32, total), make([]float32, total)
	for _, p := range s.List {
		n, _ := elements(p.Shape)
		p.Value = s.Values[p.Offset : p.Offset+n : p.Offset+n]
		p.Grad = s.Grads[p.Offset : p.Offset+n : p.Offset+n]
	}
	return s, nil
}

// maxFloats bounds one Set: 2^33 floats are 32 GiB of values, beyond any machine this runs on. Less can be addressed with 32 bits.
const maxFloats = min(1<<33, math.MaxInt/8)

func elements(shape []int) (int, error) {
	n := 1
	for _, size := range shape {
		if size < 1 || size > math.MaxInt32 {
			return 0, fmt.Errorf("shape %v has the size %d, outside 1..%d", shape, size, math.MaxInt32)
		}
		if size > maxFloats/n {
			return 0, fmt.Errorf("shape %v has more than %d elements", shape, maxFloats)
		}
		n *= size
	}
	return n, nil
}

// Lookup returns the parameter of that name, or nil.
func (s *Set) Lookup(name string) *Param { return s.byName[name] }

// Join returns a parameter over the memory of several that lie one after another, stacked along their first dimension, as if they were one
// tensor. It is a view: it does not become part of the Set. Where padding lies between them, or shapes differ, it returns nil.
func (s *Set) Join(list ...*Param) *Param {
	if len(list) == 0 {
		return nil
	}
	first := list[0]
	joined := &Param{Name: first.Name, Shape: slices.Clone(first.Shape), Offset: first.Offset, Decay: first.Decay}
	end := first.Offset + len(first.Value)
	for _, p := range list[1:] {
		if p.Offset != end || p.Decay != first.Decay || !slices.Equal(p.Shape[1:], first.Shape[1:]) {
			return nil
		}
		joined.Name += "," + p.Name
		joined.Shape[0] += p.Shape[0]
		end += len(p.Value)
	}
	joined.Value = s.Values[first.Offset:end:end]
	joined.Grad = s.Grads[first.Offset:end:end]
	return joined
}

// Count returns the number of trainable numbers, padding not counted.
func (s *Set) Count() int {
	n := 0
	for _, p := range s.List {
		n += len(p.Value)
	}
	return n
}

// ZeroGrads sets every gradient to zero, as a step of accumulation must start.
func (s *Set) ZeroGrads() { clear(s.Grads) }
