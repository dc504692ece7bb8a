package trainer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/shardmill/shardmill/schemas"
)

// Evaluate measures the mean loss of a model over the labels of the first n minibatches, or of all of them if n is 0. Dropout is off
// and no gradient changes. The sum is made in float64 in the order of the batches.
func Evaluate(ctx context.Context, m Model, batches Batches, n int64) (EvalMetrics, error) {
	var (
		result EvalMetrics
		sum    float64
		b      schemas.Minibatch
	)
	if err := batches.SeekBatch(0); err != nil {
		return result, fmt.Errorf("evaluate: %w", err)
	}
	for i := int64(0); n == 0 || i < n; i++ {
		if err := ctx.Err(); err != nil {
			return result, err
		}
		err := batches.Next(ctx, &b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return result, fmt.Errorf("evaluate: read minibatch %d: %w", i, err)
		}
		loss, labels, err := m.Loss(ctx, &b, StepOptions{})
		if err != nil {
			return result, fmt.Errorf("evaluate: minibatch %d: %w", i, err)
		}
		sum += loss
		result.Labels += int64(labels)
		result.Tokens += int64(len(b.IDs))
	}
	if result.Labels == 0 {
		return result, errors.New("evaluate: the batches have no label: is there held-out data at all?")
	}
	result.EvalLoss = sum / float64(result.Labels)
	if math.IsNaN(result.EvalLoss) || math.IsInf(result.EvalLoss, 0) {
		return result, fmt.Errorf("evaluate: the loss is %v", result.EvalLoss)
	}
	return result, nil
}
