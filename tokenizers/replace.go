package tokenizers

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// replace puts content in place of each match of a pattern: a normalizer and a decoder.
type replace struct {
	pattern string // not empty
	least   int    // not 0: the pattern is a character, and runs of so many or more are sought
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
			p.pattern, p.least, err = readPattern(kind, s)
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

func (p *replace) decode(tokens []string) []string { return decodePieces(p, tokens) }

func (p *replace) piece(token string, _, _ bool) string {
	rest := []byte(token)
	start, end := p.find(rest)
	if start == len(rest) {
		return token
	}
	var out []byte
	for len(rest) > 0 {
		out = append(out, rest[:start]...)
		if start < end {
			out = append(out, p.content...)
		}
		rest = rest[end:]
		start, end = p.find(rest)
	}
	return string(out)
}

// readPattern reads a string or a regular expression. Of the latter it knows plain text and one character repeated.
func readPattern(kind, pattern string) (text string, least int, err error) {
	_, size := utf8.DecodeRuneInString(pattern)
	switch {
	case pattern == "":
		return "", 0, errors.New("an empty pattern is not supported")
	case kind == "String":
		return pattern, 0, nil
	case kind != "Regex":
		return "", 0, fmt.Errorf("%q is not supported: String and Regex are", kind)
	case isPlain(pattern):
		return pattern, 0, nil
	case isPlain(pattern[:size]) && pattern[size:] == "+":
		return pattern[:size], 1, nil
	case isPlain(pattern[:size]) && pattern[size:] == "{2,}":
		return pattern[:size], 2, nil
	}
	return "", 0, fmt.Errorf("regular expression %q is not supported: plain text, x+ and x{2,} are", pattern)
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

// find returns the first match, which is not empty, or len(b) twice.
func (p *replace) find(b []byte) (start, end int) {
	for start = 0; ; start = end {
		n := bytes.Index(b[start:], []byte(p.pattern))
		if n < 0 {
			return len(b), len(b)
		}
		start += n
		end = start + len(p.pattern)
		if p.least == 0 {
			return start, end
		}
		count := 1
		for bytes.HasPrefix(b[end:], []byte(p.pattern)) {
			end += len(p.pattern)
			count++
		}
		if count >= p.least {
			return start, end
		}
	}
}
