package tokenizers

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Encoding is an encoded text, or a pair of texts. Its slices have one entry for each token.
type Encoding struct {
	IDs         []uint32
	Tokens      []string
	Offsets     [][2]int // bytes of the text that the token came from, start and end; 0, 0 for a token of the post-processor
	TypeIDs     []uint32
	WordIDs     []int  // which word of its text the token is of, counted from 0; -1 for a token of the post-processor and for padding
	SequenceIDs []int  // 0 for the first text, 1 for the second; -1 for a token of the post-processor and for padding
	SpecialMask []bool // true for a token of the post-processor and for padding

	AttentionMask []bool     // false for padding
	Overflowing   []Encoding // with Truncation.Overflow: what was cut off, in windows that are laid out and padded like the encoding itself

	text  string   // what the offsets point into, until the sequences are joined
	words []string // the same, of EncodeWords
}

// EncodeOptions says how a text becomes tokens. The zero value gives the tokens of the text alone, its added tokens found.
type EncodeOptions struct {
	AddSpecial    bool // add the special tokens of the post-processor, such as [CLS] and [SEP]
	SpecialIsText bool // text that looks like a special token is ordinary text; other added tokens are still found

	Truncate *Truncation // nil: none. Tokenizer.Truncation gives the settings of the file
	Pad      *Padding    // nil: none. Tokenizer.Padding gives the settings of the file; Padding.Apply pads the encodings of a batch together
	Dropout  *Dropout    // nil: none, whatever the file says. Tokenizer.Dropout gives the rate of the file
}

// Encode returns the tokens of a text as Hugging Face tokenizers gives them. The file's own settings for truncation, padding and dropout are
// applied where o asks for them. Text that is not valid UTF-8 is encoded byte by byte by a byte-level tokenizer, and with U+FFFD for each
// maximal ill-formed part by others. Errors are a text of 2 GiB or more and options that can't be met. It takes some 50 times the memory of the
// text while it runs.
func (t *Tokenizer) Encode(text string, o EncodeOptions) (Encoding, error) {
	return t.encode(o, text)
}

// EncodePair encodes two texts as one input, as for entailment or question answering. Offsets are those of the token's own text.
func (t *Tokenizer) EncodePair(first, second string, o EncodeOptions) (Encoding, error) {
	return t.encode(o, first, second)
}

func (t *Tokenizer) encode(o EncodeOptions, texts ...string) (Encoding, error) {
	sequences := make([]Encoding, len(texts))
	for i, s := range texts {
		if len(s) > math.MaxInt32 {
			return Encoding{}, fmt.Errorf("encode a text of %d bytes: cut it, since at most %d bytes are encoded at once", len(s), math.MaxInt32)
		}
		drop, err := t.newDropper(o.Dropout, i)
		if err != nil {
			return Encoding{}, err
		}
		sequences[i] = t.sequence(s, i, o.SpecialIsText, &merger{dropper: drop})
	}
	return t.layOut(sequences, o)
}

// word is a piece of text on its way to the model, or an added token.
type word struct {
	text
	added *addedToken
}

// sequence runs one text through the parts.
func (t *Tokenizer) sequence(input string, number int, specialIsText bool, m *merger) Encoding {
	words := t.words(input, specialIsText)
	e := Encoding{text: input}
	e.grow(len(words))
	var tokens []token
	for i, w := range words {
		if w.added != nil {
			e.add(w.added.id, string(w.bytes), w.origin(0, len(w.bytes)), i, number)
			continue
		}
		tokens = t.model.tokenize(tokens[:0], w.bytes, m)
		for _, k := range tokens {
			e.add(k.id, t.shown(k, w.bytes), w.origin(int(k.start), int(k.end)), i, number)
		}
	}
	return e
}

// shown returns the string of a token: Unigram shows unknown text as it is.
func (t *Tokenizer) shown(k token, word []byte) string {
	if u, ok := t.model.(*unigram); ok && k.id == u.unknown {
		return string(word[k.start:k.end])
	}
	s, _ := t.model.token(k.id)
	return s
}

// averageWord is a guess at the bytes of input for each word, to make room at once.
const averageWord = 5

// words finds the added tokens and cuts what is between them into words.
func (t *Tokenizer) words(input string, specialIsText bool) []word {
	all := newText(input, !t.keepsBytes())
	words := make([]word, 0, len(input)/averageWord)
	var pieces []text
	for _, raw := range t.added.find(all.bytes, false, specialIsText) {
		part := all.slice(raw.start, raw.end)
		if raw.token != nil {
			words = append(words, word{part, raw.token})
			continue
		}
		if t.normalizer != nil {
			part = t.normalizer.normalize(part)
		}
		for _, f := range t.added.find(part.bytes, true, specialIsText) {
			piece := part.slice(f.start, f.end)
			if f.token != nil {
				words = append(words, word{piece, f.token})
				continue
			}
			pieces = append(pieces[:0], piece)
			if t.preTokenizer != nil {
				pieces = t.preTokenizer.split(pieces[:0], piece)
			}
			for _, p := range pieces {
				words = append(words, word{p, nil})
			}
		}
	}
	return words
}

// grow makes room for n more tokens.
func (e *Encoding) grow(n int) {
	e.IDs = slices.Grow(e.IDs, n)
	e.Tokens = slices.Grow(e.Tokens, n)
	e.Offsets = slices.Grow(e.Offsets, n)
	e.TypeIDs = slices.Grow(e.TypeIDs, n)
	e.WordIDs = slices.Grow(e.WordIDs, n)
	e.SequenceIDs = slices.Grow(e.SequenceIDs, n)
	e.SpecialMask = slices.Grow(e.SpecialMask, n)
}

func (e *Encoding) add(id uint32, value string, at span, word, sequence int) {
	e.IDs = append(e.IDs, id)
	e.Tokens = append(e.Tokens, value)
	e.Offsets = append(e.Offsets, [2]int{int(at.start), int(at.end)})
	e.TypeIDs = append(e.TypeIDs, uint32(max(sequence, 0)))
	e.WordIDs = append(e.WordIDs, word)
	e.SequenceIDs = append(e.SequenceIDs, sequence)
	e.SpecialMask = append(e.SpecialMask, sequence < 0)
}

func (e *Encoding) addSpecial(p specialPiece, typeID uint32) {
	for i, id := range p.ids {
		e.add(id, p.tokens[i], span{}, -1, -1)
		e.TypeIDs[len(e.TypeIDs)-1] = typeID
	}
}

func (e *Encoding) addSequence(s *Encoding) {
	e.IDs = append(e.IDs, s.IDs...)
	e.Tokens = append(e.Tokens, s.Tokens...)
	e.Offsets = append(e.Offsets, s.Offsets...)
	e.TypeIDs = append(e.TypeIDs, s.TypeIDs...)
	e.WordIDs = append(e.WordIDs, s.WordIDs...)
	e.SequenceIDs = append(e.SequenceIDs, s.SequenceIDs...)
	e.SpecialMask = append(e.SpecialMask, s.SpecialMask...)
}

// RuneOffsets turns offsets in bytes of text into offsets in code points, as Hugging Face tokenizers gives them in Python. An ill-formed
// sequence counts as the one U+FFFD that it is shown as.
func RuneOffsets(text string, offsets [][2]int) [][2]int {
	out := make([][2]int, len(offsets))
	ascii := true
	for i := 0; ascii && i < len(text); i++ {
		ascii = text[i] < utf8.RuneSelf
	}
	if ascii {
		copy(out, offsets)
		return out
	}
	index := make([]int32, len(text)+1) // of the code point that the byte is part of
	n := int32(0)
	for i := 0; i < len(text); n++ {
		_, size := utf8.DecodeRuneInString(text[i:])
		if size == 1 && text[i] >= utf8.RuneSelf {
			size = max(1, invalidPrefix([]byte(text[i:min(len(text), i+utf8.UTFMax)])))
		}
		for range size {
			index[i] = n
			i++
		}
	}
	index[len(text)] = n
	for i, o := range offsets {
		out[i] = [2]int{int(index[o[0]]), int(index[o[1]])}
		if o[0] < o[1] {
			out[i][1] = int(index[o[1]-1]) + 1
		}
	}
	return out
}
