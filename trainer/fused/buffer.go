package fused

import (
	"gorgonia.org/tensor"
)

// Axis says what the rows of a tensor are.
type Axis uint8

const (
	Tokens Axis = iota // one row for each token of the batch
	Rows               // one row for each entry of Batch.Rows
	axes
)

// rowBlock is the granularity of capacities, in rows.
const rowBlock = 64

// buffer is memory of capacity(axis) × width floats that a node of the graph gives as its value.
type buffer struct {
	axis  Axis
	width int
	data  []float32
	value *tensor.Dense
}

// grow makes room for the given number of rows. Content is lost when it has to move.
func (b *buffer) grow(rows int) {
	if len(b.data) >= rows*b.width {
		return
	}
	b.data = make([]float32, rows*b.width)
	b.value = tensor.New(tensor.WithShape(rows, b.width), tensor.WithBacking(b.data))
}

// spares are buffers that no operation reads any more once the operation that passes them on has run. An operation may write into them, if
// it depends on the one that passed them on; so they travel along the chain of operations and are never shared between branches.
type spares []*buffer

// take removes a buffer of that form, or returns nil.
func (s *spares) take(axis Axis, width int) *buffer {
	for i, b := range *s {
		if b.axis == axis && b.width == width {
			rest := append(spares(nil), (*s)[:i]...)
			*s = append(rest, (*s)[i+1:]...)
			return b
		}
	}
	return nil
}

// with returns the spares and one more; nil is left out.
func (s spares) with(b *buffer) spares {
	if b == nil {
		return s
	}
	return append(append(spares(nil), s...), b)
}
