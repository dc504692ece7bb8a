package tokenizers

import (
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
	merger    merger
	tokens    []token
	bytes     []byte
	runes     []rune
}

// NewEncoder returns an encoder whose cache takes up to cacheBytes bytes of memory, all of it at once; less than 4 KiB means no cache. 8 MiB hold
// the words of most languages.
func (t *Tokenizer) NewEncoder(cacheBytes int) *Encoder {
	return &Encoder{tokenizer: t, cache: wordcache.New(cacheBytes)}
}

// AppendIDs appends the ids of a document to dst: no tokens of the post-processor, and text that looks like a special token is ordinary text: only Unigram
// may still find it, as the reference does, where it is one of the model's pieces. These are
// the ids of Encode with SpecialIsText alone. Once dst and the encoder's buffers have grown to the size of the texts, nothing is allocated; but buffers of
// more than a megabyte, which only words of that order need, are not kept; a tokenizer with Metaspace allocates for words that are new; and one
// with added tokens that are not special, or parts for which there is no plan, takes the long way. A text of more than a gigabyte is encoded in parts of that size.
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

func (e *Encoder) append(dst []uint32, text []byte, keep uint32) []uint32 {
	e.keep = keep
	for len(text) > 0 {
		part := text[:min(len(text), maxTextBytes)]
		text = text[len(part):]
		if plan := e.tokenizer.plan; plan != nil {
			dst = plan.append(e, dst, part)
		} else {
			start := len(dst)
			dst = e.appendByParts(dst, part)
			e.unmark(dst[start:])
		}
		if e.scratchBytes() > maxScratchBytes {
			e.bytes, e.runes, e.tokens, e.merger = nil, nil, nil, merger{}
		}
	}
	return dst
}

func (e *Encoder) scratchBytes() int {
	return cap(e.bytes) + 4*cap(e.runes) + 12*cap(e.tokens) + 16*cap(e.merger.symbols) + 16*cap(e.merger.heap) + 16*cap(e.merger.paths)
}

// appendByParts runs the text through the parts one by one. What the model makes of a word depends on the word alone, so the cache serves here too.
func (e *Encoder) appendByParts(dst []uint32, text []byte) []uint32 {
	for _, w := range e.tokenizer.words(string(text), true) {
		if w.added != nil {
			dst = append(dst, w.added.id|startsWord)
			continue
		}
		dst = e.appendCached(modelPlan{e.tokenizer.model}, dst, w.bytes)
	}
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
	if t.added.plainCount > 0 {
		return nil
	}
	if p, ok := t.preTokenizer.(*metaspace); ok {
		return newMetaspacePlan(t.normalizer, p)
	}
	switch m := t.model.(type) {
	case *bpe:
		if m.prefix+m.suffix == "" {
			return newNormalizedPlan(t.normalizer, newByteBPE(t.preTokenizer, m))
		}
	case *wordPiece:
		n, ok := t.normalizer.(*bertNormalizer)
		if _, split := t.preTokenizer.(bertPreTokenizer); split && ok {
			return newBertPlan(n, m)
		}
	}
	return nil
}
