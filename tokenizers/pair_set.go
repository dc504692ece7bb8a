package tokenizers

import (
	"iter"
	"strings"
	"unicode/utf8"
)

// pairSet holds the pairs of symbols between which a merge may join two tokens: the last symbol of its left token and the first of its right one. Elsewhere
// a word may be cut before it is merged.
type pairSet map[[2]uint32]struct{}

func newPairSet(b *bpe) pairSet {
	s := pairSet{}
	for pair := range b.merges.all() {
		left, _ := b.token(pair.left)
		right, _ := b.token(pair.right)
		for _, last := range b.outerSymbols(left, true) {
			for _, first := range b.outerSymbols(right, false) {
				s[[2]uint32{last, first}] = struct{}{}
			}
		}
	}
	return s
}

func (s pairSet) has(left, right uint32) bool {
	_, ok := s[[2]uint32{left, right}]
	return ok
}

// outerSymbols returns what the last, or first, symbol of a token can be: a character, a byte, or the unknown token, all of them where the spelling leaves
// that open.
func (b *bpe) outerSymbols(token string, last bool) []uint32 {
	var ids []uint32
	add := func(symbol string) {
		if id, ok := b.tokenID(symbol); ok {
			ids = append(ids, id)
		}
	}
	r, _ := utf8.DecodeRuneInString(token)
	if last {
		r, _ = utf8.DecodeLastRuneInString(token)
	}
	add(string(r))
	const n = len("<0x00>")
	if last && len(token) >= n && strings.HasPrefix(token[len(token)-n:], "<0x") {
		add(token[len(token)-n:])
	}
	if !last && len(token) >= n && strings.HasPrefix(token, "<0x") {
		add(token[:n])
	}
	if unknown, ok := b.token(b.unknown); ok && (last && strings.HasSuffix(token, unknown) || !last && strings.HasPrefix(token, unknown)) {
		ids = append(ids, b.unknown)
	}
	return ids
}

// idPair is a pair of tokens.
type idPair struct{ left, right uint32 }

// all goes through the pairs that merge, in no order.
func (t *pairTable) all() iter.Seq[idPair] {
	return func(yield func(idPair) bool) {
		for _, s := range t.slots {
			if s.key != 0 && !yield(idPair{uint32((s.key - 1) >> 32), uint32(s.key - 1)}) {
				return
			}
		}
	}
}
