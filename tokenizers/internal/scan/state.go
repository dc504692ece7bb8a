package scan

import (
	"math/bits"

	"github.com/shardmill/shardmill/tokenizers/internal/simd"
)

// State is the way of a cutter through one text.
type State struct {
	tier      simd.Tier
	table     *Table
	text      []byte
	at        int    // where the block behind next begins
	now, next masks  // the block that is cut, and the one behind it, which is looked at
	spill     int    // bytes of the last character of the block before that lie in the next
	spilled   Class  // of these bytes
	last      kinds  // of the last byte of the block before; none before the text
	set       uint64 // words that begin in the next block, as is known already
	clear     uint64 // and that don't
	digits    int    // in the last word of the block before, where that is a number
	begun     bool   // the first block was cut
	word      int    // where the last word that is known begins
	closed    int    // where the last contraction ended
	mixed     Class  // Lower and Upper, where the last word has letters that are both, or Upper alone
}

// kinds has in bit 63 what the last byte of a block is.
type kinds struct {
	letter, number, space, blank, other uint64
	white, newline, tail, prefix, lower uint64 // see Modern
}

// MinRoom is how many borders must fit what Cut fills: as many as there may be in a block, and some.
const MinRoom = 72

// Cutter finds the borders of words.
type Cutter interface {
	// Cut fills dst with the next places where a word ends, and returns how many; 0 at the end. The last is the length of the text. dst must
	// have room for MinRoom.
	Cut(s *State, dst []uint32) int
	// Reset begins a text, of less than 4 GiB.
	Reset(s *State, text []byte)
}

func (s *State) reset(t *Table, text []byte) {
	*s = State{tier: simd.Active(), table: t, text: text}
	s.load(&s.next)
}

// restart goes on as if the text began at a place, where a word does begin: what a pattern matches there does not depend on what is before.
func (s *State) restart(at int) {
	*s = State{tier: s.tier, table: s.table, text: s.text, at: at, word: at, closed: at}
	if at < len(s.text) {
		s.load(&s.next)
	} else {
		s.at += 64
	}
}

// here is where the block that is cut begins.
func (s *State) here() int { return s.at - 128 }

// after shifts a mask to the bytes behind; last has what the block before gives.
func after(mask, last uint64) uint64 { return mask<<1 | last>>63 }

// more tells whether there is a block to cut, and room for its borders.
func (s *State) more(room int) bool { return s.at-64 < len(s.text) && room >= MinRoom }

// cut is Cut, given how to find where the words of one block begin.
func (s *State) cut(dst []uint32, starts func(*State) uint64) int {
	n := 0
	for s.more(len(dst) - n) {
		n += s.block(dst[n:], starts)
	}
	return n
}

// block cuts the next block.
func (s *State) block(dst []uint32, starts func(*State) uint64) int {
	s.now = s.next
	s.load(&s.next)
	found := starts(s)
	if !s.begun {
		s.begun = true
		found &^= 1
	}
	at := s.here()
	if rest := len(s.text) - at; rest <= 64 {
		n := flatten(s.tier, dst, at, found&(1<<(rest-1)<<1-1))
		dst[n] = uint32(len(s.text))
		return n + 1
	}
	return flatten(s.tier, dst, at, found)
}

// load finds the masks of the block at s.at and goes on. Behind the end of the text is white space.
func (s *State) load(m *masks) {
	rest := len(s.text) - s.at
	switch {
	case rest >= 64:
		classify(s.tier, s.table, (*[64]byte)(s.text[s.at:]), m)
	case rest > 0:
		var block [64]byte
		copy(block[:], s.text[s.at:])
		classify(s.tier, s.table, &block, m)
		for k := range m {
			m[k] &= 1<<rest - 1
		}
		m[spaceMask] |= ^uint64(0) << rest
	default:
		*m = masks{spaceMask: ^uint64(0)}
	}
	if m[wideMask] != 0 {
		s.widen(m)
	}
	s.at += 64
}

// widen fills in the masks for characters that are not ASCII: the bytes of a character all have its class.
func (s *State) widen(m *masks) {
	wide := m[wideMask]
	if s.spill > 0 {
		mask := uint64(1)<<s.spill - 1
		m.add(s.spilled, mask)
		m[innerMask] |= mask
		wide &^= mask
		s.spill = 0
	}
	for wide != 0 {
		from := bits.TrailingZeros64(wide)
		class, size := s.table.wide(s.text[s.at+from:])
		leads := uint64(1) << from
		to := from + size
		for wide>>to&1 != 0 { // characters of one class together; to < 64, since a shift by more gives 0
			c, size := s.table.wide(s.text[s.at+to:])
			if c != class {
				break
			}
			leads |= 1 << to
			to += size
		}
		mask := uint64(1)<<to - 1<<from
		if to >= 64 {
			mask = -(uint64(1) << from)
			s.spill, s.spilled = to-64, class
		}
		m.add(class, mask)
		m[innerMask] |= mask &^ leads
		wide &^= mask
	}
}

func (m *masks) add(c Class, mask uint64) {
	for k := range spaceMask + 1 {
		m[k] |= mask & -uint64(c>>k&1)
	}
}

// move takes away the start of a word, if it is one, and sets another behind it, in this block or the next.
func (s *State) move(starts uint64, from, to int) uint64 {
	if from < 64 {
		starts &^= 1 << from
	} else {
		s.clear |= 1 << (from - 64)
	}
	if to < 64 {
		starts |= 1 << to
	} else {
		s.set |= 1 << (to - 64)
	}
	return starts
}

// moved returns starts with what the block before knew of them.
func (s *State) moved(starts uint64) uint64 {
	starts = starts&^s.clear | s.set
	s.clear, s.set = 0, 0
	return starts
}

// lastSpaces returns where white space has its last character before something else.
func (s *State) lastSpaces() uint64 {
	space, next := s.now[spaceMask], s.next[spaceMask]
	last := space &^ (space>>1 | next<<63)
	wide := space & s.now[wideMask]
	if wide == 0 {
		return last
	}
	last &^= wide
	for leads := wide &^ s.now[innerMask]; leads != 0; leads &= leads - 1 {
		i := bits.TrailingZeros64(leads)
		size := 3 // as all white space but that of Latin-1 has
		if s.text[s.here()+i] == 0xC2 {
			size = 2
		}
		behind := i + size
		if behind < 64 && space>>behind&1 == 0 || behind >= 64 && next>>(behind-64)&1 == 0 {
			last |= 1 << i
		}
	}
	return last
}

// flattenPortable writes four places at a time, so that their number is not asked for after each.
func flattenPortable(dst []uint32, at int, starts uint64) int {
	n := bits.OnesCount64(starts)
	dst = dst[:64]
	for i := 0; i < n; i += 4 {
		to := (*[4]uint32)(dst[i:])
		for k := range to {
			to[k] = uint32(at + bits.TrailingZeros64(starts))
			starts &= starts - 1
		}
	}
	return n
}
