package scan

import "math/bits"

// Modern cuts as the pattern of cl100k does, which many followed:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// A word of letters begins at the character before it, if that is white space or stands alone. Line breaks go with the characters of no kind before
// them, or else with the white space before them; what is left of white space ends before its last character.
type Modern struct {
	Table     *Table
	MaxDigits int // in a word; 0: any number
}

// Reset implements Cutter.
func (c Modern) Reset(s *State, text []byte) { s.reset(c.Table, text) }

// Cut implements Cutter.
func (c Modern) Cut(s *State, dst []uint32) int { return s.cut(dst, c.starts) }

// starts returns where words begin in the block.
func (c Modern) starts(s *State) uint64 {
	starts, marks := s.modern(c.MaxDigits, 0)
	for quotes := marks & s.now[blankMask]; quotes != 0; quotes &= quotes - 1 {
		i := bits.TrailingZeros64(quotes)
		if size := AnyCaseContraction(s.text[s.here()+i:]); size > 0 {
			starts = s.move(starts, i+1, i+size)
		}
	}
	return starts
}

// modern returns where words begin in the block if there were no contractions, and which of these are characters of no kind. Those of slashes, too,
// may stand behind line breaks at the end of a word.
func (s *State) modern(maxDigits int, slashes uint64) (starts, marks uint64) {
	m, last := &s.now, &s.last
	letter, number, space := m[lowerMask]|m[upperMask], m[numberMask], m[spaceMask]
	other := ^(letter | number | space)
	newline := m[breakMask] & space
	// The tail of characters of no kind: adding its first bit to a run of ones clears the run.
	ends := newline | slashes
	seeds := newline&after(other, last.other) | ends&(last.tail>>63)
	tail := ends&^(ends+seeds) | seeds
	space &^= tail
	newline &^= tail
	other &^= tail
	white := space &^ newline
	blank := m[blankMask] & space

	blanks, whites := after(blank, last.blank), after(white, last.white)
	marks = other &^ after(other, last.other) &^ blanks
	prefix := marks | m[innerMask]&(last.prefix>>63) // and the other bytes of these characters
	if m[innerMask] != 0 {
		for range 3 {
			prefix |= prefix << 1 & m[innerMask]
		}
	}
	starts = letter&^after(letter, last.letter)&^whites&^after(prefix, last.prefix) |
		marks | space&^after(space, last.space) | s.lastSpaces()&white | s.numbers(maxDigits)
	if lines := white & after(newline, last.newline); lines != 0 {
		starts |= s.lines(lines, white)
	}
	s.last = kinds{
		letter: letter, number: number, space: space, blank: blank, other: other,
		white: white, newline: newline, tail: tail, prefix: prefix,
	}
	return s.moved(starts), marks
}

// lines returns those of the given places, where white space follows a line break, that no other line break follows: there, a word begins.
func (s *State) lines(places, white uint64) uint64 {
	newline := s.now[breakMask] & s.now[spaceMask]
	sum, carry := bits.Add64(white, places, 0)
	if carry == 0 && sum&^white&newline == 0 {
		return places
	}
	for rest := places; rest != 0; rest &= rest - 1 {
		from := bits.TrailingZeros64(rest)
		end := from + bits.TrailingZeros64(^(white >> from))
		if end < 64 && newline>>end&1 == 1 || end >= 64 && s.breakFollows() {
			places &^= 1 << from
		}
	}
	return places
}

// breakFollows tells whether white space at the end of the block goes on to a line break.
func (s *State) breakFollows() bool {
	for text := s.text[min(s.here()+64+bits.TrailingZeros64(^s.next[innerMask]), len(s.text)):]; len(text) > 0; {
		class, size := s.table.at(text)
		if class&Space == 0 {
			return false
		}
		if class&breaks != 0 {
			return true
		}
		text = text[size:]
	}
	return false
}

// numbers returns where numbers begin in the block.
func (s *State) numbers(maxDigits int) uint64 {
	number, leads := s.now[numberMask], s.now[numberMask]&^s.now[innerMask]
	starts := number &^ after(number, s.last.number)
	switch {
	case maxDigits == 0 || number == 0:
		return starts
	case maxDigits == 1:
		return leads
	}
	if number>>63 == 0 && s.last.number>>63 == 0 && number&(number>>1)&(number>>2)&(number>>3) == 0 { // one to three bytes each
		return starts
	}
	for rest := leads; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		if starts>>i&1 == 1 || s.digits == maxDigits {
			starts |= 1 << i
			s.digits = 0
		}
		s.digits++
	}
	return starts
}

// AnyCaseContraction returns the length of 's, 't, 'm, 'd, 're, 've or 'll in any case at the start of text, or 0. The long s is an s too.
func AnyCaseContraction(text []byte) int {
	const longS = "\u017F"
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	second := byte(0)
	switch text[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		second = 'e'
	case 'l':
		second = 'l'
	}
	if second != 0 && len(text) > 2 && text[2]|0x20 == second {
		return 3
	}
	if len(text) > 2 && string(text[1:3]) == longS {
		return 3
	}
	return 0
}
