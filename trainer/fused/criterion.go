package fused

import (
	"errors"
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// criterion adds a loss over the whole of x. compute returns the sum of its terms and their number, and writes the gradient of Batch.Scale times the
// sum to dx; dx is nil where none is wanted.
func (g *Graph) criterion(kind string, x *Tensor, compute func(x, dx []float32) (sum float64, terms int, err error)) *Loss {
	if !g.use(kind, x, 0) {
		return nil
	}
	loss := &Loss{graph: g}
	var dx *buffer
	if g.training {
		dx = g.newBuffer(x.Axis, x.Width)
	}
	value := G.NewF32(0)
	n, err := g.add(kind, tensor.Float32, tensor.ScalarShape(), G.Nodes{x.node}, trues(1), func(in []G.Value) (G.Value, error) {
		if g.training && g.batch.Scale == 0 {
			return nil, errors.New("the scale of the loss is 0, so there would be no gradient")
		}
		floats, gradient := floats(in[0])[:g.rows(x.Axis)*x.Width], []float32(nil)
		if dx != nil {
			gradient = dx.data[:len(floats)]
		}
		var err error
		if loss.sum, loss.valid, err = compute(floats, gradient); err != nil {
			return nil, err
		}
		*value = G.F32(loss.sum * float64(g.batch.Scale))
		return value, nil
	}, func(output, grad *G.Node) (G.Nodes, error) {
		out := gradient{dx, spares(nil).with(x.branch.memory())}
		return g.backward(kind, output, grad, x.Width, out, nil, func(grad G.Value) (G.Value, error) {
			gradient := dx.data[:g.rows(x.Axis)*x.Width]
			if scale := float32(*grad.(*G.F32)); scale != 1 {
				for i := range gradient {
					gradient[i] *= scale
				}
			}
			return dx.value, x.branch.merge(g, dx.data, len(gradient))
		})
	})
	if err != nil {
		g.fail("%w", err)
		return nil
	}
	loss.node = n
	return loss
}

// GroupCrossEntropy chooses among rows: a column of x is one choice in each group of rows that Batch.Groups borders, and Batch.Labels has the right row of each group
// and column, counted inside the group. A term is the mean over the columns of -log softmax(column of the group)[label]. Groups of choices have one column, answers two: start
// and end.
func (g *Graph) GroupCrossEntropy(x *Tensor) *Loss {
	const kind = "GroupCrossEntropy"
	if g.err == nil && x != nil && x.Axis != Rows {
		g.fail("%s: the input must have a row for each choice", kind)
		return nil
	}
	var column []float32
	return g.criterion(kind, x, func(scores, dx []float32) (sum float64, terms int, err error) {
		groups, width := g.batch.Groups, x.Width
		terms = max(0, len(groups)-1)
		if len(g.batch.Labels) != terms*width || terms > 0 && int(groups[terms])*width != len(scores) {
			return 0, 0, fmt.Errorf("the batch has %d labels for %d groups of rows", len(g.batch.Labels), terms)
		}
		losses := make([]float32, 1)
		scale := float32(0)
		if dx != nil {
			scale = g.batch.Scale / float32(width)
		}
		for i := range g.batch.Labels {
			from, to := int(groups[i/width]), int(groups[i/width+1])
			column = column[:0]
			for row := from; row < to; row++ {
				column = append(column, scores[row*width+i%width])
			}
			if err := kernels.CrossEntropy(g.pool, 1, to-from, column, g.batch.Labels[i:i+1], scale, losses); err != nil {
				return 0, 0, err
			}
			sum += float64(losses[0]) / float64(width)
			for j := range column {
				if dx != nil {
					dx[(from+j)*width+i%width] = column[j]
				}
			}
		}
		return sum, terms, nil
	})
}

// SquaredError has the square of the difference between x, of one column, and Batch.Values for each row as a term.
func (g *Graph) SquaredError(x *Tensor) *Loss {
	const kind = "SquaredError"
	if g.err == nil && x != nil && (x.Axis != Rows || x.Width != 1) {
		g.fail("%s: the input must be a number for each row", kind)
		return nil
	}
	return g.criterion(kind, x, func(x, dx []float32) (sum float64, terms int, err error) {
		if len(g.batch.Values) != len(x) {
			return 0, 0, fmt.Errorf("the batch has %d values for %d rows", len(g.batch.Values), len(x))
		}
		for i, v := range x {
			diff := float64(v) - float64(g.batch.Values[i])
			sum += float64(diff * diff)
			if dx != nil {
				dx[i] = g.batch.Scale * 2 * float32(diff)
			}
		}
		return sum, len(x), nil
	})
}

// finite reports whether all of x is.
func finite(x []float32) bool {
	for _, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}
