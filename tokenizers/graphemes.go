package tokenizers

import (
	"sync"
	"unicode/utf8"
)

// What decides where grapheme clusters end (Unicode Standard Annex 29, rules GB3 to GB13). Regional indicators are left out: no cluster with one
// is short enough to be looked up whole.
const (
	clusterExtend    charClass = 1 << iota // Extend, ZWJ and SpacingMark
	clusterPrepend                         // Prepend
	clusterControl                         // Control, CR and LF
	clusterLead                            // L of Hangul
	clusterVowel                           // V
	clusterTrail                           // T
	clusterPicture                         // Extended_Pictographic
	clusterConsonant                       // Indic_Conjunct_Break=Consonant
	clusterLinker                          // Indic_Conjunct_Break=Linker
	clusterLink                            // Linker, or Indic_Conjunct_Break=Extend
	clusterLV                              // LV
	clusterLVT                             // LVT
)

var clusterClasses = sync.OnceValue(func() *classTable {
	flat := make([]charClass, 0x110000)
	mark(flat, clusterExtends, clusterExtend)
	mark(flat, clusterPrepends, clusterPrepend)
	mark(flat, clusterControls, clusterControl)
	mark(flat, clusterLeads, clusterLead)
	mark(flat, clusterVowels, clusterVowel)
	mark(flat, clusterTrails, clusterTrail)
	mark(flat, clusterPictures, clusterPicture)
	mark(flat, clusterConsonants, clusterConsonant)
	mark(flat, clusterLinkers, clusterLinker)
	mark(flat, clusterLinks, clusterLink)
	for r := rune(hangulFirst); r <= hangulLast; r++ {
		flat[r] |= clusterLVT
		if (r-hangulFirst)%trailCount == 0 {
			flat[r] ^= clusterLVT | clusterLV
		}
	}
	return newClassTable(flat)
})

const zeroWidthJoiner = 0x200D

// cluster returns the length of the grapheme cluster that b, well-formed and not empty, begins with.
func cluster(b []byte) int {
	if b[0] < utf8.RuneSelf && (len(b) == 1 || b[1] < utf8.RuneSelf) {
		if b[0] == '\r' && len(b) > 1 && b[1] == '\n' {
			return 2
		}
		return 1
	}
	classes := clusterClasses()
	first, n := utf8.DecodeRune(b)
	before := classes.of(first)
	picture := before&clusterPicture != 0     // a pictograph and what extends it
	joined := false                           // and then ZWJ
	consonant := before&clusterConsonant != 0 // a consonant and what links it
	linked := false                           // among this a linker
	for n < len(b) {
		r, size := utf8.DecodeRune(b[n:])
		c := classes.of(r)
		next := c&clusterPicture != 0 && joined || c&clusterConsonant != 0 && linked
		if before&clusterControl != 0 || c&clusterControl != 0 || !next && !joins(before, c) {
			break
		}
		extends := c&clusterExtend != 0
		joined = picture && r == zeroWidthJoiner
		picture = picture && extends || c&clusterPicture != 0
		linked = consonant && (linked && c&clusterLink != 0 || c&clusterLinker != 0)
		consonant = consonant && c&clusterLink != 0 || c&clusterConsonant != 0
		before = c
		n += size
	}
	return n
}

// joins tells whether the second of two neighbours, neither a control character, continues the cluster of the first, whatever came before.
func joins(before, c charClass) bool {
	switch {
	case c&clusterExtend != 0, before&clusterPrepend != 0:
		return true
	case before&clusterLead != 0:
		return c&(clusterLead|clusterVowel|clusterLV|clusterLVT) != 0
	case before&(clusterLV|clusterVowel) != 0:
		return c&(clusterVowel|clusterTrail) != 0
	case before&(clusterLVT|clusterTrail) != 0:
		return c&clusterTrail != 0
	}
	return false
}
