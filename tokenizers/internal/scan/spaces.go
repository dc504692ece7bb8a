package scan

import "math/bits"

// Spaces cuts before a space that follows a character that may end a piece, and before one that stands alone in front of such a cut. The classes of its
// table mean:
//
//	Space           the character is a space
//	Lower           it may end a piece
//	Lower | Number  it may end a piece, and is one by itself between a character that is Lower | Upper and a cut
//	Number          it may end a piece where Verify says so
//	Upper           it asks that near it Verify is asked about each cut before a space
type Spaces struct {
	Table *Table
	// Verify tells whether text is cut before the space at a place that the classes around it allow.
	Verify func(text []byte, at int) bool
}

// Reset implements Cutter.
func (c Spaces) Reset(s *State, text []byte) { s.reset(c.Table, text) }

// Cut implements Cutter.
func (c Spaces) Cut(s *State, dst []uint32) int { return s.cut(dst, c.starts) }

// starts returns where pieces begin in the block.
func (c Spaces) starts(s *State) uint64 {
	m, last := &s.now, &s.last
	lower, upper, number := m[lowerMask], m[upperMask], m[numberMask]
	starts := m[spaceMask] & after(lower|number, last.letter)
	doubtful := upper&^lower | number&^lower
	if doubtful|last.other|s.next[upperMask]&^s.next[lowerMask] != 0 {
		for rest := starts; rest != 0; rest &= rest - 1 {
			if i := bits.TrailingZeros64(rest); s.here()+i < len(s.text) && !c.Verify(s.text, s.here()+i) {
				starts &^= 1 << i
			}
		}
	}
	starts |= lower & number & after(lower&upper, last.prefix) & (starts >> 1) // the last byte of a block is left where it is
	s.last = kinds{letter: lower | number, prefix: lower & upper, other: doubtful}
	return starts
}
