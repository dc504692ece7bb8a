package model

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/params"
)

// LossOptions refine the cross-entropy that a network learns from. Evaluation measures the plain one.
type LossOptions struct {
	LabelSmoothing float32   // share of the target that is spread over all classes, 0 to less than 1
	ClassWeights   []float32 // what the loss of a label counts, for each class; nil means 1
}

// SetLoss decides what the network learns from. Only language models and classifiers have such a loss. Sums of losses are not divided by weights: let these be 1 on
// average, or the learning rate means something else.
func (n *Network) SetLoss(o LossOptions) error {
	classes := n.limits.Classes
	switch n.limits.Head {
	case LanguageModel:
		classes = n.limits.Vocabulary
	case SequenceClassification, TokenClassification:
	default:
		return fmt.Errorf("set loss: smoothing and class weights are for models that classify, this one is made to %s", verbs[n.limits.Head])
	}
	if !(o.LabelSmoothing >= 0 && o.LabelSmoothing < 1) {
		return fmt.Errorf("set loss: label smoothing is %v, want 0 to less than 1", o.LabelSmoothing)
	}
	if o.ClassWeights != nil && len(o.ClassWeights) != classes {
		return fmt.Errorf("set loss: there are %d weights for %d classes", len(o.ClassWeights), classes)
	}
	for class, w := range o.ClassWeights {
		if !(w >= 0) || math.IsInf(float64(w), 0) {
			return fmt.Errorf("set loss: the weight of class %d is %v, want 0 or more", class, w)
		}
	}
	n.refined = o
	return n.drop(training)
}

// drop releases the graph of a mode.
func (n *Network) drop(m mode) error {
	p := n.programs[m]
	if n.programs[m] = nil; p == nil {
		return nil
	}
	return p.graph.Close()
}

// DistillOptions weighs what a student learns from.
type DistillOptions struct {
	Labels      float32 // of the cross-entropy of the labels
	Soft        float32 // of T²·KL(teacher ‖ student), where logits are divided by T
	Hidden      float32 // of 1 - cos of the angle between the last hidden states of each token; 0 where widths differ
	Temperature float32 // T
}

// DefaultDistillation is what DistilBERT was trained with.
func DefaultDistillation() DistillOptions {
	return DistillOptions{Labels: 2, Soft: 5, Hidden: 1, Temperature: 2}
}

// Distiller trains a student to do as a teacher does (Hinton, Vinyals and Dean, 2015; Sanh et al., 2019). It is the student for the loop: its weights are the parameters,
// and evaluation measures the student alone.
type Distiller struct {
	*Network // the student
	teacher  *Network
}

var _ trainer.Model = (*Distiller)(nil)

// NewDistiller lets student learn from teacher, which stays as it is. Both must predict the same classes or vocabulary, and neither be used otherwise while the distiller runs.
func NewDistiller(student, teacher *Network, o DistillOptions) (*Distiller, error) {
	s, t := student.limits, teacher.limits
	for _, w := range []struct {
		of    string
		value float32
	}{{"labels", o.Labels}, {"soft targets", o.Soft}, {"hidden states", o.Hidden}} {
		if !(w.value >= 0) || math.IsInf(float64(w.value), 0) {
			return nil, fmt.Errorf("distill: the weight of %s is %v, want 0 or more", w.of, w.value)
		}
	}
	switch {
	case student == teacher:
		return nil, errors.New("distill: student and teacher are the same network")
	case s.Head != t.Head || s.Head != LanguageModel && !s.Head.named():
		return nil, fmt.Errorf("distill: the student is made to %s, the teacher to %s: want the same, and classes or tokens", verbs[s.Head], verbs[t.Head])
	case s.Vocabulary != t.Vocabulary || s.Classes != t.Classes:
		return nil, fmt.Errorf("distill: the student has %d tokens and %d classes, the teacher %d and %d", s.Vocabulary, s.Classes, t.Vocabulary, t.Classes)
	case !(o.Temperature > 0) || math.IsInf(float64(o.Temperature), 0):
		return nil, fmt.Errorf("distill: the temperature is %v, want more than 0", o.Temperature)
	}
	_, causal := student.config.(Causal)
	if _, both := teacher.config.(Causal); causal != both {
		return nil, errors.New("distill: one of student and teacher is causal, the other not")
	}
	if sw, tw := width(student.set), width(teacher.set); o.Hidden > 0 && sw != tw {
		return nil, fmt.Errorf("distill: hidden states have %d floats in the student and %d in the teacher: set their weight to 0", sw, tw)
	}
	student.distill = &o
	return &Distiller{student, teacher}, student.drop(training)
}

// width of the hidden states: that of the embeddings, which are the first parameter.
func width(set *params.Set) int { return set.List[0].Shape[1] }

// Loss is what a trainer.Model computes: with o.Train the weighted sum of all that the student learns from, of which as many terms are counted as there are labels; else
// its own loss.
func (d *Distiller) Loss(ctx context.Context, b *schemas.Minibatch, o trainer.StepOptions) (sum float64, labels int, err error) {
	own := *b
	if d.limits.Segments == 1 { // a DistilBERT knows no segments, its teacher may
		own.Segments = nil
	}
	if !o.Train {
		return d.Network.Loss(ctx, &own, o)
	}
	if err := d.limits.check(&own); err != nil {
		return 0, 0, err
	}
	if err := d.loadTargets(&own); err != nil {
		return 0, 0, fmt.Errorf("minibatch %d: %w", b.Step, err)
	}
	if len(d.batch.Rows) == 0 {
		return 0, 0, nil
	}
	if err := d.teach(ctx, b); err != nil {
		return 0, 0, fmt.Errorf("teacher: %w", err)
	}
	return d.lose(ctx, b.Step, o)
}

// teach runs the teacher on b and gives what it predicts at the rows of the student to it.
func (d *Distiller) teach(ctx context.Context, b *schemas.Minibatch) error {
	t := d.teacher
	if err := t.limits.check(b); err != nil {
		return err
	}
	t.load(b)
	t.batch.Rows = append(t.batch.Rows, d.batch.Rows...)
	p, err := t.program(teaching)
	if err != nil {
		return err
	}
	if err := p.graph.Run(ctx, &t.batch); err != nil {
		return fmt.Errorf("minibatch %d: %w", b.Step, err)
	}
	d.batch.Teacher, d.batch.Hidden = p.logits.Floats(), p.hidden.Floats()
	return nil
}

// CopyLayers starts a student of teacher: it takes the embeddings, the head where it has the same, and of the layers those that are evenly spread over the teacher's, such as
// 0, 2, 4, … of one with twice as many. Both must be encoders of the same width, though a DistilBERT can take from a BERT.
func (n *Network) CopyLayers(teacher *Network) error {
	to, ok := n.config.(*EncoderConfig)
	from, both := teacher.config.(*EncoderConfig)
	if !ok || !both {
		return errors.New("copy layers: student and teacher must be encoders")
	}
	if to.Layers > from.Layers {
		return fmt.Errorf("copy layers: the student has %d layers, the teacher only %d", to.Layers, from.Layers)
	}
	s, t := to.family(), from.family()
	var names [][2]string // of student and teacher
	add := func(own, other string) { names = append(names, [2]string{own, other}) }
	for _, name := range []string{"word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm"} {
		add(s.base+"embeddings."+name, t.base+"embeddings."+name)
	}
	for i := range to.Layers {
		own, other := to.layer(i), from.layer(i*from.Layers/to.Layers)
		add(own+s.up, other+t.up)
		for j := range s.attend {
			add(own+s.attend[j], other+t.attend[j])
		}
		for j := range s.down {
			add(own+s.attended[j], other+t.attended[j])
			add(own+s.down[j], other+t.down[j])
		}
	}
	if to.Head == LanguageModel && from.Head == LanguageModel {
		add(s.transform, t.transform)
		add(s.transformNorm, t.transformNorm)
		if err := n.copyParam(teacher, s.bias, t.bias); err != nil {
			return err
		}
	}
	for _, name := range names {
		for _, kind := range []string{".weight", ".bias"} {
			if err := n.copyParam(teacher, name[0]+kind, name[1]+kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyParam takes a parameter that both have from the teacher.
func (n *Network) copyParam(teacher *Network, own, other string) error {
	p, q := n.set.Lookup(own), teacher.set.Lookup(other)
	if p == nil || q == nil {
		return nil
	}
	if len(p.Value) != len(q.Value) || p.Shape[0] != q.Shape[0] {
		return fmt.Errorf("copy layers: %s has the shape %v, %s of the teacher %v", own, p.Shape, other, q.Shape)
	}
	copy(p.Value, q.Value)
	return nil
}
