package tokenizers

import (
	"math"
	"unicode/utf8"
)

// byteSpans finds where the tokens of byte-level BPE come from: a token stands for as many bytes as it shows.
type byteSpans struct {
	addPrefixSpace bool
	length         []uint16 // by id
}

// newByteSpans returns nil where bytes may be unknown.
func newByteSpans(t *Tokenizer, p *byteBPE) spanner {
	if !p.model.hasAlphabet() {
		return nil
	}
	s := &byteSpans{addPrefixSpace: p.addPrefixSpace, length: make([]uint16, t.model.limit())}
	for id := range s.length {
		token, _ := t.model.token(uint32(id))
		n := utf8.RuneCountInString(token)
		if n > math.MaxUint16 {
			return nil
		}
		s.length[id] = uint16(n)
	}
	return s
}

func (s *byteSpans) locate(e *Encoder, text []byte, at int, ids []uint32) {
	l := &e.locator
	first := len(l.spans)
	l.spans = grown(l.spans, len(ids))
	spans := l.spans[first:]
	place := uint32(at)
	for i, id := range ids {
		next := place + uint32(s.length[id&^startsWord])
		spans[i] = [2]uint32{place, next}
		place = next
	}
	if s.addPrefixSpace && text[0] != ' ' { // which stands for the first character
		for i := range spans {
			spans[i][0]--
			spans[i][1]--
		}
		spans[0][0]++
		spans[0][1] = max(spans[0][1], spans[0][0]+1)
	}
	if !isASCII(text) {
		for i, p := range spans {
			spans[i] = [2]uint32{wholeStart(text, at, p[0]), wholeEnd(text, at, p[1])}
		}
	}
	l.addWords(ids)
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
