package tokenizers

import (
	"bytes"
	"math"
	"strings"
	"unicode/utf8"
)

// byteSpans finds where the tokens of byte-level BPE come from, and of BPE over texts whose spaces are shown as a character: a token stands for as many bytes
// as it shows.
type byteSpans struct {
	prefix spacePrefix // of a space
	mark   string      // what spaces are shown as in text that is shown as it is otherwise; "" where bytes are
	tokens []byteToken // by id
	trim   *offsetTrim // the one trim of the post-processor, if it can be done on the way; nil otherwise
}

// byteToken says how many bytes a token shows, 0 where that is not known, and how many of the first and of the last are spaces.
type byteToken struct {
	bytes             uint16
	leading, trailing uint8
}

// newByteSpans returns nil where bytes may be unknown.
func newByteSpans(t *Tokenizer, p *byteBPE) spanner {
	if !p.model.hasAlphabet() {
		return nil
	}
	s := &byteSpans{tokens: make([]byteToken, t.model.limit())}
	if p.addPrefixSpace {
		s.prefix = unlessSpaced
	}
	if len(t.trims) == 1 {
		s.trim = &t.trims[0]
	}
	for id := range s.tokens {
		token, _ := t.model.token(uint32(id))
		n, m := utf8.RuneCountInString(token), marginOf(token)
		if n > math.MaxUint16 {
			return nil
		}
		if m.leading > math.MaxUint8 || m.trailing > math.MaxUint8 {
			m, s.trim = margin{}, nil
		}
		s.tokens[id] = byteToken{uint16(n), uint8(m.leading), uint8(m.trailing)}
	}
	return s
}

// newSpacedSpans returns the spans for a plan of characters and of tokens for single bytes. It returns nil where one of the latter may also stand for the
// characters of its name.
func newSpacedSpans(p *spacedBPE) spanner {
	m := p.model
	s := &byteSpans{prefix: p.prefix, mark: p.mark, tokens: make([]byteToken, m.limit())}
	unknown, _ := m.token(m.unknown)
	for id := range s.tokens {
		token, _ := m.token(uint32(id))
		if m.unknown != noID && strings.Contains(token, unknown) || m.byteTokens != nil && strings.Contains(token, "<0x") {
			continue // what it was merged from may stand for other text
		}
		s.tokens[id].bytes = uint16(len(token) - (len(p.mark)-1)*strings.Count(token, p.mark)) // at most maxTokenBytes
	}
	if m.byteTokens == nil {
		return s
	}
	for _, id := range m.byteTokens {
		if id == noID {
			continue
		}
		token, _ := m.token(id)
		for i := 1; i < len(token); i++ {
			left, _ := m.tokenID(token[:i])
			right, _ := m.tokenID(token[i:])
			if _, merged := m.merges.get(left, right); merged {
				return nil
			}
		}
		s.tokens[id].bytes = 1
	}
	return s
}

// prefixed tells whether a space was added to the text.
func (s *byteSpans) prefixed(text []byte) bool {
	return s.prefix == everyText || s.prefix == unlessSpaced && text[0] != ' '
}

// sure tells whether the lengths of the tokens say where they come from.
func (s *byteSpans) sure(text []byte, ids []uint32) bool {
	if s.mark == "" {
		return true
	}
	if len(ids) == 0 || !isASCII(text) && (!utf8.Valid(text) || bytes.Contains(text, []byte(s.mark))) {
		return false
	}
	sum := 0
	for _, id := range ids {
		n := int(s.tokens[id&^startsWord].bytes)
		if n == 0 {
			return false
		}
		sum += n
	}
	if s.prefixed(text) {
		sum--
	}
	return sum == len(text)
}

func (s *byteSpans) locate(e *Encoder, text []byte, at int, ids []uint32) {
	l := &e.locator
	if !s.sure(text, ids) {
		e.locateByParts(text, at)
		unmark(ids)
		return
	}
	first := len(l.spans)
	l.spans, l.words = grown(l.spans, len(ids)), grown(l.words, len(ids))
	spans, words := l.spans[first:][:len(ids)], l.words[first:][:len(ids)]
	simple := isASCII(text) && !s.prefixed(text)
	trims := l.trims && s.trim != nil
	place, word, tokens := uint32(at), l.next-1, s.tokens
	for i, id := range ids {
		word += id >> 31
		words[i] = word
		id &^= startsWord
		ids[i] = id
		k := tokens[id]
		next := place + uint32(k.bytes)
		spans[i] = [2]uint32{place, next}
		if trims && simple {
			start := min(place+uint32(k.leading), next)
			spans[i] = [2]uint32{start, max(next-uint32(k.trailing), start)}
		}
		place = next
	}
	l.next = word + 1
	if !simple {
		s.correct(spans, text, at)
	}
	if trims {
		l.trimmed = append(l.trimmed, [2]int{first - l.first, len(l.spans) - l.first})
		if !simple {
			s.trimSpans(spans, ids)
		} else {
			spans[0] = [2]uint32{uint32(at), uint32(at) + uint32(tokens[ids[0]].bytes)}
		}
		s.trimFirst(&spans[0], ids[0], text, at, first == l.first)
	}
}

// trimSpans is trimmedTo for all tokens but the first: the white space that they show is spaces of the text.
func (s *byteSpans) trimSpans(spans [][2]uint32, ids []uint32) {
	for i, id := range ids {
		if i == 0 {
			continue
		}
		k, p := s.tokens[id], spans[i]
		start := min(p[0]+uint32(k.leading), p[1])
		spans[i] = [2]uint32{start, max(p[1]-uint32(k.trailing), start)}
	}
}

// trimFirst is trimmedTo for the first token, whose space may have been added; first says that no token is before it.
func (s *byteSpans) trimFirst(p *[2]uint32, id uint32, text []byte, at int, first bool) {
	trim, k := *s.trim, s.tokens[id]
	trim.addPrefixSpace = trim.addPrefixSpace && (first || at == 0)
	start, end := trimmedTo(trim, margin{int32(k.leading), int32(k.trailing)}, true, text, int(p[0])-at, int(p[1])-at)
	*p = [2]uint32{uint32(at + start), uint32(at + end)}
}

// correct moves the spans of bytes to those of the characters of the text.
func (s *byteSpans) correct(spans [][2]uint32, text []byte, at int) {
	if s.prefixed(text) { // the added space stands for the first character
		for i := range spans {
			spans[i][0]--
			spans[i][1]--
		}
		spans[0][0]++
		spans[0][1] = max(spans[0][1], spans[0][0]+1)
	}
	if isASCII(text) {
		return
	}
	for i, p := range spans {
		if start := int(p[0]) - at; start < len(text) && !utf8.RuneStart(text[start]) {
			spans[i][0] = wholeStart(text, at, p[0])
		}
		if end := int(p[1]) - at; end < len(text) && !utf8.RuneStart(text[end]) {
			spans[i][1] = wholeEnd(text, at, p[1])
		}
	}
}

// grown returns s with n more members.
func grown[E any](s []E, n int) []E {
	for cap(s)-len(s) < n {
		var zero E
		s = append(s[:cap(s)], zero)[:len(s)]
	}
	return s[:len(s)+n]
}

// wholeStart returns where the character begins that the byte at a place is part of.
func wholeStart(text []byte, at int, place uint32) uint32 {
	i := int(place) - at
	for n := 1; i < len(text) && !utf8.RuneStart(text[i]) && n < utf8.UTFMax && n <= i; n++ {
		if utf8.RuneStart(text[i-n]) {
			if _, size := utf8.DecodeRune(text[i-n:]); size > n {
				return place - uint32(n)
			}
			break
		}
	}
	return place
}

// wholeEnd returns where the character ends that the byte before a place is part of.
func wholeEnd(text []byte, at int, place uint32) uint32 {
	i := int(place) - at
	if i == len(text) || utf8.RuneStart(text[i]) {
		return place
	}
	start := int(wholeStart(text, at, place)) - at
	if start == i {
		return place
	}
	_, size := utf8.DecodeRune(text[start:])
	return uint32(at + start + size)
}
