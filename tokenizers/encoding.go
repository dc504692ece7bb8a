package tokenizers

import (
	"fmt"
	"math"
	"slices"
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
// maximal ill-formed part by others. Errors are a text of 2 GiB or more and options that can't be met. It takes up to 50
// times the memory of the text while it runs.
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
		sequences[i] = t.sequence(s, i, o.SpecialIsText, drop)
	}
	return t.layOut(sequences, o)
}

// word is a piece of text on its way to the model, or an added token.
type word struct {
	text
	added *addedToken
}

// sequencer is what encodes texts for whoever has no Encoder.
type sequencer struct {
	*Encoder
	tokens Tokens
	input  []byte
}

// sequencerCacheBytes is the size of the cache of words of a sequencer, of which there is one for each goroutine that encodes at the same time.
const sequencerCacheBytes = 2 << 20

func (t *Tokenizer) newSequencer() *sequencer {
	if s, ok := t.sequencers.Get().(*sequencer); ok {
		return s
	}
	return &sequencer{Encoder: t.NewEncoder(sequencerCacheBytes)}
}

// giveBack keeps s for the next text, without buffers that have grown large.
func (s *sequencer) giveBack() {
	s.releaseLocator()
	if cap(s.input) > maxScratchBytes {
		s.input = nil
	}
	if cap(s.tokens.IDs) > maxScratchBytes/4 {
		s.tokens = Tokens{}
	}
	s.tokenizer.sequencers.Put(s)
}

// sequence encodes one text.
func (t *Tokenizer) sequence(input string, number int, specialIsText bool, drop *dropper) Encoding {
	s := t.newSequencer()
	s.input = append(s.input[:0], input...)
	s.tokens = Tokens{IDs: s.tokens.IDs[:0], Offsets: s.tokens.Offsets[:0], Words: s.tokens.Words[:0]}
	s.merger.dropper = drop
	s.locate(&s.tokens, s.input, specialIsText)
	s.merger.dropper = nil
	out := newEncoding(len(s.tokens.IDs))
	out.text = input
	for i, id := range s.tokens.IDs {
		at := s.tokens.Offsets[i]
		out.IDs[i] = id
		out.Tokens[i] = t.string(id)
		out.Offsets[i] = [2]int{int(at[0]), int(at[1])}
		out.TypeIDs[i] = uint32(number)
		out.WordIDs[i] = int(s.tokens.Words[i])
		out.SequenceIDs[i] = number
	}
	for _, k := range s.locator.shown {
		out.Tokens[k.token] = k.text
	}
	s.giveBack()
	return out
}

// newEncoding returns an encoding of n tokens.
func newEncoding(n int) Encoding {
	return Encoding{
		IDs:         make([]uint32, n),
		Tokens:      make([]string, n),
		Offsets:     make([][2]int, n),
		TypeIDs:     make([]uint32, n),
		WordIDs:     make([]int, n),
		SequenceIDs: make([]int, n),
		SpecialMask: make([]bool, n),
	}
}

// averageWord is a guess at the bytes of input for each word, to make room at once.
const averageWord = 5

// words finds the added tokens and cuts what is between them into words.
func (t *Tokenizer) words(input string, specialIsText bool) []word {
	all := newText(input, !t.keepsBytes())
	words := make([]word, 0, len(input)/averageWord)
	var finder addedFinder
	for _, f := range finder.find(t.added, t.added.raw, all.bytes, specialIsText) {
		part := all.slice(f.start, f.end)
		if f.token != nil {
			words = append(words, word{part, f.token})
		} else {
			words = t.partWords(words, part, specialIsText)
		}
	}
	return words
}

// partWords appends the words of what is between added tokens of the raw text, and the added tokens that it holds once it is normalized.
func (t *Tokenizer) partWords(words []word, part text, specialIsText bool) []word {
	if t.normalizer != nil {
		part = t.normalizer.normalize(part)
	}
	var finder addedFinder
	for _, f := range finder.find(t.added, t.added.normal, part.bytes, specialIsText) {
		piece := part.slice(f.start, f.end)
		if f.token != nil {
			words = append(words, word{piece, f.token})
		} else {
			words = t.appendSplit(words, piece)
		}
	}
	return words
}

// plainWords appends the words of a text that holds no added token.
func (t *Tokenizer) plainWords(words []word, part text) []word {
	if t.normalizer != nil {
		part = t.normalizer.normalize(part)
	}
	if len(part.bytes) == 0 {
		return words
	}
	return t.appendSplit(words, part)
}

// appendSplit appends the words that the pre-tokenizer makes of a text, which is not empty.
func (t *Tokenizer) appendSplit(words []word, piece text) []word {
	if t.preTokenizer == nil {
		return append(words, word{piece, nil})
	}
	for _, p := range t.preTokenizer.split(nil, piece) {
		words = append(words, word{p, nil})
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
