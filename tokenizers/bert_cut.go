package tokenizers

import (
	"math/bits"

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

// bertCutter is the way of a bertPlan through a text, 64 bytes at a time. It lies in an Encoder, since what it hands to other tiers would be allocated.
type bertCutter struct {
	plan  *bertPlan
	text  []byte
	at    int // the next block
	cuts  scan.PieceCuts
	spill uint64 // bytes of the next block that belong to a character of the one before
	inner uint64 // those of them that go on with a piece
	last  [64]byte
}

// fill adds the pieces of the next blocks, as many as there is room for.
func (c *bertCutter) fill() {
	for c.at < len(c.text) && c.cuts.HasRoom() {
		if c.at = c.plan.ascii.Cut(c.text, c.at, &c.cuts); c.at >= len(c.text) || !c.cuts.HasRoom() {
			return
		}
		var m scan.PieceMarks
		if rest := c.text[c.at:]; len(rest) >= 64 {
			m = c.plan.ascii.Marks((*[64]byte)(rest))
		} else {
			n := copy(c.last[:], rest)
			m = c.plan.ascii.Marks(&c.last)
			m = scan.PieceMarks{Inner: m.Inner & (1<<n - 1), Alone: m.Alone & (1<<n - 1), Wide: m.Wide & (1<<n - 1)}
		}
		c.cuts.Add(c.at, c.widen(m))
		c.at += 64
	}
}

// widen returns the pieces of the block at c.at, those of characters that are not ASCII included.
func (c *bertCutter) widen(m scan.PieceMarks) scan.PieceBlock {
	b := scan.PieceBlock{Inner: m.Inner | c.inner, Starts: m.Alone, Ends: m.Alone << 1, Carry: m.Alone >> 63}
	fold, text := c.plan.fold, c.text[c.at:]
	wide := m.Wide &^ c.spill
	c.spill, c.inner = 0, 0
	for wide != 0 {
		from := bits.TrailingZeros64(wide)
		entry, size := fold.at(text[from:])
		to := from + size
		inner := uint64(0)
		if entry.inPiece() {
			for wide>>to&1 != 0 { // to < 64, since a shift by more gives 0
				if entry, size = fold.at(text[to:]); !entry.inPiece() {
					break
				}
				to += size
			}
			inner = ^uint64(0)
		} else if entry.kind() != foldSpace {
			b.Starts |= 1 << from
			b.Ends |= 1 << to
			if to >= 64 {
				b.Carry |= 1 << (to - 64)
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
