package model

import (
	"context"
	"fmt"

	"github.com/shardmill/shardmill/schemas"
)

// Each way to predict runs b without dropout, wants a network with its head, and returns scores that are valid until the next call. Labels and targets of b may be
// nil.

// Logits returns one number for each entry of the vocabulary, for each of rows, which index b.IDs.
func (n *Network) Logits(ctx context.Context, b *schemas.Minibatch, rows []int32) ([]float32, error) {
	if err := n.begin("logits", b, LanguageModel); err != nil {
		return nil, err
	}
	for i, row := range rows {
		if row < 0 || int(row) >= len(b.IDs) {
			return nil, fmt.Errorf("logits: row %d is token %d, outside the %d tokens of the minibatch", i, row, len(b.IDs))
		}
	}
	n.batch.Rows = append(n.batch.Rows, rows...)
	return n.predict(ctx)
}

// Classify returns one number for each class, for each sequence of b: the logits of FAMILYForSequenceClassification.
func (n *Network) Classify(ctx context.Context, b *schemas.Minibatch) ([]float32, error) {
	return n.predictFirst(ctx, "classify", b, SequenceClassification)
}

// Regress returns a number for each sequence of b.
func (n *Network) Regress(ctx context.Context, b *schemas.Minibatch) ([]float32, error) {
	return n.predictFirst(ctx, "regress", b, Regression)
}

// Choose returns a score for each sequence of b. The sequences of an example compete: the softmax over their scores gives their probabilities.
func (n *Network) Choose(ctx context.Context, b *schemas.Minibatch) ([]float32, error) {
	if b.Choices < 1 || (len(b.CuSeqlens)-1)%b.Choices != 0 {
		return nil, fmt.Errorf("choose: minibatch %d has %d sequences, which are no examples of %d choices", b.Step, len(b.CuSeqlens)-1, b.Choices)
	}
	return n.predictFirst(ctx, "choose", b, MultipleChoice)
}

// TagTokens returns one number for each class, for each token of b: the logits of FAMILYForTokenClassification.
func (n *Network) TagTokens(ctx context.Context, b *schemas.Minibatch) ([]float32, error) {
	return n.predictAll(ctx, "tag tokens", b, TokenClassification)
}

// Spans returns two numbers for each token of b: how likely an answer starts there, and how likely it ends there. They compete with those of the other tokens of
// their sequence.
func (n *Network) Spans(ctx context.Context, b *schemas.Minibatch) ([]float32, error) {
	return n.predictAll(ctx, "spans", b, QuestionAnswering)
}

// Embed returns a vector as wide as the model for each sequence of b: the mean of the hidden states of its tokens, whose length means nothing.
func (n *Network) Embed(ctx context.Context, b *schemas.Minibatch) ([]float32, error) {
	return n.predictFirst(ctx, "embed", b, SentenceEmbedding)
}

// begin loads b for a network with the head h.
func (n *Network) begin(what string, b *schemas.Minibatch, h Head) error {
	if n.limits.Head != h {
		return fmt.Errorf("%s: the head of the model is made to %s, not to %s", what, verbs[n.limits.Head], verbs[h])
	}
	if err := n.limits.check(b); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	n.load(b)
	return nil
}

// predictFirst predicts from the first token of each sequence: the place of [CLS].
func (n *Network) predictFirst(ctx context.Context, what string, b *schemas.Minibatch, h Head) ([]float32, error) {
	if err := n.begin(what, b, h); err != nil {
		return nil, err
	}
	n.batch.Rows = append(n.batch.Rows, b.CuSeqlens[:len(b.CuSeqlens)-1]...)
	return n.predict(ctx)
}

// predictAll predicts from every token.
func (n *Network) predictAll(ctx context.Context, what string, b *schemas.Minibatch, h Head) ([]float32, error) {
	if err := n.begin(what, b, h); err != nil {
		return nil, err
	}
	n.appendRows(0, int32(len(b.IDs)))
	return n.predict(ctx)
}

// predict runs the loaded rows.
func (n *Network) predict(ctx context.Context) ([]float32, error) {
	if len(n.batch.Rows) == 0 {
		return nil, nil
	}
	p, err := n.program(prediction)
	if err != nil {
		return nil, err
	}
	if err := p.graph.Run(ctx, &n.batch); err != nil {
		return nil, fmt.Errorf("predict: %w", err)
	}
	return p.logits.Floats(), nil
}
