package tokenizers

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers/internal/scan"
)

// newPieceTable returns how ASCII is cut.
func (t *foldTable) newPieceTable() *scan.PieceTable {
	return scan.NewPieceTable(func(c byte) scan.PieceClass {
		switch entry := t.of(rune(c)); {
		case entry.inPiece():
			return scan.Inner
		case entry.kind() != foldSpace:
			return scan.Alone
		}
		return 0
	})
}

// bertCutter is the way of a bertPlan through a text, 64 bytes at a time.
type bertCutter struct {
	plan  *bertPlan
	text  []byte
	at    int // the next block
	cuts  scan.PieceCuts
	spill uint64 // bytes of the next block that belong to a character of the one before
	inner uint64 // those of them that go on with a piece
}

// fill adds the pieces of the next blocks, as many as there is room for. It stops and returns true where a run of characters alone begins, such as
// Chinese: these need no cache.
func (c *bertCutter) fill() (run bool) {
	for c.at < len(c.text) && c.cuts.HasRoom() {
		if c.at = c.plan.ascii.Cut(&c.cuts, c.text, c.at); c.at >= len(c.text) || !c.cuts.HasRoom() {
			return false
		}
		if at := c.at + bits.OnesCount64(c.spill); c.aloneRun(at) {
			c.cuts.Close(at)
			c.at, c.spill, c.inner = at, 0, 0
			return true
		}
		var m scan.PieceMarks
		if rest := c.text[c.at:]; len(rest) >= 64 {
			m = c.plan.ascii.Marks((*[64]byte)(rest))
		} else {
			var block [64]byte
			n := copy(block[:], rest)
			m = c.plan.ascii.Marks(&block)
			m = scan.PieceMarks{Inner: m.Inner & (1<<n - 1), Alone: m.Alone & (1<<n - 1), Wide: m.Wide & (1<<n - 1)}
		}
		c.plan.ascii.Add(&c.cuts, c.at, c.widen(m))
		c.at += 64
	}
	return false
}

// aloneRun tells whether several characters alone that are not ASCII begin at byte at.
func (c *bertCutter) aloneRun(at int) bool {
	const least = 4
	for range least {
		if at >= len(c.text) || c.text[at] < utf8.RuneSelf {
			return false
		}
		entry, n := c.plan.fold.at(c.text[at:])
		if entry.kind() != foldAlone {
			return false
		}
		at += n
	}
	return true
}

// appendRun appends the ids of characters alone and passes over white space, as far as there is nothing else.
func (c *bertCutter) appendRun(dst []uint32, mark uint32) []uint32 {
	fold := c.plan.fold
	for c.at < len(c.text) {
		entry, n := fold.at(c.text[c.at:])
		if entry.kind() == foldAlone {
			dst = append(dst, entry.value()|mark)
		} else if entry.kind() != foldSpace {
			break
		}
		c.at += n
	}
	return dst
}

// widen returns the pieces of the block at c.at, those of characters that are not ASCII included.
func (c *bertCutter) widen(m scan.PieceMarks) scan.PieceBlock {
	b := scan.PieceBlock{Inner: m.Inner | c.inner, Starts: m.Alone, Ends: m.Alone << 1, Carry: m.Alone >> 63}
	fold, text := c.plan.fold, c.text[c.at:]
	wide := m.Wide &^ c.spill
	c.spill, c.inner = 0, 0
	for wide != 0 {
		from := bits.TrailingZeros64(wide)
		to, inner := fold.inner.run(text, from), ^uint64(0)
		if to == from {
			entry, size := fold.at(text[from:])
			if to += size; !entry.inPiece() {
				inner = 0
				if entry.kind() != foldSpace {
					b.Starts |= 1 << from
					b.Ends |= 1 << to // nothing where to > 63
					if to >= 64 {
						b.Carry |= 1 << (to - 64)
					}
				}
			}
		}
		mask := uint64(1)<<to - 1<<from
		if to >= 64 {
			mask = ^uint64(0) << from
			c.spill = 1<<(to-64) - 1
			c.inner = c.spill & inner
		}
		b.Inner |= mask & inner
		wide &^= mask
	}
	return b
}

// innerSet has the characters from U+0080 to U+FFFF that go into a piece with their neighbours, by what comes before the last byte of their UTF-8:
// the code point / 64. There are none in the pages of three that are ill-formed.
type innerSet struct {
	two   [0x800 / foldPage]uint64
	three [0x10000 / foldPage]uint64
}

func newInnerSet(t *foldTable) *innerSet {
	s := &innerSet{}
	for r := rune(0); r < 0x10000; r++ {
		if !t.of(r).inPiece() || !utf8.ValidRune(r) {
			continue
		}
		if bit := uint64(1) << (r % foldPage); r < 0x800 {
			s.two[r/foldPage] |= bit
		} else {
			s.three[r/foldPage] |= bit
		}
	}
	return s
}

// run returns where a run of such characters ends that begins at byte to, or earlier: characters that begin behind 63 or near the end of text are
// left to others.
func (s *innerSet) run(text []byte, to int) int {
	for to < 64 && to+4 <= len(text) {
		c := binary.LittleEndian.Uint32(text[to:])
		switch {
		case c&0xC0E0 == 0x80C0 && c&0xFF >= 0xC2:
			if s.two[c&0x1F]>>(c>>8&0x3F)&1 == 0 {
				return to
			}
			to += 2
		case c&0xC0C0F0 == 0x8080E0:
			if s.three[c&0x0F<<6|c>>8&0x3F]>>(c>>16&0x3F)&1 == 0 {
				return to
			}
			to += 3
		default:
			return to
		}
	}
	return to
}
