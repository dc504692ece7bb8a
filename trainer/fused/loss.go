package fused

import (
	"errors"
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// lossRows is the number of rows whose logits exist at a time.
const lossRows = 512

// Loss is a scalar at the end of a graph.
type Loss struct {
	graph *Graph
	node  *G.Node
	sum   float64
	valid int
}

// Sum is the sum of the losses of the last run, unscaled, and Labels the number of rows that had a label.
func (l *Loss) Sum() float64 { return l.sum }

// Labels is the number of rows of the last run whose label was not kernels.IgnoreLabel.
func (l *Loss) Labels() int { return l.valid }

// Logits gives x·tableᵀ + bias: the scores of the entries of a vocabulary whose embeddings are the rows of table.
func (g *Graph) Logits(x *Tensor, table, bias *params.Param) *Tensor {
	l := Linear{Weights: []*params.Param{table}}
	if bias != nil {
		l.Biases = []*params.Param{bias}
	}
	return g.Linear(x, l)
}

// crossEntropy is the state of one CrossEntropy in a graph.
type crossEntropy struct {
	Loss
	Objective
	x             *Tensor
	table, bias   *params.Param
	logits        []float32
	losses        []float32
	soft          softTargets
	dx            *buffer   // nil without gradients
	dtable, dbias []float32 // where gradients of parameters go in the forward pass
	kept          bool      // those are memory of this operation, to be scaled and added by the backward operation
}

// Objective refines a cross-entropy. The zero value is the plain one.
type Objective struct {
	Smoothing float32       // share of the target that is spread over all classes, 0 to less than 1
	Weights   []float32     // of classes; nil means 1. The sum of the losses is not divided by them.
	Distill   *Distillation // learns from a teacher besides; nil for none
}

// Distillation is what a student learns from the logits of a teacher (Hinton, Vinyals and Dean, 2015): for each row Hard times the cross-entropy of the label, and Soft times
// T²·KL(softmax(teacher/T) ‖ softmax(student/T)), T being Temperature. Batch.Teacher has the teacher's logits.
type Distillation struct {
	Hard, Soft, Temperature float32
}

// validate returns an error that names a value that can't be used.
func (o Objective) validate(classes int) error {
	bad := func(v float32) bool { return !(v >= 0) || math.IsInf(float64(v), 0) }
	if !(o.Smoothing >= 0 && o.Smoothing < 1) {
		return fmt.Errorf("label smoothing is %v, want 0 to less than 1", o.Smoothing)
	}
	if o.Weights != nil && len(o.Weights) != classes {
		return fmt.Errorf("there are %d weights for %d classes", len(o.Weights), classes)
	}
	for class, w := range o.Weights {
		if bad(w) {
			return fmt.Errorf("the weight of class %d is %v, want 0 or more", class, w)
		}
	}
	if d := o.Distill; d != nil && (bad(d.Hard) || bad(d.Soft) || bad(d.Temperature) || d.Temperature == 0) {
		return fmt.Errorf("distillation with weights %v and %v at temperature %v: want 0 or more, and a positive temperature", d.Hard, d.Soft, d.Temperature)
	}
	return nil
}

// softTargets is memory for a tile of distillation.
type softTargets struct{ teacher, grad, losses []float32 }

// CrossEntropy gives Batch.Scale times the sum, over the rows of x, of -log softmax(x·tableᵀ + bias)[label]. Rows labelled kernels.IgnoreLabel do
// not count. bias may be nil. Logits exist for a few hundred rows at a time and are not kept, so the gradients are computed with the loss; the
// backward operation only multiplies them by the gradient of the loss, where that is not 1.
func (g *Graph) CrossEntropy(x *Tensor, table, bias *params.Param) *Loss {
	return g.RefinedCrossEntropy(x, table, bias, Objective{})
}

// RefinedCrossEntropy is [Graph.CrossEntropy] with another objective.
func (g *Graph) RefinedCrossEntropy(x *Tensor, table, bias *params.Param, o Objective) *Loss {
	const kind = "CrossEntropy"
	if !g.use(kind, x, table.Shape[len(table.Shape)-1]) {
		return nil
	}
	if x.Axis != Rows || bias != nil && len(bias.Value) != table.Shape[0] {
		g.fail("%s: the input must have a row for each label, and the bias an element for each of %v", kind, table.Shape)
		return nil
	}
	if err := o.validate(table.Shape[0]); err != nil {
		g.fail("%s: %w", kind, err)
		return nil
	}
	c := &crossEntropy{Loss: Loss{graph: g}, Objective: o, x: x, table: table, bias: bias}
	if g.training {
		c.dx = g.newBuffer(Rows, x.Width)
		c.dtable, c.dbias = table.Grad, gradOf(bias)
	}
	nodes, ps := g.parameters(table, bias)
	value := G.NewF32(0)
	n, err := g.add(kind, tensor.Float32, tensor.ScalarShape(), append(G.Nodes{x.node}, nodes...), trues(1+len(nodes)), func(in []G.Value) (G.Value, error) {
		if err := c.forward(floats(in[0])); err != nil {
			return nil, err
		}
		*value = G.F32(c.sum * float64(g.batch.Scale))
		return value, nil
	}, func(output, grad *G.Node) (G.Nodes, error) {
		if one, ok := grad.Value().(*G.F32); !ok || *one != 1 {
			c.kept = true
			c.dtable = make([]float32, len(table.Grad))
			c.dbias = make([]float32, len(gradOf(bias)))
		}
		out := gradient{c.dx, spares(nil).with(x.branch.memory())}
		return g.backward(kind, output, grad, x.Width, out, ps, func(grad G.Value) (G.Value, error) {
			return c.backward(float32(*grad.(*G.F32)))
		})
	})
	if err != nil {
		g.fail("%w", err)
		return nil
	}
	c.node = n
	return &c.Loss
}

func (c *crossEntropy) forward(x []float32) error {
	g, width, classes := c.graph, c.x.Width, c.table.Shape[0]
	rows := g.rows(Rows)
	if len(g.batch.Labels) != rows {
		return fmt.Errorf("the batch has %d labels for %d rows", len(g.batch.Labels), rows)
	}
	if c.Distill != nil && len(g.batch.Teacher) != rows*classes {
		return fmt.Errorf("the batch has %d logits of the teacher for %d rows of %d classes", len(g.batch.Teacher), rows, classes)
	}
	if g.training && g.batch.Scale == 0 {
		return errors.New("the scale of the loss is 0, so there would be no gradient")
	}
	c.sum, c.valid = 0, 0
	if c.kept {
		clear(c.dtable)
		clear(c.dbias)
	}
	for at := 0; at < rows; at += lossRows {
		n := min(lossRows, rows-at)
		x, labels := x[at*width:(at+n)*width], g.batch.Labels[at:at+n]
		logits, losses := tile(&c.logits, n*classes), tile(&c.losses, n)
		if err := kernels.Gemm(g.pool, false, true, n, classes, width, x, width, c.table.Value, width, 0, logits, classes); err != nil {
			return err
		}
		if c.bias != nil {
			if err := kernels.AddBias(g.pool, n, classes, logits, c.bias.Value); err != nil {
				return err
			}
		}
		if err := c.score(at, n, logits, labels, losses); err != nil {
			return err
		}
		for i, l := range losses {
			if labels[i] != kernels.IgnoreLabel {
				c.sum += float64(l)
				c.valid++
			}
		}
		if g.training {
			if err := c.gradients(n, x, logits, c.dx.data[at*width:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// score writes the losses of n rows from row at on and, when training, their gradient over the logits.
func (c *crossEntropy) score(at, n int, logits []float32, labels []int32, losses []float32) error {
	scale := c.graph.batch.Scale
	if !c.graph.training {
		scale = 0
	}
	if c.Distill != nil {
		return c.distill(at, n, scale, logits, labels, losses)
	}
	return c.hard(n, scale, logits, labels, losses)
}

// hard is the part of the labels.
func (c *crossEntropy) hard(n int, scale float32, logits []float32, labels []int32, losses []float32) error {
	g, classes := c.graph, c.table.Shape[0]
	if c.Smoothing == 0 && c.Weights == nil {
		return kernels.CrossEntropy(g.pool, n, classes, logits, labels, scale, losses)
	}
	return kernels.SmoothedCrossEntropy(g.pool, n, classes, logits, labels, c.Smoothing, c.Weights, scale, losses)
}

// distill is the parts of labels and teacher together.
func (c *crossEntropy) distill(at, n int, scale float32, logits []float32, labels []int32, losses []float32) error {
	g, classes, d := c.graph, c.table.Shape[0], c.Distill
	teacher, grad, soft := tile(&c.soft.teacher, n*classes), tile(&c.soft.grad, n*classes), tile(&c.soft.losses, n)
	copy(teacher, g.batch.Teacher[at*classes:])
	if err := kernels.DistillKL(g.pool, n, classes, logits, teacher, d.Temperature, scale*d.Soft, soft, grad); err != nil {
		return err
	}
	if err := c.hard(n, scale*d.Hard, logits, labels, losses); err != nil {
		return err
	}
	if scale*d.Hard == 0 {
		clear(logits)
	}
	for i, label := range labels {
		if losses[i] = d.Hard*losses[i] + d.Soft*soft[i]; label == kernels.IgnoreLabel {
			losses[i] = 0
			clear(grad[i*classes : (i+1)*classes])
		}
	}
	return kernels.Add(g.pool, n*classes, logits, logits, grad)
}

// gradients takes the gradient of n rows of logits back to x, table and bias.
func (c *crossEntropy) gradients(n int, x, dlogits, dx []float32) error {
	g, width, classes := c.graph, c.x.Width, c.table.Shape[0]
	if err := kernels.Gemm(g.pool, false, false, n, width, classes, dlogits, classes, c.table.Value, width, 0, dx, width); err != nil {
		return err
	}
	if c.bias != nil {
		if err := kernels.BiasGrad(g.pool, n, classes, dlogits, c.dbias); err != nil {
			return err
		}
	}
	return kernels.Gemm(g.pool, true, false, classes, width, n, dlogits, classes, x, width, 1, c.dtable, width)
}

func (c *crossEntropy) backward(scale float32) (G.Value, error) {
	n := c.graph.rows(Rows) * c.x.Width
	if c.kept {
		addScaled(c.table.Grad, c.dtable, scale)
		addScaled(gradOf(c.bias), c.dbias, scale)
		for i := range c.dx.data[:n] {
			c.dx.data[i] *= scale
		}
	}
	return c.dx.value, c.x.branch.merge(c.graph, c.dx.data, n)
}

// Sum gives the sum of losses times their weights, for training on several objectives at once. Its Sum and Labels stay 0: ask the losses.
func (g *Graph) Sum(losses []*Loss, weights []float32) *Loss {
	const kind = "Sum"
	if g.err == nil && (len(losses) == 0 || len(losses) != len(weights)) {
		g.fail("%s: %d losses with %d weights", kind, len(losses), len(weights))
	}
	var nodes G.Nodes
	for _, l := range losses {
		if l == nil || l.graph != g {
			g.fail("%s: a loss is not of this graph", kind)
			return nil
		}
		nodes = append(nodes, l.node)
	}
	if g.err != nil {
		return nil
	}
	value := G.NewF32(0)
	n, err := g.add(kind, tensor.Float32, tensor.ScalarShape(), nodes, trues(len(nodes)), func(in []G.Value) (G.Value, error) {
		var sum float32
		for i, v := range in {
			sum += weights[i] * float32(*v.(*G.F32))
		}
		*value = G.F32(sum)
		return value, nil
	}, func(output, grad *G.Node) (G.Nodes, error) {
		var grads G.Nodes
		for _, w := range weights {
			value := G.NewF32(0)
			n, err := g.add(kind+".backward", tensor.Float32, tensor.ScalarShape(), G.Nodes{output, grad}, nil, func(in []G.Value) (G.Value, error) {
				*value = *in[1].(*G.F32) * G.F32(w)
				return value, nil
			}, nil)
			if err != nil {
				return nil, err
			}
			grads = append(grads, n)
		}
		return grads, nil
	})
	if err != nil {
		g.fail("%w", err)
		return nil
	}
	return &Loss{graph: g, node: n}
}

func addScaled(dst, src []float32, scale float32) {
	for i, v := range src {
		dst[i] += scale * v
	}
}

func gradOf(p *params.Param) []float32 {
	if p == nil {
		return nil
	}
	return p.Grad
}
