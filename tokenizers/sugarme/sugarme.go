package sugarme

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/sugarme/tokenizer"
	"github.com/sugarme/tokenizer/pretrained"

	"github.com/shardmill/shardmill/tokenizers"
)

// Tokenizer is a tokenizer of sugarme for one goroutine at a time.
type Tokenizer struct {
	tokenizer *tokenizer.Tokenizer
}

// Load reads the contents of a tokenizer.json. Truncation and padding that the file asks for are left out, as package tokenizers does. What the library
// panics over is an error.
func Load(data []byte) (t *Tokenizer, err error) {
	defer func() {
		if r := recover(); r != nil {
			t, err = nil, fmt.Errorf("load tokenizer with sugarme: it panics: %v", r)
		}
	}()
	inner, err := pretrained.FromReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("load tokenizer with sugarme: %w", err)
	}
	inner.WithTruncation(nil)
	inner.WithPadding(nil)
	return &Tokenizer{inner}, nil
}

// ErrOption is given for options that this back end has not: SpecialIsText, since sugarme always finds special tokens, truncation, padding and dropout.
var ErrOption = errors.New("with sugarme there is no SpecialIsText, Truncate, Pad or Dropout: leave them out")

// Encode is [tokenizers.Tokenizer.Encode]. Offsets are in bytes.
func (t *Tokenizer) Encode(text string, o tokenizers.EncodeOptions) (tokenizers.Encoding, error) {
	return t.encode(o, tokenizer.NewSingleEncodeInput(tokenizer.NewInputSequence(text)))
}

// EncodePair is [tokenizers.Tokenizer.EncodePair].
func (t *Tokenizer) EncodePair(first, second string, o tokenizers.EncodeOptions) (tokenizers.Encoding, error) {
	return t.encode(o, tokenizer.NewDualEncodeInput(tokenizer.NewInputSequence(first), tokenizer.NewInputSequence(second)))
}

// AppendIDs appends the ids of a text, its special tokens found and none added. Where it fails, dst is as it was.
func (t *Tokenizer) AppendIDs(dst []uint32, text []byte) ([]uint32, error) {
	e, err := t.Encode(string(text), tokenizers.EncodeOptions{})
	return append(dst, e.IDs...), err
}

func (t *Tokenizer) encode(o tokenizers.EncodeOptions, input tokenizer.EncodeInput) (e tokenizers.Encoding, err error) {
	if o.SpecialIsText || o.Truncate != nil || o.Pad != nil || o.Dropout != nil {
		return e, ErrOption
	}
	defer func() {
		if r := recover(); r != nil {
			e, err = tokenizers.Encoding{}, fmt.Errorf("encode with sugarme: it panics: %v", r)
		}
	}()
	got, err := t.tokenizer.Encode(input, o.AddSpecial)
	if err != nil {
		return e, fmt.Errorf("encode with sugarme: %w", err)
	}
	return converted(got)
}

// converted copies an encoding of the library. It checks the lengths of the lists, and knows that the one of words mostly leaves out special tokens.
func converted(from *tokenizer.Encoding) (e tokenizers.Encoding, err error) {
	n := len(from.Ids)
	for _, length := range []int{len(from.Tokens), len(from.Offsets), len(from.TypeIds), len(from.SpecialTokenMask)} {
		if length != n {
			return e, fmt.Errorf("encode with sugarme: %d ids, but a list of %d about them", n, length)
		}
	}
	words, allWords := from.Words, len(from.Words) == n
	for i, id := range from.Ids {
		if id < 0 || id > math.MaxUint32 || len(from.Offsets[i]) != 2 {
			return tokenizers.Encoding{}, fmt.Errorf("encode with sugarme: token %d has id %d and offsets %v", i, id, from.Offsets[i])
		}
		special := from.SpecialTokenMask[i] == 1
		e.IDs = append(e.IDs, uint32(id))
		e.Tokens = append(e.Tokens, from.Tokens[i])
		e.Offsets = append(e.Offsets, [2]int{from.Offsets[i][0], from.Offsets[i][1]})
		e.TypeIDs = append(e.TypeIDs, uint32(from.TypeIds[i]))
		e.SpecialMask = append(e.SpecialMask, special)
		e.AttentionMask = append(e.AttentionMask, true)
		sequence, word := -1, -1
		if special && allWords {
			words = words[1:]
		}
		if !special {
			if len(words) == 0 {
				return tokenizers.Encoding{}, fmt.Errorf("encode with sugarme: %d ids, but %d words", n, len(from.Words))
			}
			word, words = words[0], words[1:]
			sequence = 0
			for number, r := range from.SequenceRanges {
				if len(r) > 0 && i >= r[0] && i <= r[len(r)-1] {
					sequence = number
				}
			}
		}
		e.WordIDs = append(e.WordIDs, word)
		e.SequenceIDs = append(e.SequenceIDs, sequence)
	}
	return e, nil
}
