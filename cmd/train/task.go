package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/metrics"
	"github.com/shardmill/shardmill/trainer/model"
)

// task is what an encoder can be adapted to.
type task struct {
	name    string
	head    model.Head
	kind    tasks.Kind
	hub     string   // what the Hub calls it
	does    string   // what a model for it does, in errors
	metrics []string // that can make an epoch the best; the first is the default
	length  int      // longest sequence in tokens, unless a flag says otherwise
	flags   []string // of labelledFlags, beyond seq-len
	read    func(l *labelledFlags, file string, learn bool) (examples, error)
}

// taskTable is all tasks.
var taskTable = []*task{
	{"classify", model.SequenceClassification, tasks.Classes, "text-classification", "it labels texts",
		[]string{metrics.Accuracy, metrics.F1, metrics.MacroF1, metrics.Matthews, lossMetric}, 128, textFlags, readClasses},
	{"tag", model.TokenClassification, tasks.Tags, "token-classification", "it tags words",
		[]string{entityF1, metrics.Accuracy, lossMetric}, 128, []string{"word-column", "tag-column"}, readTags},
	{"qa", model.QuestionAnswering, tasks.Spans, "question-answering", "it answers questions",
		[]string{metrics.F1, exactMatch, lossMetric}, 384, []string{"overlap", "max-question", "max-answer", "no-answer"}, readQuestions},
	{"choice", model.MultipleChoice, tasks.Choices, "multiple-choice", "it chooses among options",
		[]string{metrics.Accuracy, lossMetric}, 128, []string{"text-field", "label-field", "options-field"}, readChoices},
	{"regress", model.Regression, tasks.Values, "text-classification", "it gives texts a number",
		[]string{pearson, spearman, lossMetric}, 128, textFlags, readNumbers},
	{"embed", model.SentenceEmbedding, tasks.Values, "sentence-similarity", "it gives texts a vector",
		[]string{spearman, pearson, lossMetric}, 128, textFlags, readPairs},
}

// The names of scores beside those of package metrics.
const (
	entityF1         = "entity_f1"
	entityPrecision  = "entity_precision"
	entityRecall     = "entity_recall"
	exactMatch       = "exact"
	pearson          = "pearson"
	spearman         = "spearman"
	meanSquaredError = "mse"
)

func taskNames() string {
	var names []string
	for _, t := range taskTable {
		names = append(names, t.name)
	}
	return strings.Join(names, ", ")
}

// taskNamed finds a task by its name; nil if there is none.
func taskNamed(name string) *task {
	if i := slices.IndexFunc(taskTable, func(t *task) bool { return t.name == name }); i >= 0 {
		return taskTable[i]
	}
	return nil
}

// taskOf finds the task of a model; nil for a language model.
func taskOf(c model.Config) *task {
	head := c.Limits().Head
	if i := slices.IndexFunc(taskTable, func(t *task) bool { return t.head == head }); i >= 0 {
		return taskTable[i]
	}
	return nil
}

// pairs tells that sequences are of two texts.
func (t *task) pairs(l *labelledFlags) bool {
	return l.fields.Pair != "" && t.head != model.SentenceEmbedding || t.kind == tasks.Spans || t.kind == tasks.Choices
}

// examples are those of a file.
type examples interface {
	len() int
	// subset keeps n of them, chosen by seed.
	subset(n int, seed uint64) error
	// fewShot keeps n of each class.
	fewShot(n int, seed uint64) error
	// labels are the names of the classes among them, or nil where a task has none.
	labels() ([]string, error)
	// sequences encodes them, group in a row for each. names are the classes of the model. cut tells how many were over the limit.
	sequences(e *encoder, names []string) (all []tasks.Sequence, group, cut int, err error)
	// judge takes what a network gave for each of the sequences, encoded by the last call of sequences, as predictions, and measures them if the file was read to
	// learn from.
	judge(outputs [][]float32, names []string) (*judgement, error)
}

// list is examples with what all tasks do alike.
type list[E any] struct {
	file  string
	all   []E
	learn bool // targets are there
}

func (l *list[E]) len() int { return len(l.all) }

func (l *list[E]) subset(n int, seed uint64) (err error) {
	l.all, err = tasks.Subset(l.all, n, seed)
	return err
}

func (l *list[E]) fewShot(int, uint64) error {
	return usagef("--examples-per-label is for --task classify")
}

func (l *list[E]) labels() ([]string, error) { return nil, nil }

// verdict is a prediction, and how far it is off.
type verdict struct {
	Line      int     `json:"line,omitempty"` // of the example in its file
	ID        string  `json:"id,omitempty"`
	Input     string  `json:"input"`
	Target    string  `json:"target"`
	Predicted string  `json:"predicted"`
	Loss      float64 `json:"loss"` // mean over its terms, in nats; for numbers the square of what is off

	terms  int    // of the loss
	text   string // for predict
	object any    // for predict --json
}

// judgement is what a model makes of all examples.
type judgement struct {
	verdicts []verdict
	scores   map[string]float64
	table    *metrics.Confusion // of labels or tags; nil where there are none
	entities *metrics.EntityCounts
}

// metrics sums up what was measured.
func (j *judgement) metrics() (trainer.EvalMetrics, error) {
	var sum float64
	m := trainer.EvalMetrics{Scores: j.scores}
	for _, v := range j.verdicts {
		sum += float64(v.Loss * float64(v.terms))
		m.Labels += int64(v.terms)
	}
	if m.Labels == 0 {
		return m, errors.New("evaluate: no example has anything to measure on")
	}
	m.EvalLoss = sum / float64(m.Labels)
	return m, nil
}

// evalSequences is the number of sequences that are run at once without gradients, and evalTokens bounds their tokens. They decide about speed alone.
const (
	evalSequences = 64
	evalTokens    = 8192
)

// infer runs a network on sequences in their order and returns what it gives for each: the scores of its first token, or of all tokens one after another.
func infer(ctx context.Context, n *model.Network, t *task, sequences []tasks.Sequence, group int) ([][]float32, error) {
	longest := 1
	for _, s := range sequences {
		longest = max(longest, len(s.IDs))
	}
	at := min(evalSequences, max(1, evalTokens/longest))
	batches, err := tasks.NewBatches(sequences, tasks.Options{Kind: t.kind, Group: group, BatchSequences: max(1, at/group)})
	if err != nil {
		return nil, err
	}
	outputs := make([][]float32, 0, len(sequences))
	var b schemas.Minibatch
	for {
		err := batches.Next(ctx, &b)
		if errors.Is(err, io.EOF) {
			return outputs, nil
		}
		if err != nil {
			return nil, err
		}
		scores, err := t.run(ctx, n, &b)
		if err != nil {
			return nil, err
		}
		eachToken := t.kind == tasks.Tags || t.kind == tasks.Spans
		for i := range len(b.CuSeqlens) - 1 {
			from, end, places := i, i+1, len(b.CuSeqlens)-1
			if eachToken {
				from, end, places = int(b.CuSeqlens[i]), int(b.CuSeqlens[i+1]), len(b.IDs)
			}
			width := len(scores) / places
			own := slices.Clone(scores[from*width : end*width])
			if slices.ContainsFunc(own, func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }) {
				return nil, fmt.Errorf("predict: a score of sequence %d is not finite", len(outputs))
			}
			outputs = append(outputs, own)
		}
	}
}

// run asks the head.
func (t *task) run(ctx context.Context, n *model.Network, b *schemas.Minibatch) ([]float32, error) {
	switch t.head {
	case model.TokenClassification:
		return n.TagTokens(ctx, b)
	case model.QuestionAnswering:
		return n.Spans(ctx, b)
	case model.MultipleChoice:
		return n.Choose(ctx, b)
	case model.Regression:
		return n.Regress(ctx, b)
	case model.SentenceEmbedding:
		return n.Embed(ctx, b)
	}
	return n.Classify(ctx, b)
}

// softmax is the probabilities of scores.
func softmax(scores []float32) []float64 {
	largest := float64(slices.Max(scores))
	all := make([]float64, len(scores))
	var sum float64
	for i, v := range scores {
		all[i] = math.Exp(float64(v) - largest)
		sum += all[i]
	}
	for i := range all {
		all[i] /= sum
	}
	return all
}

// crossEntropy is the cost of a target in nats.
func crossEntropy(probabilities []float64, target int) float64 {
	return -math.Log(max(probabilities[target], math.SmallestNonzeroFloat64))
}
