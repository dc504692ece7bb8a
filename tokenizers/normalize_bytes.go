package tokenizers

import "unicode/utf8"

// byteNormalizer is a normalizer that can do without the places of the input that its bytes come from, and then needs no memory of its own.
type byteNormalizer interface {
	normalizer
	// appendNormalized appends to dst what normalize makes of src, which is well-formed.
	appendNormalized(dst, src []byte, s *normalizerScratch) []byte
}

// normalizerScratch is the memory of a chain of normalizers, for one goroutine.
type normalizerScratch struct {
	bytes [2][]byte
	edits []edit
}

func (s *normalizerScratch) size() int {
	return cap(s.bytes[0]) + cap(s.bytes[1]) + 8*cap(s.edits)
}

// normalizerChain is a sequence without sequences in it.
type normalizerChain []byteNormalizer

// newNormalizerChain returns n as a chain, which is empty where n is nil. ok is false where a part of n is no byteNormalizer.
func newNormalizerChain(n normalizer) (chain normalizerChain, ok bool) {
	switch n := n.(type) {
	case nil:
		return nil, true
	case normalizerSequence:
		for _, part := range n {
			parts, ok := newNormalizerChain(part)
			if !ok {
				return nil, false
			}
			chain = append(chain, parts...)
		}
		return chain, true
	case byteNormalizer:
		return normalizerChain{n}, true
	}
	return nil, false
}

// normalize returns what the chain makes of src, well-formed, in memory of s or src.
func (c normalizerChain) normalize(src []byte, s *normalizerScratch) []byte {
	for i, n := range c {
		b := &s.bytes[i%2]
		*b = n.appendNormalized((*b)[:0], src, s)
		src = *b
	}
	return src
}

func (c *charsmap) appendNormalized(dst, src []byte, _ *normalizerScratch) []byte {
	for len(src) > 0 {
		n := c.plainPrefix(src)
		dst, src = append(dst, src[:n]...), src[n:]
		if len(src) == 0 {
			break
		}
		n = cluster(src)
		_, size := utf8.DecodeRune(src)
		if n <= maxClusterBytes && n > size {
			if to, ok := c.lookUp(src[:n]); ok {
				dst, src = append(dst, to...), src[n:]
				continue
			}
		}
		for part := src[:n]; len(part) > 0; part = part[size:] {
			_, size = utf8.DecodeRune(part)
			to, ok := c.lookUp(part[:size])
			if !ok {
				to = part[:size]
			}
			dst = append(dst, to...)
		}
		src = src[n:]
	}
	return dst
}

// plainPrefix returns the length of the ASCII characters that src begins with and that are clusters which are not in the table.
func (c *charsmap) plainPrefix(src []byte) int {
	n := 0
	for n < len(src) && src[n] < utf8.RuneSelf && c.ascii[src[n]] {
		n++
	}
	if n > 0 && n < len(src) && src[n] >= utf8.RuneSelf {
		n-- // it may be marked
	}
	return n
}

func (p *replace) appendNormalized(dst, src []byte, _ *normalizerScratch) []byte {
	for len(src) > 0 {
		start, end := p.find(src)
		dst = append(dst, src[:start]...)
		if start < end {
			dst = append(dst, p.content...)
		}
		src = src[end:]
	}
	return dst
}

func (lowercase) appendNormalized(dst, src []byte, _ *normalizerScratch) []byte {
	classes := charClasses()
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		switch {
		case r < utf8.RuneSelf:
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			dst = append(dst, byte(r))
		case classes.of(r)&hasLower != 0:
			dst = append(dst, lookUp(lowercases, r)...)
		default:
			dst = append(dst, src[:size]...)
		}
		src = src[size:]
	}
	return dst
}

func (stripAccents) appendNormalized(dst, src []byte, _ *normalizerScratch) []byte {
	classes := charClasses()
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		if classes.of(r)&isMark == 0 {
			dst = append(dst, src[:size]...)
		}
		src = src[size:]
	}
	return dst
}

func (nmt) appendNormalized(dst, src []byte, _ *normalizerScratch) []byte {
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		if to, keep := cleaned(r); keep {
			dst = utf8.AppendRune(dst, to)
		}
		src = src[size:]
	}
	return dst
}

func (p *prepend) appendNormalized(dst, src []byte, _ *normalizerScratch) []byte {
	if len(src) == 0 {
		return dst
	}
	return append(append(dst, p.prefix...), src...)
}

func (s *strip) appendNormalized(dst, src []byte, _ *normalizerScratch) []byte {
	start, end := s.bounds(src)
	return append(dst, src[start:end]...)
}

func (n normalForm) appendNormalized(dst, src []byte, s *normalizerScratch) []byte {
	if n.inert(src) {
		return append(dst, src...)
	}
	s.edits = appendDecomposition(s.edits[:0], src, n.compatible)
	edits := s.edits
	if n.compose {
		edits = composed(edits)
	}
	for _, e := range edits {
		dst = utf8.AppendRune(dst, e.char)
	}
	return dst
}

// firstMark is the first byte of U+0300; below it NFC changes nothing.
const firstMark = 0xCC

// inert tells whether src is seen to be in the form.
func (n normalForm) inert(src []byte) bool {
	limit := byte(utf8.RuneSelf)
	if n.compose && !n.compatible {
		limit = firstMark
	}
	for _, b := range src {
		if b >= limit {
			return false
		}
	}
	return true
}
