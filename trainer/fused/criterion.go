package fused

import (
	"errors"
	"fmt"

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

// HiddenCosine brings the hidden states x of a student near those of a teacher in Batch.Hidden: 1 - cos of the angle between both, the mean over all tokens (Sanh et
// al., 2019). It counts once for each of Batch.Rows, so that it keeps its weight beside losses that are sums over rows.
func (g *Graph) HiddenCosine(x *Tensor) *Loss {
	const kind = "HiddenCosine"
	if g.err == nil && x != nil && x.Axis != Tokens {
		g.fail("%s: the input must have a row for each token", kind)
		return nil
	}
	var cosines, factors []float32
	return g.criterion(kind, x, func(states, dx []float32) (sum float64, terms int, err error) {
		tokens := g.rows(Tokens)
		if len(g.batch.Hidden) != len(states) {
			return 0, 0, fmt.Errorf("the batch has %d hidden floats of the teacher for %d of the student", len(g.batch.Hidden), len(states))
		}
		cosines, factors := tile(&cosines, tokens), tile(&factors, tokens)
		if err := kernels.Cosines(g.pool, tokens, x.Width, x.Width, states, g.batch.Hidden, cosines); err != nil {
			return 0, 0, err
		}
		share := float64(len(g.batch.Rows)) / float64(max(1, tokens))
		for i, c := range cosines {
			sum += 1 - float64(c)
			factors[i] = -g.batch.Scale * float32(share)
		}
		if dx != nil {
			err = kernels.CosinesBackward(g.pool, tokens, x.Width, x.Width, states, g.batch.Hidden, factors, dx, nil)
		}
		return float64(sum * share), len(g.batch.Rows), err
	})
}

// PairCosine has (cos - value)² as a term for each pair of neighbouring rows of x, cos being that of the angle between both and value that of the pair in Batch.Values
// (Reimers and Gurevych, 2019). A pair whose value is NaN does not count.
func (g *Graph) PairCosine(x *Tensor) *Loss {
	const kind = "PairCosine"
	if g.err == nil && x != nil && x.Axis != Rows {
		g.fail("%s: the input must have a row for each side of a pair", kind)
		return nil
	}
	var cosines, factors []float32
	return g.criterion(kind, x, func(sides, dx []float32) (sum float64, terms int, err error) {
		pairs, width := len(g.batch.Values), x.Width
		if 2*pairs*width != len(sides) {
			return 0, 0, fmt.Errorf("the batch has %d values for %d sides of pairs", pairs, len(sides)/width)
		}
		if pairs == 0 {
			return 0, 0, nil
		}
		cosines, factors := tile(&cosines, pairs), tile(&factors, pairs)
		if err := kernels.Cosines(g.pool, pairs, width, 2*width, sides, sides[width:], cosines); err != nil {
			return 0, 0, err
		}
		for i, value := range g.batch.Values {
			if factors[i] = 0; value == value {
				diff := float64(cosines[i]) - float64(value)
				sum += float64(diff * diff)
				factors[i] = g.batch.Scale * 2 * float32(diff)
				terms++
			}
		}
		if dx != nil {
			err = kernels.CosinesBackward(g.pool, pairs, width, 2*width, sides, sides[width:], factors, dx, dx[width:])
		}
		return sum, terms, err
	})
}
