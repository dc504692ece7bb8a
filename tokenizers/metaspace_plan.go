package tokenizers

import (
	"bytes"
	"sync"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers/internal/scan"
	"github.com/shardmill/shardmill/tokenizers/internal/wordcache"
)

// metaspacePlan is the plan for Metaspace, behind WhitespaceSplit or not, and for Unigram without a pre-tokenizer. The document is cut, before it is
// normalized, where a run of spaces begins behind a character that keeps to itself. A piece is a run of spaces and what follows; it is normalized, split
// and encoded alike wherever it stands, and the cache holds what becomes of it. The first piece may get a prefix.
type metaspacePlan struct {
	chain       normalizerChain
	space       *metaspace // nil: none
	dropsSpaces bool       // WhitespaceSplit comes first
	replacement []byte
	model       model
	unigram     *unigram // the model, if it is one
	wholeText   bool     // nothing is cut

	kinds      func() *[1 << 16]pieceKinds
	scanner    func() scan.Spaces
	tails      [utf8.RuneSelf]uint32 // the ids of pieces that are cut off the ends of words, noID for others; there when scanner has been called
	apart      bool                  // characters of more than maxClusterBytes together don't change one another
	charsmapAt int                   // the place of the charsmap in chain, or -1
}

// newMetaspacePlan returns nil where the parts are not known here.
func newMetaspacePlan(n normalizer, pre preTokenizer, m model) fusedPlan {
	p := &metaspacePlan{model: m, charsmapAt: -1}
	p.unigram, _ = m.(*unigram)
	var ok bool
	if p.chain, ok = newNormalizerChain(n); !ok {
		return nil
	}
	switch pre := pre.(type) {
	case nil:
		if p.unigram == nil {
			return nil
		}
	case *metaspace:
		p.space = pre
	case preTokenizerSequence:
		if len(pre) != 2 {
			return nil
		}
		split, isSplit := pre[0].(*splitter)
		space, isSpace := pre[1].(*metaspace)
		if !isSplit || !isSpace || !split.atSpace {
			return nil
		}
		p.space, p.dropsSpaces = space, true
	default:
		return nil
	}
	if p.space != nil {
		p.replacement = []byte(p.space.replacement)
	}
	p.wholeText = p.space == nil || p.space.whole || p.space.replacement == " " || !p.local()
	if !p.wholeText {
		p.kinds = sync.OnceValue(p.findKinds)
		p.scanner = sync.OnceValue(p.newScanner)
	}
	return p
}

func (p *metaspacePlan) append(e *Encoder, dst []uint32, text []byte) []uint32 {
	if p.wholeText {
		start := len(dst)
		dst = p.appendFirst(e, dst, text)
		e.unmark(dst[start:])
		return dst
	}
	b, scanner := &e.batch, p.scanner()
	scanner.Reset(&e.scan, text)
	first := 1 // the piece that is handled apart
	for b.ends[0] = 0; ; first = 0 {
		n := scanner.Cut(&e.scan, b.ends[1:])
		if n == 0 {
			e.scan = scan.State{}
			return dst
		}
		if first > 0 {
			start := len(dst)
			dst = p.appendFirst(e, dst, text[:b.ends[1]])
			e.unmark(dst[start:])
		}
		dst = e.appendPieces(p, dst, text, b.ends[first:n], b.ends[first+1:n+1])
		b.ends[0] = b.ends[n]
	}
}

// appendFirst appends the ids of the first piece of a text, to which Metaspace may add what a space before it would become.
func (p *metaspacePlan) appendFirst(e *Encoder, dst []uint32, piece []byte) []uint32 {
	if p.space == nil || p.space.prepend == prependNever {
		return p.appendPiece(e, dst, piece, false)
	}
	simple := p.startsSimply(piece)
	if p.space.prepend == prependFirst && len(p.chain) > 0 && !simple {
		for _, w := range e.tokenizer.plainWords(nil, newText(string(piece), true)) { // which know what the first character comes from
			dst = p.appendWord(e, dst, w.bytes)
		}
		return dst
	}
	if simple && len(piece) < wordcache.MaxPieceBytes && p.kinds()[' ']&opensPiece != 0 && !(p.dropsSpaces && p.space.prepend == prependFirst) {
		e.bytes = append(append(e.bytes[:0], ' '), piece...)
		return e.appendCached(p, dst, e.bytes)
	}
	return p.appendPiece(e, dst, piece, true)
}

func (p *metaspacePlan) miss(e *Encoder, dst []uint32, piece []byte) []uint32 {
	if len(piece) == 1 && piece[0] < utf8.RuneSelf && p.tails[piece[0]] != noID {
		return append(dst, p.tails[piece[0]])
	}
	if word := p.plainWord(e, piece); word != nil {
		return p.appendWord(e, dst, word)
	}
	return p.appendPiece(e, dst, piece, false)
}

// plainWord returns the word that a piece becomes, if it is a space and characters that stay as they are, or nil.
func (p *metaspacePlan) plainWord(e *Encoder, piece []byte) []byte {
	if p.wholeText || p.dropsSpaces && p.space.prepend != prependAlways || len(piece) < 2 {
		return nil
	}
	kinds := p.kinds()
	if piece[0] >= utf8.RuneSelf || kinds[piece[0]]&opensPiece == 0 {
		return nil
	}
	for _, b := range piece[1:] {
		if kinds[b]&unchanged == 0 || b >= utf8.RuneSelf {
			return nil
		}
	}
	e.sentence.shown = append(append(e.sentence.shown[:0], p.replacement...), piece[1:]...)
	return e.sentence.shown
}

// appendPiece appends the ids of a piece; first says that the text begins there.
func (p *metaspacePlan) appendPiece(e *Encoder, dst []uint32, piece []byte, first bool) []uint32 {
	s := &e.sentence
	if !utf8.Valid(piece) {
		s.valid = appendValid(s.valid[:0], piece)
		piece = s.valid
	}
	text := p.chain.normalize(piece, &s.normalizer)
	prefix := p.space != nil && (p.space.prepend == prependAlways || p.space.prepend == prependFirst && first)
	if !p.dropsSpaces {
		return p.appendSpaced(e, dst, text, prefix)
	}
	for len(text) > 0 {
		space := spaceAfter(text)
		if text = text[space:]; space > 0 {
			prefix = prefix && p.space.prepend == prependAlways
		}
		n := 0
		for n < len(text) && spaceAfter(text[n:]) == 0 {
			n += characterSize(text[n])
		}
		dst = p.appendSpaced(e, dst, text[:n], prefix)
		text = text[n:]
	}
	return dst
}

// appendSpaced does what Metaspace does with a text, and appends the ids of the words.
func (p *metaspacePlan) appendSpaced(e *Encoder, dst []uint32, text []byte, prefix bool) []uint32 {
	if len(text) == 0 || p.space == nil {
		return p.appendWord(e, dst, text)
	}
	s := &e.sentence
	shown := s.shown[:0]
	if prefix && text[0] != ' ' && !bytes.HasPrefix(text, p.replacement) {
		shown = append(shown, p.replacement...)
	}
	for _, b := range text {
		if b == ' ' {
			shown = append(shown, p.replacement...)
		} else {
			shown = append(shown, b)
		}
	}
	s.shown = shown
	for !p.space.whole {
		size := characterSize(shown[0])
		next := bytes.Index(shown[size:], p.replacement)
		if next < 0 {
			break
		}
		dst = p.appendWord(e, dst, shown[:size+next])
		shown = shown[size+next:]
	}
	return p.appendWord(e, dst, shown)
}

func (p *metaspacePlan) appendWord(e *Encoder, dst []uint32, word []byte) []uint32 {
	if p.unigram != nil {
		return p.unigram.appendPieces(dst, word, &e.merger)
	}
	if len(word) == 0 {
		return dst
	}
	e.tokens = p.model.tokenize(e.tokens[:0], word, &e.merger)
	return appendWord(dst, e.tokens)
}

// sentenceScratch is the memory of a metaspacePlan for one goroutine.
type sentenceScratch struct {
	normalizer normalizerScratch
	valid      []byte // the piece, well-formed
	shown      []byte // the piece as Metaspace shows it
}

func (s *sentenceScratch) size() int { return s.normalizer.size() + cap(s.valid) + cap(s.shown) }
