package tokenizers

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
)

// The models that Train makes.
const (
	TrainBPE       = "bpe"       // byte-level BPE with the words of GPT-2, as ByteLevelBPETokenizer of Hugging Face tokenizers
	TrainWordPiece = "wordpiece" // WordPiece with the words of BERT, as BertWordPieceTokenizer of the same
)

// TrainOptions says what vocabulary to train. Zero values stand for the defaults, which are those of the reference.
type TrainOptions struct {
	Model         string   // TrainBPE or TrainWordPiece; no default
	VocabSize     int      // tokens to reach, special ones included; 30,000
	MinFrequency  int64    // a pair that occurs less often is not merged; 2
	SpecialTokens []string // get the first ids; nil: <|endoftext|> for BPE, [PAD] [UNK] [CLS] [SEP] [MASK] for WordPiece, which needs [UNK]
	LimitAlphabet int      // WordPiece: the most characters to keep, the most frequent ones; 1,000
	Lowercase     bool     // WordPiece: lower case and no accents

	Progress func(TrainProgress) // called now and then; nil: not
}

// TrainProgress is how far a training is: first texts are read, then tokens are made.
type TrainProgress struct {
	Texts, Bytes int64 // read so far
	Words        int   // distinct words so far
	Tokens       int   // in the vocabulary so far; 0 while texts are read
}

const (
	progressTexts  = 256 // texts between two calls of Progress
	progressMerges = 64  // merges between two calls
	maxTrainWords  = 1<<31 - 1
)

// Train makes a tokenizer from texts; each is a document, whose words don't go on in the next. The tokenizer is a function of the options and the
// multiset of words, whatever the order of the texts. Memory grows with the number of distinct words only. The first error of texts is returned.
//
// BPE merges equal the reference's on the same texts. WordPiece breaks ties between pairs of equal count by the order in which the reference's hash table
// happened to give characters their ids; here ids follow the code points.
func Train(o TrainOptions, texts iter.Seq2[[]byte, error]) (*Tokenizer, error) {
	t, err := train(o, texts)
	if err != nil {
		return nil, fmt.Errorf("train tokenizer: %w", err)
	}
	return t, nil
}

func train(o TrainOptions, texts iter.Seq2[[]byte, error]) (*Tokenizer, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	var words map[string]int64
	var err error
	learner := newPairLearner(o)
	if o.Model == TrainBPE {
		words, err = countWords(o, texts, newGPT2Cutter().next)
		if err == nil {
			err = learner.addByteWords(words)
		}
	} else {
		plan := newBertPlan(&bertNormalizer{cleanText: true, chinese: true, stripAccents: o.Lowercase, lowercase: o.Lowercase}, nil)
		words, err = countWords(o, texts, plan.piece)
		if err == nil {
			err = learner.addCharWords(normalizedWords(plan, words))
		}
	}
	if err != nil {
		return nil, err
	}
	learner.learn()
	return Load(trainedFile(o, learner))
}

func (o *TrainOptions) setDefaults() error {
	if o.VocabSize == 0 {
		o.VocabSize = 30000
	}
	if o.MinFrequency == 0 {
		o.MinFrequency = 2
	}
	if o.LimitAlphabet == 0 {
		o.LimitAlphabet = 1000
	}
	if o.Progress == nil {
		o.Progress = func(TrainProgress) {}
	}
	if o.SpecialTokens == nil {
		o.SpecialTokens = []string{"<|endoftext|>"}
		if o.Model == TrainWordPiece {
			o.SpecialTokens = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
		}
	}
	switch {
	case o.Model != TrainBPE && o.Model != TrainWordPiece:
		return fmt.Errorf("Model is %q: %s and %s can be trained", o.Model, TrainBPE, TrainWordPiece)
	case o.VocabSize < 0 || o.VocabSize > maxID+1:
		return fmt.Errorf("VocabSize is %d: at most %d is possible", o.VocabSize, maxID+1)
	case o.MinFrequency < 0 || o.LimitAlphabet < 0:
		return errors.New("MinFrequency and LimitAlphabet can't be negative")
	case o.Lowercase && o.Model == TrainBPE:
		return errors.New("Lowercase is for wordpiece: byte-level BPE keeps every byte")
	case o.Model == TrainWordPiece && !slices.Contains(o.SpecialTokens, unknownToken):
		return fmt.Errorf("SpecialTokens lack %s, which wordpiece needs for words that it can't cut", unknownToken)
	}
	for i, s := range o.SpecialTokens {
		if s == "" || len(s) > maxAddedBytes || slices.Contains(o.SpecialTokens[:i], s) || s != strings.ToValidUTF8(s, "") {
			return fmt.Errorf("SpecialTokens hold %q, which is empty, too long, not valid UTF-8 or given twice", s)
		}
	}
	return nil
}

// countWords counts the words that cut finds: it returns how much of a text to skip, and how long the word behind it is, 0 for none.
func countWords(o TrainOptions, texts iter.Seq2[[]byte, error], cut func(text []byte) (skip, n int)) (map[string]int64, error) {
	index := map[string]int{}
	var counts []int64
	var p TrainProgress
	for text, err := range texts {
		if err != nil {
			return nil, fmt.Errorf("read text %d: %w", p.Texts, err)
		}
		p.Texts++
		p.Bytes += int64(len(text))
		for len(text) > 0 {
			skip, n := cut(text)
			word := text[skip : skip+n]
			text = text[skip+n:]
			if n == 0 {
				continue
			}
			i, ok := index[string(word)]
			if !ok {
				if i = len(counts); i == maxTrainWords {
					return nil, fmt.Errorf("more than %d distinct words", maxTrainWords)
				}
				counts = append(counts, 0)
				index[string(word)] = i
			}
			counts[i]++
		}
		if p.Words = len(counts); p.Texts%progressTexts == 0 {
			o.Progress(p)
		}
	}
	o.Progress(p)
	words := make(map[string]int64, len(index))
	for word, i := range index {
		words[word] = counts[i]
	}
	return words, nil
}

// next is word in the form that countWords wants.
func (p *gpt2Cutter) next(text []byte) (skip, n int) { return 0, p.word(text) }

// normalizedWords counts the words that pieces become.
func normalizedWords(plan *bertPlan, pieces map[string]int64) map[string]int64 {
	words := make(map[string]int64, len(pieces))
	var scratch Encoder
	for piece, count := range pieces {
		plan.eachWord(&scratch, []byte(piece), func(word []byte) { words[string(word)] += count })
	}
	return words
}

func sortedKeys(counts map[string]int64) []string {
	keys := make([]string, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
