package model

import (
	"regexp"

	"github.com/shardmill/shardmill/trainer/params"
)

var (
	tableNames = regexp.MustCompile(`embeddings\.|\bwte\.|\bwpe\.|embed_tokens\.`)
	headNames  = regexp.MustCompile(`^cls\.|pooler\.|classifier\.|^lm_head\.|^vocab_|^qa_outputs\.`)
	queryNames = regexp.MustCompile(`\.(?:query|q_lin|q_proj|c_attn)\.weight$`)
)

// TrainingFLOPs estimates the floating-point operations in f32 of an update on so many tokens, in sequences of a length, that predicts at so many of them.
// Counted are the products of matrices, each forward once and backward twice, and those of attention (Narayanan et al. 2021, appendix, without
// recomputation); half of the latter where tokens see only those before them.
func (n *Network) TrainingFLOPs(tokens, labels int64, length int) float64 {
	perToken, perLabel, attention := matrixSizes(n.set)
	if table, _ := n.config.decoder(n.set); table != nil && tableNames.MatchString(table.Name) {
		perLabel += float64(len(table.Value))
	}
	scores := 2 * float64(length) * attention
	switch n.config.(type) {
	case *GPT2Config, *LlamaConfig:
		scores /= 2
	}
	return 6*float64(tokens)*(perToken+scores) + 6*float64(labels)*perLabel
}

// matrixSizes adds up the weights that each token and each label are multiplied with, and the widths of attention over the layers.
func matrixSizes(set *params.Set) (perToken, perLabel, attention float64) {
	for _, p := range set.List {
		switch {
		case len(p.Shape) != 2 || tableNames.MatchString(p.Name):
			continue
		case headNames.MatchString(p.Name):
			perLabel += float64(len(p.Value))
		default:
			perToken += float64(len(p.Value))
		}
		if queryNames.MatchString(p.Name) {
			attention += float64(p.Shape[0])
		}
	}
	return perToken, perLabel, attention
}
