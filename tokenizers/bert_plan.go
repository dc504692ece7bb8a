package tokenizers

import (
	"slices"
	"unicode/utf8"
)

// bertPlan is the plan for BERT: the document is cut, before it is normalized, into pieces that are normalized and split alike wherever they stand,
// so that a cache can hold what becomes of them.
type bertPlan struct {
	norm  *bertNormalizer
	model *wordPiece
	class *classTable
	ascii [256]pieceKind
}

// pieceKind says how a character cuts a document into pieces.
type pieceKind uint8

const (
	pieceInner pieceKind = iota // goes into a piece with its neighbours
	pieceSpace                  // between pieces, and nothing comes of it
	pieceAlone                  // a piece by itself
	pieceWide                   // not ASCII
)

func newBertPlan(norm *bertNormalizer, model *wordPiece) *bertPlan {
	p := &bertPlan{norm: norm, model: model, class: charClasses()}
	for b := range 256 {
		p.ascii[b] = pieceWide
		if b < utf8.RuneSelf {
			p.ascii[b] = p.kind(rune(b))
		}
	}
	return p
}

// kind returns how r cuts. White space, punctuation and Chinese characters stand apart after normalization too, and since they are starters no
// mark is put in order across them. Any that normalization changes or removes stay inside a piece, to be looked at when it is normalized.
func (p *bertPlan) kind(r rune) pieceKind {
	c := p.class.of(r)
	switch {
	case p.norm.cleanText && c&isRemoved != 0, c&isCombining != 0:
		return pieceInner
	case c&isSpace != 0:
		return pieceSpace
	case p.norm.chinese && c&isChinese != 0:
		return pieceAlone
	case c&isPunctuation != 0 && c&(hasDecomposition|hasLower|isAccent) == 0:
		return pieceAlone
	}
	return pieceInner
}

func (p *bertPlan) append(e *Encoder, dst []uint32, text []byte) []uint32 {
	b := &e.batch
	for at := 0; at < len(text); {
		count := 0
		for at < len(text) && count < maxPieces {
			skip, n := p.piece(text[at:])
			at += skip
			if n > 0 {
				b.starts[count], b.ends[count] = uint32(at), uint32(at+n)
				at += n
				count++
			}
		}
		dst = e.appendPieces(p, dst, text, b.starts[:count], b.ends[:count])
	}
	return dst
}

// piece returns the length of the white space that text begins with, and of the piece behind it.
func (p *bertPlan) piece(text []byte) (skip, n int) {
	kind, size := pieceSpace, 0
	for {
		if kind, size = p.at(text[skip:]); kind != pieceSpace {
			break
		}
		if skip += size; skip == len(text) {
			return skip, 0
		}
	}
	n = size
	for kind == pieceInner && skip+n < len(text) {
		if kind, size = p.at(text[skip+n:]); kind == pieceInner {
			n += size
		}
	}
	return skip, n
}

// at returns the kind and the length of the first character.
func (p *bertPlan) at(text []byte) (pieceKind, int) {
	if kind := p.ascii[text[0]]; kind != pieceWide {
		return kind, 1
	}
	r, size := utf8.DecodeRune(text)
	return p.kind(r), size
}

func (p *bertPlan) miss(e *Encoder, dst []uint32, piece []byte) []uint32 {
	p.eachWord(e, piece, func(word []byte) {
		e.tokens = p.model.tokenize(e.tokens[:0], word, nil)
		dst = appendWord(dst, e.tokens)
	})
	return dst
}

// eachWord calls do with the words of a piece, normalized. They lie in the buffers of e.
func (p *bertPlan) eachWord(e *Encoder, piece []byte, do func(word []byte)) {
	e.runes = p.spread(e.runes[:0], piece)
	if p.norm.stripAccents {
		p.reorder(e.runes)
	}
	e.bytes = e.bytes[:0]
	for _, r := range e.runes {
		c := p.class.of(r)
		switch {
		case p.norm.stripAccents && c&isAccent != 0:
		case p.norm.lowercase && c&hasLower != 0:
			for _, lower := range lookUp(lowercases, r) {
				p.addToWord(e, lower, do)
			}
		default:
			p.addToWord(e, r, do)
		}
	}
	endWord(e, do)
}

// addToWord adds a normalized character to the word in e.bytes, and ends words as bertPreTokenizer does.
func (p *bertPlan) addToWord(e *Encoder, r rune, do func(word []byte)) {
	c := p.class.of(r)
	if c&(isSpace|isPunctuation) != 0 {
		endWord(e, do)
	}
	if c&isSpace == 0 {
		e.bytes = utf8.AppendRune(e.bytes, r)
	}
	if c&isPunctuation != 0 {
		endWord(e, do)
	}
}

func endWord(e *Encoder, do func(word []byte)) {
	if len(e.bytes) > 0 {
		do(e.bytes)
		e.bytes = e.bytes[:0]
	}
}

// spread appends the characters of a piece as far as they can be normalized one by one: cleaned, Chinese set apart, decomposed.
func (p *bertPlan) spread(dst []rune, piece []byte) []rune {
	for i := 0; i < len(piece); {
		r, size := utf8.DecodeRune(piece[i:])
		if size == 1 && r == utf8.RuneError {
			size = invalidPrefix(piece[i:])
		}
		i += size
		c := p.class.of(r)
		if p.norm.cleanText {
			if c&isRemoved != 0 {
				continue
			}
			if c&isSpace != 0 {
				r, c = ' ', p.class.of(' ')
			}
		}
		apart := p.norm.chinese && c&isChinese != 0
		if apart {
			dst = append(dst, ' ')
		}
		if p.norm.stripAccents && c&hasDecomposition != 0 {
			dst = appendDecomposed(dst, r)
		} else {
			dst = append(dst, r)
		}
		if apart {
			dst = append(dst, ' ')
		}
	}
	return dst
}

// reorder puts each run of marks in canonical order.
func (p *bertPlan) reorder(runes []rune) {
	for i := 0; i < len(runes); i++ {
		start, stay := i, false
		for i < len(runes) && p.class.of(runes[i])&isCombining != 0 {
			stay = stay || p.class.of(runes[i])&isAccent == 0
			i++
		}
		if stay && i-start > 1 {
			slices.SortStableFunc(runes[start:i], func(a, b rune) int {
				return int(combiningClass(a)) - int(combiningClass(b))
			})
		}
	}
}
