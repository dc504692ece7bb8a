package tokenizers

import (
	"slices"
	"sync"
	"unicode/utf8"
)

// normalForm is one of the normalization forms of Unicode (Unicode Standard Annex 15).
type normalForm struct{ compatible, compose bool }

func loadNFC(*fields) (normalizer, error)  { return normalForm{compose: true}, nil }
func loadNFD(*fields) (normalizer, error)  { return normalForm{}, nil }
func loadNFKC(*fields) (normalizer, error) { return normalForm{compatible: true, compose: true}, nil }
func loadNFKD(*fields) (normalizer, error) { return normalForm{compatible: true}, nil }

func (n normalForm) normalize(t text) text {
	if isASCII(t.bytes) {
		return t
	}
	edits := decomposed(t, n.compatible)
	if n.compose {
		edits = composed(edits)
	}
	return t.rewrite(edits)
}

// decomposed returns the edits of canonical decomposition (NFD), or of compatible decomposition (NFKD): each character decomposed, then each run of
// non-starters in order of their combining class.
func decomposed(t text, compatible bool) []edit {
	return appendDecomposition(make([]edit, 0, len(t.bytes)), t.bytes, compatible)
}

// appendDecomposition puts the edits into the memory of edits.
func appendDecomposition(edits []edit, b []byte, compatible bool) []edit {
	classes := charClasses()
	edits = edits[:0]
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		b = b[size:]
		c := classes.of(r)
		switch {
		case compatible && c&hasCompatible != 0:
			first := len(edits)
			for _, to := range lookUp(compatibleDecompositions, r) {
				edits = append(edits, after(len(edits)-first, to))
			}
		case c&hasDecomposition != 0:
			var chars [maxDecomposed]rune
			for i, c := range appendDecomposed(chars[:0], r) {
				edits = append(edits, after(i, c))
			}
		default:
			edits = append(edits, edit{r, 0})
		}
	}
	for i := 0; i < len(edits); i++ {
		start := i
		for i < len(edits) && classes.of(edits[i].char)&isCombining != 0 {
			i++
		}
		if i-start > 1 {
			slices.SortStableFunc(edits[start:i], func(a, b edit) int {
				return int(combiningClass(a.char)) - int(combiningClass(b.char))
			})
		}
	}
	return edits
}

// composed puts decomposed characters together where they make one. A mark joins the last starter unless one of the same or a higher class is between them. It
// writes over edits.
func composed(edits []edit) []edit {
	out := edits[:0]
	starter, class := -1, 0 // where the last starter is in out, and the class of the last mark that stayed after it
	for _, e := range edits {
		next := int(combiningClass(e.char))
		if starter >= 0 && (class == 0 || class < next) {
			if to, ok := compose(out[starter].char, e.char); ok {
				out[starter] = edit{to, out[starter].change + e.change - 1}
				continue
			}
		}
		out = append(out, e)
		switch {
		case next == 0:
			starter, class = len(out)-1, 0
		case starter >= 0:
			class = next
		}
	}
	return out
}

// compose returns the character that two make.
func compose(a, b rune) (rune, bool) {
	const syllables = vowelCount * trailCount
	switch {
	case a >= leadBase && a < leadBase+leadCount && b >= vowelBase && b < vowelBase+vowelCount:
		return hangulFirst + (a-leadBase)*syllables + (b-vowelBase)*trailCount, true
	case a >= hangulFirst && a <= hangulLast && (a-hangulFirst)%trailCount == 0 && b > trailBase && b < trailBase+trailCount:
		return a + b - trailBase, true
	}
	r, ok := compositions()[[2]rune{a, b}]
	return r, ok
}

// compositions returns the pairs that make a character: what the decomposition of one that NFC keeps has before its last part, composed, and that part.
var compositions = sync.OnceValue(func() map[[2]rune]rune {
	lost := map[rune]bool{}
	for _, r := range uncomposed {
		for c := r[0]; c <= r[1]; c++ {
			lost[c] = true
		}
	}
	whole := map[string]rune{} // characters by their decomposition
	for _, m := range decompositions {
		if !lost[m.from] {
			whole[m.to] = m.from
		}
	}
	pairs := make(map[[2]rune]rune, len(whole))
	for to, from := range whole {
		chars := []rune(to)
		last := len(chars) - 1
		first, ok := whole[string(chars[:last])]
		if last == 1 {
			first, ok = chars[0], true
		}
		if ok {
			pairs[[2]rune{first, chars[last]}] = from
		}
	}
	return pairs
})
