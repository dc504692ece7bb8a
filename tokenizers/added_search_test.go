package tokenizers

import (
	"fmt"
	"strings"
	"testing"
)

// naiveFind tries all tokens at every place.
func naiveFind(tokens []*addedToken, text string, specialIsText bool) []found {
	var parts []found
	done := 0
	for i := 0; i < len(text); {
		var best *addedToken
		for _, t := range tokens {
			if strings.HasPrefix(text[i:], t.normal) && (best == nil || len(t.normal) > len(best.normal)) {
				best = t
			}
		}
		if best == nil {
			i++
			continue
		}
		start, end := i, i+len(best.normal)
		i = end
		if best.special && specialIsText || best.singleWord && (wordBefore([]byte(text[:start])) || wordAfter([]byte(text[end:]))) {
			continue
		}
		if best.lstrip {
			start = max(done, start-spaceBefore([]byte(text[:start])))
		}
		if best.rstrip {
			end += spaceAfter([]byte(text[end:]))
		}
		if done < start {
			parts = append(parts, found{nil, done, start})
		}
		parts = append(parts, found{best, start, end})
		done = end
	}
	if done != len(text) {
		parts = append(parts, found{nil, done, len(text)})
	}
	return parts
}

func FuzzAddedSearch(f *testing.F) {
	f.Add("abc abcd bc bcx", "abcx  bc abcd   bcd x", uint32(0x1234567))
	f.Add("a aa aaa aab b ", "aaaabaaaa a aab", uint32(0))
	f.Add("<s> </s> <mask> <", "x <mask>  <s></s><<", uint32(0xFFFFFFFF))
	f.Fuzz(func(t *testing.T, contents, text string, flags uint32) {
		a := &addedTokens{byID: map[uint32]*addedToken{}}
		s := newAddedSearch()
		var tokens []*addedToken
		for i, content := range strings.Split(contents, " ") {
			if content == "" {
				content = " "
			}
			bits := flags >> (i * 3 % 29)
			token := &addedToken{id: uint32(i), normal: content, special: bits&1 != 0, lstrip: bits&2 != 0, rstrip: bits&4 != 0, singleWord: bits&8 != 0}
			if s.add(content, token.id, token.special) {
				a.byID[token.id] = token
				tokens = append(tokens, token)
			}
		}
		s.link()
		var finder addedFinder
		for _, specialIsText := range []bool{false, true} {
			want := naiveFind(tokens, text, specialIsText)
			same(t, fmt.Sprintf("%q in %q", contents, text), finder.find(a, s, []byte(text), specialIsText), want)
		}
	})
}

// TestAddedSearchIsLinear takes tokens and texts for which looking at each place anew takes as many steps as a token has bytes, or as the text has: then
// this test would not end.
func TestAddedSearchIsLinear(t *testing.T) {
	const n = 1 << 19
	long := strings.Repeat("a", maxAddedBytes-1)
	for _, test := range []struct {
		name, text string
		tokens     []addedToken
	}{
		{"almost long", strings.Repeat("a", n), []addedToken{{normal: "a"}, {normal: long + "b"}}},
		{"nested", strings.Repeat("a", n), []addedToken{{normal: "a"}, {normal: "aa"}, {normal: long}, {normal: long + "b"}, {normal: "b" + long}}},
		{"spaces on the right", strings.Repeat(" ", n), []addedToken{{normal: " ", rstrip: true}}},
		{"spaces on the left", strings.Repeat(" ", n) + "x", []addedToken{{normal: " ", singleWord: true}, {normal: "x", lstrip: true}}},
	} {
		a, s := &addedTokens{byID: map[uint32]*addedToken{}}, newAddedSearch()
		for i := range test.tokens {
			a.byID[uint32(i)] = &test.tokens[i]
			s.add(test.tokens[i].normal, uint32(i), false)
		}
		s.link()
		var finder addedFinder
		if parts := finder.find(a, s, []byte(test.text), false); len(parts) == 0 {
			t.Errorf("%s: nothing found", test.name)
		}
	}
}
