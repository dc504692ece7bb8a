package tokenizers

import (
	"slices"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers/internal/scan"
)

// bertPlan is the plan for BERT: the document is cut, before it is normalized, into pieces that are normalized and split alike wherever they stand,
// so that a cache can hold what becomes of them.
type bertPlan struct {
	norm  *bertNormalizer
	model *wordPiece
	class *classTable
	words *symbolTrie // nil: every piece takes the long way
	fold  *foldTable
	ascii *scan.PieceTable

	letters letterSymbols
}

// pieceKind says how a character cuts a document into pieces.
type pieceKind uint8

const (
	pieceInner pieceKind = iota // goes into a piece with its neighbours
	pieceSpace                  // between pieces, and nothing comes of it
	pieceAlone                  // a piece by itself
)

// newBertPlan takes no model for cutting alone, as training does.
func newBertPlan(norm *bertNormalizer, model *wordPiece) *bertPlan {
	p := &bertPlan{norm: norm, model: model, class: charClasses()}
	if model != nil {
		p.words = newSymbolTrie(model)
	}
	p.fold = newFoldTable(p)
	p.ascii = p.fold.newPieceTable()
	for c := range p.letters {
		p.letters[c] = noLetter
		if entry := p.fold.of(rune(c)); c < utf8.RuneSelf && entry.kind() == foldOne {
			p.letters[c] = entry.value()
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
	c := bertCutter{plan: p, text: text, cuts: scan.PieceCuts{Starts: b.starts[:maxPieces], Ends: b.ends[:maxPieces]}}
	cuts := &c.cuts
	for c.at < len(text) {
		run := c.fill()
		if c.at >= len(text) {
			cuts.Close(len(text))
		}
		dst = e.appendPieces(p, dst, text, b.starts[:cuts.EndCount], b.ends[:cuts.EndCount])
		if cuts.Next(); run {
			dst = c.appendRun(dst, startsWord&e.keep)
		}
	}
	return dst
}

// piece returns the length of the white space that text begins with, and of the piece behind it.
func (p *bertPlan) piece(text []byte) (skip, n int) {
	for skip < len(text) {
		entry, n := p.fold.at(text[skip:])
		switch {
		case entry.inPiece():
			return skip, n + p.inner(text[skip+n:])
		case entry.kind() != foldSpace:
			return skip, n
		}
		skip += n
	}
	return skip, 0
}

// inner returns the length of what goes into one piece at the beginning of text.
func (p *bertPlan) inner(text []byte) int {
	n := 0
	for n < len(text) {
		entry, size := p.fold.at(text[n:])
		if !entry.inPiece() {
			break
		}
		n += size
	}
	return n
}

func (p *bertPlan) miss(e *Encoder, dst []uint32, piece []byte) []uint32 {
	if p.words == nil {
		return p.missSlow(e, dst, piece)
	}
	if ids, ok := p.words.appendASCII(dst, piece, &p.letters); ok {
		return ids
	}
	if entry, n := p.fold.at(piece); n == len(piece) && entry.kind() == foldAlone {
		return append(dst, entry.value()|startsWord)
	}
	word, one := p.fold.appendSymbols(e.runes[:0], piece, p.words.maxChars)
	e.runes = word
	switch {
	case !one:
		return p.missSlow(e, dst, piece)
	case len(word) == 0:
		return dst
	}
	return p.words.appendWord(dst, word)
}

// missSlow is miss for any piece, step by step.
func (p *bertPlan) missSlow(e *Encoder, dst []uint32, piece []byte) []uint32 {
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
