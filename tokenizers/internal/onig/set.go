package onig

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"
)

const maxRune = 0x10FFFF

// charSet is a set of code points: ranges in order that neither meet nor overlap, and the same for ASCII as bits.
type charSet struct {
	ranges [][2]rune
	ascii  [2]uint64
}

// newCharSet returns the set of what ranges hold, in any order.
func newCharSet(ranges ...[2]rune) charSet {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	var s charSet
	for _, r := range sorted {
		if n := len(s.ranges); n > 0 && r[0] <= s.ranges[n-1][1]+1 {
			s.ranges[n-1][1] = max(s.ranges[n-1][1], r[1])
		} else {
			s.ranges = append(s.ranges, r)
		}
	}
	for _, r := range s.ranges {
		for c := r[0]; c <= min(r[1], utf8.RuneSelf-1); c++ {
			s.ascii[c>>6] |= 1 << (c & 63)
		}
	}
	return s
}

func (s *charSet) has(r rune) bool {
	if r < utf8.RuneSelf {
		return s.ascii[r>>6]>>(r&63)&1 != 0
	}
	i := sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i][1] >= r })
	return i < len(s.ranges) && s.ranges[i][0] <= r
}

func (s charSet) union(t charSet) charSet {
	return newCharSet(append(slices.Clone(s.ranges), t.ranges...)...)
}

func (s charSet) complement() charSet {
	var out [][2]rune
	next := rune(0)
	for _, r := range s.ranges {
		if next < r[0] {
			out = append(out, [2]rune{next, r[0] - 1})
		}
		next = r[1] + 1
	}
	if next <= maxRune {
		out = append(out, [2]rune{next, maxRune})
	}
	return newCharSet(out...)
}

func (s charSet) intersection(t charSet) charSet {
	return s.complement().union(t.complement()).complement()
}

// categorySets holds a set for each general category (Lu) and for each group of them (L).
var categorySets = sync.OnceValue(func() map[string]charSet {
	ranges := map[string][][2]rune{}
	for _, r := range categoryRanges {
		name := categoryNames[r[2]]
		ranges[name] = append(ranges[name], [2]rune{r[0], r[1]})
		ranges[name[:1]] = append(ranges[name[:1]], [2]rune{r[0], r[1]})
	}
	sets := map[string]charSet{}
	all := newCharSet()
	for name, r := range ranges {
		sets[name] = newCharSet(r...)
		all = all.union(sets[name])
	}
	sets["Cn"] = all.complement()
	sets["C"] = sets["C"].union(sets["Cn"])
	return sets
})

// wordChars is \w.
var wordChars = sync.OnceValue(func() *charSet {
	s := newCharSet(wordRanges...)
	return &s
})

// wordSet is \w, which lacks the numbers of Latin-1 that are no digits where it stands inside of a class.
func wordSet(inClass bool) charSet {
	if !inClass {
		return *wordChars()
	}
	return wordChars().intersection(newCharSet([2]rune{0xB2, 0xB3}, [2]rune{0xB9, 0xB9}, [2]rune{0xBC, 0xBE}).complement())
}

// longCategories are other names of categories.
var longCategories = map[string]string{
	"letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
	"mark": "M", "nonspacingmark": "Mn", "number": "N", "decimalnumber": "Nd", "punctuation": "P", "symbol": "S", "separator": "Z", "other": "C",
	"digit": "Nd", "cntrl": "Cc", "punct": "P",
}

// namedSet returns the class that \p{name} means: a category, a script or one of the sets of \w and \s.
func namedSet(name string, inClass bool) (charSet, bool) {
	squash := strings.NewReplacer("_", "", " ", "", "-", "")
	folded := strings.ToLower(squash.Replace(name))
	if short, ok := longCategories[folded]; ok {
		folded = strings.ToLower(short)
	}
	switch folded {
	case "space", "whitespace":
		return newCharSet(spaceRanges...), true
	case "word":
		return wordSet(inClass), true
	case "alpha", "lower", "upper":
		return propertySet(folded), true
	case "alnum":
		return propertySet("alpha").union(categorySets()["Nd"]), true
	case "graph":
		return categorySets()["Z"].union(categorySets()["Cc"]).union(categorySets()["Cn"]).complement(), true
	case "print":
		graph, _ := namedSet("graph", inClass)
		return graph.union(categorySets()["Zs"]), true
	case "blank":
		return categorySets()["Zs"].union(newCharSet([2]rune{'\t', '\t'})), true
	case "ascii":
		return newCharSet([2]rune{0, utf8.RuneSelf - 1}), true
	case "xdigit":
		return hexDigits(), true
	}
	for known, set := range categorySets() {
		if strings.ToLower(known) == folded {
			return set, true
		}
	}
	for known, ranges := range scriptRanges {
		if strings.ToLower(known) == folded {
			return newCharSet(ranges...), true
		}
	}
	return charSet{}, false
}

// propertySet returns a class of propertySets: what is either in its categories or in the ranges in which it differs.
func propertySet(name string) charSet {
	var held charSet
	for _, category := range propertySets[name].categories {
		held = held.union(categorySets()[category])
	}
	odd := newCharSet(propertySets[name].differ...)
	return held.intersection(odd.complement()).union(odd.intersection(held.complement()))
}

func hexDigits() charSet { return newCharSet([2]rune{'0', '9'}, [2]rune{'A', 'F'}, [2]rune{'a', 'f'}) }
