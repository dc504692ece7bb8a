package tokenizers

import (
	"math"

	"github.com/shardmill/shardmill/tokenizers/internal/scan"
	"github.com/shardmill/shardmill/tokenizers/internal/wordcache"
)

// startsWord marks the first token of a word on the way through the encoder. Ids are smaller (maxID).
const startsWord = 1 << 31

const (
	maxScratchBytes = 1 << 20 // of buffers that an encoder keeps between texts
	maxTextBytes    = 1 << 30 // encoded at once, so that places fit 32 bits
)

// Encoder turns documents into ids for one goroutine. It has its own bounded cache of words, so that goroutines share nothing that is written.
type Encoder struct {
	tokenizer *Tokenizer
	cache     *wordcache.Cache // nil: none
	batch     pieceBatch
	scan      scan.State
	keep      uint32 // bits of the ids that plans append: all, or all but startsWord
	raw       addedFinder
	normal    addedFinder
	merger    merger
	tokens    []token
	bytes     []byte
	runes     []rune
	sentence  sentenceScratch
	symbols   []uint32 // of spacedBPE
	flat      []byte   // normalized text in which added tokens are sought
	locator   locator
}

// NewEncoder returns an encoder whose cache takes up to cacheBytes bytes of memory, all of it at once; less than 4 KiB means no cache. 8 MiB hold
// the common words of a language; 32 MiB make texts in many languages, or with many names, up to twice as fast.
func (t *Tokenizer) NewEncoder(cacheBytes int) *Encoder {
	return &Encoder{tokenizer: t, cache: wordcache.New(cacheBytes)}
}

// AppendIDs appends the ids of a document to dst: no tokens of the post-processor, and text that looks like a special token is ordinary text: only Unigram
// may still find it, as the reference does with encode_special_tokens, where it is one of the model's pieces, such as </s>. Added tokens that are not special are found. These are the ids of Encode
// with SpecialIsText alone. What dst has between its length and capacity is written over. Once dst and the encoder's buffers have grown to the size of the texts, nothing is allocated; but buffers of
// more than a megabyte, which only words of that order need, are not kept; and a tokenizer with parts for which there is no plan takes the long way. More than a gigabyte between added tokens is encoded in parts of at most that size, cut at
// spaces where the plan can tell that this changes nothing.
func (e *Encoder) AppendIDs(dst []uint32, text []byte) []uint32 {
	return e.append(dst, text, ^uint32(startsWord))
}

// AppendWords is AppendIDs with the beginnings of words, for whole-word masking: bit i%64 of starts[i/64] is set where dst[i] begins a word of the
// pre-tokenizer. starts must describe dst as it is, and has len(dst)/64 words, rounded up, on return.
func (e *Encoder) AppendWords(dst []uint32, starts []uint64, text []byte) ([]uint32, []uint64) {
	start := len(dst)
	dst = e.append(dst, text, ^uint32(0))
	for len(starts) < (len(dst)+63)/64 {
		starts = append(starts, 0)
	}
	for i := start; i < len(dst); i++ {
		starts[i/64] |= uint64(dst[i]>>31) << (i % 64)
		dst[i] &^= startsWord
	}
	return dst, starts
}

// append appends the ids of a text in which special tokens are text.
func (e *Encoder) append(dst []uint32, text []byte, keep uint32) []uint32 {
	e.keep = keep
	e.locator.on = false
	dst = e.encode(dst, text, true)
	e.release()
	return dst
}

// encode appends the ids of a text, its added tokens among them.
func (e *Encoder) encode(dst []uint32, text []byte, specialIsText bool) []uint32 {
	a := e.tokenizer.added
	if e.merger.dropper != nil || a.inReplaced && !e.tokenizer.keepsBytes() {
		return e.appendWords(dst, e.tokenizer.words(string(text), specialIsText))
	}
	for _, f := range e.raw.find(a, a.raw, text, specialIsText) {
		if f.token != nil {
			dst = e.appendAdded(dst, f.token, text[f.start:f.end], f.start, f.end)
		} else {
			dst = e.appendPart(dst, text[f.start:f.end], f.start, specialIsText)
		}
	}
	return dst
}

// appendAdded appends an added token that stands at start to end of the text.
func (e *Encoder) appendAdded(dst []uint32, t *addedToken, shown []byte, start, end int) []uint32 {
	if e.locator.on {
		e.locator.addAdded(t, start, end, shown)
		return append(dst, t.id)
	}
	return append(dst, (t.id|startsWord)&e.keep)
}

// appendPart appends the ids of what lies between two added tokens that were found in the raw text; at is where it stands there.
func (e *Encoder) appendPart(dst []uint32, part []byte, at int, specialIsText bool) []uint32 {
	t := e.tokenizer
	if !t.added.normal.wanted(specialIsText) || t.added.absent(part, specialIsText) {
		return e.appendBetween(dst, part, at)
	}
	normalized, ok := e.flatten(t.normalizer, part)
	if !ok {
		return e.appendWords(dst, t.partWords(nil, newTextAt(string(part), at, !t.keepsBytes()), specialIsText))
	}
	for _, f := range e.normal.find(t.added, t.added.normal, normalized, specialIsText) {
		if f.token != nil {
			dst = e.appendAdded(dst, f.token, normalized[f.start:f.end], at+f.start, at+f.end)
		} else {
			dst = e.appendBetween(dst, part[f.start:f.end], at+f.start)
		}
	}
	return dst
}

// appendBetween appends the ids of a text that holds no added token, by the plan where there is one.
func (e *Encoder) appendBetween(dst []uint32, text []byte, at int) []uint32 {
	t := e.tokenizer
	for len(text) > 0 {
		n := len(text)
		if n > maxTextBytes {
			if n = t.lastCut(text, maxTextBytes); n == 0 {
				n = maxTextBytes
			}
		}
		dst = e.appendStretch(dst, text[:n], at)
		text, at = text[n:], at+n
	}
	return dst
}

// release forgets buffers that have grown large.
func (e *Encoder) release() {
	if e.scratchBytes() > maxScratchBytes {
		e.bytes, e.runes, e.tokens, e.flat, e.symbols, e.merger, e.sentence = nil, nil, nil, nil, nil, merger{}, sentenceScratch{}
		e.raw, e.normal = addedFinder{}, addedFinder{}
	}
}

func (e *Encoder) appendStretch(dst []uint32, text []byte, at int) []uint32 {
	t := e.tokenizer
	if t.plan == nil || at > 0 && t.prefixesFirst || e.locator.on && t.spans == nil {
		return e.appendWords(dst, t.plainWords(nil, newTextAt(string(text), min(at, math.MaxInt32-len(text)), !t.keepsBytes())))
	}
	start := len(dst)
	dst = t.plan.append(e, dst, text)
	if e.locator.on {
		t.spans.locate(e, text, at, dst[start:])
	}
	return dst
}

func (e *Encoder) scratchBytes() int {
	return e.raw.size() + e.normal.size() + cap(e.bytes) + 4*cap(e.runes) + 12*cap(e.tokens) + cap(e.flat) + 16*cap(e.merger.symbols) + 16*cap(e.merger.heap) + e.merger.lattice.bytes() + e.sentence.size() + 4*cap(e.symbols)
}

// appendWords appends the ids of words that the parts have made. What the model makes of a word depends on the word alone, so the cache serves here too, unless
// it holds what a plan makes of raw text.
func (e *Encoder) appendWords(dst []uint32, words []word) []uint32 {
	if e.locator.on {
		return e.locateWords(dst, words)
	}
	start := len(dst)
	model := modelPlan{e.tokenizer.model}
	for _, w := range words {
		switch {
		case w.added != nil:
			dst = append(dst, w.added.id|startsWord)
		case e.tokenizer.plan == nil:
			dst = e.appendCached(model, dst, w.bytes)
		default:
			dst = model.miss(e, dst, w.bytes)
		}
	}
	e.unmark(dst[start:])
	return dst
}

// modelPlan is the plan of one word that the other parts are done with.
type modelPlan struct{ model model }

func (p modelPlan) append(e *Encoder, dst []uint32, word []byte) []uint32 {
	return e.appendPieces(p, dst, word, []uint32{0}, []uint32{uint32(len(word))})
}

func (p modelPlan) miss(e *Encoder, dst []uint32, word []byte) []uint32 {
	e.tokens = p.model.tokenize(e.tokens[:0], word, &e.merger)
	return appendWord(dst, e.tokens)
}

// appendWord appends the ids of a word and marks the first.
func appendWord(dst []uint32, tokens []token) []uint32 {
	for i, t := range tokens {
		id := t.id
		if i == 0 {
			id |= startsWord
		}
		dst = append(dst, id)
	}
	return dst
}

// fusedPlan does in one pass over a document what the parts of a tokenizer do one after another. It gives the same ids.
type fusedPlan interface {
	// append appends the ids of a text that is not empty, with startsWord on the first of each word if e.keep has it.
	append(e *Encoder, dst []uint32, text []byte) []uint32
	// miss appends the ids of one piece that the cache does not hold, with startsWord on the first of each word.
	miss(e *Encoder, dst []uint32, piece []byte) []uint32
}

// newPlan returns the plan that fits the parts of t, or nil.
func newPlan(t *Tokenizer) fusedPlan {
	switch m := t.model.(type) {
	case *bpe:
		if p := newSpacedBPE(t.normalizer, t.preTokenizer, m); p != nil {
			return p
		}
		if m.prefix+m.suffix == "" {
			if p := newNormalizedPlan(t.normalizer, newByteBPE(t.preTokenizer, m)); p != nil {
				return p
			}
		}
	case *wordPiece:
		n, ok := t.normalizer.(*bertNormalizer)
		if t.normalizer == nil {
			n, ok = &bertNormalizer{}, true
		}
		if _, split := t.preTokenizer.(bertPreTokenizer); split && ok {
			return newBertPlan(n, m)
		}
	}
	return newMetaspacePlan(t.normalizer, t.preTokenizer, t.model)
}
