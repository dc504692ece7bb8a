package tokenizers

import (
	"sort"
	"sync"
	"unicode/utf8"
)

// charClass says what the parts of a tokenizer do with a code point. The facts behind it are those of the reference, part by part: see
// unicode_tables.go. Package unicode is not used, since its version differs from each of the reference's and changes with Go.
type charClass uint16

const (
	isLetter         charClass = 1 << iota // \p{L} of the splitting regex
	isNumber                               // \p{N} of the splitting regex
	isSpace                                // White_Space
	isWord                                 // \w beside an added token
	isPunctuation                          // isolated by BertPreTokenizer
	isRemoved                              // removed by clean_text
	isAccent                               // removed by strip_accents
	isChinese                              // set between spaces by handle_chinese_chars
	isCombining                            // canonical combining class is not zero
	hasDecomposition                       // NFD changes it
	hasLower                               // lower case changes it
	hasCompatible                          // NFKD changes it, and not as NFD does
	isMark                                 // removed by StripAccents
)

// classTable maps code points to classes through pages of 256, equal pages stored once.
type classTable struct {
	page  [0x1100]uint16
	pages [][256]charClass
}

func (t *classTable) of(r rune) charClass {
	return t.pages[t.page[uint32(r)>>8%0x1100]][r&0xFF]
}

// mapping is what one code point becomes.
type mapping struct {
	from rune
	to   string
}

// charClasses returns the table, built once.
var charClasses = sync.OnceValue(func() *classTable {
	flat := make([]charClass, 0x110000)
	mark(flat, letterRanges, isLetter)
	mark(flat, numberRanges, isNumber)
	mark(flat, spaceRanges, isSpace)
	mark(flat, wordRanges, isWord)
	mark(flat, punctuationRanges, isPunctuation)
	mark(flat, removedRanges, isRemoved)
	mark(flat, accentRanges, isAccent)
	mark(flat, chineseRanges, isChinese)
	mark(flat, markRanges, isMark)
	mark(flat, [][2]rune{{hangulFirst, hangulLast}}, hasDecomposition)
	for _, r := range combiningRanges {
		mark(flat, [][2]rune{{r[0], r[1]}}, isCombining)
	}
	for _, m := range decompositions {
		flat[m.from] |= hasDecomposition
	}
	for _, m := range compatibleDecompositions {
		flat[m.from] |= hasCompatible
	}
	for _, m := range lowercases {
		flat[m.from] |= hasLower
	}
	return newClassTable(flat)
})

func mark(flat []charClass, ranges [][2]rune, c charClass) {
	for _, r := range ranges {
		for i := r[0]; i <= r[1]; i++ {
			flat[i] |= c
		}
	}
}

// newClassTable returns the table of the classes of all code points.
func newClassTable(flat []charClass) *classTable {
	table := &classTable{}
	seen := map[[256]charClass]uint16{}
	for i := range table.page {
		page := [256]charClass(flat[i<<8:])
		n, ok := seen[page]
		if !ok {
			n = uint16(len(table.pages))
			seen[page] = n
			table.pages = append(table.pages, page)
		}
		table.page[i] = n
	}
	return table
}

// combiningClass returns the canonical combining class of r, 0 for a starter.
func combiningClass(r rune) uint8 {
	i := sort.Search(len(combiningRanges), func(i int) bool { return combiningRanges[i][1] >= r })
	if i < len(combiningRanges) && combiningRanges[i][0] <= r {
		return uint8(combiningRanges[i][2])
	}
	return 0
}

func lookUp(table []mapping, r rune) string {
	i := sort.Search(len(table), func(i int) bool { return table[i].from >= r })
	if i < len(table) && table[i].from == r {
		return table[i].to
	}
	return string(r)
}

// Hangul syllables decompose by arithmetic (Unicode Standard, section 3.12).
const (
	hangulFirst, hangulLast        = 0xAC00, 0xD7A3
	leadBase, vowelBase, trailBase = 0x1100, 0x1161, 0x11A7
	leadCount                      = 19
	vowelCount, trailCount         = 21, 28
)

const (
	maxDecomposed = 4 // code points in the longest canonical decomposition
	replacement   = "\uFFFD"
)

// appendDecomposed appends the canonical decomposition of r.
func appendDecomposed(dst []rune, r rune) []rune {
	if r < hangulFirst || r > hangulLast {
		for _, c := range lookUp(decompositions, r) {
			dst = append(dst, c)
		}
		return dst
	}
	s := r - hangulFirst
	dst = append(dst, leadBase+s/(vowelCount*trailCount), vowelBase+s%(vowelCount*trailCount)/trailCount)
	if t := s % trailCount; t != 0 {
		dst = append(dst, trailBase+t)
	}
	return dst
}

// invalidPrefix returns the length of the maximal subpart of an ill-formed sequence that b begins with, or 0 where b begins with a
// well-formed character. Each maximal subpart is shown as one U+FFFD (Unicode Standard, section 3.9, "U+FFFD Substitution of Maximal Subparts").
func invalidPrefix(b []byte) int {
	r, size := utf8.DecodeRune(b)
	if r != utf8.RuneError || size != 1 {
		return 0
	}
	low, high := byte(0x80), byte(0xBF)
	need := 0
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		need = 1
	case c >= 0xE0 && c <= 0xEF:
		need = 2
		if c == 0xE0 {
			low = 0xA0
		} else if c == 0xED {
			high = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		need = 3
		if c == 0xF0 {
			low = 0x90
		} else if c == 0xF4 {
			high = 0x8F
		}
	}
	n := 1
	for n <= need && n < len(b) && b[n] >= low && b[n] <= high {
		low, high = 0x80, 0xBF
		n++
	}
	return n
}

// appendValid appends b with U+FFFD in place of each maximal ill-formed subpart.
func appendValid(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		if _, n := utf8.DecodeRune(b[i:]); n > 1 {
			i += n
			continue
		}
		dst = append(append(dst, b[:i]...), replacement...)
		b, i = b[i+invalidPrefix(b[i:]):], 0
	}
	return append(dst, b...)
}
