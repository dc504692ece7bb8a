package tokenizers

import (
	"cmp"
	"math/bits"
	"slices"
)

// doubleArray is a trie over the bytes of pieces, in one array: the child of a node by byte c lies where the node's base says, exclusive or c
// (Aoe 1989, in the form of darts-clone). A step is one load of 8 bytes.
type doubleArray struct {
	units []pieceUnit // blocks of 256; the first block is empty, so that the base 0 of a leaf leads nowhere
	root  uint32      // the base of the root
	none  uint32      // the id of nodes where no piece ends, one more than the last
}

// pieceUnit is a node: who may step there, where its own children are, and the piece that ends there.
type pieceUnit struct {
	base uint32
	mark uint32 // the byte that leads there << labelShift + the id of the piece that ends there
}

const (
	labelShift = 23
	pieceMask  = 1<<labelShift - 1
	freeUnit   = 1<<32 - 1 // a mark with a label that no byte has
	blockUnits = 256
)

// newDoubleArray returns the trie of pieces, which are distinct; the place of a piece is its id. Empty pieces are left out.
func newDoubleArray(pieces []string) *doubleArray {
	ids := make([]uint32, 0, len(pieces))
	for id, piece := range pieces {
		if piece != "" {
			ids = append(ids, uint32(id))
		}
	}
	slices.SortFunc(ids, func(a, b uint32) int { return cmp.Compare(pieces[a], pieces[b]) })
	l := &arrayLayout{d: &doubleArray{none: uint32(len(pieces))}}
	l.addBlock()
	l.open = l.open[:0]
	type subtree struct {
		ids   []uint32 // sorted, equal in their first depth bytes
		depth int
		unit  uint32
	}
	stack := []subtree{{ids, 0, 0}} // unit 0 stands for the root while it is laid out
	var labels []byte
	var starts []int
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		unit := &l.d.units[s.unit]
		if len(s.ids) > 0 && len(pieces[s.ids[0]]) == s.depth {
			unit.mark = unit.mark>>labelShift<<labelShift | s.ids[0]
			s.ids = s.ids[1:]
		}
		if len(s.ids) == 0 {
			continue
		}
		labels, starts = labels[:0], starts[:0]
		for i, id := range s.ids {
			if c := pieces[id][s.depth]; len(labels) == 0 || labels[len(labels)-1] != c {
				labels, starts = append(labels, c), append(starts, i)
			}
		}
		base := l.place(labels)
		l.d.units[s.unit].base = base
		starts = append(starts, len(s.ids))
		for i := len(labels) - 1; i >= 0; i-- {
			child := base ^ uint32(labels[i])
			l.d.units[child].mark = uint32(labels[i])<<labelShift | l.d.none
			stack = append(stack, subtree{s.ids[starts[i]:starts[i+1]], s.depth + 1, child})
		}
	}
	l.d.root = l.d.units[0].base
	l.d.units[0] = pieceUnit{mark: freeUnit}
	return l.d
}

// arrayLayout finds places for the children of nodes.
type arrayLayout struct {
	d      *doubleArray
	blocks []arrayBlock
	open   []uint32 // blocks in which a place is sought
}

// arrayBlock says what is taken of 256 units. No two nodes share a base: a label would not tell their children apart.
type arrayBlock struct {
	units, bases [blockUnits / 64]uint64 // bits of what is taken
	refusals     int
}

// maxRefusals is how often a block may have no place before it is given up.
const maxRefusals = 8

func (l *arrayLayout) addBlock() {
	l.open = append(l.open, uint32(len(l.blocks)))
	l.blocks = append(l.blocks, arrayBlock{})
	for range blockUnits {
		l.d.units = append(l.d.units, pieceUnit{mark: freeUnit})
	}
}

// place takes units for the children by labels, and returns their base.
func (l *arrayLayout) place(labels []byte) uint32 {
	for {
		for i := 0; i < len(l.open); i++ {
			n := l.open[i]
			b := &l.blocks[n]
			if base, ok := b.fit(labels); ok {
				b.take(base, labels)
				return n*blockUnits + uint32(base)
			}
			if b.refusals++; b.refusals >= maxRefusals {
				l.open = slices.Delete(l.open, i, i+1)
				i--
			}
		}
		l.addBlock()
	}
}

func (b *arrayBlock) fit(labels []byte) (base byte, ok bool) {
	for w, taken := range b.units {
		for free := ^taken; free != 0; free &= free - 1 {
			base = byte(w*64+bits.TrailingZeros64(free)) ^ labels[0]
			if b.bases[base/64]>>(base%64)&1 == 0 && b.hasRoom(base, labels[1:]) {
				return base, true
			}
		}
	}
	return 0, false
}

func (b *arrayBlock) hasRoom(base byte, labels []byte) bool {
	for _, c := range labels {
		if at := base ^ c; b.units[at/64]>>(at%64)&1 != 0 {
			return false
		}
	}
	return true
}

func (b *arrayBlock) take(base byte, labels []byte) {
	b.bases[base/64] |= 1 << (base % 64)
	for _, c := range labels {
		at := base ^ c
		b.units[at/64] |= 1 << (at % 64)
	}
}
