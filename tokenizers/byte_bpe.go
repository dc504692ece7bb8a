package tokenizers

import (
	"sync"

	"github.com/shardmill/shardmill/tokenizers/internal/scan"
)

// byteBPE is the plan for byte-level BPE: words straight from bytes to ids.
type byteBPE struct {
	addPrefixSpace bool
	cutter         wordCutter  // nil: the text is one word
	scanner        scan.Cutter // does what cutter does, faster; nil where there is none
	model          *bpe
	byteID         [256]uint32 // noID where the vocabulary lacks the byte
	tables         func() byteTables
}

// byteTables are what words are looked up in. They are made when the first word is encoded: they take as long as the rest of the tokenizer, and who only
// decodes needs neither.
type byteTables struct {
	merges *byteMerges // of short words; nil where there is none
	whole  *wholeWords // that are not merged; nil where all are
}

// newByteBPE returns nil for a pre-tokenizer that has no plan.
func newByteBPE(pre preTokenizer, model *bpe) fusedPlan {
	p := &byteBPE{model: model}
	switch pre := pre.(type) {
	case *byteLevel:
		p.addPrefixSpace = pre.addPrefixSpace
		if pre.useRegex {
			p.cutter = newGPT2Cutter()
		}
	case preTokenizerSequence:
		if p.cutter = cutterBeforeBytes(pre); p.cutter == nil {
			return nil
		}
	default:
		return nil
	}
	p.scanner = scannerFor(p.cutter)
	for b := range 256 {
		p.byteID[b] = noID
		if id, ok := model.tokenID(string(byteChars[b])); ok {
			p.byteID[b] = id
		}
	}
	p.tables = sync.OnceValue(func() byteTables {
		t := byteTables{merges: newByteMerges(&model.merges, p.byteID)}
		if model.ignoreMerges {
			t.whole = newWholeWords(&model.vocabulary)
		}
		return t
	})
	return p
}

// cutterBeforeBytes returns the cutter of a sequence of a Split and a ByteLevel that only shows bytes, or nil.
func cutterBeforeBytes(pre preTokenizerSequence) wordCutter {
	if len(pre) != 2 {
		return nil
	}
	split, ok := pre[0].(*splitter)
	level, bytes := pre[1].(*byteLevel)
	if !ok || !bytes || level.useRegex || level.addPrefixSpace {
		return nil
	}
	return split.words
}

func (p *byteBPE) append(e *Encoder, dst []uint32, text []byte) []uint32 {
	if p.addPrefixSpace && text[0] != ' ' {
		e.bytes = append(append(e.bytes[:0], ' '), text...)
		text = e.bytes
	}
	b := &e.batch
	if p.scanner != nil {
		p.scanner.Reset(&e.scan, text)
		b.ends[0] = 0
		for {
			n := p.scanner.Cut(&e.scan, b.ends[1:])
			if n == 0 {
				e.scan = scan.State{}
				return dst
			}
			dst = e.appendPieces(p, dst, text, b.ends[:n], b.ends[1:n+1])
			b.ends[0] = b.ends[n]
		}
	}
	for at := 0; at < len(text); {
		b.ends[0] = uint32(at)
		count := 0
		for at < len(text) && count < maxPieces {
			n := len(text) - at
			if p.cutter != nil {
				n = p.cutter.word(text[at:])
			}
			at += n
			count++
			b.ends[count] = uint32(at)
		}
		dst = e.appendPieces(p, dst, text, b.ends[:count], b.ends[1:count+1])
	}
	return dst
}

func (p *byteBPE) miss(e *Encoder, dst []uint32, word []byte) []uint32 {
	t := p.tables()
	if t.whole != nil {
		if id, ok := t.whole.id(word); ok {
			return append(dst, id|startsWord)
		}
	}
	start := len(dst)
	if t.merges != nil && len(word) <= maxShortWord {
		w := &e.merger.ahead.words[0]
		t.merges.begin(w, word)
		for t.merges.step(w) {
		}
		dst = w.appendTo(dst)
	} else {
		m := &e.merger
		m.symbols = m.symbols[:0]
		for _, b := range word {
			if p.byteID[b] == noID {
				return p.missUnknown(e, dst, word)
			}
			m.add(p.byteID[b], 1)
		}
		m.mergeAll(&p.model.merges)
		for _, s := range m.symbols {
			if s.length > 0 {
				dst = append(dst, s.id)
			}
		}
	}
	dst[start] |= startsWord
	return dst
}

// missUnknown encodes a word with bytes that the vocabulary lacks.
func (p *byteBPE) missUnknown(e *Encoder, dst []uint32, word []byte) []uint32 {
	shown := make([]byte, 0, 2*len(word))
	for _, b := range word {
		shown = append(shown, string(byteChars[b])...)
	}
	e.tokens = p.model.tokenize(e.tokens[:0], shown, &e.merger)
	return appendWord(dst, e.tokens)
}

// aheadWords is the scratch memory of missAhead.
type aheadWords struct {
	words [mostAhead]shortWord
	ids   [maxShortWord]uint32
}

const (
	mostAhead   = 8  // words that are merged at once
	aheadPieces = 32 // among which they are sought
)

// missAhead implements aheadPlan.
func (p *byteBPE) missAhead(e *Encoder, dst []uint32, b pieces) []uint32 {
	t := p.tables()
	ahead := &e.merger.ahead
	var words [mostAhead]*shortWord
	var of [mostAhead]int
	n := 0
	for i := 0; i < min(len(b.starts), aheadPieces) && n < mostAhead; i++ {
		piece := b.text[b.starts[i]:b.ends[i]]
		if i > 0 && e.cache.Holds(b.places[i], piece) {
			continue
		}
		whole := false
		if t.whole != nil {
			_, whole = t.whole.id(piece)
		}
		switch {
		case whole || t.merges == nil || len(piece) > maxShortWord:
			if i == 0 {
				return e.appendMiss(p, dst, b)
			}
		default:
			words[n], of[n] = &ahead.words[n], i
			t.merges.begin(words[n], piece)
			n++
		}
	}
	t.merges.merge(words[:n])
	for k := range n {
		piece := b.text[b.starts[of[k]]:b.ends[of[k]]]
		ids := ahead.words[k].appendTo(ahead.ids[:0])
		ids[0] |= startsWord
		if k == 0 {
			dst = append(dst, ids...)
		} else if e.cache.Holds(b.places[of[k]], piece) { // it came twice
			continue
		}
		e.cache.Put(b.places[of[k]], piece, ids)
	}
	return dst
}
