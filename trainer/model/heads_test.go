package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
)

// smallEncoders has each encoder with each head.
func smallEncoders() map[string]*EncoderConfig {
	out := map[string]*EncoderConfig{}
	for _, c := range []*EncoderConfig{DefaultBERT(), DefaultRoBERTa(), DefaultDistilBERT()} {
		c.VocabSize, c.HiddenSize, c.Layers, c.Heads, c.IntermediateSize, c.MaxPositions = 50, 20, 2, 4, 36, 140
		for h := range heads {
			var labels []string
			if h.named() {
				labels = []string{"a", "b", "c"}
			}
			out[fmt.Sprintf("%s/%s", c.ModelType, verbs[h])] = c.WithHead(h, labels)
		}
	}
	return out
}

// randomTask is sequences of the given lengths with what the head of l learns from; the first sequence or example has nothing to learn.
func randomTask(l Limits, seed uint64, lengths ...int) *schemas.Minibatch {
	rng := rand.New(rand.NewPCG(seed, 7))
	b := randomBatch(l, seed, lengths...)
	if l.Head != LanguageModel && l.Head != TokenClassification {
		b.Labels = nil
	}
	for i := range b.Labels {
		if b.Labels[i] >= 0 && l.Head == TokenClassification {
			b.Labels[i] %= int32(l.Classes)
		}
	}
	for i, n := range lengths {
		start := b.CuSeqlens[i] + int32(rng.IntN(n))
		b.Spans = append(b.Spans, [2]int32{start, start + int32(rng.IntN(int(b.CuSeqlens[i+1]-start)))})
		b.Values = append(b.Values, float32(rng.NormFloat64()))
		b.Targets = append(b.Targets, int32(rng.IntN(max(2, l.Classes))))
	}
	b.Spans[0], b.Values[0], b.Targets[0] = schemas.NoSpan, float32(math.NaN()), schemas.IgnoreLabel
	if l.Head != QuestionAnswering {
		b.Spans = nil
	}
	switch l.Head {
	case Regression:
	case SentenceEmbedding:
		b.Values = []float32{0.5, -0.25}
		if len(lengths) > 4 {
			b.Values = append(b.Values, float32(math.NaN()))
		}
	default:
		b.Values = nil
	}
	switch l.Head {
	case MultipleChoice:
		b.Choices, b.Targets = 2, b.Targets[:len(lengths)/2]
	case SequenceClassification:
	default:
		b.Targets = nil
	}
	return b
}

// TestHeadSlopes compares the gradient of all parameters with the finite difference of the loss along it, with dropout on.
func TestHeadSlopes(t *testing.T) {
	for name, c := range smallEncoders() {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, c, 2)
			for _, p := range n.Params().List {
				for i := range p.Value {
					p.Value[i] *= 3
				}
			}
			b := randomTask(n.Limits(), 5, 9, 17, 3, 12, 1, 6)
			loss := func() float64 {
				n.Params().ZeroGrads()
				sum, labels, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true, Seed: 1, Step: 2, Scale: 0.5})
				if err != nil || labels != int(b.LabelCount()) {
					t.Fatalf("%d labels, want %d, error %v", labels, b.LabelCount(), err)
				}
				return sum / 2
			}
			loss()
			values, grad := n.Params().Values, slices.Clone(n.Params().Grads)
			before, size := slices.Clone(values), length(grad)
			at := func(step float64) float64 {
				for i, g := range grad {
					values[i] = before[i] + float32(step*float64(g)/size)
				}
				return loss()
			}
			eps := min(0.002, 0.01/size)
			if slope := (at(eps) - at(-eps)) / (2 * eps); !(math.Abs(slope-size) <= 1e-2*size) {
				t.Errorf("slope %v, gradient %v", slope, size)
			}
		})
	}
}

// TestHeadThreads demands the same bits for 1 and 2 threads, and that evaluation leaves the gradient alone.
func TestHeadThreads(t *testing.T) {
	for name, c := range smallEncoders() {
		t.Run(name, func(t *testing.T) {
			run := func(threads int) ([]float64, []float32) {
				n := newNetwork(t, c, threads)
				b := randomTask(n.Limits(), 2, 60, 7, 33, 2, 4, 9)
				evaluated, _, err := n.Loss(t.Context(), b, trainer.StepOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if length(n.Params().Grads) != 0 {
					t.Error("evaluation wrote a gradient")
				}
				trained, _, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true, Seed: 3, Scale: 0.5})
				if err != nil {
					t.Fatal(err)
				}
				return []float64{evaluated, trained}, n.Params().Grads
			}
			losses, grads := run(1)
			if l, g := run(2); !slices.Equal(l, losses) || !slices.Equal(g, grads) {
				t.Errorf("2 threads: losses %v, want %v; gradients equal: %v", l, losses, slices.Equal(g, grads))
			}
		})
	}
}

func TestRefusedTargets(t *testing.T) {
	configs := smallEncoders()
	cases := []struct {
		head  Head
		spoil func(b *schemas.Minibatch)
		want  string
	}{
		{TokenClassification, func(b *schemas.Minibatch) { b.Labels[4] = 3 }, "token 4 has the label 3, outside the 3 classes"},
		{TokenClassification, func(b *schemas.Minibatch) { b.Labels = b.Labels[1:] }, "labels for"},
		{QuestionAnswering, func(b *schemas.Minibatch) { b.Spans = b.Spans[1:] }, "1 spans for 2 sequences"},
		{QuestionAnswering, func(b *schemas.Minibatch) { b.Spans[1] = [2]int32{5, 7} }, "span of sequence 1 is tokens 5 to 7, outside its tokens 6 to 10"},
		{QuestionAnswering, func(b *schemas.Minibatch) { b.Spans[1] = [2]int32{7, 11} }, "tokens 7 to 11, outside"},
		{QuestionAnswering, func(b *schemas.Minibatch) { b.Spans[1] = [2]int32{8, 7} }, "tokens 8 to 7, outside"},
		{QuestionAnswering, func(b *schemas.Minibatch) { b.Spans[0] = [2]int32{schemas.IgnoreLabel, 2} }, "span of sequence 0"},
		{MultipleChoice, func(b *schemas.Minibatch) { b.Choices = 0 }, "of 0 choices"},
		{MultipleChoice, func(b *schemas.Minibatch) { b.Choices = 3 }, "of 3 choices each, for 2 sequences"},
		{MultipleChoice, func(b *schemas.Minibatch) { b.Choices = math.MaxInt }, "choices each"},
		{MultipleChoice, func(b *schemas.Minibatch) { b.Targets[0] = 2 }, "example 0 has the target 2"},
		{Regression, func(b *schemas.Minibatch) { b.Values[1] = float32(math.Inf(1)) }, "sequence 1 has the value +Inf"},
		{Regression, func(b *schemas.Minibatch) { b.Values = nil }, "0 values for 2 sequences"},
		{SentenceEmbedding, func(b *schemas.Minibatch) { b.Values = b.Values[:1]; b.Values[0] = 2 }, "pair 0 has the value 2"},
		{SentenceEmbedding, func(b *schemas.Minibatch) { b.Values = nil }, "0 values for 2 sequences, want one for each pair"},
	}
	for _, c := range cases {
		n := newNetwork(t, configs["bert/"+verbs[c.head]], 1)
		b := randomTask(n.Limits(), 1, 6, 5)
		c.spoil(b)
		if _, _, err := n.Loss(t.Context(), b, trainer.StepOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", verbs[c.head], err, c.want)
		}
	}
	n := newNetwork(t, configs["bert/"+verbs[MultipleChoice]], 1)
	if _, err := n.Choose(t.Context(), randomBatch(n.Limits(), 1, 3, 4)); err == nil || !strings.Contains(err.Error(), "of 0 choices") {
		t.Errorf("a batch without choices: %v", err)
	}
	if _, err := n.Spans(t.Context(), randomBatch(n.Limits(), 1, 3)); err == nil || !strings.Contains(err.Error(), "made to choose among sequences, not to find answers") {
		t.Errorf("answers of multiple choice: %v", err)
	}
}

// TestEncoderConfigs writes and reads each encoder with each head.
func TestEncoderConfigs(t *testing.T) {
	for name, c := range smallEncoders() {
		if c.ModelType != "distilbert" && c.Head.named() {
			rate := float32(0.25)
			c.Dropout = &rate
		}
		written, err := c.JSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ReadConfig(written)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(back.(*EncoderConfig).Extra) == 0 {
			back.(*EncoderConfig).Extra = nil
		}
		if !reflect.DeepEqual(back, Config(c)) {
			t.Errorf("%s: read back\n%+v\nwant\n%+v", name, back, c)
		}
	}
	l := smallEncoders()["roberta/"+verbs[LanguageModel]].Limits()
	if l.Positions != 138 {
		t.Errorf("a RoBERTa of 140 positions takes sequences of %d, want 138", l.Positions)
	}
	for text, want := range map[string]string{
		`{"model_type":"roberta","pad_token_id":null}`:                                                                        "pad_token_id",
		`{"model_type":"roberta","pad_token_id":511}`:                                                                         "max_position_embeddings",
		`{"model_type":"distilbert","n_heads":7}`:                                                                             "num_attention_heads",
		`{"model_type":"distilbert","qa_dropout":1}`:                                                                          "qa_dropout",
		`{"model_type":"bert","architectures":["BertForQuestionAnswering"],"num_labels":3}`:                                   "want 2",
		`{"model_type":"bert","architectures":["BertForSequenceClassification"],"problem_type":"multi_label_classification"}`: "problem_type",
	} {
		if _, err := ReadConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}
