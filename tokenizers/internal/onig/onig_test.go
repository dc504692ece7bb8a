package onig

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// matches returns the ends of the matches in the text of s, one behind the other.
func matches(s *Search) [][2]int {
	var found [][2]int
	for at := 0; at <= len(s.text); {
		start, end, ok := s.Find(at)
		if !ok {
			break
		}
		found = append(found, [2]int{start, end})
		if at = end; start == end {
			_, size := utf8.DecodeRune(s.text[at:])
			at += max(1, size)
		}
	}
	return found
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct{ pattern, want string }{
		{`(ab)\1`, `back reference \1 is not supported`},
		{`(a)+\1`, `back reference \1 is not supported`},
		{`(a)b\1`, `back reference \1 is not supported`},
		{`(?:(a)|b)\1`, `back reference \1 is not supported`},
		{`(a)(?:\1)`, `back reference \1 is not supported`},
		{`(a)\2`, `back reference \2 is not supported`},
		{`(a)\12`, `back reference \1 is not supported`},
		{`(?i:(a)\1)`, `back reference \1 is not supported`},
		{`(?<=(a)\1)b`, `back reference \1 is not supported`},
		{`(?<=\Ga)b`, `\G in a look-behind`},
		{`\Ka`, `escape \K is not supported`},
		{`\p{Klingon}`, `class "Klingon" is not supported`},
		{`\pL`, `expected {name}`},
		{`\p}`, `expected {name}`},
		{`\p`, `expected {name}`},
		{`[\p{}]`, `class "" is not supported`},
		{`[[:vowel:]]`, `class [:"vowel"`},
		{`(?i:ss+)`, `"ss" without case, as a part of more or with a quantifier`},
		{`(?i:s?s)`, `"ss" without case`},
		{`(?i:ffi)`, `"fi" without case`},
		{`(?i:é)`, `letters beyond ASCII`},
		{`(?i:[^a])`, `negated class without case`},
		{`(?i:[\p{L}])`, `classes inside a class without case`},
		{`(?<a>b)`, `group (?<`},
		{`(?#b)`, `group (?# is not supported`},
		{`(?<=a+)b`, `look-behind of several lengths`},
		{`(?>a+b)`, `without a bound`},
		{`(?:ab)++`, `without a bound`},
		{`(a*)*`, `can be empty`},
		{`(?:^)*`, `always empty`},
		{`a**`, `quantifiers on a quantifier`},
		{`a{3}?`, `{n}? is not supported`},
		{`a{3,2}`, `counts down`},
		{`a{99999}`, `is more than`},
		{`(?:a{4000}){4000}`, `steps`},
		{`*a`, `nothing to repeat`},
		{`(a`, `missing )`},
		{`a)`, `unmatched )`},
		{`[a`, `missing ]`},
		{`[]a]`, `can't begin with ]`},
		{`[b-a]`, `ends before it begins`},
		{`\`, `\ at the end`},
		{`\xff`, `part of a character`},
		{`\x{110000}`, `hexadecimal digits`},
		{`\u12`, `hexadecimal digits`},
		{strings.Repeat("(", 1000), `nested more than`},
		{strings.Repeat("[a", 1000), `nested more than`},
		{strings.Repeat("a", maxPatternBytes+1), `the longest allowed`},
	}
	for _, test := range tests {
		if _, err := Compile(test.pattern); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.100s: error is %v, want one with %s", test.pattern, err, test.want)
		}
	}
}

// TestSearchIsLinear runs what takes backtracking engines years.
func TestSearchIsLinear(t *testing.T) {
	const n = 60_000
	for _, test := range []struct{ pattern, text string }{
		{`(?:a|aa)+$`, strings.Repeat("a", n) + "b"},
		{`(?:a+b?)+c`, strings.Repeat("a", n)},
		{`x+y|x`, strings.Repeat("x", n)},
		{`\s*[\r\n]+|\s+(?!\S)|\s+`, strings.Repeat(" ", n) + "a"},
		{`\d{1,3}(?=(?:\d{3})*(?!\d))`, strings.Repeat("1", n)},
		{`(?!.*b)a`, strings.Repeat("a", n) + "b"},
		{`a++b|a`, strings.Repeat("a", n)},
		{`(?:(?:a?){20}a{20})+b`, strings.Repeat("a", n/20)},
		{`(.*)(.*)(.*)(.*)x`, strings.Repeat("a", n/4)},
		{`(?:(a)\1*)+b|\Ga`, strings.Repeat("a", n/4)},
		{`(?:\Ga|a)+(?:\Ga|a)+b|a`, strings.Repeat("a", n/4)},
	} {
		r, err := Compile(test.pattern)
		if err != nil {
			t.Fatal(err)
		}
		s := r.Search([]byte(test.text))
		matches(s)
		if perByte := 64 + 40*len(r.prog); s.steps < -perByte*len(test.text) {
			t.Errorf("%s takes %d steps for %d bytes", test.pattern, -s.steps, len(test.text))
		}
	}
}

// FuzzCompile reads patterns of any kind: each is refused with a reason, or compiles within its bounds and is looked for in a bounded number of steps.
func FuzzCompile(f *testing.F) {
	for _, pattern := range []string{`[^\s[a-f&&[^c]]]{2,}+(?i:ss|K)\x{e9}`, `(?<!\G\p{^Lu})([a-z])\1*?$|\A[[:^alpha:]]`, `(?m:.)(?>a|b{,3})\Z`, `(((a?){9}){9}){2}`, `\p}`} {
		f.Add(pattern)
	}
	text := []byte("aab Straße's 中文 1234\r\n\xff" + strings.Repeat("a b", 100))
	f.Fuzz(func(t *testing.T, pattern string) {
		r, err := Compile(pattern)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "pattern ") || utf8.ValidString(pattern) && !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: %v", pattern, err)
			}
			return
		}
		if len(r.prog) > maxInstrs {
			t.Fatalf("%q has %d steps", pattern, len(r.prog))
		}
		if len(r.prog) > 500 { // takes longer than a fuzzer waits
			return
		}
		s := r.Search(text)
		matches(s)
		if most := (64 + 40*len(r.prog)) * (len(text) + 1); s.steps < -most {
			t.Fatalf("%q takes %d steps for %d bytes", pattern, -s.steps, len(text))
		}
	})
}

// FuzzSearch holds the engine that remembers equal to the one that doesn't, on patterns and texts of any kind.
func FuzzSearch(f *testing.F) {
	for _, pattern := range []string{`(?>a|ab)c|(?=.*b)a`, `(?:\Ga|a?b)+?c|\Gb`, `(?:([ab])\1*|b)+c`, `(?:(?!aa)\w)+?b`, `a{1,2}+|[^\s\p{L}]++$`, `[^\r\n\p{L}]?[\p{Lu}\p{M}]*[\p{Ll}\p{M}]+(?i:'s|'re)?|\s*[\r\n]+|\s+(?!\S)|\s+`} {
		f.Add(pattern, "aab ab abc 'S aa b")
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		r, err := Compile(pattern)
		if err != nil || len(r.prog) > 200 || len(s) > 200 {
			return
		}
		fast, slow := r.Search([]byte(s)), r.Search([]byte(s))
		slow.Remember()
		if got, want := fmt.Sprint(matches(slow)), fmt.Sprint(matches(fast)); got != want {
			t.Fatalf("%q on %q: %s, and without memory %s", pattern, s, got, want)
		}
	})
}

func TestCategories(t *testing.T) {
	counts := map[string]int{}
	next := rune(0)
	for r, name := range Categories() {
		if r[0] < next || r[1] < r[0] {
			t.Fatalf("%s: the range %X to %X does not follow the one before", name, r[0], r[1])
		}
		next = r[1] + 1
		counts[name] += int(r[1]-r[0]) + 1
	}
	if len(counts) != len(categoryNames)-1 || counts["Zl"] != 1 || counts["Zp"] != 1 || counts["Cn"] != 0 || counts["Cc"] != 65 {
		t.Errorf("code points by category: %v", counts)
	}
}
