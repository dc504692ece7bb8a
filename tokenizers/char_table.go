package tokenizers

import "unicode/utf8"

// charTable maps characters to the tokens that are one character, through pages of 256.
type charTable struct {
	page  [0x1100]uint16
	pages [][256]uint32 // the first has no token
}

func newCharTable(tokens []string) *charTable {
	t := &charTable{pages: make([][256]uint32, 1)}
	for i := range t.pages[0] {
		t.pages[0][i] = noID
	}
	for id, token := range tokens {
		r, size := utf8.DecodeRuneInString(token)
		if size == 0 || size != len(token) || r == utf8.RuneError && size == 1 {
			continue
		}
		page := &t.page[r>>8]
		if *page == 0 {
			*page = uint16(len(t.pages))
			t.pages = append(t.pages, t.pages[0])
		}
		t.pages[*page][r&0xFF] = uint32(id)
	}
	return t
}

// of returns the token of a character, or noID.
func (t *charTable) of(r rune) uint32 {
	return t.pages[t.page[uint32(r)>>8%0x1100]][r&0xFF]
}
