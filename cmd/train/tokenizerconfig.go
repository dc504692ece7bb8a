package main

import (
	"encoding/json"
	"slices"

	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer/model"
)

// tokenizerConfig is the content of tokenizer_config.json. Without it transformers guesses a class from config.json, and that class puts its
// own settings (BERT's: lower case) in the place of those in tokenizer.json. A model with two segments says that it wants them: else transformers gives it none, and
// its second texts are taken for first ones.
func tokenizerConfig(t *tokenizers.Tokenizer, limits model.Limits) ([]byte, error) {
	var special []string
	for _, s := range t.SpecialTokens() {
		special = append(special, s.Content)
	}
	// The first of the usual names that the tokenizer has; none is no error, the role is just not filled.
	role := func(names ...string) string {
		for _, name := range names {
			if slices.Contains(special, name) {
				return name
			}
		}
		return ""
	}
	fields := struct {
		Class     string `json:"tokenizer_class"`
		MaxLength int    `json:"model_max_length"`
		CleanUp   bool   `json:"clean_up_tokenization_spaces"`
		BOS       string `json:"bos_token,omitempty"`
		EOS       string `json:"eos_token,omitempty"`
		UNK       string `json:"unk_token,omitempty"`
		SEP       string `json:"sep_token,omitempty"`
		PAD       string `json:"pad_token,omitempty"`
		CLS       string `json:"cls_token,omitempty"`
		Mask      string `json:"mask_token,omitempty"`

		Inputs []string `json:"model_input_names,omitempty"`
	}{"PreTrainedTokenizerFast", limits.Positions, false, role("<s>", "<|endoftext|>"), role("</s>", "<|endoftext|>"), role("[UNK]", "<unk>", "<|endoftext|>"),
		role("[SEP]", "</s>"), role("[PAD]", "<pad>"), role("[CLS]", "<s>"), role("[MASK]", "<mask>"), nil}
	if limits.Segments > 1 {
		fields.Inputs = []string{"input_ids", "token_type_ids", "attention_mask"}
	}
	b, err := json.MarshalIndent(fields, "", "  ")
	return append(b, '\n'), err
}
