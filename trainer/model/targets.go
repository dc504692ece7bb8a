package model

import (
	"fmt"
	"math"

	"github.com/shardmill/shardmill/schemas"
)

// loadTargets makes n.batch a view of b, with what the head learns from as rows and labels.
func (n *Network) loadTargets(b *schemas.Minibatch) error {
	n.load(b)
	switch n.limits.Head {
	case SequenceClassification:
		return n.loadClasses(b)
	case TokenClassification:
		return n.loadLabels(b, n.limits.Classes, "classes of the model")
	case QuestionAnswering:
		return n.loadSpans(b)
	case MultipleChoice:
		return n.loadChoices(b)
	case Regression:
		return n.loadValues(b)
	case SentenceEmbedding:
		return n.loadPairs(b)
	}
	return n.loadLabels(b, n.limits.Vocabulary, "entries of the vocabulary")
}

// loadLabels takes the labelled tokens of b as rows. Labels lie below limit.
func (n *Network) loadLabels(b *schemas.Minibatch, limit int, of string) error {
	if len(b.Labels) != len(b.IDs) {
		return fmt.Errorf("there are %d labels for %d tokens", len(b.Labels), len(b.IDs))
	}
	for i, label := range b.Labels {
		if label == schemas.IgnoreLabel {
			continue
		}
		if label < 0 || int(label) >= limit {
			return fmt.Errorf("token %d has the label %d, outside the %d %s", i, label, limit, of)
		}
		n.batch.Rows, n.batch.Labels = append(n.batch.Rows, int32(i)), append(n.batch.Labels, label)
	}
	return nil
}

// loadClasses takes the first tokens of the sequences of b that have a target as rows: the place of [CLS].
func (n *Network) loadClasses(b *schemas.Minibatch) error {
	if sequences := len(b.CuSeqlens) - 1; len(b.Targets) != sequences {
		return fmt.Errorf("there are %d targets for %d sequences", len(b.Targets), sequences)
	}
	for i, target := range b.Targets {
		if target == schemas.IgnoreLabel {
			continue
		}
		if target < 0 || int(target) >= n.limits.Classes {
			return fmt.Errorf("sequence %d has the target %d, outside the %d classes of the model", i, target, n.limits.Classes)
		}
		n.batch.Rows, n.batch.Labels = append(n.batch.Rows, b.CuSeqlens[i]), append(n.batch.Labels, target)
	}
	return nil
}

// loadSpans takes all tokens of the sequences of b that have an answer as rows, a group for each sequence.
func (n *Network) loadSpans(b *schemas.Minibatch) error {
	if sequences := len(b.CuSeqlens) - 1; len(b.Spans) != sequences {
		return fmt.Errorf("there are %d spans for %d sequences", len(b.Spans), sequences)
	}
	for i, span := range b.Spans {
		if span == schemas.NoSpan {
			continue
		}
		from, to := b.CuSeqlens[i], b.CuSeqlens[i+1]
		if span[0] < from || span[1] < span[0] || span[1] >= to {
			return fmt.Errorf("the span of sequence %d is tokens %d to %d, outside its tokens %d to %d", i, span[0], span[1], from, to-1)
		}
		n.appendRows(from, to)
		n.batch.Groups = append(n.batch.Groups, int32(len(n.batch.Rows)))
		n.batch.Labels = append(n.batch.Labels, span[0]-from, span[1]-from)
	}
	return nil
}

// loadChoices takes the first tokens of all sequences of the examples of b that have a target as rows, a group for each example.
func (n *Network) loadChoices(b *schemas.Minibatch) error {
	sequences, choices := len(b.CuSeqlens)-1, int32(b.Choices)
	if b.Choices < 1 || b.Choices > sequences || len(b.Targets)*b.Choices != sequences {
		return fmt.Errorf("there are %d targets, of %d choices each, for %d sequences", len(b.Targets), b.Choices, sequences)
	}
	for i, target := range b.Targets {
		if target == schemas.IgnoreLabel {
			continue
		}
		if target < 0 || target >= choices {
			return fmt.Errorf("example %d has the target %d, outside its %d choices", i, target, choices)
		}
		first := int32(i) * choices
		n.batch.Rows = append(n.batch.Rows, b.CuSeqlens[first:first+choices]...)
		n.batch.Groups, n.batch.Labels = append(n.batch.Groups, int32(len(n.batch.Rows))), append(n.batch.Labels, target)
	}
	return nil
}

// loadValues takes the first tokens of the sequences of b that have a value as rows.
func (n *Network) loadValues(b *schemas.Minibatch) error {
	if sequences := len(b.CuSeqlens) - 1; len(b.Values) != sequences {
		return fmt.Errorf("there are %d values for %d sequences", len(b.Values), sequences)
	}
	for i, value := range b.Values {
		if value != value {
			continue
		}
		if math.IsInf(float64(value), 0) {
			return fmt.Errorf("sequence %d has the value %v", i, value)
		}
		n.batch.Rows, n.batch.Values = append(n.batch.Rows, b.CuSeqlens[i]), append(n.batch.Values, value)
	}
	return nil
}

// loadPairs takes all sequences of b, two for each value.
func (n *Network) loadPairs(b *schemas.Minibatch) error {
	sequences, known := len(b.CuSeqlens)-1, false
	if 2*len(b.Values) != sequences {
		return fmt.Errorf("there are %d values for %d sequences, want one for each pair of neighbours", len(b.Values), sequences)
	}
	for i, value := range b.Values {
		if math.Abs(float64(value)) > 1 {
			return fmt.Errorf("pair %d has the value %v, want a cosine from -1 to 1", i, value)
		}
		known = known || value == value
	}
	if known {
		n.batch.Rows, n.batch.Values = append(n.batch.Rows, b.CuSeqlens[:sequences]...), append(n.batch.Values, b.Values...)
	}
	return nil
}

// appendRows takes tokens from up to but without to as rows.
func (n *Network) appendRows(from, to int32) {
	for i := from; i < to; i++ {
		n.batch.Rows = append(n.batch.Rows, i)
	}
}
