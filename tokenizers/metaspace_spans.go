package tokenizers

import "unicode/utf8"

// metaspaceSpans finds where the tokens of pieces of a metaspacePlan come from. In a piece of plain characters a token stands for as many bytes as it has, where
// the visible space counts as the one that it shows; other pieces take the way through the parts.
type metaspaceSpans struct {
	*metaspacePlan
	prefix bool     // the pre-tokenizer sets a space before a text that has none
	length []uint16 // by id, in bytes of plain text; 0 where that is not known
}

func newMetaspaceSpans(t *Tokenizer, p *metaspacePlan) spanner {
	m := t.preTokenizer.(*metaspace)
	s := &metaspaceSpans{metaspacePlan: p, prefix: m.prepend != prependNever, length: make([]uint16, t.model.limit())}
	for id := range s.length {
		token, _ := t.model.token(uint32(id))
		s.length[id] = s.plainLength(token, m.replacement)
	}
	for _, id := range standIns(t.model) {
		if int(id) < len(s.length) {
			s.length[id] = 0
		}
	}
	return s
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
func (s *metaspaceSpans) plainLength(token, space string) uint16 {
	n := uint16(0)
	for len(token) > 0 {
		size := 1
		if len(token) >= len(space) && token[:len(space)] == space {
			size = len(space)
		} else if token[0] >= utf8.RuneSelf || !s.plain[token[0]] {
			return 0
		}
		token = token[size:]
		n++
	}
	return n
}

func (s *metaspaceSpans) locate(e *Encoder, text []byte, at int, ids []uint32) {
	place := 0
	for place < len(text) {
		if n := s.plainPiece(text[place:]); n > 0 {
			if tokens := s.locatePlain(e, n, place, at, ids, s.prefix && place == 0 && text[0] != ' '); tokens > 0 {
				place += n
				ids = ids[tokens:]
				continue
			}
		}
		n := s.piece(text[place:])
		tokens := e.locateByParts(text[place:place+n], at+place)
		place += n
		ids = ids[min(tokens, len(ids)):]
	}
}

// plainPiece returns the length of the piece that text begins with if it is a word of plain characters, with a space before it or not, and 0 otherwise.
func (s *metaspaceSpans) plainPiece(text []byte) int {
	n := 0
	if text[0] == ' ' {
		n = 1
	}
	start := n
	for n < len(text) && text[n] < utf8.RuneSelf && s.plain[text[n]] {
		n++
	}
	if n == start || n < len(text) && s.piece(text[:min(len(text), n+3)]) != n {
		return 0
	}
	return n
}

// locatePlain adds where the tokens of a plain piece come from, the first of ids. It returns how many these are, or 0 where that can't be told.
func (s *metaspaceSpans) locatePlain(e *Encoder, n, place, at int, ids []uint32, prefix bool) int {
	l := &e.locator
	first := len(l.spans)
	start := 0
	if prefix {
		start = -1
	}
	i := 0
	for ; i < len(ids) && start < n && (i == 0 || ids[i]&startsWord == 0); i++ {
		length := int(s.length[ids[i]&^startsWord])
		if length == 0 {
			break
		}
		l.spans = append(l.spans, [2]uint32{uint32(at + place + max(0, start)), uint32(at + place + max(start+length, 1))})
		start += length
	}
	if start != n || i < len(ids) && ids[i]&startsWord == 0 {
		l.spans = l.spans[:first]
		return 0
	}
	l.addWords(ids[:i])
	return i
}
