package scan

import "github.com/shardmill/shardmill/tokenizers/internal/simd"

// PieceClass says how a character of ASCII cuts a text into pieces: runs of Inner characters, and each Alone character by itself. Others lie between.
type PieceClass = uint8

const (
	Inner PieceClass = 1 << iota
	Alone
)

// PieceTable holds the classes of ASCII.
type PieceTable struct {
	table   *Table      // with those classes in the first two bits
	nibbles [2][16]byte // for each of them by the low half of a character: a bit for each high half
	tier    simd.Tier
}

// NewPieceTable returns the table of the classes that class gives for characters below 128.
func NewPieceTable(class func(c byte) PieceClass) *PieceTable {
	t := &PieceTable{table: &Table{}, tier: simd.Active()}
	for c := range t.table.ascii {
		k := class(byte(c))
		t.table.ascii[c] = k
		for i := range t.nibbles {
			t.nibbles[i][c&15] |= k >> i & 1 << (c >> 4)
		}
	}
	t.table.spreadASCII()
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
func (t *PieceTable) Add(c *PieceCuts, at int, b PieceBlock) {
	behind := b.Inner<<1 | c.inner
	starts := b.Inner&^behind | b.Starts
	ends := behind&^b.Inner | b.Ends | c.ends
	c.inner, c.ends = b.Inner>>63, b.Carry
	c.StartCount += flatten(t.tier, c.Starts[c.StartCount:], at, starts)
	c.EndCount += flatten(t.tier, c.Ends[c.EndCount:], at, ends)
}

// Cut adds the pieces of whole blocks from byte at on, which are ASCII, as long as there is room, and returns where it stopped.
func (t *PieceTable) Cut(c *PieceCuts, text []byte, at int) int {
	if blocks := (len(text) - at) / 64; t.tier == simd.AVX512 && blocks > 0 && c.HasRoom() {
		return at + 64*cutPieces(&t.table.ascii, text[at:], blocks, at, c)
	}
	for ; at+64 <= len(text) && c.HasRoom(); at += 64 {
		m := t.Marks((*[64]byte)(text[at:]))
		if m.Wide != 0 {
			break
		}
		t.Add(c, at, PieceBlock{m.Inner, m.Alone, m.Alone << 1, m.Alone >> 63})
	}
	return at
}

// Marks returns the marks of a block.
func (t *PieceTable) Marks(block *[64]byte) PieceMarks {
	if t.tier == simd.AVX2 {
		return markPieces(t, block)
	}
	var m masks
	classify(t.tier, t.table, block, &m)
	return PieceMarks{m[0], m[1], m[wideMask]}
}
