package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/shardmill/shardmill/trainer/fused"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// Head is what a model predicts, and from which fields of a minibatch it learns that.
type Head uint8

// The heads. Classes of transformers are named FAMILYFor…, such as DistilBertForMaskedLM; without a head, FAMILYModel.
const (
	LanguageModel          Head = iota // a token of the vocabulary for each label (MaskedLM; causal models)
	SequenceClassification             // a class for each sequence: Targets
	TokenClassification                // a class for each token that has a label: Labels
	QuestionAnswering                  // first and last token of an answer in each sequence: Spans
	MultipleChoice                     // one of the Choices sequences of an example: Targets
	Regression                         // a number for each sequence: Values (SequenceClassification with one label)
	SentenceEmbedding                  // a vector for each sequence; the cosine of two is compared with a number for each pair: Values
	heads
)

// architectures are the ends of names of classes in transformers. Regression is not in the name.
var architectures = [heads]string{
	"ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice", "ForSequenceClassification", "Model",
}

const maxClasses = 1 << 12

// named reports whether the classes of a head have names.
func (h Head) named() bool { return h == SequenceClassification || h == TokenClassification }

// WithHead describes a model whose encoder is like that of c, with another head. labels name the classes, where the head has some.
func (c *EncoderConfig) WithHead(h Head, labels []string) *EncoderConfig {
	with := *c
	with.Head, with.Labels, with.Extra = h, slices.Clone(labels), maps.Clone(c.Extra)
	for _, name := range labelFieldNames {
		delete(with.Extra, name)
	}
	return &with
}

func (c *EncoderConfig) validateHead() error {
	if c.Head >= heads {
		return fmt.Errorf("head %d is not known", c.Head)
	}
	n := len(c.Labels)
	switch {
	case c.Head.named() && (n < 2 || n > maxClasses):
		return fmt.Errorf("num_labels is %d, want 2 to %d", n, maxClasses)
	case !c.Head.named() && n > 0:
		return fmt.Errorf("there are %d labels for a head without classes", n)
	}
	if sorted := slices.Sorted(slices.Values(c.Labels)); len(slices.Compact(sorted)) != n {
		return errors.New("id2label gives two classes the same name")
	}
	if c.Dropout != nil {
		if err := check([]rule{rate("classifier_dropout", *c.Dropout)}); err != nil {
			return err
		}
	}
	return check([]rule{rate("qa_dropout", c.AnswerDropout)})
}

// outputs is the number of scores that the last layer of a head other than that of a language model gives.
func (c *EncoderConfig) outputs() int {
	switch c.Head {
	case QuestionAnswering:
		return 2
	case MultipleChoice, Regression:
		return 1
	}
	return len(c.Labels)
}

// pooler is the dense layer between encoder and last layer, where there is one, and predictor the name of the last layer.
func (c *EncoderConfig) pooler() string {
	switch c.Head {
	case SequenceClassification, Regression:
		return c.family().pooler
	case MultipleChoice:
		return c.family().choicePooler
	}
	return ""
}

func (c *EncoderConfig) predictor() string {
	switch c.Head {
	case SequenceClassification, Regression:
		return c.family().classifier
	case QuestionAnswering:
		return "qa_outputs"
	}
	return "classifier"
}

// headSpecs adds the parameters of the head.
func (c *EncoderConfig) headSpecs(specs *specs) {
	f, h := c.family(), c.HiddenSize
	if c.Head == LanguageModel {
		specs.linear(f.transform, h, h)
		specs.norm(f.transformNorm, h)
		specs.vector(f.bias, c.VocabSize)
		return
	}
	if c.Head == SentenceEmbedding {
		return
	}
	if pooler := c.pooler(); pooler != "" {
		specs.linear(pooler, h, h)
	}
	specs.linear(c.predictor(), c.outputs(), h)
}

// head adds all of the head but its last layer.
func (c *EncoderConfig) head(g *fused.Graph, s *params.Set, x *fused.Tensor) *fused.Tensor {
	if c.Head == SentenceEmbedding {
		return g.Mean(x)
	}
	f := c.family()
	x = g.Gather(x)
	if c.Head == LanguageModel {
		act := activations[c.HiddenAct]
		if f.padded { // the head of RoBERTa does not ask hidden_act
			act = kernels.GELUErf
		}
		x = g.Linear(x, activated(linear(s, f.transform), act))
		return g.LayerNorm(x, norm(s, f.transformNorm, float32(c.LayerNormEps)), 0)
	}
	rate, pooler := c.headDropout(), c.pooler()
	if pooler != "" {
		if f.dropBeforePooler && c.Head != MultipleChoice {
			x = g.Dropout(x, rate)
		}
		x = g.Linear(x, activated(linear(s, pooler), f.pool))
	}
	return g.Dropout(x, rate)
}

// headDropout is the rate before the last layer.
func (c *EncoderConfig) headDropout() float32 {
	distil := c.ModelType == "distilbert"
	switch {
	case c.Head == QuestionAnswering:
		return c.AnswerDropout
	case c.Dropout == nil, distil && c.Head == TokenClassification, c.family().padded && c.Head == MultipleChoice:
		return c.HiddenDropout
	}
	return *c.Dropout
}

func (c *EncoderConfig) decoder(s *params.Set) (table, bias *params.Param) {
	if f := c.family(); c.Head == LanguageModel {
		return s.Lookup(f.base + "embeddings.word_embeddings.weight"), s.Lookup(f.bias)
	}
	if c.Head == SentenceEmbedding {
		return nil, nil
	}
	name := c.predictor()
	return s.Lookup(name + ".weight"), s.Lookup(name + ".bias")
}

// String says what a model with the head does.
func (h Head) String() string { return verbs[min(h, heads-1)] }

// verbs say in errors what a model with a head does.
var verbs = [heads]string{"predict tokens", "classify sequences", "classify tokens", "find answers", "choose among sequences", "predict numbers", "embed sequences"}
