package onig

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// escape reads a backslash and what follows outside of a class.
func (p *parser) escape() (node, error) {
	asserts := map[byte]assertion{'A': textStart, 'z': textEnd, 'Z': textEndOrNewline, 'b': wordEdge, 'B': notWordEdge, 'G': searchStart}
	if p.pos+1 < len(p.s) {
		c := p.s[p.pos+1]
		if what, ok := asserts[c]; ok {
			if p.pos += 2; what == searchStart && p.behind > 0 {
				return nil, errors.New("\\G in a look-behind is not supported")
			}
			return assertNode{what}, nil
		}
		if c >= '1' && c <= '9' {
			return p.backReference()
		}
	}
	set, char, err := p.escaped()
	if err == nil && char >= 0 {
		set, err = p.literal(char)
	}
	return setNode{set}, err
}

// backReference reads \1 to \9 right behind the group of that number, where it is a single character: this and no more can be matched in time that
// has a bound, since nothing needs to be known but the text before.
func (p *parser) backReference() (node, error) {
	number := int(p.s[p.pos+1] - '0')
	p.pos += 2
	if number != p.before || p.behind > 0 || p.fold || p.more() && p.s[p.pos] >= '0' && p.s[p.pos] <= '9' {
		return nil, fmt.Errorf("back reference \\%d is not supported: it is right behind a group of one character, with case", number)
	}
	return sameNode{}, nil
}

// escaped reads an escape that stands for a class, or for the character char, which is -1 otherwise.
func (p *parser) escaped() (set charSet, char rune, err error) {
	p.pos++
	if !p.more() {
		return set, -1, errors.New("\\ at the end")
	}
	switch c := p.rune(); c {
	case 's', 'S', 'd', 'D', 'w', 'W', 'h', 'H':
		switch c | 0x20 {
		case 's':
			set = newCharSet(spaceRanges...)
		case 'd':
			set = categorySets()["Nd"]
		case 'w':
			set = wordSet(p.classes > 0)
		case 'h':
			set = hexDigits()
		}
		if c < 'a' {
			set = set.complement()
		}
		return set, -1, nil
	case 'p', 'P':
		set, err = p.property(c == 'P')
		return set, -1, err
	case 'n', 'r', 't', 'f', 'v', 'a', 'e':
		return set, map[rune]rune{'n': '\n', 'r': '\r', 't': '\t', 'f': '\f', 'v': '\v', 'a': '\a', 'e': 0x1B}[c], nil
	case 'x', 'u':
		char, err = p.codePoint(c)
		return set, char, err
	default:
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return set, -1, fmt.Errorf("escape \\%c is not supported", c)
		}
		return set, c, nil
	}
}

// property reads {name} or {^name}.
func (p *parser) property(negate bool) (charSet, error) {
	name, _, ok := strings.Cut(p.s[p.pos:], "}")
	if !ok || !strings.HasPrefix(name, "{") {
		return charSet{}, errors.New("expected {name} after \\p")
	}
	p.pos += len(name) + 1
	name = name[1:]
	if strings.HasPrefix(name, "^") {
		name, negate = name[1:], !negate
	}
	set, ok := namedSet(name, p.classes > 0)
	if !ok {
		return set, fmt.Errorf("class %s is not supported", shortened(name))
	}
	if negate {
		set = set.complement()
	}
	return set, nil
}

// codePoint reads the digits of \xHH, \x{H…} or \uHHHH.
func (p *parser) codePoint(kind rune) (rune, error) {
	rest := p.s[p.pos:]
	digits := ""
	switch {
	case kind == 'x' && strings.HasPrefix(rest, "{"):
		var ok bool
		if digits, _, ok = strings.Cut(rest[1:], "}"); !ok {
			return 0, errors.New("\\x{ without }")
		}
		p.pos += len(digits) + 2
	case kind == 'x' && len(rest) >= 2:
		digits = rest[:2]
		p.pos += 2
	case kind == 'u' && len(rest) >= 4:
		digits = rest[:4]
		p.pos += 4
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || n > maxRune || n >= 0xD800 && n < 0xE000 {
		return 0, fmt.Errorf("\\%c needs the hexadecimal digits of a code point", kind)
	}
	if kind == 'x' && len(digits) == 2 && rest[0] != '{' && n >= utf8.RuneSelf {
		return 0, fmt.Errorf("\\x%s is a part of a character: write \\x{%s}", digits, digits)
	}
	return rune(n), nil
}

// class reads a class behind its opening bracket: characters, ranges, escapes, classes inside it, and && between sets of these.
func (p *parser) class() (charSet, error) {
	if p.depth++; p.depth > maxDepth {
		return charSet{}, fmt.Errorf("classes are nested more than %d deep", maxDepth)
	}
	p.classes++
	defer func() { p.depth--; p.classes-- }()
	negate := p.take("^")
	if p.more() && p.s[p.pos] == ']' {
		return charSet{}, errors.New("a class can't begin with ]: write \\]")
	}
	if negate && p.fold {
		return charSet{}, errors.New("a negated class without case is not supported")
	}
	var all [][]([2]rune)
	var ranges [][2]rune
	for !p.take("]") {
		if !p.more() {
			return charSet{}, errors.New("missing ]")
		}
		if p.take("&&") {
			all, ranges = append(all, ranges), nil
			continue
		}
		item, err := p.classItem()
		if err != nil {
			return charSet{}, err
		}
		ranges = append(ranges, item...)
	}
	set := newCharSet(ranges...)
	for _, other := range all {
		set = set.intersection(newCharSet(other...))
	}
	if negate {
		return set.complement(), nil
	}
	return set, nil
}

// classItem reads one character, range, escape or inner class.
func (p *parser) classItem() ([][2]rune, error) {
	if p.take("[:") {
		name, _, ok := strings.Cut(p.s[p.pos:], ":]")
		set, known := posixSet(strings.TrimPrefix(name, "^"))
		if !ok || !known {
			return nil, fmt.Errorf("class [:%s is not supported", shortened(name))
		}
		p.pos += len(name) + 2
		if name[0] == '^' {
			set = set.complement()
		}
		return p.wholeSet(set)
	}
	if p.take("[") {
		set, err := p.class()
		return set.ranges, err
	}
	set, first, err := p.classChar()
	if err != nil {
		return nil, err
	}
	if first < 0 {
		return p.wholeSet(set)
	}
	last := first
	if rest := p.s[p.pos:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' && rest[1] != '[' {
		p.pos++
		if _, last, err = p.classChar(); err != nil {
			return nil, err
		}
		if last < first {
			return nil, errors.New("a range of a class ends before it begins")
		}
	}
	folded, err := p.folded(newCharSet([2]rune{first, last}))
	return folded.ranges, err
}

// wholeSet returns the ranges of a class inside a class. Without case it would match what no table here says.
func (p *parser) wholeSet(set charSet) ([][2]rune, error) {
	if p.fold {
		return nil, errors.New("classes inside a class without case are not supported")
	}
	return set.ranges, nil
}

// classChar reads a character or an escape; char is -1 for an escape that stands for a class.
func (p *parser) classChar() (set charSet, char rune, err error) {
	if !p.more() {
		return set, -1, errors.New("missing ]")
	}
	if p.s[p.pos] != '\\' {
		return set, p.rune(), nil
	}
	if strings.HasPrefix(p.s[p.pos:], `\b`) {
		p.pos += 2
		return set, '\b', nil
	}
	return p.escaped()
}

// posixSet returns the class [:name:].
func posixSet(name string) (charSet, bool) {
	switch name {
	case "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "space", "upper", "word", "xdigit":
		return namedSet(name, true)
	case "punct": // symbols too, other than \p{Punct}
		return categorySets()["P"].union(categorySets()["S"]), true
	}
	return charSet{}, false
}
