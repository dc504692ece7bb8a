package model

import (
	"math"
	"testing"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// TestTrainingFLOPs compares with the formulas for a BERT and a GPT-2: 12·L·H² weights in the layers, scores of S·H twice in each, a head of V·H.
func TestTrainingFLOPs(t *testing.T) {
	const layers, hidden, vocabulary, length, tokens, labels = 3, 32, 100, 16, 1000, 150
	bert := DefaultBERT()
	bert.Layers, bert.HiddenSize, bert.Heads, bert.IntermediateSize, bert.VocabSize = layers, hidden, 2, 4*hidden, vocabulary
	gpt := DefaultGPT2()
	gpt.Layers, gpt.Width, gpt.Heads, gpt.VocabSize = layers, hidden, 2, vocabulary
	distil, roberta := DefaultDistilBERT(), DefaultRoBERTa()
	for _, c := range []*EncoderConfig{distil, roberta} {
		c.Layers, c.HiddenSize, c.Heads, c.IntermediateSize, c.VocabSize = layers, hidden, 2, 4*hidden, vocabulary
	}
	body := float64(6 * tokens * 12 * layers * hidden * hidden)
	scores := float64(12 * tokens * length * layers * hidden)
	for name, c := range map[string]struct {
		config Config
		want   float64
	}{
		"bert":       {bert, body + scores + 6*labels*(vocabulary*hidden+hidden*hidden)},
		"distilbert": {distil, body + scores + 6*labels*(vocabulary*hidden+hidden*hidden)},
		"roberta":    {roberta, body + scores + 6*labels*(vocabulary*hidden+hidden*hidden)},
		"classes":    {distil.WithHead(SequenceClassification, []string{"a", "b"}), body + scores + 6*labels*(2*hidden+hidden*hidden)},
		"answers":    {distil.WithHead(QuestionAnswering, nil), body + scores + 6*labels*2*hidden},
		"vectors":    {roberta.WithHead(SentenceEmbedding, nil), body + scores},
		"gpt2":       {gpt, body + scores/2 + 6*labels*vocabulary*hidden},
	} {
		pool := kernels.NewPool(1)
		n, err := New(c.config, pool)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.TrainingFLOPs(tokens, labels, length); math.Abs(got-c.want) > 1e-9*c.want {
			t.Errorf("%s: %v operations, want %v", name, got, c.want)
		}
		pool.Close()
	}
}
