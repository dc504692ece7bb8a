// Package onig matches the regular expressions of tokenizer.json as Oniguruma does, the engine behind the pre-tokenizer Split of Hugging Face tokenizers.
//
// [Compile] reads a pattern; [Regex.Search] looks for it in a text, and [Search.Find] gives one match after another.
//
// # What a pattern may hold
//
// The syntax is that of Oniguruma (https://github.com/kkos/oniguruma, doc/RE): characters and their escapes, classes with ranges, inner classes and &&,
// \s \d \w \h and their opposites, \p{…} of categories and scripts, groups, look-ahead, look-behind of one length, atomic groups, greedy, lazy and
// possessive repetition, (?i) for ASCII letters, (?m), ^ $ \A \z \Z \b \B. What characters belong to a class is not taken from package unicode, whose
// version changes with Go: tables.go holds what the reference was seen to do.
//
// Anything else, such as back references, is refused by name: a pattern is matched exactly or not at all.
//
// # How it runs
//
//	pattern ─► parse.go, class.go ─► nodes ─► compile.go ─► instructions ─► search.go ─► matches
//	                  └─ set.go, tables.go
//
// It is a backtracking matcher, since the order in which alternatives are tried decides which match is found. Backtracking alone can take time that doubles
// with each character of a hostile text, so a search that has tried more than a small multiple of the length of the text begins to remember what
// failed where, and from then on tries nothing twice.
package onig

import "iter"

// Categories returns the ranges, both ends included, of the code points of each general category but Cn, with the name of the category, such as Lu.
func Categories() iter.Seq2[[2]rune, string] {
	return func(yield func([2]rune, string) bool) {
		for _, r := range categoryRanges {
			if !yield([2]rune{r[0], r[1]}, categoryNames[r[2]]) {
				return
			}
		}
	}
}
