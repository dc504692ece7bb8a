package tokenizers

import (
	"fmt"
	"math"
)

// EncodeWords encodes a text that is cut into words already, as for labelling words: each word is encoded as a text of its own. WordIDs are the
// indexes of the words, and offsets those in the token's word. Spaces between words are not there: where a model tells words by them, the
// tokenizer must set them, as ByteLevel does with add_prefix_space.
func (t *Tokenizer) EncodeWords(words []string, o EncodeOptions) (Encoding, error) {
	return t.encodeWords(o, words)
}

// EncodeWordsPair is EncodeWords for two texts, of which either may be labelled.
func (t *Tokenizer) EncodeWordsPair(first, second []string, o EncodeOptions) (Encoding, error) {
	return t.encodeWords(o, first, second)
}

func (t *Tokenizer) encodeWords(o EncodeOptions, texts ...[]string) (Encoding, error) {
	sequences := make([]Encoding, len(texts))
	for number, words := range texts {
		drop, err := t.newDropper(o.Dropout, number)
		if err != nil {
			return Encoding{}, err
		}
		bytes := 0
		for _, w := range words {
			bytes += len(w)
		}
		if bytes > math.MaxInt32 {
			return Encoding{}, fmt.Errorf("encode words of %d bytes together: cut them, since at most %d bytes are encoded at once", bytes, math.MaxInt32)
		}
		all := &sequences[number]
		all.words = words
		for i, w := range words {
			e := t.sequence(w, number, o.SpecialIsText, drop)
			for k := range e.WordIDs {
				e.WordIDs[k] = i
			}
			all.addSequence(&e)
		}
	}
	return t.layOut(sequences, o)
}

// textOf returns what the offsets of a token of a text point into.
func (e *Encoding) textOf(token int) string {
	if e.words == nil || e.WordIDs[token] < 0 {
		return e.text
	}
	return e.words[e.WordIDs[token]]
}
