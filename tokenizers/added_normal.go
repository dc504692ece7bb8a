package tokenizers

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// addedSigns are ASCII bytes one of which each of some tokens has, and which no normalizer makes of anything else: where a text has none of them, it
// holds none of the tokens once it is normalized.
type addedSigns struct {
	known bool // false: a token has no such byte
	bytes []byte
}

// signsOf returns the signs of the tokens that are sought in text that n has normalized.
func (a *addedTokens) signsOf(n normalizer, plain bool) addedSigns {
	var made [utf8.RuneSelf]bool
	if !marksMade(&made, n) {
		return addedSigns{}
	}
	signs := addedSigns{known: true}
	for _, t := range a.byID {
		if !t.normalized || plain && t.special {
			continue
		}
		sign := func(b byte) bool { return b < utf8.RuneSelf && !made[b] }
		known := slices.ContainsFunc(signs.bytes, func(b byte) bool { return sign(b) && bytes.IndexByte([]byte(t.normal), b) >= 0 })
		if known {
			continue
		}
		i := slices.IndexFunc([]byte(t.normal), sign)
		if i < 0 {
			return addedSigns{}
		}
		signs.bytes = append(signs.bytes, t.normal[i])
	}
	return signs
}

// absent tells whether a text surely holds no token that is sought in normalized text.
func (a *addedTokens) absent(text []byte, specialIsText bool) bool {
	signs := a.signs
	if specialIsText {
		signs = a.plain
	}
	if !signs.known {
		return false
	}
	for _, b := range signs.bytes {
		if bytes.IndexByte(text, b) >= 0 {
			return false
		}
	}
	return true
}

// reachOverCuts tells whether a token that is sought in text that n has normalized can reach over a place where a plan may be cut, before a space that no
// white space stands before, or depends on what is on its other side.
func (a *addedTokens) reachOverCuts(n normalizer) bool {
	normal := func(s string) string {
		if n == nil {
			return s
		}
		return string(n.normalize(newText(s, true)).bytes)
	}
	space, first := strings.CutPrefix(normal("a a"), normal("a"))
	space, last := strings.CutSuffix(space, "a")
	if !first || !last || space == "" {
		return true
	}
	for _, t := range a.byID {
		if !t.normalized {
			continue
		}
		if t.rstrip || t.singleWord && strings.HasPrefix(t.normal, space) {
			return true
		}
		rest := strings.TrimLeft(t.normal, space)
		if strings.Contains(rest, space) {
			return true
		}
	}
	return false
}

// marksMade marks the ASCII bytes that n makes of other characters. It returns false for a normalizer of which that is not known.
func marksMade(made *[utf8.RuneSelf]bool, n normalizer) bool {
	text := func(s string) {
		for _, b := range []byte(s) {
			if b < utf8.RuneSelf {
				made[b] = true
			}
		}
	}
	switch n := n.(type) {
	case nil, stripAccents, *strip:
	case normalizerSequence:
		for _, part := range n {
			if !marksMade(made, part) {
				return false
			}
		}
	case normalForm:
		text(asciiOfMappings().canonical)
		if n.compatible {
			text(asciiOfMappings().compatible)
		}
	case lowercase:
		text(asciiOfMappings().lower)
	case *bertNormalizer:
		text(" " + asciiOfMappings().canonical + asciiOfMappings().lower)
	case nmt:
		text(" ")
	case *prepend:
		text(n.prefix)
	case *replace:
		text(n.content)
	case *charsmap:
		text(string(n.strings))
	default:
		return false
	}
	return true
}

// asciiOfMappings returns the ASCII characters that the tables of Unicode make of others.
var asciiOfMappings = sync.OnceValue(func() (ascii struct{ canonical, compatible, lower string }) {
	of := func(table []mapping) string {
		var seen [utf8.RuneSelf]bool
		var found []byte
		for _, m := range table {
			for _, b := range []byte(m.to) {
				if b < utf8.RuneSelf && !seen[b] {
					seen[b] = true
					found = append(found, b)
				}
			}
		}
		return string(found)
	}
	ascii.canonical, ascii.compatible, ascii.lower = of(decompositions), of(compatibleDecompositions), of(lowercases)
	return ascii
})

// flatten returns what n makes of a text where that changes bytes one by one at most, so that places stay the same. The result lies in text or in e.flat.
func (e *Encoder) flatten(n normalizer, text []byte) (normalized []byte, ok bool) {
	switch n := n.(type) {
	case nil:
		return text, true
	case normalizerSequence:
		for _, part := range n {
			if text, ok = e.flatten(part, text); !ok {
				return nil, false
			}
		}
		return text, true
	case normalForm:
		return text, isASCII(text) || n.compose && !n.compatible && isComposed(text)
	case stripAccents:
		return text, isASCII(text)
	case lowercase:
		if !isASCII(text) {
			return nil, false
		}
		e.flat = append(e.flat[:0], text...)
		lowerASCII(e.flat)
		return e.flat, true
	case *bertNormalizer:
		return e.flattenBert(n, text)
	case *charsmap:
		for _, b := range text {
			if b >= utf8.RuneSelf || !n.ascii[b] {
				return nil, false
			}
		}
		return text, true
	case *replace:
		start, _ := n.find(text)
		return text, start == len(text)
	case *strip:
		return text, !(n.left && spaceAfter(text) > 0 || n.right && spaceBefore(text) > 0)
	}
	return nil, false
}

// flattenBert is flatten for ASCII without characters that BERT removes.
func (e *Encoder) flattenBert(n *bertNormalizer, text []byte) ([]byte, bool) {
	classes := charClasses()
	e.flat = append(e.flat[:0], text...)
	for i, b := range e.flat {
		if b >= utf8.RuneSelf {
			return nil, false
		}
		if n.cleanText {
			c := classes.of(rune(b))
			if c&isRemoved != 0 {
				return nil, false
			}
			if c&isSpace != 0 {
				e.flat[i] = ' '
			}
		}
	}
	if n.lowercase {
		lowerASCII(e.flat)
	}
	return e.flat, true
}

func lowerASCII(b []byte) {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

// isComposed tells whether a text is surely what NFC makes of it: none of its characters is a mark, is always decomposed, or can be the second of a pair
// that makes one (Unicode Standard Annex 15, section 9, NFC_Quick_Check=Yes).
func isComposed(text []byte) bool {
	stays := staysComposed()
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if size == 1 || stays.of(r) == 0 {
			return false
		}
		i += size
	}
	return true
}

// staysComposed has a class for each character that NFC leaves alone whatever stands beside it.
var staysComposed = sync.OnceValue(func() *classTable {
	classes := charClasses()
	flat := make([]charClass, utf8.MaxRune+1)
	for r := range flat {
		if classes.of(rune(r))&isCombining == 0 {
			flat[r] = 1
		}
	}
	for pair := range compositions() {
		flat[pair[1]] = 0
	}
	for _, r := range uncomposed {
		for c := r[0]; c <= r[1]; c++ {
			flat[c] = 0
		}
	}
	for r := vowelBase; r < vowelBase+vowelCount; r++ {
		flat[r] = 0
	}
	for r := trailBase; r < trailBase+trailCount; r++ {
		flat[r] = 0
	}
	return newClassTable(flat)
})
