package tokenizers

import (
	"errors"
	"sync"
	"unicode/utf8"
)

// scriptTable returns the numbers of the scripts, built once.
var scriptTable = sync.OnceValue(func() *classTable {
	flat := make([]charClass, 0x110000)
	for _, r := range scriptRuns {
		mark(flat, [][2]rune{{r[0], r[1]}}, charClass(r[2]))
	}
	return newClassTable(flat)
})

// unicodeScripts begins a word where the script changes. Characters of no script, such as the space, stay with what is before them, and are
// dropped where nothing is, as in the reference.
type unicodeScripts struct{}

func loadUnicodeScripts(f *fields) (preTokenizer, error) { return unicodeScripts{}, f.err }

func (unicodeScripts) split(dst []text, t text) []text {
	scripts := scriptTable()
	start, last := -1, charClass(0)
	for i := 0; i < len(t.bytes); {
		r, size := utf8.DecodeRune(t.bytes[i:])
		if script := scripts.of(r); script != 0 && script != last {
			if start >= 0 {
				dst = append(dst, t.slice(start, i))
			}
			start, last = i, script
		}
		i += size
	}
	if start >= 0 {
		dst = append(dst, t.slice(start, len(t.bytes)))
	}
	return dst
}

// fixedLength makes words of a number of characters; the last may be shorter.
type fixedLength struct{ characters int }

func loadFixedLength(f *fields) (preTokenizer, error) {
	const usual = 5
	p := &fixedLength{usual}
	if _, given := f.raw["length"]; given {
		p.characters = f.length("length", true)
	}
	if f.err == nil && p.characters == 0 {
		f.err = inField("length", errors.New("is 0: want at least 1"))
	}
	return p, f.err
}

func (p *fixedLength) split(dst []text, t text) []text {
	start, n := 0, 0
	for i := 0; i < len(t.bytes); {
		_, size := utf8.DecodeRune(t.bytes[i:])
		i += size
		if n++; n == p.characters || i == len(t.bytes) {
			dst = append(dst, t.slice(start, i))
			start, n = i, 0
		}
	}
	return dst
}
