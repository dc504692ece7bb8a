package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// errNoPairs says that there is nothing to measure.
var errNoPairs = errors.New("measure a correlation: there are no pairs of numbers")

func checkPairs(targets, predictions []float64) error {
	if len(targets) != len(predictions) {
		return fmt.Errorf("measure a correlation: %d targets with %d predictions", len(targets), len(predictions))
	}
	if len(targets) == 0 {
		return errNoPairs
	}
	for i := range targets {
		if math.IsNaN(targets[i]) || math.IsInf(targets[i], 0) || math.IsNaN(predictions[i]) || math.IsInf(predictions[i], 0) {
			return fmt.Errorf("measure a correlation: pair %d is %v and %v", i, targets[i], predictions[i])
		}
	}
	return nil
}

// Pearson is the linear correlation of targets and predictions, as scipy.stats.pearsonr, but 0 where one of them does not vary.
func Pearson(targets, predictions []float64) (float64, error) {
	if err := checkPairs(targets, predictions); err != nil {
		return 0, err
	}
	meanT, meanP := mean(targets), mean(predictions)
	var both, squareT, squareP float64
	for i := range targets {
		t, p := targets[i]-meanT, predictions[i]-meanP
		both += float64(t * p)
		squareT += float64(t * t)
		squareP += float64(p * p)
	}
	if squareT == 0 || squareP == 0 {
		return 0, nil
	}
	return max(-1, min(1, both/(math.Sqrt(squareT)*math.Sqrt(squareP)))), nil
}

// Spearman is the correlation of ranks, equal numbers sharing the mean of theirs, as scipy.stats.spearmanr, but 0 where one side does not vary.
func Spearman(targets, predictions []float64) (float64, error) {
	if err := checkPairs(targets, predictions); err != nil {
		return 0, err
	}
	return Pearson(ranks(targets), ranks(predictions))
}

// MeanSquaredError is the mean of the squares of what predictions are off.
func MeanSquaredError(targets, predictions []float64) (float64, error) {
	if err := checkPairs(targets, predictions); err != nil {
		return 0, err
	}
	var sum float64
	for i := range targets {
		d := targets[i] - predictions[i]
		sum += float64(d * d)
	}
	return sum / float64(len(targets)), nil
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// ranks counts from 1.
func ranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	all := make([]float64, len(values))
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && values[order[end]] == values[order[first]] {
			end++
		}
		for _, at := range order[first:end] {
			all[at] = float64(first+1+end) / 2
		}
		first = end
	}
	return all
}

// Perplexity is e to the mean loss in nats.
func Perplexity(loss float64) float64 { return math.Exp(loss) }

// BitsPerByte is what a loss, summed over the tokens of a text in nats, comes to for each byte of the text: unlike perplexity it compares models with
// different vocabularies.
func BitsPerByte(sum float64, bytes int64) float64 { return sum / math.Ln2 / float64(bytes) }
