package tokenizers

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers/internal/onig"
)

// replace puts content in place of each match of a pattern: a normalizer and a decoder.
type replace struct {
	pattern string // not empty
	least   int    // not 0: the pattern is a character, and runs of so many or more are sought
	content string
}

func loadReplace(f *fields) (normalizer, error) {
	p, err := readReplace(f)
	if r, ok := p.(*replaceRegex); ok && r.regex.MatchesEmpty() {
		err = inField("pattern", inField("Regex", errors.New("can match nothing at all, which the reference can't replace: make it match at least a character")))
	}
	return p, err
}

func loadReplaceDecoder(f *fields) (decoder, error) { return readReplace(f) }

// replacer is what Replace becomes, as both.
type replacer interface {
	normalizer
	decoder
}

func readReplace(f *fields) (p replacer, err error) {
	content := f.str("content", true)
	if f.err == nil && len(content) > maxAffixBytes {
		f.err = inField("content", fmt.Errorf("has %d bytes: the longest allowed has %d", len(content), maxAffixBytes))
	}
	f.get("pattern", true, func(r *jsonReader) error {
		kinds := 0
		err := r.object(func(kind string) error {
			kinds++
			pattern, err := r.str()
			if err == nil {
				p, err = newReplacer(kind, pattern, content)
			}
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

// newReplacer takes a string or a regular expression. Of the latter, plain text and one character repeated are sought without the engine.
func newReplacer(kind, pattern, content string) (replacer, error) {
	_, size := utf8.DecodeRuneInString(pattern)
	switch {
	case kind != "String" && kind != "Regex":
		return nil, fmt.Errorf("%q is not supported: String and Regex are", kind)
	case pattern == "":
		return nil, errors.New("an empty pattern is not supported")
	case kind == "String" || isPlain(pattern):
		return &replace{pattern, 0, content}, nil
	case isPlain(pattern[:size]) && pattern[size:] == "+":
		return &replace{pattern[:size], 1, content}, nil
	case isPlain(pattern[:size]) && pattern[size:] == "{2,}":
		return &replace{pattern[:size], 2, content}, nil
	}
	compiled, err := onig.Compile(pattern)
	if err != nil {
		return nil, err
	}
	return &replaceRegex{compiled, content}, nil
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

// replaceRegex puts content in place of each match of a regular expression; in a decoder the match may be empty.
type replaceRegex struct {
	regex   *onig.Regex
	content string
}

func (p *replaceRegex) normalize(t text) text {
	out := text{make([]byte, 0, len(t.bytes)), make([]span, 0, len(t.bytes))}
	for _, piece := range cutAtMatches(t.bytes, p.regex.Search(t.bytes), false) {
		if piece.match {
			out.add([]byte(p.content), t.from[piece.end-1]) // the last character of the match
		} else {
			out.bytes, out.from = append(out.bytes, t.bytes[piece.start:piece.end]...), append(out.from, t.from[piece.start:piece.end]...)
		}
	}
	return out
}

func (p *replaceRegex) decode(tokens []string) []string {
	for i, token := range tokens {
		if token == "" {
			continue
		}
		var out []byte
		for _, piece := range cutAtMatches([]byte(token), p.regex.Search([]byte(token)), false) {
			if piece.match {
				out = append(out, p.content...)
			} else {
				out = append(out, token[piece.start:piece.end]...)
			}
		}
		tokens[i] = string(out)
	}
	return tokens
}
