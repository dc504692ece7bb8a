package model

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/optim"
)

// recording is what conformance/trainer/record.py wrote about a model of transformers.
type recording struct {
	Config     json.RawMessage
	Teacher    json.RawMessage // of a student
	Options    DistillOptions
	Sequences  []sequence
	Loss       float64
	Trace      []float64
	Logits     []int
	Parameters []struct {
		Name  string
		Shape []int
	}
	StateDict []string `json:"state_dict"`

	logits    []float32
	gradients map[string][]float32
}

type sequence struct {
	IDs      []uint32
	Segments []uint8
	Labels   []int32
}

func readRecording(t *testing.T, name string) *recording {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{gradients: map[string][]float32{}}
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join("testdata", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	in := bytes.NewReader(data)
	read := func(shape []int) []float32 {
		n := 1
		for _, s := range shape {
			n *= s
		}
		v := make([]float32, n)
		if err := binary.Read(in, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	r.logits = read(r.Logits)
	for _, p := range r.Parameters {
		r.gradients[p.Name] = read(p.Shape)
	}
	if in.Len() != 0 {
		t.Fatalf("%d bytes are left in the recording", in.Len())
	}
	return r
}

// network makes the recorded model, with the formula of the script for its weights.
func (r *recording) network(t *testing.T, threads int) *Network {
	t.Helper()
	c, err := ReadConfig(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(threads)
	t.Cleanup(pool.Close)
	n, err := New(c, pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	for _, p := range n.Params().List {
		crc := crc32.ChecksumIEEE([]byte(p.Name))
		for i := range p.Value {
			x := uint32(i)*2654435761 + crc
			x ^= x >> 15
			x *= 2246822519
			x ^= x >> 13
			p.Value[i] = (float32(x>>16)/32768 - 1) / 4
			if len(p.Shape) == 1 && strings.HasSuffix(p.Name, "weight") {
				p.Value[i] += 1
			}
		}
	}
	return n
}

// minibatch puts sequences together, with their labels where the head looks for them.
func minibatch(h Head, sequences ...sequence) *schemas.Minibatch {
	b := &schemas.Minibatch{CuSeqlens: []int32{0}}
	for _, s := range sequences {
		for i := range s.IDs {
			b.Positions = append(b.Positions, int32(i))
		}
		b.IDs, b.Segments = append(b.IDs, s.IDs...), append(b.Segments, s.Segments...)
		switch start := b.CuSeqlens[len(b.CuSeqlens)-1]; h {
		case SequenceClassification, MultipleChoice:
			b.Targets = append(b.Targets, s.Labels...)
		case Regression:
			b.Values = append(b.Values, float32(s.Labels[0]))
		case QuestionAnswering:
			b.Spans = append(b.Spans, [2]int32{start + s.Labels[0], start + s.Labels[1]})
		default:
			b.Labels = append(b.Labels, s.Labels...)
		}
		b.CuSeqlens = append(b.CuSeqlens, int32(len(b.IDs)))
	}
	if h == MultipleChoice {
		b.Choices = 2
	}
	return b
}

// scores are what the recording has of a model: those of the first sequence or example where the head is not for a vocabulary.
func (r *recording) scores(t *testing.T, n *Network) []float32 {
	t.Helper()
	first := minibatch(n.limits.Head, r.Sequences[0])
	var scores []float32
	var err error
	switch n.limits.Head {
	case SequenceClassification:
		scores, err = n.Classify(t.Context(), first)
	case TokenClassification:
		classes := n.limits.Classes
		all, failed := n.TagTokens(t.Context(), first)
		for i, l := range first.Labels {
			if l != schemas.IgnoreLabel {
				scores = append(scores, all[i*classes:(i+1)*classes]...)
			}
		}
		err = failed
	case QuestionAnswering:
		scores, err = n.Spans(t.Context(), first)
	case MultipleChoice:
		scores, err = n.Choose(t.Context(), minibatch(MultipleChoice, r.Sequences[:2]...))
	case Regression:
		scores, err = n.Regress(t.Context(), first)
	default:
		b := minibatch(LanguageModel, r.Sequences...)
		scores, err = n.Logits(t.Context(), b, labelled(b, r.Logits[0]))
	}
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

// labelled returns the rows of the first n labels.
func labelled(b *schemas.Minibatch, n int) (rows []int32) {
	for i, l := range b.Labels {
		if l != schemas.IgnoreLabel && len(rows) < n {
			rows = append(rows, int32(i))
		}
	}
	return rows
}

func length(v []float32) float64 {
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	return math.Sqrt(square)
}

// relative is the size of a - b relative to that of b, both as vectors.
func relative(a, b []float32) float64 {
	var diff, size float64
	for i := range b {
		diff += (float64(a[i]) - float64(b[i])) * (float64(a[i]) - float64(b[i]))
		size += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(diff / size)
}

var recordings = []string{
	"bert", "gpt2", "classifier", "llama", "llama_tied", "roberta", "distilbert", "roberta_classifier", "distilbert_classifier",
	"bert_tokens", "distilbert_answers", "roberta_choices", "bert_value",
}

// TestNumbersOfPyTorch compares loss, logits and all gradients with those that PyTorch computed in float64 for the model of transformers.
func TestNumbersOfPyTorch(t *testing.T) {
	for _, name := range recordings {
		t.Run(name, func(t *testing.T) {
			r := readRecording(t, name)
			n := r.network(t, 2)
			b := minibatch(n.limits.Head, r.Sequences...)
			sum, labels, err := n.Loss(t.Context(), b, trainer.StepOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if want := int(b.LabelCount()); labels != want || math.Abs(sum-r.Loss) > 1e-6*r.Loss {
				t.Errorf("loss %.9g of %d labels, want %.9g of %d", sum, labels, r.Loss, want)
			}
			logits := r.scores(t, n)
			if len(logits) != len(r.logits) || relative(logits, r.logits) > 1e-6 {
				t.Errorf("%d logits differ by %.2g from %d", len(logits), relative(logits, r.logits), len(r.logits))
			}
			withoutDropout(n.Config())
			if _, _, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true, Scale: 1}); err != nil {
				t.Fatal(err)
			}
			var got, want []float32
			for _, p := range n.Params().List {
				g := r.gradients[p.Name]
				got, want = append(got, p.Grad...), append(want, g...)
				// Some are 0 but for rounding: what adds the same to all scores of a softmax changes nothing.
				if zero := length(g) < 1e-12; zero && length(p.Grad) > 1e-5 || !zero && relative(p.Grad, g) > 1e-5 {
					t.Errorf("gradient of %s differs by %.2g", p.Name, relative(p.Grad, g))
				}
			}
			if e := relative(got, want); e > 2e-6 {
				t.Errorf("all gradients together differ by %.2g", e)
			} else {
				t.Logf("relative error of the gradient %.2g", e)
			}
		})
	}
}

// TestTrainingOfPyTorch repeats 50 updates by AdamW with clipping and compares the losses.
func TestTrainingOfPyTorch(t *testing.T) {
	for _, name := range recordings {
		t.Run(name, func(t *testing.T) {
			r := readRecording(t, name)
			n := r.network(t, 2)
			withoutDropout(n.Config())
			adam, err := optim.NewAdamW(n.Params(), optim.AdamWOptions{WeightDecay: 0.1})
			if err != nil {
				t.Fatal(err)
			}
			var worst float64
			for step, want := range r.Trace {
				b := minibatch(n.limits.Head, recordedSequences(n.Config(), 4+step%7, 11, 2+step%3)...)
				sum, labels, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true, Step: int64(step), Scale: 1 / float32(b.LabelCount())})
				if err != nil {
					t.Fatal(err)
				}
				norm, err := optim.Norm(n.pool, n.Params().Grads)
				if err != nil {
					t.Fatal(err)
				}
				if err := adam.Step(n.pool, 2e-3, optim.ClipScale(norm, 1)); err != nil {
					t.Fatal(err)
				}
				diff := math.Abs(sum/float64(labels) - want)
				if worst = max(worst, diff); diff > 1e-4 {
					t.Errorf("update %d: loss %v, want %v", step, sum/float64(labels), want)
				}
			}
			t.Logf("the losses differ by %.2g at most", worst)
		})
	}
}

// recordedSequences are sequences of the given lengths, of which multiple choice takes the first two.
func recordedSequences(c Config, lengths ...int) (out []sequence) {
	if c.Limits().Head == MultipleChoice {
		lengths = lengths[:2]
	}
	for s, n := range lengths {
		out = append(out, recordedSequence(c, s, n))
	}
	return out
}

// recordedSequence is the formula for sequence s, of n tokens.
func recordedSequence(c Config, s, n int) sequence {
	l := c.Limits()
	vocabulary, labels := l.Vocabulary, l.Vocabulary
	_, causal := c.(Causal)
	if l.Head == TokenClassification {
		labels = l.Classes
	}
	var out sequence
	for i := range n {
		out.IDs = append(out.IDs, uint32(1+(7*i+13*s+i*i)%(vocabulary-1)))
		out.Labels = append(out.Labels, schemas.IgnoreLabel)
		out.Segments = append(out.Segments, 0)
		if l.Segments > 1 && 2*i >= n {
			out.Segments[i] = 1
		}
		if !causal && i%3 == 1 {
			out.Labels[i] = int32((5*i + s) % labels)
		}
		if causal && i > 0 {
			out.Labels[i-1] = int32(out.IDs[i])
		}
	}
	switch l.Head {
	case SequenceClassification:
		out.Labels = []int32{int32((s + n) % l.Classes)}
	case Regression:
		out.Labels = []int32{int32((s + n) % 5)}
	case QuestionAnswering:
		out.Labels = []int32{int32(n / 3), int32(n / 2)}
	case MultipleChoice:
		if out.Labels = nil; s%2 == 0 {
			out.Labels = []int32{int32((s + n) % 2)}
		}
	}
	return out
}

func withoutDropout(c Config) {
	switch c := c.(type) {
	case *EncoderConfig:
		c.HiddenDropout, c.AttentionDropout, c.AnswerDropout, c.Dropout = 0, 0, 0, nil
	case *GPT2Config:
		c.ResidualDropout, c.EmbeddingDropout, c.AttentionDropout = 0, 0, 0
	case *LlamaConfig:
		c.AttentionDropout = 0
	}
}

// TestNamesOfTransformers compares names and shapes of parameters with those of transformers, of whose state dict nothing but tied names may be left.
func TestNamesOfTransformers(t *testing.T) {
	tied := []string{"cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "lm_head.weight", "lm_head.decoder.weight", "lm_head.decoder.bias", "vocab_projector.weight"}
	for _, name := range recordings {
		t.Run(name, func(t *testing.T) {
			r := readRecording(t, name)
			set := r.network(t, 1).Params()
			if len(set.List) != len(r.Parameters) {
				t.Errorf("%d parameters, want %d", len(set.List), len(r.Parameters))
			}
			for _, p := range r.Parameters {
				if got := set.Lookup(p.Name); got == nil || !slices.Equal(got.Shape, p.Shape) {
					t.Errorf("parameter %s of shape %v: got %+v", p.Name, p.Shape, got)
				}
			}
			for _, key := range r.StateDict {
				if set.Lookup(key) == nil && !slices.Contains(tied, key) {
					t.Errorf("no parameter for %s", key)
				}
			}
		})
	}
}
