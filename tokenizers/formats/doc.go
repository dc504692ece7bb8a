// Package formats reads the vocabulary files that tokenizers are published in, and writes them.
//
// [Open] takes a file or a folder and recognises what it holds by its content first and by its name where the content leaves a choice. Whatever it reads, it
// composes the tokenizer.json that goes with it, so that a tokenizer saved by [tokenizers.Tokenizer.Save] loads in Hugging Face tokenizers too.
//
//	file                          of                               becomes
//	tokenizer.json                Hugging Face tokenizers          itself, byte for byte
//	vocab.txt                     BERT, DistilBERT, ELECTRA        WordPiece
//	vocab.json + merges.txt       GPT-2; RoBERTa, BART             byte-level BPE
//	*.tiktoken, tiktoken.model    r50k, p50k, cl100k, o200k,       byte-level BPE with the encoding's pattern and special tokens
//	                              Llama 3, Qwen
//	*.model (SentencePiece)       T5, ALBERT, XLNet, XLM-RoBERTa,  Unigram
//	                              Llama 2, Mistral, and others     BPE, with bytes for characters that it lacks
//
// In a folder the first of these that is there counts, in the order tokenizer.json, tiktoken, SentencePiece, vocab.json, vocab.txt.
//
// # What lies beside a vocabulary
//
// Vocabularies say nothing of letter case, special tokens or templates. These come from tokenizer_config.json, special_tokens_map.json,
// added_tokens.json and config.json beside the file, as transformers writes them, where they are there. Without them:
//
//   - A vocab.txt with upper-case Latin letters keeps case, one without is lower-cased and loses its accents.
//   - A vocab.json with <s>, </s> and <mask> is RoBERTa's, another is GPT-2's.
//   - A list of ranks is known by its name or its length.
//   - A SentencePiece model is known by its special pieces; one that is not known is run as the model itself says (Kudo and Richardson 2018).
//
// # Merges from ranks
//
// A tiktoken file gives each token a rank; two neighbours merge when together they are a token, the lowest rank first. If every token of more than one byte is
// left as two parts by the merges of lower rank alone, these two are its only merge: any other cut of it would need a boundary that lower ranks
// have removed, whatever stands around. Then the merges are those of the training, one for each token, as in GPT-2's merges.txt. If one token is not like that,
// as in Llama 3, every cut of every token into two tokens is a merge, as transformers writes them; this is the rule itself, only longer.
//
// # Merges from scores
//
// SentencePiece merges the neighbours that together are the piece of highest score. Every cut of a piece into two pieces is a merge, best score first,
// then by ids of the two: the order of the file that was published for Llama 2. Newer versions of transformers order the cuts of one piece otherwise, which
// can matter only where two ways to the same piece overlap.
//
// # What is exact
//
// conformance/tokenizers/formats.py compares ids with tiktoken, sentencepiece and Hugging Face tokenizers. Ranks, merges and vocab.txt give the same on all texts.
// Models of SentencePiece run in Hugging Face's components, as everywhere in the field, and differ from the library sentencepiece where these do: in characters
// with marks that its charsmap joins otherwise, and where two ways to cut a word score the same.
//
// # Bounds
//
// Files may come from strangers: sizes, counts, lengths of tokens and nesting are bounded, parsers never panic, and errors name file and line or field.
package formats
