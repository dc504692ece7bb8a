package scan

import "unicode/utf8"

// Class says what a code point is. Where two facts share a bit, isSpace tells them apart.
type Class = uint8

const (
	Lower  Class = 1 << iota // a letter that may stand behind small letters
	Upper                    // a letter that may stand before others; some are Lower too
	Number                   // \p{N}
	Space                    // \s
	blank                    // with Space, the space of ASCII; without, an apostrophe
	breaks                   // with Space, CR or LF; without, a slash
	inner                    // not the first byte of its character

	Mark = Lower | Upper | Number // \p{M}, for Cased alone; to the others such a character has no class
)

// The masks, in order of the bits of Class.
const (
	lowerMask = iota
	upperMask
	numberMask
	spaceMask
	blankMask
	breakMask
	innerMask
	wideMask // bytes that are not ASCII
	maskCount
)

// masks holds 64 bits for 64 bytes of text, for each class.
type masks [maskCount]uint64

// Table holds the classes of all code points. It is read-only.
type Table struct {
	ascii  [utf8.RuneSelf]Class
	spread [256]uint64 // bit k of the class of a byte of ASCII in bit 8k; wideMask for others
	page   [0x1100]uint16
	cells  []Class // pages of 256, equal ones stored once
}

// NewTable returns the table of a function that says of every code point what it is: Lower, Upper or both, Number, Space, Mark, or 0.
func NewTable(class func(rune) Class) *Table {
	t := &Table{}
	seen := map[[256]Class]uint16{}
	for i := range t.page {
		var page [256]Class
		for j := range page {
			page[j] = class(rune(i<<8 | j))
		}
		n, ok := seen[page]
		if !ok {
			n = uint16(len(t.cells) >> 8)
			seen[page] = n
			t.cells = append(t.cells, page[:]...)
		}
		t.page[i] = n
	}
	t.setASCII(class)
	return t
}

// NewSparseTable returns the table in which a few code points have classes of their own, and all others one that they share.
func NewSparseTable(common Class, others map[rune]Class) *Table {
	t := &Table{cells: make([]Class, 256)}
	for i := range t.cells {
		t.cells[i] = common
	}
	for r, class := range others {
		page := &t.page[r>>8]
		if *page == 0 {
			*page = uint16(len(t.cells) >> 8)
			t.cells = append(t.cells, t.cells[:256]...)
		}
		t.cells[int(*page)<<8|int(r&0xFF)] = class
	}
	t.setASCII(t.of)
	return t
}

// setASCII fills in what is known of ASCII, when the classes of others are there.
func (t *Table) setASCII(class func(rune) Class) {
	for b := range t.ascii {
		t.ascii[b] = class(rune(b))
	}
	for _, b := range "' " {
		t.ascii[b] |= blank
	}
	for _, b := range "/\r\n" {
		t.ascii[b] |= breaks
	}
	t.spreadASCII()
}

// at returns the class and the length of the character at the start of text.
func (t *Table) at(text []byte) (Class, int) {
	if b := text[0]; b < utf8.RuneSelf {
		return t.ascii[b], 1
	}
	return t.wide(text)
}

// spreadASCII fills in spread.
func (t *Table) spreadASCII() {
	for b := range t.spread {
		if b >= utf8.RuneSelf {
			t.spread[b] = 1 << (8 * wideMask)
			continue
		}
		for k := range wideMask {
			t.spread[b] |= uint64(t.ascii[b]>>k&1) << (8 * k)
		}
	}
}

// wide returns the class and the length of the character at the start of text, which is not ASCII. What is not well-formed is one byte of U+FFFD.
func (t *Table) wide(text []byte) (Class, int) {
	if b := text[0]; len(text) >= 3 && b < 0xF0 {
		if second := text[1] ^ 0x80; b < 0xE0 && b >= 0xC2 {
			if second < 0x40 {
				return t.of(rune(b&0x1F)<<6 | rune(second)), 2
			}
		} else if third := text[2] ^ 0x80; b > 0xE0 && b != 0xED && second|third < 0x40 {
			return t.of(rune(b&0x0F)<<12 | rune(second)<<6 | rune(third)), 3
		}
	}
	r, size := utf8.DecodeRune(text)
	return t.of(r), size
}

func (t *Table) of(r rune) Class {
	return t.cells[int(t.page[uint32(r)>>8%0x1100])<<8|int(r&0xFF)]
}

// classifyPortable fills in the masks of a block, as far as they are those of ASCII.
func (t *Table) classifyPortable(block *[64]byte, m *masks) {
	var lanes [8]uint64
	for g := range lanes {
		var acc uint64
		for i, b := range (*[8]byte)(block[8*g:]) {
			acc |= t.spread[b] << i
		}
		lanes[g] = acc
	}
	for k := range m {
		var mask uint64
		for g, acc := range lanes {
			mask |= acc >> (8 * k) & 0xFF << (8 * g)
		}
		m[k] = mask
	}
}
