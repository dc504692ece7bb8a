package corpus

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how many arrays and objects may stand inside one another in a record.
const maxDepth = 512

// jsonValue is a value that a scan has found: a range of the record.
type jsonValue struct {
	kind       byte // first byte of the value, '0' for any number; 0 if there is none
	escaped    bool // a string with backslashes
	start, end int  // the content of a string without quotes, or the whole value
}

// jsonScanner finds two fields of a JSON object and checks all of it against RFC 8259, without building it: names that stand twice count by
// their last value, as in encoding/json. It expects valid UTF-8.
type jsonScanner struct {
	data    []byte
	pos     int
	deep    bool   // scanning stopped at maxDepth
	scratch []byte // for names with escapes
}

// scan reads a record. It returns its first byte, with 0 for invalid JSON: then pos is where scanning stopped. Only an object ('{') has
// fields.
func (s *jsonScanner) scan(data []byte, textField, idField string) (kind byte, text, id jsonValue) {
	s.data, s.pos, s.deep = data, 0, false
	s.space()
	kind = s.peek()
	ok := false
	if kind == '{' {
		ok = s.members(1, func(name []byte, v jsonValue) {
			switch string(name) {
			case textField:
				text = v
			case idField:
				id = v
			}
		})
	} else {
		_, ok = s.value(0)
	}
	s.space()
	if !ok || s.pos != len(s.data) {
		return 0, jsonValue{}, jsonValue{}
	}
	return kind, text, id
}

func (s *jsonScanner) space() {
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
}

// peek returns the next byte, or 0 at the end. A zero byte is valid nowhere.
func (s *jsonScanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// accept skips c if it is next.
func (s *jsonScanner) accept(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// value reads one value inside depth arrays and objects.
func (s *jsonScanner) value(depth int) (v jsonValue, ok bool) {
	v.kind, v.start = s.peek(), s.pos
	switch v.kind {
	case '"':
		return s.str()
	case '{':
		ok = s.members(depth+1, nil)
	case '[':
		ok = s.elements(depth + 1)
	case 't':
		ok = s.literal("true")
	case 'f':
		ok = s.literal("false")
	case 'n':
		ok = s.literal("null")
	default:
		v.kind = '0'
		ok = s.number()
	}
	v.end = s.pos
	return v, ok
}

// members reads an object and calls found, if there is one, for each member.
func (s *jsonScanner) members(depth int, found func(name []byte, v jsonValue)) bool {
	if !s.enter(depth) {
		return false
	}
	if s.accept('}') {
		return true
	}
	for {
		name, ok := s.str()
		s.space()
		if !ok || !s.accept(':') {
			return false
		}
		s.space()
		v, ok := s.value(depth)
		if !ok {
			return false
		}
		if found != nil {
			content := s.data[name.start:name.end]
			if name.escaped {
				s.scratch, _ = appendUnescaped(s.scratch[:0], content)
				content = s.scratch
			}
			found(content, v)
		}
		s.space()
		if s.accept('}') {
			return true
		}
		if !s.accept(',') {
			return false
		}
		s.space()
	}
}

// elements reads an array.
func (s *jsonScanner) elements(depth int) bool {
	if !s.enter(depth) {
		return false
	}
	if s.accept(']') {
		return true
	}
	for {
		if _, ok := s.value(depth); !ok {
			return false
		}
		s.space()
		if s.accept(']') {
			return true
		}
		if !s.accept(',') {
			return false
		}
		s.space()
	}
}

// enter skips the opening bracket of what is inside depth-1 others.
func (s *jsonScanner) enter(depth int) bool {
	if depth > maxDepth {
		s.deep = true
		return false
	}
	s.pos++
	s.space()
	return true
}

func (s *jsonScanner) literal(word string) bool {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return false
	}
	s.pos += len(word)
	return true
}

func (s *jsonScanner) number() bool {
	s.accept('-')
	if !s.accept('0') && !s.digits() {
		return false
	}
	if s.accept('.') && !s.digits() {
		return false
	}
	if s.accept('e') || s.accept('E') {
		if !s.accept('+') {
			s.accept('-')
		}
		return s.digits()
	}
	return true
}

func (s *jsonScanner) digits() bool {
	from := s.pos
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > from
}

// str reads a string.
func (s *jsonScanner) str() (v jsonValue, ok bool) {
	if !s.accept('"') {
		return v, false
	}
	v.kind, v.start = '"', s.pos
	for {
		s.pos = nextSpecial(s.data, s.pos)
		if s.pos == len(s.data) {
			return v, false
		}
		switch s.data[s.pos] {
		case '"':
			v.end = s.pos
			s.pos++
			return v, true
		case '\\':
			v.escaped = true
			if !s.escape() {
				return v, false
			}
		default: // a control character
			return v, false
		}
	}
}

// escape skips one escape sequence.
func (s *jsonScanner) escape() bool {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return true
	case 'u':
		if len(s.data)-s.pos < 5 {
			return false
		}
		for _, c := range s.data[s.pos+1 : s.pos+5] {
			if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f') {
				return false
			}
		}
		s.pos += 5
		return true
	}
	return false
}

// nextSpecial returns the index, from i on, of the first byte of data that is a quote, a backslash or a control character, or len(data).
func nextSpecial(data []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(data); i += 8 {
		// In each term the lowest high bit that is set marks the first byte that matches; see Bit Twiddling Hacks, "hasless".
		x := binary.LittleEndian.Uint64(data[i:])
		quote, backslash := x^ones*'"', x^ones*'\\'
		found := ((x-ones*' ')&^x | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(data); i++ {
		if c := data[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return i
}

// appendUnescaped appends the content of a JSON string that a scan has accepted. Half of a surrogate pair becomes U+FFFD and makes lone true.
func appendUnescaped(dst, content []byte) (_ []byte, lone bool) {
	for {
		i := bytes.IndexByte(content, '\\')
		if i < 0 {
			return append(dst, content...), lone
		}
		dst = append(dst, content[:i]...)
		c := content[i+1]
		content = content[i+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(content)
			content = content[4:]
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(content) >= 6 && content[0] == '\\' && content[1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(content[2:]))
				}
				if pair == utf8.RuneError {
					lone = true
				} else {
					content = content[6:]
				}
				r = pair
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
}

// hex4 decodes four hexadecimal digits.
func hex4(p []byte) rune {
	var r rune
	for _, c := range p[:4] {
		if c > '9' {
			c += 9 // the low half of the code of A and a is 1
		}
		r = r<<4 | rune(c&0xf)
	}
	return r
}

// jsonProblem says for people why a scan failed.
func (s *jsonScanner) problem() string {
	if s.pos >= len(s.data) {
		return "the record ends inside a JSON value"
	}
	return "unexpected " + strconv.QuoteRuneToASCII(firstRune(s.data[s.pos:])) + " at byte " + strconv.Itoa(s.pos) + " of the record"
}

func firstRune(p []byte) rune {
	r, _ := utf8.DecodeRune(p)
	return r
}
