package scan

// cutPieces is Cut with AVX-512, for a text of at least so many blocks. It returns how many it took.
func cutPieces(ascii *[128]Class, text []byte, blocks, at int, c *PieceCuts) int {
	return cutPieces512(ascii, &text[0], blocks, at, c)
}

//go:noescape
func cutPieces512(ascii *[128]Class, text *byte, blocks, at int, c *PieceCuts) (done int)
