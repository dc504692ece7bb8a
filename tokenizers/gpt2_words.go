package tokenizers

import "unicode/utf8"

// gpt2Word returns the length of the first match in text, which is not empty, of GPT-2's regular expression
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// which matches at every place, so that matches cover the text. A byte that is no part of a well-formed character counts as one
// of the third kind.
func gpt2Word(text []byte) int {
	if text[0] == '\'' {
		if n := contraction(text); n > 0 {
			return n
		}
	}
	classes := charClasses()
	start := 0
	if text[0] == ' ' && len(text) > 1 {
		start = 1
	}
	kind, size := classes.kind(text[start:])
	if kind != isSpace {
		return start + classes.run(text[start:], kind, size)
	}
	// White space up to the last of it, which goes with the word that follows; all of it at the end of the text.
	n, last := 0, 0
	for n < len(text) {
		kind, size := classes.kind(text[n:])
		if kind != isSpace {
			if last < n && last > 0 {
				return last
			}
			return n
		}
		last = n
		n += size
	}
	return n
}

// contraction returns the length of 's, 't, 'm, 'd, 're, 've or 'll at the start of text, or 0.
func contraction(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v', 'l':
		second := map[byte]byte{'r': 'e', 'v': 'e', 'l': 'l'}[text[1]]
		if len(text) > 2 && text[2] == second {
			return 3
		}
	}
	return 0
}

// kind returns which of \p{L}, \p{N} and \s the first character is, 0 for none, and its length.
func (t *classTable) kind(text []byte) (charClass, int) {
	r, size := rune(text[0]), 1
	if r >= utf8.RuneSelf {
		r, size = utf8.DecodeRune(text)
	}
	return t.of(r) & (isLetter | isNumber | isSpace), size
}

// run returns the length of the run of characters of one kind whose first has the length n.
func (t *classTable) run(text []byte, kind charClass, n int) int {
	for n < len(text) {
		next, size := t.kind(text[n:])
		if next != kind {
			break
		}
		n += size
	}
	return n
}

// The kinds of ASCII bytes, as the splitting regular expression sees them. Equal kinds make a word.
const (
	kindOther uint8 = iota
	kindLetter
	kindNumber
	kindSpace
	kindWide // begins or continues a character that is not ASCII
)

// gpt2Cutter is gpt2Word with a short way for ASCII.
type gpt2Cutter struct {
	class *classTable
	ascii [256]uint8 // kind of word that a byte is of
}

func newGPT2Cutter() *gpt2Cutter {
	p := &gpt2Cutter{class: charClasses()}
	for b := range 256 {
		p.ascii[b] = kindWide
		if b < 0x80 {
			p.ascii[b] = kindOf(p.class.of(rune(b)))
		}
	}
	return p
}

func kindOf(c charClass) uint8 {
	switch {
	case c&isLetter != 0:
		return kindLetter
	case c&isNumber != 0:
		return kindNumber
	case c&isSpace != 0:
		return kindSpace
	}
	return kindOther
}

// word returns the length of the first word of text, which is not empty.
func (p *gpt2Cutter) word(text []byte) int {
	i := 0
	if text[0] == ' ' && len(text) > 1 {
		i = 1
	}
	kind := p.ascii[text[i]]
	if kind == kindSpace || kind == kindWide || text[0] == '\'' {
		return gpt2Word(text)
	}
	i++
	for i < len(text) && p.ascii[text[i]] == kind {
		i++
	}
	if i < len(text) && p.ascii[text[i]] == kindWide {
		return p.wideWord(text, i, kind)
	}
	return i
}

// wideWord goes on with a word of a kind at i, where a character that is not ASCII stands.
func (p *gpt2Cutter) wideWord(text []byte, i int, kind uint8) int {
	for i < len(text) {
		c, size := p.class.kind(text[i:])
		if kindOf(c) != kind {
			break
		}
		i += size
	}
	return i
}
