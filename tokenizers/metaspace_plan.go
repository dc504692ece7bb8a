package tokenizers

import (
	"bytes"
	"sync"
	"unicode/utf8"

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

	kinds      [256]pieceKinds // of bytes that are characters; 0 for others
	runeKinds  func() *[1 << 16]pieceKinds
	apart      bool // characters of more than maxClusterBytes together don't change one another
	charsmapAt int  // the place of the charsmap in chain, or -1
}

// pieceKinds says what a character may be to a cut.
type pieceKinds uint8

const (
	opensPiece   pieceKinds = 1 << iota // becomes a single space
	closesPiece                         // becomes something that does not end in white space and that nothing behind it changes
	alone                               // never is in the cluster of the character before it, unless that prepends
	behindSpace                         // never is in the cluster of a space before it
	prependsNext                        // draws the next character into its cluster
)

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
		for b := range rune(utf8.RuneSelf) {
			p.kinds[b] = p.kindOf(b)
		}
		p.runeKinds = sync.OnceValue(func() *[1 << 16]pieceKinds {
			kinds := &[1 << 16]pieceKinds{}
			for r := range rune(len(kinds)) {
				kinds[r] = p.kindOf(r)
			}
			return kinds
		})
	}
	return p
}

// local tells whether no part of the chain looks over a cut.
func (p *metaspacePlan) local() bool {
	p.apart = true
	for i, n := range p.chain {
		switch n := n.(type) {
		case lowercase, stripAccents, nmt:
		case normalForm:
			p.apart = p.apart && !n.compose
		case *charsmap:
			if p.charsmapAt >= 0 {
				return false
			}
			p.charsmapAt = i
			p.apart = p.apart && i == 0
		case *strip: // white space at the end is in the last piece
			if n.left {
				return false
			}
		case *replace:
			if !p.collapses(n) && bytes.ContainsRune([]byte(n.pattern), ' ') {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// collapses tells whether n makes runs of spaces one, in a form that Metaspace takes for one.
func (p *metaspacePlan) collapses(n *replace) bool {
	return n.pattern == " " && (n.content == " " || n.content == p.space.replacement)
}

// standing returns what the class of a character says about the cluster of the one before it.
func standing(class charClass) pieceKinds {
	switch {
	case class&^clusterControl == 0:
		return alone | behindSpace
	case class&clusterExtend == 0:
		return behindSpace
	}
	return 0
}

// kindOf runs the chain on one character.
func (p *metaspacePlan) kindOf(r rune) (kinds pieceKinds) {
	if r >= 0xD800 && r <= 0xDFFF || r == utf8.RuneError {
		return 0
	}
	class := clusterClasses().of(r)
	if class&clusterPrepend != 0 {
		return prependsNext
	}
	kinds = standing(class)
	var s normalizerScratch
	now := utf8.AppendRune(nil, r)
	for i, n := range p.chain {
		if i == p.charsmapAt {
			if len(now) == 0 {
				return 0
			}
			first, _ := utf8.DecodeRune(now)
			kinds &= standing(clusterClasses().of(first))
		}
		if n, ok := n.(*replace); ok && !p.collapses(n) && bytes.ContainsAny(now, n.pattern) {
			return kinds
		}
		now = n.appendNormalized(nil, now, &s)
	}
	last, _ := utf8.DecodeLastRune(now)
	switch {
	case string(now) == " " || string(now) == p.space.replacement:
		kinds |= opensPiece
	case len(now) > 0 && charClasses().of(last)&isSpace == 0 && !bytes.HasSuffix(now, p.replacement) && now[0] != ' ' && !bytes.HasPrefix(now, p.replacement):
		kinds |= closesPiece
	}
	return kinds
}

// kind returns what r may be to a cut.
func (p *metaspacePlan) kind(r rune) pieceKinds {
	switch {
	case r < utf8.RuneSelf:
		return p.kinds[r]
	case r < 1<<16:
		return p.runeKinds()[r]
	case clusterClasses().of(r)&clusterPrepend != 0:
		return prependsNext
	}
	return 0
}

// piece returns the length of the piece that text begins with.
func (p *metaspacePlan) piece(text []byte) int {
	if p.wholeText {
		return len(text)
	}
	for i := 1; i < len(text); i++ {
		if p.kinds[text[i]]&opensPiece != 0 && p.cutsBefore(text, i) {
			return i
		}
	}
	return len(text)
}

// cutsBefore tells whether text is cut before the character at i, which opens a piece: where that stays apart from what is behind it, and the character
// before i closes one and stays apart from what is before that.
func (p *metaspacePlan) cutsBefore(text []byte, i int) bool {
	const both = closesPiece | alone
	if p.kinds[text[i-1]]&both == both && (i == 1 || text[i-2] < utf8.RuneSelf) && (i+1 == len(text) || p.kinds[text[i+1]]&behindSpace != 0) {
		return true
	}
	last, size := utf8.DecodeLastRune(text[:i])
	kind := p.kind(last)
	if kind&closesPiece == 0 {
		return false
	}
	if i+1 < len(text) {
		if next, _ := utf8.DecodeRune(text[i+1:]); p.kind(next)&behindSpace == 0 {
			return false
		}
	}
	if i == size {
		return true
	}
	before, sizeBefore := utf8.DecodeLastRune(text[:i-size])
	return kind&alone != 0 && p.kind(before)&prependsNext == 0 || p.apart && size+sizeBefore > maxClusterBytes
}

func (p *metaspacePlan) append(e *Encoder, dst []uint32, text []byte) []uint32 {
	at := p.piece(text)
	start := len(dst)
	dst = p.appendFirst(e, dst, text, at)
	e.unmark(dst[start:])
	for b := &e.batch; at < len(text); {
		b.ends[0] = uint32(at)
		count := 0
		for at < len(text) && count < maxPieces {
			at += p.piece(text[at:])
			count++
			b.ends[count] = uint32(at)
		}
		dst = e.appendPieces(p, dst, text, b.ends[:count], b.ends[1:count+1])
	}
	return dst
}

// appendFirst appends the ids of the first piece of a text, n bytes, to which Metaspace may add what a space before it would become.
func (p *metaspacePlan) appendFirst(e *Encoder, dst []uint32, text []byte, n int) []uint32 {
	if p.space == nil || p.space.prepend == prependNever {
		return p.appendPiece(e, dst, text[:n], false)
	}
	simple := p.startsSimply(text)
	if p.space.prepend == prependFirst && len(p.chain) > 0 && !simple {
		for _, w := range e.tokenizer.plainWords(nil, newText(string(text[:n]), true)) { // which know what the first character comes from
			dst = p.appendWord(e, dst, w.bytes)
		}
		return dst
	}
	if simple && n < wordcache.MaxPieceBytes && p.kinds[' ']&opensPiece != 0 && !(p.dropsSpaces && p.space.prepend == prependFirst) {
		e.bytes = append(append(e.bytes[:0], ' '), text[:n]...)
		return e.appendCached(p, dst, e.bytes)
	}
	return p.appendPiece(e, dst, text[:n], true)
}

// startsSimply tells whether what the first character becomes is the beginning of what the text becomes, and no space.
func (p *metaspacePlan) startsSimply(text []byte) bool {
	if p.wholeText {
		return false
	}
	first, size := utf8.DecodeRune(text)
	const both = closesPiece | alone
	if p.kind(first)&both != both {
		return false
	}
	next, _ := utf8.DecodeRune(text[size:])
	return size == len(text) || p.kind(next)&alone != 0
}

func (p *metaspacePlan) miss(e *Encoder, dst []uint32, piece []byte) []uint32 {
	return p.appendPiece(e, dst, piece, false)
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
