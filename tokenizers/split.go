package tokenizers

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers/internal/onig"
)

// finder finds matches in one text.
type finder interface {
	// Find returns the first match at from or behind it.
	Find(from int) (start, end int, ok bool)
}

// splitter cuts a text at the matches of a pattern.
type splitter struct {
	search   func(text []byte) finder
	words    wordCutter // where the matches cover every text, and are the words; nil otherwise
	behavior splitBehavior
	literal  string // the pattern, where it is not a regular expression
	atSpace  bool   // the matches are the white space characters
	invert   bool   // what lies between matches counts as the matches
}

// wordCutter cuts any text into words.
type wordCutter interface {
	// word returns the length of the first word of a text, which is not empty.
	word(text []byte) int
}

// splitBehavior says what becomes of a match.
type splitBehavior uint8

const (
	removed            splitBehavior = iota
	isolated                         // a word of its own
	contiguous                       // neighbouring matches together are a word
	mergedWithPrevious               // the end of the word before it
	mergedWithNext                   // the beginning of the word behind it
)

var splitBehaviors = map[string]splitBehavior{
	"Removed": removed, "Isolated": isolated, "Contiguous": contiguous, "MergedWithPrevious": mergedWithPrevious, "MergedWithNext": mergedWithNext,
}

func readBehavior(f *fields, s *splitter, required bool) {
	f.get("behavior", required, func(r *jsonReader) error {
		name, err := r.str()
		b, ok := splitBehaviors[name]
		if err == nil && !ok {
			err = fmt.Errorf("%.80q is not known", name)
		}
		s.behavior = b
		return err
	})
}

func loadSplit(f *fields) (preTokenizer, error) {
	s := &splitter{invert: f.boolean("invert", true)}
	readBehavior(f, s, true)
	f.get("pattern", true, func(r *jsonReader) error {
		p, err := newFields(r.data)
		if err != nil {
			return err
		}
		_, literal := p.raw["String"]
		_, regular := p.raw["Regex"]
		if literal == regular {
			return errors.New("expected one of String and Regex")
		}
		if literal {
			s.literal = p.str("String", true)
			s.search = literalSearch(s.literal)
			return p.err
		}
		pattern := p.str("Regex", true)
		if p.err != nil {
			return p.err
		}
		return inField("Regex", s.setRegex(pattern))
	})
	return s, f.err
}

func (s *splitter) setRegex(pattern string) error {
	compiled, err := onig.Compile(pattern)
	if err != nil {
		return err
	}
	s.search = func(text []byte) finder { return compiled.Search(text) }
	if !s.invert && s.behavior == isolated || s.invert && s.behavior == removed {
		s.words = knownCutter(pattern)
	}
	return nil
}

func (s *splitter) split(dst []text, t text) []text {
	if s.words != nil {
		for rest := t; len(rest.bytes) > 0; {
			n := s.words.word(rest.bytes)
			dst = append(dst, rest.slice(0, n))
			rest = rest.slice(n, len(rest.bytes))
		}
		return dst
	}
	for _, p := range s.behavior.words(cutAtMatches(t.bytes, s.search(t.bytes), s.invert)) {
		if p.start < p.end {
			dst = append(dst, t.slice(p.start, p.end))
		}
	}
	return dst
}

// piece is a match, or what lies between two of them.
type piece struct {
	start, end int
	match      bool
}

// cutAtMatches covers text with pieces. An empty match does not count where the match before it ends.
func cutAtMatches(text []byte, f finder, invert bool) []piece {
	var pieces []piece
	done, last := 0, -1
	for at := 0; at <= len(text); {
		start, end, ok := f.Find(at)
		if !ok {
			break
		}
		if start == end && end == last {
			_, size := utf8.DecodeRune(text[at:])
			at += max(1, size)
			continue
		}
		if done < start {
			pieces = append(pieces, piece{done, start, invert})
		}
		pieces = append(pieces, piece{start, end, !invert})
		done, last, at = end, end, end
	}
	if done < len(text) {
		pieces = append(pieces, piece{done, len(text), invert})
	}
	return pieces
}

// words joins pieces to words as the behavior says, in place. Words may be empty.
func (b splitBehavior) words(pieces []piece) []piece {
	words := pieces[:0]
	before := false
	switch b {
	case isolated:
		return pieces
	case removed:
		for _, p := range pieces {
			if !p.match {
				words = append(words, p)
			}
		}
	case contiguous, mergedWithPrevious:
		for _, p := range pieces {
			joins := p.match == before
			if b == mergedWithPrevious {
				joins = p.match && !before
			}
			if before = p.match; joins && len(words) > 0 {
				words[len(words)-1].end = p.end
			} else {
				words = append(words, p)
			}
		}
	case mergedWithNext:
		first := len(pieces) // of the words, which are laid down from the end
		for i := len(pieces) - 1; i >= 0; i-- {
			p := pieces[i]
			joins := p.match && !before
			if before = p.match; joins && first < len(pieces) {
				pieces[first].start = p.start
			} else {
				first--
				pieces[first] = p
			}
		}
		return pieces[first:]
	}
	return words
}

// literalSearch looks for a string.
func literalSearch(pattern string) func([]byte) finder {
	return func(text []byte) finder { return &literalFinder{text, []byte(pattern)} }
}

type literalFinder struct{ text, pattern []byte }

func (f *literalFinder) Find(from int) (start, end int, ok bool) {
	i := bytes.Index(f.text[from:], f.pattern)
	return from + i, from + i + len(f.pattern), i >= 0
}

// charSearch looks for single characters.
func charSearch(is func(rune) bool) func([]byte) finder {
	return func(text []byte) finder { return &charFinder{text, is} }
}

type charFinder struct {
	text []byte
	is   func(rune) bool
}

func (f *charFinder) Find(from int) (start, end int, ok bool) {
	for from < len(f.text) {
		r, size := utf8.DecodeRune(f.text[from:])
		if f.is(r) {
			return from, from + size, true
		}
		from += size
	}
	return 0, 0, false
}
