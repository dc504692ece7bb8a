package tokenizers

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// metaspace shows spaces as a visible character, may set one before the text, and cuts before each (Kudo and Richardson 2018, SentencePiece). It is a
// pre-tokenizer and its own decoder.
type metaspace struct {
	replacement string
	prepend     prependScheme
	whole       bool // the text is not cut
}

type prependScheme int

const (
	prependAlways prependScheme = iota
	prependFirst                // only at the beginning of the input
	prependNever
)

func loadMetaspace(f *fields) (preTokenizer, error) { return readMetaspace(f) }

func loadMetaspaceDecoder(f *fields) (decoder, error) { return readMetaspace(f) }

// readMetaspace also takes old files, which have add_prefix_space.
func readMetaspace(f *fields) (*metaspace, error) {
	m := &metaspace{replacement: f.char("replacement")}
	scheme := "always"
	if _, given := f.raw["prepend_scheme"]; given {
		scheme = f.str("prepend_scheme", true)
	}
	switch scheme {
	case "always":
	case "first":
		m.prepend = prependFirst
	case "never":
		m.prepend = prependNever
	default:
		if f.err == nil {
			f.err = inField("prepend_scheme", fmt.Errorf("%q is not supported: always, first and never are", scheme))
		}
	}
	f.get("add_prefix_space", false, func(r *jsonReader) error {
		add, err := r.boolean()
		if err == nil && !add && m.prepend != prependNever {
			if _, given := f.raw["prepend_scheme"]; given {
				return errors.New("is false, but prepend_scheme is not never")
			}
			// The reference refuses this; files from before prepend_scheme mean never.
			m.prepend = prependNever
		}
		return err
	})
	f.get("split", false, func(r *jsonReader) error {
		split, err := r.boolean()
		m.whole = !split
		return err
	})
	return m, f.err
}

// char reads a member that is one character.
func (f *fields) char(name string) string {
	s := f.str(name, true)
	if f.err == nil && utf8.RuneCountInString(s) != 1 {
		f.err = inField(name, fmt.Errorf("%q is not one character", s))
	}
	return s
}

func (m *metaspace) split(dst []text, t text) []text {
	t = (&replace{pattern: " ", content: m.replacement}).normalize(t)
	replacement := []byte(m.replacement)
	if !bytes.HasPrefix(t.bytes, replacement) && (m.prepend == prependAlways || m.prepend == prependFirst && t.from[0].start == 0) {
		t = t.withPrefix(m.replacement)
	}
	for !m.whole {
		_, size := utf8.DecodeRune(t.bytes)
		next := bytes.Index(t.bytes[size:], replacement)
		if next < 0 {
			break
		}
		dst = append(dst, t.slice(0, size+next))
		t = t.slice(size+next, len(t.bytes))
	}
	return append(dst, t)
}

func (m *metaspace) decode(tokens []string) []string { return decodePieces(m, tokens) }

func (m *metaspace) piece(token string, first, _ bool) string {
	space := " "
	if first && m.prepend != prependNever {
		space = ""
	}
	return strings.ReplaceAll(token, m.replacement, space)
}
