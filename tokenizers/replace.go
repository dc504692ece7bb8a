package tokenizers

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// replace puts content in place of each match of a pattern: a normalizer and a decoder.
type replace struct {
	find    func(b []byte) (start, end int) // the first match, which is not empty; start is len(b) where there is none
	content string
}

func loadReplace(f *fields) (normalizer, error) { return readReplace(f) }

func readReplace(f *fields) (*replace, error) {
	p := &replace{content: f.str("content", true)}
	if f.err == nil && len(p.content) > maxAffixBytes {
		f.err = inField("content", fmt.Errorf("has %d bytes: the longest allowed has %d", len(p.content), maxAffixBytes))
	}
	f.get("pattern", true, func(r *jsonReader) error {
		kinds := 0
		err := r.object(func(kind string) error {
			kinds++
			s, err := r.str()
			if err != nil {
				return err
			}
			p.find, err = newPattern(kind, s)
			return err
		})
		if err == nil && kinds != 1 {
			err = errors.New("expected one of String and Regex")
		}
		return err
	})
	return p, f.err
}

func (p *replace) normalize(t text) text {
	start, end := p.find(t.bytes)
	if start == len(t.bytes) {
		return t
	}
	out := text{make([]byte, 0, len(t.bytes)), make([]span, 0, len(t.bytes))}
	content, at := []byte(p.content), 0
	for at < len(t.bytes) {
		out.bytes, out.from = append(out.bytes, t.bytes[at:start]...), append(out.from, t.from[at:start]...)
		if start < end {
			out.add(content, t.from[end-1]) // the last character of the match
		}
		at = end
		start, end = p.find(t.bytes[at:])
		start, end = start+at, end+at
	}
	return out
}

func (p *replace) decode(tokens []string) []string {
	for i, token := range tokens {
		var out []byte
		rest := []byte(token)
		for len(rest) > 0 {
			start, end := p.find(rest)
			out = append(out, rest[:start]...)
			if start < end {
				out = append(out, p.content...)
			}
			rest = rest[end:]
		}
		tokens[i] = string(out)
	}
	return tokens
}

// newPattern returns what finds a string or a regular expression. Of the latter it knows plain text and one character repeated n times or more.
func newPattern(kind, pattern string) (func([]byte) (int, int), error) {
	if pattern == "" {
		return nil, errors.New("an empty pattern is not supported")
	}
	char, least := "", 0
	switch kind {
	case "String":
		return findString(pattern), nil
	case "Regex":
		if isPlain(pattern) {
			return findString(pattern), nil
		}
		_, size := utf8.DecodeRuneInString(pattern)
		char = pattern[:size]
		switch pattern[size:] {
		case "+":
			least = 1
		case "{2,}":
			least = 2
		}
		if isPlain(char) && least > 0 {
			return findRun(char, least), nil
		}
		return nil, fmt.Errorf("regular expression %q is not supported: plain text, x+ and x{2,} are", pattern)
	}
	return nil, fmt.Errorf("%q is not supported: String and Regex are", kind)
}

// isPlain tells whether a regular expression stands for itself.
func isPlain(pattern string) bool {
	for _, c := range pattern {
		switch c {
		case '\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$':
			return false
		}
	}
	return true
}

// findString returns what finds a string.
func findString(s string) func([]byte) (int, int) {
	want := []byte(s)
	return func(b []byte) (int, int) {
		if i := bytes.Index(b, want); i >= 0 {
			return i, i + len(want)
		}
		return len(b), len(b)
	}
}

// findRun returns what finds the longest run of a character, from a least number of times on.
func findRun(char string, least int) func([]byte) (int, int) {
	one, enough := []byte(char), bytes.Repeat([]byte(char), least)
	return func(b []byte) (int, int) {
		start := bytes.Index(b, enough)
		if start < 0 {
			return len(b), len(b)
		}
		end := start + len(enough)
		for bytes.HasPrefix(b[end:], one) {
			end += len(one)
		}
		return start, end
	}
}
