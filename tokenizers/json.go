package tokenizers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a tokenizer.json; published files nest 7 deep.
const maxDepth = 64

// jsonReader reads JSON front to back without building a tree, so that a vocabulary costs no more than its entries. It is stricter than
// encoding/json: ill-formed UTF-8 and lone surrogates are errors, not U+FFFD, since they would make two tokens one.
type jsonReader struct {
	data  []byte
	pos   int
	depth int
}

// maxPathName bounds a name in an error, in bytes.
const maxPathName = 64

// fieldError is an error with the path of the field that it is about, as in model.merges[3].
type fieldError struct {
	path  string
	index bool // the path begins with an index
	err   error
}

func (e *fieldError) Error() string { return e.path + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

// inField puts a field before the path of an error.
func inField(name string, err error) error {
	if len(name) > maxPathName {
		name = strings.ToValidUTF8(name[:maxPathName], "") + "…"
	}
	if inner, ok := err.(*fieldError); ok {
		if !inner.index {
			name += "."
		}
		return &fieldError{name + inner.path, false, inner.err}
	}
	if err == nil {
		return nil
	}
	return &fieldError{name, false, err}
}

// atIndex puts an index before the path of an error.
func atIndex(i int, err error) error {
	if err = inField("["+strconv.Itoa(i)+"]", err); err != nil {
		err.(*fieldError).index = true
	}
	return err
}

func (r *jsonReader) fail(what string) error {
	return fmt.Errorf("%s at byte %d", what, r.pos)
}

// next skips white space and returns the byte that follows, 0 at the end.
func (r *jsonReader) next() byte {
	for ; r.pos < len(r.data); r.pos++ {
		switch c := r.data[r.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (r *jsonReader) expect(c byte) error {
	if r.next() != c {
		return r.fail(fmt.Sprintf("expected %q", string(c)))
	}
	r.pos++
	return nil
}

// end checks that nothing but white space follows.
func (r *jsonReader) end() error {
	if r.next() != 0 || r.pos < len(r.data) {
		return r.fail("expected the end of the file")
	}
	return nil
}

// list reads open, items parted by commas, and shut.
func (r *jsonReader) list(open, shut byte, what string, item func() error) error {
	if r.next() != open {
		return r.fail("expected " + what)
	}
	r.pos++
	if r.depth++; r.depth > maxDepth {
		return fmt.Errorf("nested more than %d deep", maxDepth)
	}
	if r.next() == shut {
		r.pos++
		r.depth--
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch r.next() {
		case ',':
			r.pos++
		case shut:
			r.pos++
			r.depth--
			return nil
		default:
			return r.fail(fmt.Sprintf("expected ',' or %q", string(shut)))
		}
	}
}

// object calls value with each key; value reads what belongs to it.
func (r *jsonReader) object(value func(key string) error) error {
	return r.list('{', '}', "an object", func() error {
		r.next()
		key, err := r.str()
		if err != nil {
			return err
		}
		if err := r.expect(':'); err != nil {
			return err
		}
		return inField(key, value(key))
	})
}

// array calls item with the index of each element; item reads it.
func (r *jsonReader) array(item func(i int) error) error {
	i := -1
	return r.list('[', ']', "an array", func() error {
		i++
		return atIndex(i, item(i))
	})
}

// raw reads any value and returns its bytes.
func (r *jsonReader) raw() ([]byte, error) {
	c := r.next()
	start := r.pos
	var err error
	switch {
	case c == '{':
		err = r.object(func(string) error { _, err := r.raw(); return err })
	case c == '[':
		err = r.array(func(int) error { _, err := r.raw(); return err })
	case c == '"':
		_, err = r.str()
	case c == '-' || c >= '0' && c <= '9':
		_, err = r.number()
	default:
		err = r.fail("expected a value")
		for _, word := range []string{"null", "true", "false"} {
			if r.word(word) {
				err = nil
			}
		}
	}
	return r.data[start:r.pos], err
}

// word reads null, true or false if it comes next.
func (r *jsonReader) word(w string) bool {
	r.next()
	if len(r.data)-r.pos < len(w) || string(r.data[r.pos:r.pos+len(w)]) != w {
		return false
	}
	r.pos += len(w)
	return true
}

func (r *jsonReader) boolean() (bool, error) {
	switch {
	case r.word("true"):
		return true, nil
	case r.word("false"):
		return false, nil
	}
	return false, r.fail("expected true or false")
}

func (r *jsonReader) digits() bool {
	start := r.pos
	for r.pos < len(r.data) && r.data[r.pos] >= '0' && r.data[r.pos] <= '9' {
		r.pos++
	}
	return r.pos > start
}

func (r *jsonReader) number() (string, error) {
	r.next()
	start := r.pos
	at := func(set string) bool {
		for i := range set {
			if r.pos < len(r.data) && r.data[r.pos] == set[i] {
				r.pos++
				return true
			}
		}
		return false
	}
	at("-")
	first := r.pos
	if !r.digits() || r.data[first] == '0' && r.pos > first+1 {
		return "", r.fail("expected a number")
	}
	if at(".") && !r.digits() {
		return "", r.fail("expected digits after the point")
	}
	if at("eE") {
		at("+-")
		if !r.digits() {
			return "", r.fail("expected an exponent")
		}
	}
	return string(r.data[start:r.pos]), nil
}

// count reads a whole number from 0 to limit.
func (r *jsonReader) count(limit uint64) (uint32, error) {
	s, err := r.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > limit {
		return 0, fmt.Errorf("%s is not a whole number from 0 to %d", s, limit)
	}
	return uint32(n), nil
}

func (r *jsonReader) str() (string, error) {
	if r.next() != '"' {
		return "", r.fail("expected a string")
	}
	start := r.pos + 1
	for i := start; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.pos = i + 1
			if !utf8.Valid(r.data[start:i]) {
				return "", r.fail("string is not valid UTF-8")
			}
			return string(r.data[start:i]), nil
		case c == '\\':
			return r.escaped(start, i)
		case c < ' ':
			return "", r.fail("control character in a string")
		}
	}
	return "", r.fail("string without an end")
}

// escaped reads the rest of a string that began at start and has its first backslash at i.
func (r *jsonReader) escaped(start, i int) (string, error) {
	s := append([]byte(nil), r.data[start:i]...)
	for i < len(r.data) {
		c := r.data[i]
		switch {
		case c == '"':
			r.pos = i + 1
			if !utf8.Valid(s) {
				return "", r.fail("string is not valid UTF-8")
			}
			return string(s), nil
		case c < ' ':
			return "", r.fail("control character in a string")
		case c != '\\':
			s = append(s, c)
			i++
			continue
		case i+1 >= len(r.data):
			return "", r.fail("string without an end")
		}
		switch e := r.data[i+1]; e {
		case '"', '\\', '/':
			s = append(s, e)
			i += 2
		case 'b', 'f', 'n', 'r', 't':
			s = append(s, map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}[e])
			i += 2
		case 'u':
			char, size, err := r.codeUnits(i)
			if err != nil {
				return "", err
			}
			s = utf8.AppendRune(s, char)
			i += size
		default:
			return "", r.fail("unknown escape in a string")
		}
	}
	return "", r.fail("string without an end")
}

// codeUnits reads one \uXXXX or a pair of surrogates at i, and returns the length of what it read.
func (r *jsonReader) codeUnits(i int) (rune, int, error) {
	first, err := r.hex(i)
	if err != nil {
		return 0, 0, err
	}
	if !utf16.IsSurrogate(first) {
		return first, 6, nil
	}
	if second, err := r.hex(i + 6); err == nil {
		if char := utf16.DecodeRune(first, second); char != utf8.RuneError {
			return char, 12, nil
		}
	}
	return 0, 0, r.fail("lone surrogate in a string")
}

func (r *jsonReader) hex(i int) (rune, error) {
	if i+6 > len(r.data) || r.data[i] != '\\' || r.data[i+1] != 'u' {
		return 0, errors.New("expected \\u")
	}
	n, err := strconv.ParseUint(string(r.data[i+2:i+6]), 16, 32)
	if err != nil {
		return 0, r.fail("expected four hexadecimal digits after \\u")
	}
	return rune(n), nil
}

// fields are the members of a small object, such as a component. Its methods read one member each and remember the first error.
type fields struct {
	raw  map[string][]byte
	read map[string]bool
	err  error
}

func newFields(data []byte) (*fields, error) {
	f := &fields{raw: map[string][]byte{}, read: map[string]bool{}}
	r := &jsonReader{data: data}
	err := r.object(func(key string) error {
		if _, twice := f.raw[key]; twice {
			return errors.New("given twice")
		}
		var err error
		f.raw[key], err = r.raw()
		return err
	})
	if err == nil {
		err = r.end()
	}
	return f, err
}

// get hands a reader of the member to read, unless it is absent or null; required makes that an error.
func (f *fields) get(name string, required bool, read func(r *jsonReader) error) {
	f.read[name] = true
	raw, ok := f.raw[name]
	if !ok || string(raw) == "null" {
		if required && f.err == nil {
			f.err = inField(name, errors.New("is missing"))
		}
		return
	}
	if f.err == nil {
		f.err = inField(name, read(&jsonReader{data: raw}))
	}
}

func (f *fields) str(name string, required bool) (s string) {
	f.get(name, required, func(r *jsonReader) (err error) { s, err = r.str(); return err })
	return s
}

func (f *fields) boolean(name string, required bool) (b bool) {
	f.get(name, required, func(r *jsonReader) (err error) { b, err = r.boolean(); return err })
	return b
}

func (f *fields) count(name string, required bool, limit uint64) (n uint32) {
	f.get(name, required, func(r *jsonReader) (err error) { n, err = r.count(limit); return err })
	return n
}
