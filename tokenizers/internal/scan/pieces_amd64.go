package scan

// cutPieces is Cut with AVX-512, for a text of at least so many blocks. It returns how many it took.
func cutPieces(ascii *[128]Class, text []byte, blocks, at int, c *PieceCuts) int {
	return cutPieces512(ascii, &text[0], blocks, at, c)
}

//go:noescape
func cutPieces512(ascii *[128]Class, text *byte, blocks, at int, c *PieceCuts) (done int)

// markPieces is Marks with AVX2.
func markPieces(t *PieceTable, block *[64]byte) (m PieceMarks) {
	m.Inner, m.Alone, m.Wide = markPieces2(&t.nibbles, block)
	return m
}

//go:noescape
func markPieces2(nibbles *[2][16]byte, block *[64]byte) (inner, alone, wide uint64)
