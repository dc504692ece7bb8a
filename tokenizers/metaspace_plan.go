package tokenizers

import "unicode/utf8"

// metaspacePlan is the plan for Metaspace with any model: the document is cut, before it is normalized, at single spaces between characters that the
// normalizer leaves alone. A piece begins with its space, so it is normalized, split and encoded alike wherever it stands; the cache holds what
// becomes of it. The first piece may get a prefix, and takes the way through the parts.
type metaspacePlan struct {
	plain [utf8.RuneSelf]bool // the normalizer leaves the character alone, but for its case, and the character is visible
}

// newMetaspacePlan returns nil where the normalizer could see over a cut.
func newMetaspacePlan(n normalizer, m *metaspace) fusedPlan {
	p := &metaspacePlan{}
	for b := '!'; b <= '~'; b++ {
		p.plain[b] = true
	}
	if m.whole || m.replacement == " " || n != nil && !p.restrict(n) {
		return nil
	}
	for b := 'A'; b <= 'Z'; b++ {
		p.plain[b] = p.plain[b] && p.plain[b+'a'-'A']
	}
	return p
}

// restrict takes out the characters that n changes, and tells whether n leaves single spaces alone and never looks further than from one plain character to
// the next.
func (p *metaspacePlan) restrict(n normalizer) bool {
	switch n := n.(type) {
	case normalizerSequence:
		for _, part := range n {
			if !p.restrict(part) {
				return false
			}
		}
		return true
	case normalForm, lowercase, stripAccents, nmt:
		return true
	case *charsmap:
		for b := range p.plain {
			p.plain[b] = p.plain[b] && n.ascii[b]
		}
		return n.ascii[' ']
	case *replace:
		for _, b := range []byte(n.pattern) {
			if b < utf8.RuneSelf {
				p.plain[b] = false
			}
			if b == ' ' && !(n.pattern == " " && n.least > 1) {
				return false
			}
		}
		return true
	}
	return false
}

func (p *metaspacePlan) append(e *Encoder, dst []uint32, text []byte) []uint32 {
	start := len(dst)
	at := p.piece(text)
	dst = p.miss(e, dst, text[:at])
	e.unmark(dst[start:])
	for b := &e.batch; at < len(text); {
		b.ends[0] = uint32(at)
		count := 0
		for at < len(text) && count < maxPieces {
			at += p.piece(text[at:])
			count++
			b.ends[count] = uint32(at)
		}
		dst = e.appendPieces(p, dst, text, b.ends[:count], b.ends[1:count+1])
	}
	return dst
}

// piece returns the length of the piece that text begins with. The two characters on each side of a cut are ASCII, so that no mark reaches over it and no
// cluster takes in what is beside it.
func (p *metaspacePlan) piece(text []byte) int {
	for i := 1; i+1 < len(text); i++ {
		if text[i] != ' ' || text[i-1] >= utf8.RuneSelf || text[i+1] >= utf8.RuneSelf || !p.plain[text[i-1]] || !p.plain[text[i+1]] {
			continue
		}
		if (i == 1 || text[i-2] < utf8.RuneSelf) && (i+2 == len(text) || text[i+2] < utf8.RuneSelf) {
			return i
		}
	}
	return len(text)
}

// miss takes the way through the parts. These cache words, too, which hold no space and can't be taken for pieces.
func (p *metaspacePlan) miss(e *Encoder, dst []uint32, piece []byte) []uint32 {
	return e.appendByParts(dst, piece)
}
