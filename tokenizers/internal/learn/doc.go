// Package learn makes vocabularies from counted words: [Pairs] by merging frequent pairs of tokens, for BPE and WordPiece; [Unigram] by fitting a model in
// which a text is a run of independent pieces. Both are functions of the words and their order alone, whatever the machine and the number of workers, and
// follow the trainers of Hugging Face tokenizers; counts are 64 bits wide.
package learn
