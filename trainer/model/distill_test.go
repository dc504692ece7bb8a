package model

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/optim"
)

// smallDistilBERT has one layer, for a teacher with the vocabulary and width of smallBERT.
func smallDistilBERT() *EncoderConfig {
	c := DefaultDistilBERT()
	c.VocabSize, c.HiddenSize, c.Layers, c.Heads, c.IntermediateSize, c.MaxPositions = 50, 20, 1, 4, 36, 140
	return c
}

// TestDistiller lets a DistilBERT learn from a BERT alone, without labels, and demands that it comes to predict the same.
func TestDistiller(t *testing.T) {
	teacher, student := newNetwork(t, smallBERT(), 2), newNetwork(t, smallDistilBERT(), 2)
	for i := range teacher.Params().Values {
		teacher.Params().Values[i] *= 3
	}
	withoutDropout(student.Config())
	if err := student.CopyLayers(teacher); err != nil {
		t.Fatal(err)
	}
	d, err := NewDistiller(student, teacher, DistillOptions{Soft: 1, Hidden: 1, Temperature: 2})
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(teacher.Params().Values)
	adam, err := optim.NewAdamW(d.Params(), optim.AdamWOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := randomBatch(teacher.Limits(), 3, 20, 31, 9, 40)
	var first, last float64
	for step := range int64(60) {
		sum, labels, err := d.Loss(t.Context(), b, trainer.StepOptions{Train: true, Step: step, Scale: 1 / float32(b.LabelCount())})
		if err != nil || labels != int(b.LabelCount()) {
			t.Fatalf("%d labels, error %v", labels, err)
		}
		if last = sum; step == 0 {
			first = sum
		}
		if err := adam.Step(d.pool, 5e-3, 1); err != nil {
			t.Fatal(err)
		}
	}
	if !(last < 0.2*first) {
		t.Errorf("the loss went from %v to %v", first, last)
	}
	if !slices.Equal(before, teacher.Params().Values) || length(teacher.Params().Grads) != 0 {
		t.Error("the teacher changed")
	}
	rows := labelled(b, 10)
	own := *b
	own.Segments = nil
	want := slices.Clone(logitsOf(t, teacher, b, rows...))
	if e := relative(logitsOf(t, student, &own, rows...), want); e > 0.5 {
		t.Errorf("the student's logits differ by %.2g", e)
	}
}

func TestMistakesOfDistiller(t *testing.T) {
	bert, distil := newNetwork(t, smallBERT(), 1), newNetwork(t, smallDistilBERT(), 1)
	wide := smallDistilBERT()
	wide.HiddenSize, wide.Layers = 24, 3
	other := smallBERT()
	other.VocabSize = 51
	nan := float32(math.NaN())
	for want, c := range map[string]struct {
		student, teacher *Network
		o                DistillOptions
	}{
		"temperature is 0":   {distil, bert, DistillOptions{}},
		"labels is NaN":      {distil, bert, DistillOptions{Labels: nan, Temperature: 1}},
		"same network":       {bert, bert, DefaultDistillation()},
		"24 floats":          {newNetwork(t, wide, 1), bert, DefaultDistillation()},
		"causal":             {newNetwork(t, smallGPT2(), 1), bert, DefaultDistillation()},
		"50 tokens":          {distil, newNetwork(t, other, 1), DefaultDistillation()},
		"the teacher to":     {distil, newNetwork(t, smallClassifier(), 1), DefaultDistillation()},
		"want the same, and": {newNetwork(t, smallBERT().WithHead(Regression, nil), 1), newNetwork(t, smallBERT().WithHead(Regression, nil), 1), DefaultDistillation()},
	} {
		if _, err := NewDistiller(c.student, c.teacher, c.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if err := newNetwork(t, wide, 1).CopyLayers(bert); err == nil || !strings.Contains(err.Error(), "3 layers") {
		t.Errorf("more layers than the teacher: %v", err)
	}
	wide.Layers = 1
	if err := newNetwork(t, wide, 1).CopyLayers(bert); err == nil || !strings.Contains(err.Error(), "has the shape [50 24]") {
		t.Errorf("a wider student: %v", err)
	}
}

// TestSetLoss weighs the classes of a batch, and smooths.
func TestSetLoss(t *testing.T) {
	c := smallClassifier()
	withoutDropout(c)
	n := newNetwork(t, c, 1)
	b := randomTask(n.Limits(), 4, 9, 5, 7)
	train := func(o LossOptions) float64 {
		if err := n.SetLoss(o); err != nil {
			t.Fatal(err)
		}
		sum, _, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true, Scale: 1})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	plain, doubled := train(LossOptions{}), train(LossOptions{ClassWeights: []float32{2, 2, 2}})
	if math.Abs(doubled-2*plain) > 1e-5 {
		t.Errorf("weights of 2 made the loss %v from %v", doubled, plain)
	}
	if smoothed := train(LossOptions{LabelSmoothing: 0.5}); smoothed == plain {
		t.Error("smoothing changed nothing")
	}
	if sum, _, err := n.Loss(t.Context(), b, trainer.StepOptions{}); err != nil || math.Abs(sum-plain) > 1e-5 {
		t.Errorf("evaluation gave %v, %v, want the plain loss %v", sum, err, plain)
	}
	for want, o := range map[string]LossOptions{
		"smoothing is 1":        {LabelSmoothing: 1},
		"2 weights for 3":       {ClassWeights: []float32{1, 1}},
		"weight of class 2 is ": {ClassWeights: []float32{1, 1, -1}},
	} {
		if err := n.SetLoss(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if err := newNetwork(t, c.WithHead(Regression, nil), 1).SetLoss(LossOptions{}); err == nil || !strings.Contains(err.Error(), "made to predict numbers") {
		t.Errorf("regression: %v", err)
	}
}

// TestNotFinite demands that the error names where it began.
func TestNotFinite(t *testing.T) {
	n := newNetwork(t, smallBERT(), 1)
	b := randomBatch(n.Limits(), 1, 9, 4)
	p := n.Params().Lookup("bert.encoder.layer.1.intermediate.dense.bias")
	fail := func(want string) {
		t.Helper()
		for _, train := range []bool{false, true} {
			_, _, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: train, Scale: 1})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one with %q", err, want)
			}
		}
	}
	p.Value[3] = float32(math.NaN())
	fail("Linear.")
	fail("the parameter bert.encoder.layer.1.intermediate.dense.bias holds NaN at element 3")
	p.Value[3] = 0
	q := n.Params().Lookup("bert.encoder.layer.0.attention.output.dense.weight")
	for i := range q.Value {
		q.Value[i] = math.MaxFloat32
	}
	fail("the first to give")
	fail("with bert.encoder.layer.0.attention.output.dense.")
}

// TestDistillationOfPyTorch compares loss and gradients of a student with what PyTorch computed in float64.
func TestDistillationOfPyTorch(t *testing.T) {
	r := readRecording(t, "student")
	student := r.network(t, 2)
	withoutDropout(student.Config())
	r.Config = r.Teacher
	d, err := NewDistiller(student, r.network(t, 2), r.Options)
	if err != nil {
		t.Fatal(err)
	}
	b := minibatch(LanguageModel, r.Sequences...)
	sum, _, err := d.Loss(t.Context(), b, trainer.StepOptions{Train: true, Scale: 1})
	if err != nil || math.Abs(sum-r.Loss) > 1e-6*r.Loss {
		t.Errorf("loss %.9g, want %.9g, error %v", sum, r.Loss, err)
	}
	var got, want []float32
	for _, p := range d.Params().List {
		got, want = append(got, p.Grad...), append(want, r.gradients[p.Name]...)
	}
	if e := relative(got, want); e > 2e-6 {
		t.Errorf("the gradients differ by %.2g", e)
	} else {
		t.Logf("relative error of the gradient %.2g", e)
	}
}
