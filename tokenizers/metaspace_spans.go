package tokenizers

import (
	"sync"
	"unicode/utf8"
)

// metaspaceSpans finds where the tokens of a metaspacePlan come from. In a piece of plain characters, with white space before them, a token stands for as many bytes
// as it has, where the visible space counts as the one that it shows. Other pieces take the way through the parts.
type metaspaceSpans struct {
	*metaspacePlan
	tables func() *metaspaceTables // made when they are asked for first
}

type metaspaceTables struct {
	opens  [256]bool // the byte becomes a space; of a carriage return that is not sure, since it and a line feed may become one together
	plain  [256]bool // the normalizer leaves the byte alone, but for its case, and it is no space
	joins  bool      // runs of white space become one, which stands for the last of them
	length []uint16  // by id, in bytes of plain text; 0 where that is not known
}

func newMetaspaceSpans(t *Tokenizer, p *metaspacePlan) spanner {
	if p.wholeText {
		return nil
	}
	return &metaspaceSpans{p, sync.OnceValue(func() *metaspaceTables { return p.newTables(t.model) })}
}

func (p *metaspacePlan) newTables(m model) *metaspaceTables {
	t := &metaspaceTables{length: make([]uint16, m.limit())}
	var scratch normalizerScratch
	const both = closesPiece | alone
	kinds := p.kinds()
	for b := range byte(utf8.RuneSelf) {
		now := p.chain.normalize([]byte{b}, &scratch)
		t.plain[b] = kinds[b]&both == both && len(now) == 1 && (now[0] == b || now[0]|0x20 == b|0x20 && now[0] >= 'A')
		t.opens[b] = kinds[b]&opensPiece != 0 && b != '\r'
	}
	t.joins = p.joinsSpaces(&t.opens)
	for id := range t.length {
		token, _ := m.token(uint32(id))
		t.length[id] = t.plainLength(token, p.space.replacement)
	}
	for _, id := range standIns(m) {
		if int(id) < len(t.length) {
			t.length[id] = 0
		}
	}
	return t
}

// joinsSpaces tries all pairs of characters that become spaces.
func (p *metaspacePlan) joinsSpaces(opens *[256]bool) bool {
	var scratch normalizerScratch
	for a := range byte(utf8.RuneSelf) {
		for b := range byte(utf8.RuneSelf) {
			if !opens[a] || !opens[b] {
				continue
			}
			now := p.chain.normalize([]byte{'a', a, b, 'a'}, &scratch)
			if len(now) < 2 {
				return false
			}
			if between := string(now[1 : len(now)-1]); between != " " && between != p.space.replacement {
				return false
			}
		}
	}
	return true
}

// standIns returns the tokens that stand for text other than their own, such as the unknown token.
func standIns(m model) []uint32 {
	switch m := m.(type) {
	case *bpe:
		if m.byteTokens != nil {
			return append(m.byteTokens[:], m.unknown)
		}
		return []uint32{m.unknown}
	case *unigram:
		if m.byteIDs != nil {
			return append(m.byteIDs[:], m.unknown)
		}
		return []uint32{m.unknown}
	case *wordPiece:
		return []uint32{m.unknown}
	case *wordLevel:
		return []uint32{m.unknown}
	}
	return nil
}

// plainLength returns the length of the plain text that a token stands for, or 0.
func (t *metaspaceTables) plainLength(token, space string) uint16 {
	n := uint16(0)
	for ; token != ""; n++ {
		switch {
		case len(token) >= len(space) && token[:len(space)] == space:
			token = token[len(space):]
		case t.plain[token[0]]:
			token = token[1:]
		default:
			return 0
		}
	}
	return n
}

func (s *metaspaceSpans) locate(e *Encoder, text []byte, at int, ids []uint32) {
	t := s.tables()
	if !s.startsAligned(t, text) {
		e.locateByParts(text, at)
		return
	}
	for place := 0; place < len(text); {
		spaces, n := s.plainPiece(t, text[place:])
		tokens := 0
		if n > 0 {
			tokens = s.locatePlain(e, t, spaces, n, at+place, ids)
		}
		if tokens == 0 {
			n = s.pieceEnd(text[place:])
			tokens = e.locateByParts(text[place:place+n], at+place)
		}
		place += n
		ids = ids[min(tokens, len(ids)):]
	}
}

// pieceEnd returns the length of a piece that text begins with, or of several.
func (s *metaspaceSpans) pieceEnd(text []byte) int {
	kinds := s.kinds()
	for i := 1; i < len(text); i++ {
		if text[i] < utf8.RuneSelf && kinds[text[i]]&opensPiece != 0 && s.cutsBefore(text, i) {
			return i
		}
	}
	return len(text)
}

// startsAligned tells whether a charsmap surely leaves something of the first character: else the reference takes all the text behind it for other text.
func (s *metaspaceSpans) startsAligned(t *metaspaceTables, text []byte) bool {
	if s.charsmapAt < 0 {
		return true
	}
	aligned := func(b byte) bool { return t.plain[b] || t.opens[b] }
	if aligned(text[0]) && (len(text) == 1 || aligned(text[1])) {
		return true
	}
	n := cluster(text)
	if s.charsmapAt > 0 || !utf8.Valid(text[:n]) {
		return false
	}
	c := s.chain[0].(*charsmap)
	_, size := utf8.DecodeRune(text)
	if n <= maxClusterBytes {
		if to, ok := c.lookUp(text[:n]); ok {
			return len(to) > 0
		}
	}
	to, ok := c.lookUp(text[:size])
	return !ok || len(to) > 0
}

// plainPiece returns the length of the piece that text begins with if it is a word of plain characters, and of the white space before it; n is 0 for other pieces.
func (s *metaspaceSpans) plainPiece(t *metaspaceTables, text []byte) (spaces, n int) {
	for n < len(text) && t.opens[text[n]] {
		n++
	}
	if spaces = n; spaces > 1 && !t.joins {
		return 0, 0
	}
	for n < len(text) && t.plain[text[n]] {
		n++
	}
	if n == spaces || n < len(text) && !(t.opens[text[n]] && s.cutsBefore(text, n)) {
		return 0, 0
	}
	return spaces, n
}

// locatePlain adds where the tokens of a plain piece come from, the first of ids. It returns how many these are, or 0 where that can't be told.
func (s *metaspaceSpans) locatePlain(e *Encoder, t *metaspaceTables, spaces, n, at int, ids []uint32) int {
	l := &e.locator
	begin, end := at+max(0, spaces-1), at+n // of what the tokens stand for
	prefix := spaces == 0 && s.space.prepend != prependNever
	if spaces > 0 && s.dropsSpaces {
		begin++
		prefix = s.space.prepend == prependAlways
	}
	place := begin
	if prefix { // which stands for the first character
		place--
	}
	first, i := len(l.spans), 0
	for ; i < len(ids) && place < end && (i == 0 || ids[i]&startsWord == 0); i++ {
		length := int(t.length[ids[i]&^startsWord])
		if length == 0 {
			break
		}
		l.spans = append(l.spans, [2]uint32{uint32(max(begin, place)), uint32(max(begin+1, place+length))})
		place += length
	}
	if place != end || i < len(ids) && ids[i]&startsWord == 0 {
		l.spans = l.spans[:first]
		return 0
	}
	l.addWords(ids[:i])
	return i
}
