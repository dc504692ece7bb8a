package scan

import "math/bits"

// PieceClass says how a character of ASCII cuts a text into pieces: runs of Inner characters, and each Alone character by itself. Others lie between.
type PieceClass = uint8

const (
	Inner PieceClass = 1 << iota
	Alone
)

// PieceTable holds the classes of ASCII.
type PieceTable struct {
	classes [128]byte      // by character
	nibbles [2][16]byte    // for each class by the low half of a character: a bit for each high half
	spread  [256]pieceBits // by byte
}

// pieceBits are the classes of a byte, a byte for each: Inner, Alone, not ASCII.
type pieceBits = uint32

// NewPieceTable returns the table of the classes that class gives for characters below 128.
func NewPieceTable(class func(c byte) PieceClass) *PieceTable {
	t := &PieceTable{}
	for c := range t.spread {
		if c >= len(t.classes) {
			t.spread[c] = 1 << 16
			continue
		}
		k := class(byte(c))
		t.classes[c] = k
		for i := range t.nibbles {
			t.nibbles[i][c&15] |= k >> i & 1 << (c >> 4)
		}
		t.spread[c] = uint32(k&Inner) | uint32(k&Alone)/uint32(Alone)<<8
	}
	return t
}

// PieceMarks has a bit for each byte of a block of 64: those of Inner and Alone characters of ASCII, and those of characters that are not ASCII.
type PieceMarks struct{ Inner, Alone, Wide uint64 }

// PieceBlock is the pieces of a block: Inner has the bytes that go into runs, Starts where a character alone begins, Ends where one ends; the last may
// lie in the next block, and does so in Carry.
type PieceBlock struct{ Inner, Starts, Ends, Carry uint64 }

// PieceCuts is the way through a text. Of the pieces found so far, piece i is from Starts[i] to Ends[i]; the last may have no end yet.
type PieceCuts struct {
	Starts, Ends         []uint32 // as long as there is room
	StartCount, EndCount int
	inner                uint64 // 1 where the block before ended inside a run
	ends                 uint64 // ends in the next block of characters alone
}

// Open tells whether the last piece has no end yet.
func (c *PieceCuts) Open() bool { return c.StartCount > c.EndCount }

// Close ends the last piece at the end of the text, if it has none.
func (c *PieceCuts) Close(end int) {
	if c.Open() {
		c.Ends[c.EndCount] = uint32(end)
		c.EndCount++
	}
	c.inner, c.ends = 0, 0
}

// Next forgets the pieces that have their end.
func (c *PieceCuts) Next() {
	open := c.Open()
	if open {
		c.Starts[0] = c.Starts[c.EndCount]
	}
	c.StartCount, c.EndCount = 0, 0
	if open {
		c.StartCount = 1
	}
}

// HasRoom tells whether there is room for the pieces of another block.
func (c *PieceCuts) HasRoom() bool {
	return c.StartCount <= len(c.Starts)-64 && c.EndCount <= len(c.Ends)-64
}

// Add adds the pieces of the block that begins at byte at of the text. There must be room for 64 starts and ends.
func (c *PieceCuts) Add(at int, b PieceBlock) { c.add(pieces.add, at, b) }

func (c *PieceCuts) add(write func(c *PieceCuts, starts, ends uint64, at int), at int, b PieceBlock) {
	behind := b.Inner<<1 | c.inner
	starts := b.Inner&^behind | b.Starts
	ends := behind&^b.Inner | b.Ends | c.ends
	c.inner, c.ends = b.Inner>>63, b.Carry
	write(c, starts, ends, at)
}

func addPiecesPortable(c *PieceCuts, starts, ends uint64, at int) {
	c.StartCount += flattenPieces(c.Starts[c.StartCount:], at, starts)
	c.EndCount += flattenPieces(c.Ends[c.EndCount:], at, ends)
}

// flattenPieces writes the places of the bits of a block.
func flattenPieces(dst []uint32, at int, marks uint64) int {
	n := bits.OnesCount64(marks)
	dst = dst[:64]
	for i := 0; i < n; i += 4 {
		to := (*[4]uint32)(dst[i:])
		for k := range to {
			to[k] = uint32(at + bits.TrailingZeros64(marks))
			marks &= marks - 1
		}
	}
	return n
}

// Cut adds the pieces of whole blocks from byte at on, which are ASCII, as long as there is room, and returns where it stopped.
func (t *PieceTable) Cut(text []byte, at int, c *PieceCuts) int {
	return pieces.cut(t, text, at, c)
}

// Marks returns the marks of a block.
func (t *PieceTable) Marks(block *[64]byte) PieceMarks { return pieces.mark(t, block) }

func markPiecesPortable(t *PieceTable, block *[64]byte) (m PieceMarks) {
	for g := 0; g < len(block); g += 8 {
		var acc uint32
		for i, b := range (*[8]byte)(block[g:]) {
			acc |= t.spread[b] << i
		}
		m.Inner |= uint64(acc&0xFF) << g
		m.Alone |= uint64(acc>>8&0xFF) << g
		m.Wide |= uint64(acc>>16) << g
	}
	return m
}
