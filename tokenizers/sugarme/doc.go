// Package sugarme lets github.com/sugarme/tokenizer, the oldest tokenizer in pure Go, stand in for package tokenizers: the same tokenizer.json, the same
// options, the same Encoding. It is there for those who come from that library and want to see what changes, and for comparisons. Nothing in shardmill
// depends on it to make shards or models.
//
// # How it deviates
//
// Of 8,000 rough texts (internal/roughtext: runs of spaces, scripts, marks, control characters, special tokens in the text), version 0.3.0 gives the same as
// package tokenizers, which equals Hugging Face tokenizers on all of them, on
//
//	tokenizer.json        ids equal   ids and offsets in bytes equal   failures
//	gpt2                     80.9 %                           80.9 %   0
//	roberta-base             76.4 %                           76.4 %   0
//	bert-base-uncased        51.3 %                           18.3 %   38
//	distilbert-base          51.3 %                           18.3 %   38
//	t5-base                  48.8 %                           31.0 %   269
//	llama-2                  12.0 %                           12.0 %   2
//	gpt-neox                 47.0 %                           44.9 %   3
//	llama-3                  does not load: its pattern needs look-ahead, which Go's regexp lacks; so it is with Qwen, cl100k and o200k
//
// A failure is a panic, which becomes an error here. Known causes of the rest: equal merges are not done from the left ("1000" becomes 838 405, not 8576);
// a paragraph break before a word is cut wrongly; accents and Hangul become unknown tokens of BERT; added tokens at the end of a text or with lstrip are
// lost; T5's spaces are not joined; byte_fallback, fuse_unk, ignore_merges and end_of_word_suffix are not applied. It is 5 to 30 times slower than
// Hugging Face tokenizers.
//
// Some states the library answers with log.Fatal, which ends the process and can't be caught: don't give it files or texts of strangers. Word and sequence
// numbers are those of the library.
package sugarme
