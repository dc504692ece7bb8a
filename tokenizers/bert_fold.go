package tokenizers

import "unicode/utf8"

// foldTable says for each character what normalizer and pre-tokenizer of BERT make of it, in symbols of the vocabulary: one look-up in place of
// cleaning, decomposing, stripping and lower-casing. It has pages of 64, as many as the last byte of a character's UTF-8 tells apart; equal pages
// are mostly stored once.
type foldTable struct {
	page    [0x110000 / foldPage]uint16
	entries []foldEntry
	strings []int32 // runs of symbols, each behind its length
	inner   *innerSet
}

// foldEntry is a foldKind in its lowest bits and a value above them.
type foldEntry uint32

type foldKind = foldEntry

const (
	foldOne       foldKind = iota // one symbol of a word: the value
	foldMany                      // none or several symbols of a word: the value is where they lie in strings
	foldSlow                      // its piece must be looked at with the neighbours in view
	foldSpace                     // between pieces, and nothing comes of it
	foldAlone                     // a piece by itself that becomes one token: the value
	foldSlowAlone                 // a piece by itself that becomes something else

	foldKindBits = 3
	foldKinds    = 1<<foldKindBits - 1
	foldPage     = 64
)

func (e foldEntry) kind() foldKind { return e & foldKinds }

// inPiece tells whether the character goes into a piece with its neighbours.
func (e foldEntry) inPiece() bool { return e.kind() <= foldSlow }

func (e foldEntry) value() uint32 { return uint32(e >> foldKindBits) }

func newFold(kind foldKind, value int) foldEntry { return foldEntry(value)<<foldKindBits | kind }

// of returns the entry of a code point.
func (t *foldTable) of(r rune) foldEntry {
	return t.entries[uint32(t.page[uint32(r)/foldPage])*foldPage+uint32(r)%foldPage]
}

// at returns the entry and the length of the character that text begins with; an ill-formed sequence is U+FFFD.
func (t *foldTable) at(text []byte) (foldEntry, int) {
	c := text[0]
	switch {
	case c < utf8.RuneSelf:
		return t.of(rune(c)), 1
	case c >= 0xC2 && c < 0xE0 && len(text) > 1 && text[1]&0xC0 == 0x80:
		return t.entries[uint32(t.page[c&0x1F])*foldPage+uint32(text[1]&0x3F)], 2
	case c >= 0xE0 && c < 0xF0 && len(text) > 2 && text[1]&0xC0 == 0x80 && text[2]&0xC0 == 0x80:
		if page := uint32(c&0x0F)<<6 | uint32(text[1]&0x3F); page >= 0x800/foldPage && page&^0x1F != 0xD800/foldPage {
			return t.entries[uint32(t.page[page])*foldPage+uint32(text[2]&0x3F)], 3
		}
	}
	r, size := utf8.DecodeRune(text)
	if r == utf8.RuneError && size == 1 {
		size = invalidPrefix(text)
	}
	return t.of(r), size
}

// appendSymbols appends the symbols of the word that a piece becomes, no more than one behind most of them; ok is false for a piece that needs the long way.
func (t *foldTable) appendSymbols(dst []int32, piece []byte, most int) (symbols []int32, ok bool) {
	for i := 0; i < len(piece); {
		var entry foldEntry
		var n int
		if c := piece[i]; c < utf8.RuneSelf {
			entry, n = t.of(rune(c)), 1
		} else if c >= 0xC2 && c < 0xE0 && i+1 < len(piece) && piece[i+1]&0xC0 == 0x80 { // the same as at, without a call
			entry, n = t.entries[uint32(t.page[c&0x1F])*foldPage+uint32(piece[i+1]&0x3F)], 2
		} else {
			entry, n = t.at(piece[i:])
		}
		i += n
		switch entry.kind() {
		case foldOne:
			dst = append(dst, int32(entry.value()))
		case foldMany:
			run := t.strings[entry.value():]
			dst = append(dst, run[1:1+run[0]]...)
		default:
			return dst, false
		}
		if len(dst) > most { // enough to tell
			dst = dst[:most+1]
		}
	}
	return dst, true
}

// newFoldTable asks plan, which does it the long way, what becomes of each character.
func newFoldTable(p *bertPlan) *foldTable {
	b := foldBuilder{plan: p, table: &foldTable{strings: []int32{0}}, mapped: map[rune]bool{}, plain: map[[2]uint16]uint16{}}
	if p.words != nil {
		for r, symbol := range p.words.symbols {
			if symbol > 0 {
				b.mapped[rune(r/foldPage)] = true
			}
		}
	}
	for page := range b.table.page {
		b.table.page[page] = b.page(rune(page))
	}
	b.table.inner = newInnerSet(b.table)
	return b.table
}

type foldBuilder struct {
	plan   *bertPlan
	table  *foldTable
	mapped map[rune]bool        // pages with characters of the vocabulary
	plain  map[[2]uint16]uint16 // pages without, in which each character stays what it is, by their classes
	e      Encoder
	word   []int32
}

// page returns the number of the entries of a page.
func (b *foldBuilder) page(page rune) uint16 {
	first := page * foldPage
	classes := [2]uint16{b.plan.class.page[first>>8], uint16(first & 0xFF)}
	plain := !b.mapped[page]
	for r := first; plain && r < first+foldPage; r++ {
		plain = b.plan.class.of(r)&(hasDecomposition|hasLower) == 0
	}
	if n, ok := b.plain[classes]; ok && plain {
		return n
	}
	n := uint16(len(b.table.entries) / foldPage)
	for r := first; r < first+foldPage; r++ {
		b.table.entries = append(b.table.entries, b.entry(r))
	}
	if plain {
		b.plain[classes] = n
	}
	return n
}

func (b *foldBuilder) entry(r rune) foldEntry {
	kind, words := b.plan.kind(r), b.plan.words
	switch {
	case kind == pieceSpace:
		return newFold(foldSpace, 0)
	case kind == pieceAlone && (words == nil || b.look(string(r)) != 1 || len(b.word) != 1):
		return newFold(foldSlowAlone, 0)
	case kind == pieceAlone:
		return newFold(foldAlone, int(words.appendWord(nil, b.word)[0]&^startsWord))
	case words == nil || b.hasOrder(r):
		return newFold(foldSlow, 0)
	case b.plan.class.of(r)&(isRemoved|isSpace|isPunctuation|isChinese|isAccent|hasDecomposition|hasLower) == 0:
		return newFold(foldOne, int(words.symbol(r))) // as most are: what follows would say the same
	case b.look("x"+string(r)+"x") != 1: // it cuts
		return newFold(foldSlow, 0)
	}
	word := b.word[1 : len(b.word)-1]
	switch len(word) {
	case 0:
		return newFold(foldMany, 0)
	case 1:
		return newFold(foldOne, int(word[0]))
	}
	at := len(b.table.strings)
	b.table.strings = append(append(b.table.strings, int32(len(word))), word...)
	return newFold(foldMany, at)
}

// look puts the words that a piece becomes into b.word, one after another, and returns how many they are.
func (b *foldBuilder) look(piece string) int {
	words := 0
	b.word = b.word[:0]
	b.plan.eachWord(&b.e, []byte(piece), func(word []byte) {
		words++
		for len(word) > 0 {
			r, n := utf8.DecodeRune(word)
			b.word, word = append(b.word, b.plan.words.symbol(r)), word[n:]
		}
	})
	return words
}

// hasOrder tells whether a mark comes of r that stays and has its place among others.
func (b *foldBuilder) hasOrder(r rune) bool {
	if !b.plan.norm.stripAccents {
		return false
	}
	for _, r := range b.plan.spread(nil, []byte(string(r))) {
		if c := b.plan.class.of(r); c&isCombining != 0 && c&isAccent == 0 {
			return true
		}
	}
	return false
}
