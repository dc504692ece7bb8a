package scan

import "math/bits"

// Spaces cuts before a space that follows a character that may end a piece, and nowhere else. The classes of its table mean:
//
//	Space   the character is a space
//	Lower   it may end a piece
//	Number  it may end a piece where Verify says so
//	Upper   it asks that near it Verify is asked about each cut
type Spaces struct {
	Table *Table
	// Verify tells whether text is cut at a place that the classes around it allow.
	Verify func(text []byte, at int) bool
}

// Reset implements Cutter.
func (c Spaces) Reset(s *State, text []byte) { s.reset(c.Table, text) }

// Cut implements Cutter.
func (c Spaces) Cut(s *State, dst []uint32) int { return s.cut(dst, c.starts) }

// starts returns where pieces begin in the block.
func (c Spaces) starts(s *State) uint64 {
	m := &s.now
	starts := m[spaceMask] & after(m[lowerMask]|m[numberMask], s.last.letter)
	if m[upperMask]|s.next[upperMask]|s.last.other|m[numberMask]|s.last.number != 0 {
		for rest := starts; rest != 0; rest &= rest - 1 {
			if i := bits.TrailingZeros64(rest); s.here()+i < len(s.text) && !c.Verify(s.text, s.here()+i) {
				starts &^= 1 << i
			}
		}
	}
	s.last = kinds{letter: m[lowerMask] | m[numberMask], other: m[upperMask], number: m[numberMask]}
	return starts
}
