package scan

import "math/bits"

// Cased cuts as the pattern of o200k does, which is that of [Modern] but for words of letters:
//
//	[^\r\n\p{L}\p{N}]?U*L+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?U+L*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//
// where U are [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and L are [\p{Ll}\p{Lm}\p{Lo}\p{M}]; slashes are among the line breaks behind other characters. A word
// ends where a capital follows a small letter, and takes the contraction behind it. What marks do, or letters without case beside capitals, is left
// to a function that looks at one character after another.
type Cased struct {
	Table     *Table                // with marks
	MaxDigits int                   // in a word
	Word      func(text []byte) int // returns the length of the first word
}

// Reset implements Cutter.
func (c Cased) Reset(s *State, text []byte) { s.reset(c.Table, text) }

// Cut implements Cutter.
func (c Cased) Cut(s *State, dst []uint32) int {
	n := 0
	for s.more(len(dst) - n) {
		if s.nextIsHard() {
			to, end := s.word, min(s.at, len(s.text))
			for to < end {
				to += c.Word(s.text[to:])
				dst[n] = uint32(to)
				n++
			}
			s.restart(to)
			continue
		}
		if found := s.block(dst[n:], c.starts); found > 0 {
			n += found
			s.word = int(dst[n-1])
		}
	}
	return n
}

// nextIsHard tells whether the next block holds what takes a closer look, and remembers what letters its last word has.
func (s *State) nextIsHard() bool {
	lower, upper := s.next[lowerMask], s.next[upperMask]
	both, capital := lower&upper, upper&^lower
	mixed := s.mixed
	if both != 0 {
		mixed |= Lower
	}
	if capital != 0 {
		mixed |= Upper
	}
	if both&s.next[numberMask] != 0 || mixed == Lower|Upper {
		return true
	}
	if s.mixed = mixed; (lower|upper)>>63 == 0 {
		s.mixed = 0
	}
	return false
}

// starts returns where words begin in the block.
func (c Cased) starts(s *State) uint64 {
	m := &s.now
	lower, letter, beforeLower, beforeLetter := m[lowerMask], m[lowerMask]|m[upperMask], s.last.lower, s.last.letter
	starts, marks := s.modern(c.MaxDigits, m[breakMask]&^m[spaceMask])
	s.last.lower = lower
	starts |= m[upperMask] &^ lower & after(lower, beforeLower) &^ s.inContraction()
	for quotes := marks & m[blankMask] & after(letter, beforeLetter); quotes != 0; quotes &= quotes - 1 {
		i := bits.TrailingZeros64(quotes)
		at := s.here() + i
		if size := AnyCaseContraction(s.text[at:]); size > 0 && at != s.closed {
			starts = s.move(starts&^(1<<i), i+1, i+size)
			if size == 3 {
				starts = s.move(starts, i+2, i+size)
			}
			s.closed = at + size
		}
	}
	return starts
}

// inContraction returns the bytes at the start of the block that belong to a contraction in the block before.
func (s *State) inContraction() uint64 {
	return 1<<max(0, min(3, s.closed-s.here())) - 1
}
