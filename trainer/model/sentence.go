package model

import (
	"encoding/json"
	"fmt"
)

// SentenceFiles are the files, by path below the model folder, with which sentence-transformers takes a model made for SentenceEmbedding as its own: they say that the
// vector of a text is the mean over its tokens. They stand beside config.json, weights and tokenizer.
func (c *EncoderConfig) SentenceFiles() (map[string][]byte, error) {
	if c.Head != SentenceEmbedding {
		return nil, fmt.Errorf("describe sentence embeddings: the model is made to %s", c.Head)
	}
	type module struct {
		Index int    `json:"idx"`
		Name  string `json:"name"`
		Path  string `json:"path"`
		Type  string `json:"type"`
	}
	files := map[string][]byte{}
	for path, content := range map[string]any{
		"modules.json": []module{
			{0, "0", "", "sentence_transformers.models.Transformer"},
			{1, "1", "1_Pooling", "sentence_transformers.models.Pooling"},
		},
		"sentence_bert_config.json": struct {
			MaxTokens int  `json:"max_seq_length"`
			Lowercase bool `json:"do_lower_case"` // the tokenizer sees to that
		}{c.Limits().Positions, false},
		"1_Pooling/config.json": struct {
			Width   int  `json:"word_embedding_dimension"`
			First   bool `json:"pooling_mode_cls_token"`
			Mean    bool `json:"pooling_mode_mean_tokens"`
			Largest bool `json:"pooling_mode_max_tokens"`
			Root    bool `json:"pooling_mode_mean_sqrt_len_tokens"`
		}{Width: c.HiddenSize, Mean: true},
	} {
		text, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("describe sentence embeddings: %w", err)
		}
		files[path] = append(text, '\n')
	}
	return files, nil
}
