package scan

import (
	"os"
	"slices"
)

// pieceTier is how pieces are found with the instructions of some processors.
type pieceTier struct {
	name string
	mark func(t *PieceTable, block *[64]byte) PieceMarks
	cut  func(t *PieceTable, text []byte, at int, c *PieceCuts) int
	add  func(c *PieceCuts, starts, ends uint64, at int)
}

// pieces is the fastest tier that the processor has, or a slower one that SHARDMILL_SIMD names.
var pieces = func() *pieceTier {
	tiers := pieceTiers()
	if i := slices.IndexFunc(tiers, func(t *pieceTier) bool { return t.name == os.Getenv("SHARDMILL_SIMD") }); i >= 0 {
		return tiers[i]
	}
	return tiers[0]
}()

// pieceTiers returns the tiers that the processor has, the fastest first.
func pieceTiers() []*pieceTier {
	return append(nativePieceTiers(), &pieceTier{"portable", markPiecesPortable, cutPiecesMarked(markPiecesPortable), addPiecesPortable})
}

// cutPiecesMarked is how pieces are cut block by block.
func cutPiecesMarked(mark func(t *PieceTable, block *[64]byte) PieceMarks) func(t *PieceTable, text []byte, at int, c *PieceCuts) int {
	return func(t *PieceTable, text []byte, at int, c *PieceCuts) int {
		for ; at+64 <= len(text) && c.HasRoom(); at += 64 {
			m := mark(t, (*[64]byte)(text[at:]))
			if m.Wide != 0 {
				break
			}
			c.add(addPiecesPortable, at, PieceBlock{m.Inner, m.Alone, m.Alone << 1, m.Alone >> 63})
		}
		return at
	}
}
