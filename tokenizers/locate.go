package tokenizers

import (
	"fmt"
	"math"
)

// OffsetUnit is what offsets count.
type OffsetUnit uint8

// The units of offsets.
const (
	Bytes      OffsetUnit = iota
	CodePoints            // as Hugging Face tokenizers gives them in Python; an ill-formed sequence counts as the one U+FFFD that it is shown as
)

// Tokens are the tokens of a text and where they come from. Its slices have one entry for each token.
type Tokens struct {
	IDs     []uint32
	Offsets [][2]uint32 // start and end in the text
	Words   []uint32    // which word of the text the token is of, counted from 0
}

// AppendTokens appends the tokens of a document: the ids of AppendIDs, with the offsets and words that Encode gives them. The only error is a text of 2 GiB
// or more. Once dst and the encoder's buffers have grown to the size of the texts, nothing is allocated where there is a plan whose tokens say by their
// lengths where they come from: always for byte-level BPE, but for a few pieces with Metaspace (unknown and compatibility characters) and BERT
// (marks out of order). Buffers of more than a megabyte are not kept.
func (e *Encoder) AppendTokens(dst *Tokens, text []byte, unit OffsetUnit) error {
	if len(text) > math.MaxInt32 {
		return fmt.Errorf("encode a text of %d bytes with offsets: cut it, since at most %d bytes are encoded at once", len(text), math.MaxInt32)
	}
	first := len(dst.IDs)
	l := &e.locator
	l.trims, l.trimmed = len(e.tokenizer.trims) > 0, l.trimmed[:0]
	e.locate(dst, text, true)
	offsets := dst.Offsets[l.first:]
	if l.trims {
		e.tokenizer.trimSpans(offsets, dst.IDs[first:], l, text)
		l.trims = false
	}
	if unit == CodePoints {
		l.points.count(offsets, text)
	}
	e.releaseLocator()
	return nil
}

// locate appends the tokens of a text with the bytes that they come from, before any post-processor.
func (e *Encoder) locate(dst *Tokens, text []byte, specialIsText bool) {
	l := &e.locator
	l.on, l.first, l.next, l.shown = true, len(dst.Offsets), 0, l.shown[:0]
	l.spans, l.words = dst.Offsets, dst.Words
	e.keep = ^uint32(0)
	dst.IDs = e.encode(dst.IDs, text, specialIsText)
	dst.Offsets, dst.Words = l.spans, l.words
	l.on, l.spans, l.words = false, nil, nil
	e.release()
}

// AppendOffsets is AppendTokens for ids and offsets alone.
func (e *Encoder) AppendOffsets(ids []uint32, offsets [][2]uint32, text []byte, unit OffsetUnit) ([]uint32, [][2]uint32, error) {
	tokens := Tokens{IDs: ids, Offsets: offsets, Words: e.locator.spare[:0]}
	err := e.AppendTokens(&tokens, text, unit)
	e.locator.spare = tokens.Words
	e.releaseLocator()
	return tokens.IDs, tokens.Offsets, err
}

// locator collects where the tokens of one text come from.
type locator struct {
	on    bool
	spans [][2]uint32 // bytes of the input
	words []uint32    // which word the token is of
	first int         // of the spans that belong to this text
	next  uint32      // number of the next word

	trims   bool     // post-processors trim offsets, and so may who finds them
	trimmed [][2]int // tokens whose offsets are trimmed, start and end

	shown []shownToken
	ids   []uint32 // of a piece that is looked at again
	spare []uint32
	from  []span // of the bytes of a normalized word
	points
}

// shownToken is a token that is shown otherwise than in the vocabulary.
type shownToken struct {
	token int // index among those of this text
	text  string
}

// spanner finds where the tokens of a plan come from.
type spanner interface {
	// locate adds to e.locator the spans and the words of ids, whose marks it takes off, which the plan made of text; at is where that stands in the input.
	locate(e *Encoder, text []byte, at int, ids []uint32)
}

// newSpanner returns the spanner for the plan of t, or nil where the parts must say where tokens come from.
func newSpanner(t *Tokenizer) spanner {
	switch p := t.plan.(type) {
	case *byteBPE:
		return newByteSpans(t, p)
	case *bertPlan:
		return newBertSpans(p)
	case *metaspacePlan:
		return newMetaspaceSpans(t, p)
	case *spacedBPE:
		return newSpacedSpans(p)
	}
	return nil
}

// add adds a token of the word that is being added.
func (l *locator) add(start, end int) {
	l.spans = append(l.spans, [2]uint32{uint32(start), uint32(end)})
	l.words = append(l.words, l.next)
}

// addAdded adds an added token that is shown as the parts before the model leave it.
func (l *locator) addAdded(t *addedToken, start, end int, shown []byte) {
	if string(shown) != t.content {
		l.shown = append(l.shown, shownToken{len(l.spans) - l.first, string(shown)})
	}
	l.add(start, end)
	l.next++
}

// locateWords appends the ids of words that the parts have made, and where they come from.
func (e *Encoder) locateWords(dst []uint32, words []word) []uint32 {
	l := &e.locator
	u, _ := e.tokenizer.model.(*unigram)
	for _, w := range words {
		if w.added != nil {
			dst = append(dst, w.added.id)
			from := w.origin(0, len(w.bytes))
			l.addAdded(w.added, int(from.start), int(from.end), w.bytes)
			continue
		}
		e.tokens = e.tokenizer.model.tokenize(e.tokens[:0], w.bytes, &e.merger)
		for _, k := range e.tokens {
			dst = append(dst, k.id)
			if u != nil && k.id == u.unknown {
				l.shown = append(l.shown, shownToken{len(l.spans) - l.first, string(w.bytes[k.start:k.end])})
			}
			from := w.origin(int(k.start), int(k.end))
			l.add(int(from.start), int(from.end))
		}
		l.next++
	}
	return dst
}

// locateByParts adds where the tokens of a piece come from, found the long way. It returns how many there are.
func (e *Encoder) locateByParts(piece []byte, at int) int {
	t := e.tokenizer
	e.locator.ids = e.locateWords(e.locator.ids[:0], t.plainWords(nil, newTextAt(string(piece), at, !t.keepsBytes())))
	return len(e.locator.ids)
}

// unmark takes the marks off ids.
func unmark(ids []uint32) {
	for i := range ids {
		ids[i] &^= startsWord
	}
}

// releaseLocator forgets buffers that have grown large.
func (e *Encoder) releaseLocator() {
	if e.locator.bytes() > maxScratchBytes {
		e.locator = locator{}
	}
}

// bytes is the size of the buffers.
func (l *locator) bytes() int {
	return 24*cap(l.shown) + 4*cap(l.ids) + 4*cap(l.spare) + 8*cap(l.from) + 16*cap(l.trimmed) + 16*cap(l.blocks)
}

// string returns how a token is shown unless the locator says otherwise.
func (t *Tokenizer) string(id uint32) string {
	s, ok := t.model.token(id)
	if a := t.added.byID[id]; !ok && a != nil {
		return a.content
	}
	return s
}
