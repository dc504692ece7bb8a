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
	data    []byte
	pos     int
	depth   int
	scratch []byte // the last string that held escapes
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
	if err == nil {
		return nil
	}
	if len(name) > maxPathName {
		name = strings.ToValidUTF8(name[:maxPathName], "") + "…"
	}
	if inner, ok := err.(*fieldError); ok {
		if !inner.index {
			name += "."
		}
		return &fieldError{name + inner.path, false, inner.err}
	}
	return &fieldError{name, false, err}
}

// atIndex puts an index before the path of an error.
func atIndex(i int, err error) error {
	if err == nil {
		return nil
	}
	err = inField("["+strconv.Itoa(i)+"]", err)
	err.(*fieldError).index = true
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
	if r.pos < len(r.data) && r.data[r.pos] == c {
		r.pos++
		return nil
	}
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
	return r.objectBytes(func(key []byte) error { return value(string(key)) })
}

// objectBytes is object for keys as bytes, which hold until value reads a string.
func (r *jsonReader) objectBytes(value func(key []byte) error) error {
	return r.list('{', '}', "an object", func() error {
		r.next()
		start := r.pos
		key, err := r.bytes()
		if err != nil {
			return err
		}
		if err := r.expect(':'); err != nil {
			return err
		}
		if err := value(key); err != nil {
			again := &jsonReader{data: r.data, pos: start}
			name, _ := again.str()
			return inField(name, err)
		}
		return nil
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
	r.next()
	start := r.pos
	if !r.skip() {
		r.pos = start
		return nil, r.check()
	}
	return r.data[start:r.pos], nil
}

// check reads any value as skip does, slower, with an error that says where it is wrong.
func (r *jsonReader) check() error {
	c := r.next()
	switch {
	case c == '{':
		return r.object(func(string) error { return r.check() })
	case c == '[':
		return r.array(func(int) error { return r.check() })
	case c == '"':
		_, err := r.bytes()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := r.number()
		return err
	case r.word("null") || r.word("true") || r.word("false"):
		return nil
	}
	return r.fail("expected a value")
}

// skip reads any value, and tells whether it is well-formed.
func (r *jsonReader) skip() bool {
	var open [maxDepth]byte // the brackets that are open
	depth := 0
	for {
		switch c := r.next(); c {
		case '{', '[':
			if r.depth+depth == maxDepth {
				return false
			}
			open[depth] = c + 2 // the bracket that closes it
			depth++
			if r.pos++; r.next() == c+2 {
				break // of the switch: after says that it ends
			}
			if c == '{' && !r.skipKey() {
				return false
			}
			continue
		case '"':
			if _, err := r.bytes(); err != nil {
				return false
			}
		case 'n', 't', 'f':
			if !r.word("null") && !r.word("true") && !r.word("false") {
				return false
			}
		default:
			if _, err := r.number(); err != nil {
				return false
			}
		}
		for depth > 0 && r.next() == open[depth-1] {
			r.pos++
			depth--
		}
		if depth == 0 {
			return true
		}
		if r.next() != ',' {
			return false
		}
		if r.pos++; open[depth-1] == '}' && !r.skipKey() {
			return false
		}
	}
}

// skipKey reads the key of a member and the colon behind it.
func (r *jsonReader) skipKey() bool {
	if _, err := r.bytes(); err != nil {
		return false
	}
	return r.expect(':') == nil
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

// number reads a number and returns it as it is written.
func (r *jsonReader) number() ([]byte, error) {
	r.next()
	start := r.pos
	r.oneOf("-")
	first := r.pos
	if !r.digits() || r.data[first] == '0' && r.pos > first+1 {
		return nil, r.fail("expected a number")
	}
	if r.oneOf(".") && !r.digits() {
		return nil, r.fail("expected digits after the point")
	}
	if r.oneOf("eE") {
		r.oneOf("+-")
		if !r.digits() {
			return nil, r.fail("expected an exponent")
		}
	}
	return r.data[start:r.pos], nil
}

// oneOf reads a byte of set if one comes next.
func (r *jsonReader) oneOf(set string) bool {
	if r.pos < len(r.data) && strings.IndexByte(set, r.data[r.pos]) >= 0 {
		r.pos++
		return true
	}
	return false
}

// smallCount reads a number from 0 to limit, if one of up to nine digits and nothing else comes next.
func (r *jsonReader) smallCount(limit uint64) (uint64, bool) {
	r.next()
	n, i := uint64(0), r.pos
	for ; i < len(r.data) && i < r.pos+9 && r.data[i] >= '0' && r.data[i] <= '9'; i++ {
		n = 10*n + uint64(r.data[i]-'0')
	}
	if i == r.pos || i == len(r.data) || r.data[i] != ',' && r.data[i] != '}' || r.data[r.pos] == '0' && i > r.pos+1 || n > limit {
		return 0, false
	}
	r.pos = i
	return n, true
}

// count reads a whole number from 0 to limit.
func (r *jsonReader) count(limit uint64) (uint32, error) {
	if n, ok := r.smallCount(limit); ok {
		return uint32(n), nil
	}
	s, err := r.number()
	if err != nil {
		return 0, err
	}
	n := uint64(0)
	for _, c := range s {
		if c < '0' || c > '9' || n > limit {
			n = limit + 1
			break
		}
		n = 10*n + uint64(c-'0')
	}
	if n > limit {
		return 0, fmt.Errorf("%s is not a whole number from 0 to %d", s, limit)
	}
	return uint32(n), nil
}

func (r *jsonReader) str() (string, error) {
	b, err := r.bytes()
	return string(b), err
}

// bytes reads a string and returns its bytes, which hold until the next string is read.
func (r *jsonReader) bytes() ([]byte, error) {
	if r.next() != '"' {
		return nil, r.fail("expected a string")
	}
	start := r.pos + 1
	all := byte(0)
	for i, c := range r.data[start:] {
		if c > '\\' || c > '"' && c < '\\' {
			all |= c
			continue
		}
		if c == '"' {
			r.pos = start + i + 1
			s := r.data[start : start+i]
			if all >= utf8.RuneSelf && !utf8.Valid(s) {
				return nil, r.fail("string is not valid UTF-8")
			}
			return s, nil
		}
		if c == '\\' {
			return r.escaped(start, start+i)
		}
		if c < ' ' {
			return nil, r.fail("control character in a string")
		}
		all |= c
	}
	return nil, r.fail("string without an end")
}

// escaped reads the rest of a string that began at start and has its first backslash at i.
func (r *jsonReader) escaped(start, i int) ([]byte, error) {
	s := append(r.scratch[:0], r.data[start:i]...)
	defer func() { r.scratch = s }()
	for i < len(r.data) {
		c := r.data[i]
		switch {
		case c == '"':
			r.pos = i + 1
			if !utf8.Valid(s) {
				return nil, r.fail("string is not valid UTF-8")
			}
			return s, nil
		case c < ' ':
			return nil, r.fail("control character in a string")
		case c != '\\':
			s = append(s, c)
			i++
			continue
		case i+1 >= len(r.data):
			return nil, r.fail("string without an end")
		}
		switch e := r.data[i+1]; e {
		case '"', '\\', '/':
			s = append(s, e)
			i += 2
		case 'b', 'f', 'n', 'r', 't':
			s = append(s, controlEscapes[e])
			i += 2
		case 'u':
			char, size, err := r.codeUnits(i)
			if err != nil {
				return nil, err
			}
			s = utf8.AppendRune(s, char)
			i += size
		default:
			return nil, r.fail("unknown escape in a string")
		}
	}
	return nil, r.fail("string without an end")
}

var controlEscapes = [256]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

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
	sub  *fields // of the member that newFieldsOf was told to open
	err  error
}

func newFields(data []byte) (*fields, error) { return newFieldsOf(data, "") }

// newFieldsOf reads the fields of an object, and those of its member named open if that is an object, so that a big one is gone through once less.
func newFieldsOf(data []byte, open string) (*fields, error) {
	r := &jsonReader{data: data}
	f, err := readFields(r, open)
	if err == nil {
		err = r.end()
	}
	return f, err
}

func readFields(r *jsonReader, open string) (*fields, error) {
	f := &fields{raw: map[string][]byte{}, read: map[string]bool{}}
	err := r.object(func(key string) (err error) {
		if _, twice := f.raw[key]; twice {
			return errors.New("given twice")
		}
		if key == open && r.next() == '{' {
			start := r.pos
			f.sub, err = readFields(r, "")
			f.raw[key] = r.data[start:r.pos]
			return err
		}
		f.raw[key], err = r.raw()
		return err
	})
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

// shortened quotes a value of the file for an error.
func shortened(value string) string {
	const most = 80
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "") + "…"
	}
	return strconv.Quote(value)
}
