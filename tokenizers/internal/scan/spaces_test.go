package scan

import (
	"slices"
	"testing"
	"unicode/utf8"
)

// naiveSpaces cuts as Spaces does, one character after another.
func naiveSpaces(class func(rune) Class, verify func([]byte, int) bool, text []byte) []uint32 {
	var ends []uint32
	before, beforeThat := Class(0), Class(0)
	for i := 0; i <= len(text); {
		now, size := Space, 1 // behind the end
		if i < len(text) {
			var r rune
			r, size = utf8.DecodeRune(text[i:])
			now = class(r)
		}
		if now&Space != 0 && before&(Lower|Number) != 0 && (i == len(text) || verify(text, i)) {
			if before == Lower|Number && beforeThat == Lower|Upper && (i-1)%64 != 63 {
				ends = append(ends, uint32(i-1))
			}
			if i < len(text) {
				ends = append(ends, uint32(i))
			}
		}
		before, beforeThat = now, before
		i += size
	}
	return append(ends, uint32(len(text)))
}

func FuzzSpaces(f *testing.F) {
	f.Add([]byte("on, than. the cat,  sat. are. in.. \non 1 the 2 mat. É a\u0301 b é c 中 d\u0600 e x\xff y \xe4\xb8"))
	f.Add([]byte("a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f 1 h i j k l m n o p q r s É a b c d e f g h i j k l m n o p q r s "))
	class := func(r rune) Class {
		switch {
		case r == ' ' || r == '\n':
			return Space
		case r >= '0' && r <= '9' || r == '中':
			return Number
		case r == ',' || r == '.':
			return Lower | Number
		case r >= 'm' && r <= 'z':
			return Lower | Upper
		case r >= 'a' && r <= 'l' || r == 'é':
			return Lower
		case r == 'É' || r == 0x301 || r == 0x600:
			return Upper
		}
		return 0
	}
	// Near É nothing is cut, and behind 1 neither.
	verify := func(text []byte, at int) bool {
		return text[at-1] != '1' && !slices.Contains([]rune(string(text[max(0, at-3):min(len(text), at+3)])), 'É')
	}
	c := Spaces{NewTable(class), verify}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 {
			return
		}
		want := naiveSpaces(class, verify, text)
		var s State
		c.Reset(&s, text)
		var got, room []uint32
		room = make([]uint32, MinRoom+3)
		for n := c.Cut(&s, room); n > 0; n = c.Cut(&s, room) {
			got = append(got, room[:n]...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q is cut at %v, want %v", text, got, want)
		}
	})
}

func TestSparseTable(t *testing.T) {
	few := map[rune]Class{'a': Lower, ' ': Space, 'é': Upper, 0x10FFFF: Number, '/': 0}
	class := func(r rune) Class {
		if c, ok := few[r]; ok {
			return c
		}
		return Lower | Number
	}
	sparse, whole := NewSparseTable(Lower|Number, few), NewTable(class)
	if sparse.ascii != whole.ascii || sparse.spread != whole.spread {
		t.Error("ASCII has other classes")
	}
	for r := range rune(utf8.MaxRune + 1) {
		if sparse.of(r) != whole.of(r) {
			t.Fatalf("%U has class %b, want %b", r, sparse.of(r), whole.of(r))
		}
	}
}
