// Package mask decides what a model has to predict: pure functions over slices of token ids. A mask is a function of a Key, which is
// made of (seed, epoch, sample), and of nothing else: a replay repeats it, a new epoch changes it, and no worker's state takes part.
//
// # Random numbers
//
// They are counted, not drawn: number i of a key is the output i of SplitMix64 (Steele, Lea and Flood, 2014) started at that key,
//
//	At(i)      = mix(key + (i+1)·0x9e3779b97f4a7c15)                      all modulo 2^64
//	mix(z)     : z ^= z>>30; z *= 0xbf58476d1ce4e5b9; z ^= z>>27; z *= 0x94d049bb133111eb; z ^= z>>31
//	NewKey(ps) : k = len(ps); for each p of ps: k = mix((k + 0x9e3779b97f4a7c15) ^ p)
//	Below(x,n) = (x·n) >> 64, a number in [0, n)
//
// so that any language can repeat a mask. Probabilities are parts per million and compared as integers; no float decides.
//
// # Masked language model
//
// The position i of a sample uses the numbers At(3i), At(3i+1), At(3i+2): is it predicted; if so, does it become the mask token (8 of
// 10), any token of the vocabulary (1 of 10) or stay (1 of 10); which token. These are the rules of BERT as the Hugging Face collators
// apply them: each token that is not special is chosen on its own, the random token is drawn over the whole vocabulary, and the label of
// all other positions is schemas.IgnoreLabel. Words instead of tokens: MLM.AppendWords.
package mask

import (
	"fmt"
	"math"

	"github.com/shardmill/shardmill/schemas"
)

const (
	million = 1_000_000

	// DefaultRatePPM is the share of tokens that BERT predicts, in parts per million.
	DefaultRatePPM = 150_000

	// MaxWordPredictions is the most tokens that AppendWords predicts in one sample, as in the Hugging Face collator.
	MaxWordPredictions = 512
)

// Options of a masked language model.
type Options struct {
	RatePPM   uint32   // share of tokens to predict, in parts per million, 1 to 1,000,000; 0 means DefaultRatePPM
	MaskID    uint32   // id of [MASK]
	VocabSize int      // ids are below it; random tokens are drawn from all of them
	Special   []uint32 // ids that are never predicted; MaskID is one of them in any case
}

// MLM masks samples. It is read-only after New and safe for many goroutines.
type MLM struct {
	rate, maskID, vocab uint64
	special             []uint64 // bit set over ids
}

// New checks the options.
func New(o Options) (*MLM, error) {
	if o.RatePPM == 0 {
		o.RatePPM = DefaultRatePPM
	}
	if o.RatePPM > million {
		return nil, fmt.Errorf("mask rate of %d parts per million: at most %d is possible", o.RatePPM, million)
	}
	if o.VocabSize < 1 || o.VocabSize > math.MaxInt32 {
		return nil, fmt.Errorf("vocabulary of %d tokens: the size must lie between 1 and %d", o.VocabSize, math.MaxInt32)
	}
	m := &MLM{
		rate: uint64(o.RatePPM), maskID: uint64(o.MaskID), vocab: uint64(o.VocabSize),
		special: make([]uint64, (o.VocabSize+63)/64),
	}
	if m.maskID >= m.vocab {
		return nil, fmt.Errorf("mask token %d is outside the vocabulary of %d tokens", o.MaskID, o.VocabSize)
	}
	m.special[o.MaskID/64] |= 1 << (o.MaskID % 64)
	for _, id := range o.Special {
		if uint64(id) >= m.vocab {
			return nil, fmt.Errorf("special token %d is outside the vocabulary of %d tokens", id, o.VocabSize)
		}
		m.special[id/64] |= 1 << (id % 64)
	}
	return m, nil
}

// Append masks ids in place and appends one label for each of them: what the id was where it is to be predicted, else
// schemas.IgnoreLabel.
func (m *MLM) Append(labels []int32, ids []uint32, key Key) []int32 {
	for i, id := range ids {
		if m.isSpecial(id) || Below(key.At(3*uint64(i)), million) >= m.rate {
			labels = append(labels, schemas.IgnoreLabel)
			continue
		}
		labels = append(labels, int32(id))
		ids[i] = m.replace(id, i, key)
	}
	return labels
}

// AppendWords is Append for whole words: words are taken in a random order until the share of tokens is reached, each with all of its
// tokens; a word that would exceed the share is passed over. The share is the rate of all tokens of the sample, rounded half to
// even, at least 1 and at most MaxWordPredictions; each token of a word is then replaced on its own. These are the rules of BERT and
// of DataCollatorForWholeWordMask in transformers 4 (version 5 draws each word independently and only masks). Bit i of starts says that
// ids[i] begins a word; a special token belongs to none and ends the word before it. It returns words, memory that the caller passes
// again.
func (m *MLM) AppendWords(labels []int32, ids []uint32, starts []uint64, key Key, words []int32) (newLabels, newWords []int32) {
	base := len(labels)
	words = m.appendWordStarts(words[:0], ids, starts)
	for range ids {
		labels = append(labels, schemas.IgnoreLabel)
	}
	order := NewKey(uint64(key)) // numbers apart from those of the positions
	left := m.wordBudget(len(ids))
	for w := 0; w < len(words) && left > 0; w++ {
		pick := w + int(Below(order.At(uint64(w)), uint64(len(words)-w)))
		words[w], words[pick] = words[pick], words[w]
		first := int(words[w])
		end := first + 1
		for end < len(ids) && !m.isSpecial(ids[end]) && !isStart(starts, end) {
			end++
		}
		if end-first > left {
			continue
		}
		left -= end - first
		for i := first; i < end; i++ {
			labels[base+i] = int32(ids[i])
		}
	}
	for i, label := range labels[base:] {
		if label != schemas.IgnoreLabel {
			ids[i] = m.replace(ids[i], i, key)
		}
	}
	return labels, words
}

// AppendNext appends the labels of a causal model for ids[:len(ids)-1]: the id that follows each.
func AppendNext(labels []int32, ids []uint32) []int32 {
	for i := 1; i < len(ids); i++ {
		labels = append(labels, int32(ids[i]))
	}
	return labels
}

func (m *MLM) replace(id uint32, i int, key Key) uint32 {
	switch Below(key.At(3*uint64(i)+1), 10) {
	case 8:
		return uint32(Below(key.At(3*uint64(i)+2), m.vocab))
	case 9:
		return id
	default:
		return uint32(m.maskID)
	}
}

// wordBudget is Python's max(1, round(tokens · rate)), in integers.
func (m *MLM) wordBudget(tokens int) int {
	scaled := uint64(tokens) * m.rate
	share, rest := scaled/million, scaled%million
	if rest > million/2 || rest == million/2 && share%2 == 1 {
		share++
	}
	return int(min(max(share, 1), MaxWordPredictions))
}

func (m *MLM) appendWordStarts(words []int32, ids []uint32, starts []uint64) []int32 {
	inWord := false
	for i, id := range ids {
		special := m.isSpecial(id)
		if !special && (!inWord || isStart(starts, i)) {
			words = append(words, int32(i))
		}
		inWord = !special
	}
	return words
}

func (m *MLM) isSpecial(id uint32) bool {
	return uint64(id) < m.vocab && m.special[id/64]>>(id%64)&1 == 1
}

func isStart(starts []uint64, i int) bool {
	return i/64 < len(starts) && starts[i/64]>>(i%64)&1 == 1
}
