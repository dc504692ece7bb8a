package wordcache

//go:noescape
func locate2(places *Place, text *byte, starts, ends *uint32, n int, c *lines) int

//go:noescape
func append2(dst *uint32, room int, places *Place, text *byte, starts *uint32, n, safe int, c *lines, keep uint32) (found, written int)

// locateNative is Locate up to the first long piece, and returns how many places it found. Behind the start of each piece are windowBytes of text.
func locateNative(places []Place, text []byte, starts, ends []uint32, c *lines) int {
	return locate2(&places[0], &text[0], &starts[0], &ends[0], len(places), c)
}

// appendNative is Append for the places that are easy, up to the first that is not, with copyIDs of room. It returns how many, and the new length.
func appendNative(dst []uint32, places []Place, text []byte, starts []uint32, c *lines, keep uint32) (found, n int) {
	room := dst[len(dst):cap(dst)]
	found, n = append2(&room[:1][0], len(room[:cap(room)]), &places[0], &text[0], &starts[0], len(places), len(text)-windowBytes, c, keep)
	return found, len(dst) + n
}
