package tokenizers

import (
	"math"
	"unicode/utf8"
)

// byteSpans finds where the tokens of byte-level BPE come from: a token stands for as many bytes as it shows.
type byteSpans struct {
	addPrefixSpace bool
	tokens         []byteToken // by id
	trim           *offsetTrim // the one trim of the post-processor, if it can be done on the way; nil otherwise
}

// byteToken says how many bytes a token shows, and how many of the first and of the last are spaces.
type byteToken struct {
	bytes             uint16
	leading, trailing uint8
}

// newByteSpans returns nil where bytes may be unknown.
func newByteSpans(t *Tokenizer, p *byteBPE) spanner {
	if !p.model.hasAlphabet() {
		return nil
	}
	s := &byteSpans{addPrefixSpace: p.addPrefixSpace, tokens: make([]byteToken, t.model.limit())}
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

func (s *byteSpans) locate(e *Encoder, text []byte, at int, ids []uint32) {
	l := &e.locator
	first := len(l.spans)
	l.spans, l.words = grown(l.spans, len(ids)), grown(l.words, len(ids))
	spans, words := l.spans[first:][:len(ids)], l.words[first:][:len(ids)]
	simple := isASCII(text) && !(s.addPrefixSpace && text[0] != ' ')
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
	if s.addPrefixSpace && text[0] != ' ' { // the added space stands for the first character
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
		spans[i] = [2]uint32{wholeStart(text, at, p[0]), wholeEnd(text, at, p[1])}
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
