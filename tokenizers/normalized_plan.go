package tokenizers

import (
	"encoding/binary"
	"sync"
	"unicode/utf8"
)

// normalizedPlan is another plan behind a normalizer. Most texts are normal as they are, which is quick to see.
type normalizedPlan struct {
	normalizer normalizer
	fusedPlan
}

func newNormalizedPlan(n normalizer, plan fusedPlan) fusedPlan {
	if n == nil || plan == nil {
		return plan
	}
	return normalizedPlan{n, plan}
}

func (p normalizedPlan) append(e *Encoder, dst []uint32, text []byte) []uint32 {
	if !leavesAlone(p.normalizer, text) {
		if text = p.normalizer.normalize(newText(string(text), true)).bytes; len(text) == 0 {
			return dst
		}
	}
	return p.fusedPlan.append(e, dst, text)
}

// leavesAlone tells whether a normalizer is seen at once to leave a text as it is.
func leavesAlone(n normalizer, text []byte) bool {
	form, ok := n.(normalForm)
	if !ok {
		return false
	}
	composed := form == normalForm{compose: true}
	for len(text) > 0 {
		const ascii = 0x8080808080808080
		if len(text) >= 8 && binary.LittleEndian.Uint64(text)&ascii == 0 {
			text = text[8:]
			continue
		}
		if text[0] < utf8.RuneSelf {
			text = text[1:]
			continue
		}
		r, size := utf8.DecodeRune(text)
		if !composed || r == utf8.RuneError && size == 1 || !keptByNFC().has(r) {
			return false
		}
		text = text[size:]
	}
	return true
}

// runeSet is a set of code points.
type runeSet [(utf8.MaxRune + 1) / 64]uint64

func (s *runeSet) has(r rune) bool { return s[r/64]>>(r%64)&1 == 1 }

func (s *runeSet) remove(r rune) { s[r/64] &^= 1 << (r % 64) }

// keptByNFC returns the code points that NFC leaves alone among others of the set: starters that are not composed with what is before them (Unicode
// Standard Annex 15, section 9, "Detecting Normalization Forms").
var keptByNFC = sync.OnceValue(func() *runeSet {
	kept := &runeSet{}
	for i := range kept {
		kept[i] = ^uint64(0)
	}
	for _, r := range combiningRanges {
		for c := r[0]; c <= r[1]; c++ {
			kept.remove(c)
		}
	}
	for pair := range compositions() {
		kept.remove(pair[1])
	}
	for c := rune(vowelBase); c < vowelBase+vowelCount; c++ {
		kept.remove(c)
	}
	for c := rune(trailBase + 1); c < trailBase+trailCount; c++ {
		kept.remove(c)
	}
	for _, m := range decompositions {
		first, _ := utf8.DecodeRuneInString(m.to)
		if normal := (normalForm{compose: true}).normalize(newText(string(m.from), true)); string(normal.bytes) != string(m.from) || !kept.has(first) {
			kept.remove(m.from)
		}
	}
	return kept
})
