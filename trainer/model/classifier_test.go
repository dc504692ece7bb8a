package model

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
)

func smallClassifier() *EncoderConfig {
	return smallBERT().WithHead(SequenceClassification, []string{"bad", "good", "neither"})
}

// randomTargets is sequences of the given lengths with a class each, but for the second one.
func randomTargets(l Limits, seed uint64, lengths ...int) *schemas.Minibatch {
	rng := rand.New(rand.NewPCG(seed, 4))
	b := randomBatch(l, seed, lengths...)
	b.Labels = nil
	for range lengths {
		b.Targets = append(b.Targets, int32(rng.IntN(l.Classes)))
	}
	b.Targets[1] = schemas.IgnoreLabel
	return b
}

func TestClassifierThreads(t *testing.T) {
	run := func(threads int) (losses []float64, values []float32) {
		n := newNetwork(t, smallClassifier(), threads)
		for step := range int64(4) {
			b := randomTargets(n.Limits(), uint64(step), 130, 7, 33, 1)
			n.Params().ZeroGrads()
			sum, labels, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true, Seed: 3, Step: step, Scale: 1.0 / 3})
			if err != nil {
				t.Fatal(err)
			}
			if labels != 3 {
				t.Fatalf("%d targets, want 3", labels)
			}
			losses = append(losses, sum/3)
			for i, g := range n.Params().Grads {
				n.Params().Values[i] -= 0.5 * g
			}
		}
		return losses, n.Params().Values
	}
	losses, values := run(1)
	for _, threads := range []int{1, 2} {
		if l, v := run(threads); !slices.Equal(l, losses) || !slices.Equal(v, values) {
			t.Errorf("%d threads: losses %v, want %v; weights equal: %v", threads, l, losses, slices.Equal(v, values))
		}
	}
	if math.Abs(losses[0]-math.Log(3)) > 0.3 {
		t.Errorf("the loss starts at %v, want about %v", losses[0], math.Log(3))
	}
}

// TestClassifierSlope compares the gradient of each parameter with the finite difference of the loss along it, with dropout on.
func TestClassifierSlope(t *testing.T) {
	rate := float32(0.3)
	c := smallClassifier()
	c.Dropout = &rate
	n := newNetwork(t, c, 2)
	for _, p := range n.Params().List {
		for i := range p.Value {
			p.Value[i] *= 4
		}
	}
	b := randomTargets(n.Limits(), 5, 40, 17, 3, 9)
	loss := func() float64 {
		n.Params().ZeroGrads()
		sum, _, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true, Seed: 1, Step: 2, Scale: 1})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	for _, p := range n.Params().List {
		if strings.HasSuffix(p.Name, "key.bias") { // 0 but for rounding
			continue
		}
		loss()
		grad, before := slices.Clone(p.Grad), slices.Clone(p.Value)
		var size float64
		for _, g := range grad {
			size += float64(g) * float64(g)
		}
		size = math.Sqrt(size)
		at := func(step float64) float64 {
			for i, g := range grad {
				p.Value[i] = before[i] + float32(step*float64(g)/size)
			}
			return loss()
		}
		eps := 0.01 / size
		slope := (at(eps) - at(-eps)) / (2 * eps)
		copy(p.Value, before)
		if !(math.Abs(slope-size) <= 2e-2*size) {
			t.Errorf("%s: slope %v, gradient %v", p.Name, slope, size)
		}
	}
}

func TestClassify(t *testing.T) {
	n := newNetwork(t, smallClassifier(), 1)
	b := randomTargets(n.Limits(), 2, 9, 4, 12)
	sum, _, err := n.Loss(t.Context(), b, trainer.StepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	logits, err := n.Classify(t.Context(), b)
	if err != nil || len(logits) != 9 {
		t.Fatalf("%d logits, error %v", len(logits), err)
	}
	var want float64
	for i, target := range b.Targets {
		if target == schemas.IgnoreLabel {
			continue
		}
		var total float64
		for _, v := range logits[3*i : 3*i+3] {
			total += math.Exp(float64(v))
		}
		want += math.Log(total) - float64(logits[3*i+int(target)])
	}
	if math.Abs(sum-want) > 1e-5 {
		t.Errorf("the loss is %v, the logits say %v", sum, want)
	}
	if _, err := n.Logits(t.Context(), b, []int32{0}); err == nil || !strings.Contains(err.Error(), "made to classify sequences") {
		t.Errorf("logits of tokens: %v", err)
	}
	if _, err := newNetwork(t, smallBERT(), 1).Classify(t.Context(), b); err == nil || !strings.Contains(err.Error(), "made to predict tokens") {
		t.Errorf("classes of a language model: %v", err)
	}
	for want, targets := range map[string][]int32{
		"2 targets for 3 sequences":    {0, 1},
		"0 targets for 3 sequences":    nil,
		"sequence 1 has the target 3":  {0, 3, 1},
		"sequence 2 has the target -1": {0, 1, -1},
	} {
		b.Targets = targets
		if _, _, err := n.Loss(t.Context(), b, trainer.StepOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	b.Targets = []int32{schemas.IgnoreLabel, schemas.IgnoreLabel, schemas.IgnoreLabel}
	if sum, labels, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true}); sum != 0 || labels != 0 || err != nil {
		t.Errorf("a batch without targets returned %v, %v, %v", sum, labels, err)
	}
}

func TestClassifierConfig(t *testing.T) {
	c := smallClassifier()
	c.Extra = Extra{"note": json.RawMessage(`"kept"`)}
	data, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, Config(c)) {
		t.Errorf("read back\n%+v\nwant\n%+v", back, c)
	}
	for _, want := range []string{`"BertForSequenceClassification"`, `"1": "good"`, `"good": 1`, `"single_label_classification"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("config.json has no %s:\n%s", want, data)
		}
	}
	const start = `{"model_type":"bert","architectures":["BertForSequenceClassification"]`
	for fields, want := range map[string]string{
		``:                      "LABEL_0 LABEL_1",
		`,"num_labels":3`:       "LABEL_0 LABEL_1 LABEL_2",
		`,"num_labels":1`:       "",
		`,"num_labels":-1`:      "num_labels is -1",
		`,"num_labels":1000000`: "num_labels is 1000000",
		`,"id2label":{"0":"a","1":"b"},"classifier_dropout":null`: "a b",
		`,"id2label":{"0":"a","2":"b"}`:                           "none for 1",
		`,"id2label":{"0":"a","1":"a"}`:                           "same name",
		`,"id2label":{"0":"a","1":"b"},"num_labels":3`:            "num_labels is 3",
		`,"id2label":{"0":"a","1":"b"},"label2id":{"a":1,"b":0}`:  "label2id does not",
		`,"problem_type":"regression"`:                            "want num_labels 1",
		`,"classifier_dropout":1`:                                 "classifier_dropout",
	} {
		c, err := ReadConfig([]byte(start + fields + "}"))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = strings.Join(c.(*EncoderConfig).Labels, " ")
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", fields, got, want)
		}
	}
}

// TestClassifierFromPretrained takes the encoder of a language model, and leaves its head.
func TestClassifierFromPretrained(t *testing.T) {
	dir := t.TempDir()
	from := newNetwork(t, smallBERT(), 1)
	f, err := os.Create(filepath.Join(dir, checkpoint.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := checkpoint.WriteWeights(f, from.Params()); err != nil {
		t.Fatal(err)
	}
	w, err := checkpoint.OpenWeights(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	n := newNetwork(t, smallClassifier(), 1)
	n.Initialize(2)
	report, err := w.Load(n.Params())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"}; !slices.Equal(report.Missing, want) {
		t.Errorf("missing %v, want %v", report.Missing, want)
	}
	if len(report.Unexpected) != 5 || !strings.HasPrefix(report.Unexpected[0], "cls.predictions.") {
		t.Errorf("unexpected %v, want the head of the language model", report.Unexpected)
	}
	name := "bert.encoder.layer.1.output.dense.weight"
	if !slices.Equal(n.Params().Lookup(name).Value, from.Params().Lookup(name).Value) {
		t.Error("the encoder did not come along")
	}
}
