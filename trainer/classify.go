package trainer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer/metrics"
)

// Classifier is what [Predict] asks of a network.
type Classifier interface {
	// Classify runs the model on b without dropout and returns one number for each class, for each sequence of b. The result is valid until
	// the next call. b.Targets may be nil.
	Classify(ctx context.Context, b *schemas.Minibatch) ([]float32, error)
}

// Predict runs a classifier on all batches and hands the probabilities of the classes to emit, sequence by sequence, with the target of each.
// emit may keep nothing of probabilities.
func Predict(ctx context.Context, m Classifier, batches Batches, emit func(target int32, probabilities []float64) error) error {
	if err := batches.SeekBatch(0); err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	var b schemas.Minibatch
	var probabilities []float64
	for i := 0; ; i++ {
		err := batches.Next(ctx, &b)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("predict: read minibatch %d: %w", i, err)
		}
		logits, err := m.Classify(ctx, &b)
		if err != nil {
			return fmt.Errorf("predict: minibatch %d: %w", i, err)
		}
		classes := len(logits) / len(b.Targets)
		for s, target := range b.Targets {
			if probabilities, err = softmax(probabilities[:0], logits[s*classes:(s+1)*classes]); err != nil {
				return fmt.Errorf("predict: minibatch %d: sequence %d: %w", i, s, err)
			}
			if err := emit(target, probabilities); err != nil {
				return err
			}
		}
	}
}

// softmax appends the probabilities of logits to dst.
func softmax(dst []float64, logits []float32) ([]float64, error) {
	largest := math.Inf(-1)
	for class, v := range logits {
		if !finite(float64(v)) {
			return nil, fmt.Errorf("the logit of class %d is %v", class, v)
		}
		largest = max(largest, float64(v))
	}
	var sum float64
	for _, v := range logits {
		e := math.Exp(float64(v) - largest)
		dst, sum = append(dst, e), sum+e
	}
	for i := range dst {
		dst[i] /= sum
	}
	return dst, nil
}

// Likeliest is the class of the highest probability, the lowest among equals.
func Likeliest(probabilities []float64) int {
	best := 0
	for class, p := range probabilities {
		if p > probabilities[best] {
			best = class
		}
	}
	return best
}

// EvaluateClassifier measures the mean loss and the scores of a classifier on all batches, sequences without a target left out. Step and Tokens of the
// result are 0.
func EvaluateClassifier(ctx context.Context, m Classifier, batches Batches, classes int) (EvalMetrics, *metrics.Confusion, error) {
	table, err := metrics.NewConfusion(classes)
	if err != nil {
		return EvalMetrics{}, nil, fmt.Errorf("evaluate: %w", err)
	}
	var sum float64
	err = Predict(ctx, m, batches, func(target int32, probabilities []float64) error {
		if target == schemas.IgnoreLabel {
			return nil
		}
		if err := table.Add(int(target), Likeliest(probabilities)); err != nil {
			return err
		}
		sum -= math.Log(max(probabilities[target], math.SmallestNonzeroFloat64))
		return nil
	})
	if err != nil {
		return EvalMetrics{}, nil, fmt.Errorf("evaluate: %w", err)
	}
	scores, err := table.Scores()
	if err != nil {
		return EvalMetrics{}, nil, fmt.Errorf("evaluate: %w", err)
	}
	return EvalMetrics{EvalLoss: sum / float64(table.Total()), Labels: table.Total(), Scores: scores}, table, nil
}
