package tokenizers

import (
	"errors"
	"unicode/utf8"
)

func init() { // the table holds what Sequence looks up in it
	preTokenizers["CharDelimiterSplit"] = loadCharDelimiterSplit
	preTokenizers["Digits"] = loadDigits
	preTokenizers["FixedLength"] = loadFixedLength
	preTokenizers["Punctuation"] = loadPunctuation
	preTokenizers["Sequence"] = loadPreTokenizers
	preTokenizers["Split"] = loadSplit
	preTokenizers["UnicodeScripts"] = loadUnicodeScripts
	preTokenizers["Whitespace"] = loadWhitespace
	preTokenizers["WhitespaceSplit"] = loadWhitespaceSplit
}

// preTokenizerSequence runs pre-tokenizers one after another, each on the words of the one before.
type preTokenizerSequence []preTokenizer

func loadPreTokenizers(f *fields) (preTokenizer, error) {
	parts, err := readParts(f, "pretokenizers", func(r *jsonReader) (preTokenizer, error) { return loadPart(r, preTokenizers) })
	s := preTokenizerSequence(parts)
	if err == nil {
		err = checkGrowth("pretokenizers", splitGrowth(s))
	}
	return s, err
}

func (s preTokenizerSequence) split(dst []text, t text) []text {
	words, next := []text{t}, []text(nil)
	for _, part := range s {
		next = next[:0]
		for _, w := range words {
			next = part.split(next, w)
		}
		words, next = next, words
	}
	return append(dst, words...)
}

// makesBytes tells whether p shows the bytes of the text as characters.
func makesBytes(p preTokenizer) bool {
	switch p := p.(type) {
	case *byteLevel:
		return true
	case preTokenizerSequence:
		for _, part := range p {
			if makesBytes(part) {
				return true
			}
		}
	}
	return false
}

// loadDigits cuts around each number character, or around each run of them. The numbers are those of Unicode 16.
func loadDigits(f *fields) (preTokenizer, error) {
	s := &splitter{behavior: contiguous}
	if f.boolean("individual_digits", true) {
		s.behavior = isolated
	}
	classes := charClasses()
	s.search = charSearch(func(r rune) bool {
		newer := r >= 0x11DE0 && r <= 0x11DE9 || r >= 0x16FF4 && r <= 0x16FF6
		return classes.of(r)&isNumber != 0 && !newer
	})
	return s, f.err
}

func loadPunctuation(f *fields) (preTokenizer, error) {
	s := &splitter{behavior: isolated}
	if _, given := f.raw["behavior"]; given {
		readBehavior(f, s, true)
	}
	s.search = charSearch(charClasses().test(isPunctuation))
	return s, f.err
}

// loadWhitespaceSplit drops white space, and cuts there.
func loadWhitespaceSplit(f *fields) (preTokenizer, error) {
	return &splitter{behavior: removed, search: charSearch(charClasses().test(isSpace)), atSpace: true}, f.err
}

// loadCharDelimiterSplit drops one character wherever it stands, and cuts there.
func loadCharDelimiterSplit(f *fields) (preTokenizer, error) {
	s := &splitter{behavior: removed}
	f.get("delimiter", true, func(r *jsonReader) error {
		char, err := r.str()
		if err == nil && utf8.RuneCountInString(char) != 1 {
			err = errors.New("expected one character")
		}
		delimiter, _ := utf8.DecodeRuneInString(char)
		s.search = charSearch(func(r rune) bool { return r == delimiter })
		return err
	})
	return s, f.err
}

// loadWhitespace makes words of runs of letters and the like, and of runs of anything else that is not white space: \w+|[^\w\s]+.
func loadWhitespace(f *fields) (preTokenizer, error) {
	return &splitter{behavior: removed, invert: true, search: func(text []byte) finder { return &runFinder{text} }}, f.err
}

type runFinder struct{ text []byte }

func (f *runFinder) Find(from int) (start, end int, ok bool) {
	classes := charClasses()
	kind := charClass(0)
	for start, end = from, from; end < len(f.text); {
		r, size := utf8.DecodeRune(f.text[end:])
		c := classes.of(r) & (isWord | isSpace)
		switch {
		case c == isSpace && start == end:
			start += size
		case start == end:
			kind = c
		case c != kind:
			return start, end, true
		}
		end += size
	}
	return start, end, start < end
}

// test returns whether a character is of one of the classes.
func (t *classTable) test(c charClass) func(rune) bool {
	return func(r rune) bool { return t.of(r)&c != 0 }
}
