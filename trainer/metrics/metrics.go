// Package metrics measures predictions against targets. A [Confusion] counts them; every measure of classification is a function of the counts:
//
//	accuracy   share of predictions that are right; with one class for each example, F1 averaged over decisions (micro) is the same number
//	F1         2·tp / (2·tp + fp + fn) of one class, and its mean over classes (macro)
//	Matthews   correlation of targets and predictions, for any number of classes (Gorodkin, 2004)
//
// Values equal those of scikit-learn, in whose measures a fraction with nothing below the line is 0. Numbers are compared by [Pearson], [Spearman] and
// [MeanSquaredError]; entities of tagged words by [EntityCounts], as seqeval does; answers to questions by [Answer], as SQuAD's script does.
package metrics

import (
	"errors"
	"fmt"
	"math"
)

// Confusion counts pairs of target and prediction.
type Confusion struct {
	classes int
	counts  []int64 // [target·classes + prediction]
	total   int64
}

// maxClasses bounds the square of counts.
const maxClasses = 1 << 12

// NewConfusion returns an empty table for classes 0 … classes-1.
func NewConfusion(classes int) (*Confusion, error) {
	if classes < 1 || classes > maxClasses {
		return nil, fmt.Errorf("count predictions: %d classes, want 1 to %d", classes, maxClasses)
	}
	return &Confusion{classes: classes, counts: make([]int64, classes*classes)}, nil
}

// Add counts one prediction.
func (c *Confusion) Add(target, prediction int) error {
	if target < 0 || target >= c.classes || prediction < 0 || prediction >= c.classes {
		return fmt.Errorf("count predictions: target %d with prediction %d, want 0 to %d", target, prediction, c.classes-1)
	}
	c.counts[target*c.classes+prediction]++
	c.total++
	return nil
}

// Classes is the number of classes.
func (c *Confusion) Classes() int { return c.classes }

// Total is the number of predictions.
func (c *Confusion) Total() int64 { return c.total }

// Count is the number of predictions of one class for examples of another.
func (c *Confusion) Count(target, prediction int) int64 { return c.counts[target*c.classes+prediction] }

// sums returns how often a class was predicted rightly, was the target, and was predicted.
func (c *Confusion) sums(class int) (right, targets, predictions int64) {
	for other := range c.classes {
		targets += c.Count(class, other)
		predictions += c.Count(other, class)
	}
	return c.Count(class, class), targets, predictions
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Accuracy is the share of predictions that are right: micro F1 too.
func (c *Confusion) Accuracy() float64 {
	var right int64
	for class := range c.classes {
		right += c.Count(class, class)
	}
	return ratio(float64(right), float64(c.total))
}

// F1 is the harmonic mean of precision and recall of one class. With two classes, that of class 1 is the usual binary F1.
func (c *Confusion) F1(class int) float64 {
	right, targets, predictions := c.sums(class)
	return ratio(float64(2*right), float64(targets+predictions))
}

// MacroF1 is the mean of F1 over the classes that are among the targets or the predictions.
func (c *Confusion) MacroF1() float64 {
	var sum, n float64
	for class := range c.classes {
		if _, targets, predictions := c.sums(class); targets+predictions > 0 {
			sum += c.F1(class)
			n++
		}
	}
	return ratio(sum, n)
}

// Matthews is the correlation coefficient of targets and predictions: 1 for all right, 0 for chance or a single answer, and down to -1.
func (c *Confusion) Matthews() float64 {
	var right, products, targetSquares, predictionSquares float64
	for class := range c.classes {
		r, t, p := c.sums(class)
		right += float64(r)
		products += float64(t) * float64(p)
		targetSquares += float64(t) * float64(t)
		predictionSquares += float64(p) * float64(p)
	}
	n := float64(c.total)
	return ratio(n*right-products, math.Sqrt(n*n-targetSquares)*math.Sqrt(n*n-predictionSquares))
}

// The names of scores.
const (
	Accuracy = "accuracy"
	F1       = "f1" // of class 1, where there are two classes
	MacroF1  = "macro_f1"
	MicroF1  = "micro_f1"
	Matthews = "matthews"
)

// Scores are all measures of a table, by name. It fails on an empty table.
func (c *Confusion) Scores() (map[string]float64, error) {
	if c.total == 0 {
		return nil, errors.New("measure predictions: there are none")
	}
	scores := map[string]float64{Accuracy: c.Accuracy(), MacroF1: c.MacroF1(), MicroF1: c.Accuracy(), Matthews: c.Matthews()}
	if c.classes == 2 {
		scores[F1] = c.F1(1)
	}
	return scores, nil
}
