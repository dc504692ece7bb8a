package scan

import "math/bits"

// GPT2 cuts as the pattern of GPT-2 does:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// A word begins where the kind of character changes, or at the space before that. White space ends before its last character, which goes with what
// follows if it is a space and else stands alone; at the end of the text it stays together.
type GPT2 struct{ Table *Table }

// Reset implements Cutter.
func (g GPT2) Reset(s *State, text []byte) { s.reset(g.Table, text) }

// Cut implements Cutter.
func (g GPT2) Cut(s *State, dst []uint32) int { return s.cut(dst, (*State).gpt2) }

// gpt2 returns where words begin in the block.
func (s *State) gpt2() uint64 {
	m, last := &s.now, &s.last
	letter, number, space := m[lowerMask]|m[upperMask], m[numberMask], m[spaceMask]
	other := ^(letter | number | space)
	blank := m[blankMask] & space
	blanks := after(blank, last.blank)
	marks := other &^ after(other, last.other) &^ blanks
	starts := (letter&^after(letter, last.letter)|number&^after(number, last.number))&^blanks |
		marks | space&^after(space, last.space) | s.lastSpaces()
	s.last = kinds{letter: letter, number: number, space: space, blank: blank, other: other}
	starts = s.moved(starts)
	for quotes := marks & m[blankMask]; quotes != 0; quotes &= quotes - 1 {
		i := bits.TrailingZeros64(quotes)
		if size := contraction(s.text[s.here()+i:]); size > 0 {
			starts = s.move(starts, i+1, i+size)
		}
	}
	return starts
}

// contraction returns the length of 's, 't, 'm, 'd, 're, 've or 'll at the start of text, which begins with the apostrophe, or 0.
func contraction(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(text) > 2 && text[2] == 'e' {
			return 3
		}
	case 'l':
		if len(text) > 2 && text[2] == 'l' {
			return 3
		}
	}
	return 0
}
