package onig

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	maxPatternBytes = 1 << 14
	maxDepth        = 64
	maxRepeat       = 1 << 12 // count in braces
	maxInstrs       = 1 << 14
)

// node is a part of a parsed pattern.
type node interface{}

type (
	setNode    struct{ set charSet }
	catNode    []node
	altNode    []node
	assertNode struct{ what assertion }
	lookNode   struct {
		body   node
		behind bool
		negate bool
	}
	atomicNode struct{ body node }
	sameNode   struct{} // the character before it once more
	repeatNode struct {
		body     node
		min, max int // max < 0: no bound
		how      greed
	}
)

type greed uint8

const (
	greedy greed = iota
	lazy
	possessive
)

// assertion is a condition on a place in the text.
type assertion uint8

const (
	lineStart assertion = iota
	lineEnd
	textStart
	textEnd
	textEndOrNewline
	wordEdge
	notWordEdge
	searchStart
)

// parser reads the syntax of Oniguruma (doc/RE, ONIG_SYNTAX_ONIGURUMA), with which patterns of Split are written. What it does not know, such as
// back references, it refuses by name.
type parser struct {
	s       string
	pos     int
	depth   int  // of groups and classes
	classes int  // of these, classes
	behind  int  // open look-behinds
	groups  int  // that capture, so far
	closed  int  // number of the group just read
	before  int  // number of the group that captured the character before this place, or 0
	fold    bool // case is ignored
	multi   bool // . matches a new line
}

func parse(pattern string) (node, error) {
	if len(pattern) > maxPatternBytes {
		return nil, fmt.Errorf("pattern of %d bytes: the longest allowed has %d", len(pattern), maxPatternBytes)
	}
	p := &parser{s: pattern}
	n, err := p.alternatives()
	if err == nil && p.pos < len(p.s) {
		err = errors.New("unmatched )")
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %s at byte %d: %w", shortened(pattern), p.pos, err)
	}
	return n, nil
}

// shortened quotes a pattern for an error.
func shortened(pattern string) string {
	const most = 80
	if len(pattern) > most {
		pattern = strings.ToValidUTF8(pattern[:most], "") + "…"
	}
	return strconv.Quote(pattern)
}

func (p *parser) more() bool { return p.pos < len(p.s) }

// take moves on if the pattern goes on with prefix.
func (p *parser) take(prefix string) bool {
	if !strings.HasPrefix(p.s[p.pos:], prefix) {
		return false
	}
	p.pos += len(prefix)
	return true
}

func (p *parser) rune() rune {
	r, size := utf8.DecodeRuneInString(p.s[p.pos:])
	p.pos += size
	return r
}

// alternatives reads up to the end or a closing bracket. Options set inside hold to its end.
func (p *parser) alternatives() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("groups are nested more than %d deep", maxDepth)
	}
	fold, multi := p.fold, p.multi
	var alts altNode
	for {
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alts = append(alts, n)
		if !p.take("|") {
			break
		}
	}
	p.depth--
	p.fold, p.multi = fold, multi
	if len(alts) == 1 {
		return alts[0], nil
	}
	return alts, nil
}

func (p *parser) sequence() (node, error) {
	var seq catNode
	var last foldedLetter
	captured := 0 // number of the group that captured the character before this place
	for p.more() && p.s[p.pos] != '|' && p.s[p.pos] != ')' {
		start := p.pos
		p.before, p.closed = captured, 0
		atom, err := p.atom()
		if err != nil {
			return nil, err
		}
		literal := p.s[start:p.pos]
		closed := p.closed
		n, err := p.quantified(atom)
		if err != nil {
			return nil, err
		}
		once := len(literal) == p.pos-start
		switch atom.(type) {
		case sameNode: // stays as it is
		case setNode:
			if captured = closed; !once {
				captured = 0
			}
		default:
			captured = 0
		}
		seq = append(seq, n)
		if seq, last, err = p.joinFolded(seq, last, literal, once); err != nil {
			return nil, err
		}
	}
	if len(seq) == 1 {
		return seq[0], nil
	}
	return seq, nil
}

// foldedLetter is the ASCII letter at the end of a sequence where case is ignored.
type foldedLetter struct {
	letter byte // in lower case; 0 for anything else
	once   bool // without a quantifier
	joined bool // with the letter before it
}

// foldedPairs are what case folding makes of single characters.
var foldedPairs = map[string]string{"ss": "ßẞ", "st": "ﬅﬆ", "ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ"}

// joinFolded lets two letters without case at the end of seq match the single characters too that fold to them.
func (p *parser) joinFolded(seq catNode, before foldedLetter, literal string, once bool) (catNode, foldedLetter, error) {
	if !p.fold || len(literal) != 1 {
		return seq, foldedLetter{}, nil
	}
	last := foldedLetter{letter: literal[0] | 0x20, once: once}
	single, ok := foldedPairs[string([]byte{before.letter, last.letter})]
	if !ok {
		return seq, last, nil
	}
	if before.joined || !before.once || !once {
		return nil, last, fmt.Errorf("%q without case, as a part of more or with a quantifier, is not supported", string([]byte{before.letter, last.letter}))
	}
	last.joined = true
	var ranges [][2]rune
	for _, r := range single {
		ranges = append(ranges, [2]rune{r, r})
	}
	two := seq[len(seq)-2:]
	return append(seq[:len(seq)-2], altNode{catNode{two[0], two[1]}, setNode{newCharSet(ranges...)}}), last, nil
}

// quantified reads the quantifiers behind n. A count in braces may be followed by another one, which repeats the whole: p{3}+ is (?:p{3})+.
func (p *parser) quantified(n node) (node, error) {
	counted := true
	for more := 0; ; more++ {
		r, braces, err := p.quantifier()
		if err != nil || r == nil {
			return n, err
		}
		if more > 1 || !counted {
			return nil, errors.New("quantifiers on a quantifier are not supported")
		}
		shortest, longest := lengths(n)
		if longest == 0 {
			return nil, errors.New("what is always empty can't be repeated")
		}
		if shortest == 0 && r.max < 0 {
			return nil, errors.New("repeats without end what can be empty")
		}
		switch {
		case p.take("?"):
			if r.how = lazy; braces && r.min == r.max {
				return nil, errors.New("{n}? is not supported: write (?:…{n})?")
			}
		case !braces && p.take("+"):
			r.how = possessive
		}
		r.body = n
		n, counted = *r, braces
	}
}

// quantifier reads ?, *, + or a count in braces; nil where none follows.
func (p *parser) quantifier() (r *repeatNode, braces bool, err error) {
	switch {
	case p.take("?"):
		return &repeatNode{max: 1}, false, nil
	case p.take("*"):
		return &repeatNode{max: -1}, false, nil
	case p.take("+"):
		return &repeatNode{min: 1, max: -1}, false, nil
	case p.more() && p.s[p.pos] == '{':
		r = &repeatNode{}
		if braces, err = p.braces(r); !braces {
			r = nil
		}
	}
	return r, braces, err
}

// braces reads {n}, {n,}, {n,m} or {,m}, and moves behind it. Any other brace is an ordinary character.
func (p *parser) braces(r *repeatNode) (bool, error) {
	inner, _, ok := strings.Cut(p.s[p.pos+1:], "}")
	low, high, comma := strings.Cut(inner, ",")
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	if !ok || low+high == "" || !digits(low) || !digits(high) {
		return false, nil
	}
	var err error
	count := func(s string, absent int) int {
		if s == "" {
			return absent
		}
		n, e := strconv.Atoi(s)
		if e != nil || n > maxRepeat {
			err = fmt.Errorf("count %s is more than %d", s, maxRepeat)
		}
		return n
	}
	r.min = count(low, 0)
	r.max = r.min
	if comma {
		r.max = count(high, -1)
	}
	if err == nil && r.max >= 0 && r.max < r.min {
		err = fmt.Errorf("{%s} counts down", inner)
	}
	p.pos += len(inner) + 2
	return true, err
}

// atom reads one thing that can be repeated.
func (p *parser) atom() (node, error) {
	switch c := p.s[p.pos]; c {
	case '(':
		p.pos++
		return p.group()
	case '[':
		p.pos++
		set, err := p.class()
		return setNode{set}, err
	case '.':
		p.pos++
		if p.multi {
			return setNode{newCharSet([2]rune{0, maxRune})}, nil
		}
		return setNode{newCharSet([2]rune{'\n', '\n'}).complement()}, nil
	case '^':
		p.pos++
		return assertNode{lineStart}, nil
	case '$':
		p.pos++
		return assertNode{lineEnd}, nil
	case '\\':
		return p.escape()
	case '*', '+', '?':
		return nil, fmt.Errorf("%c has nothing to repeat", c)
	}
	set, err := p.literal(p.rune())
	return setNode{set}, err
}

// literal returns what one written character matches.
func (p *parser) literal(r rune) (charSet, error) {
	return p.folded(newCharSet([2]rune{r, r}))
}

// wideLetters are the letters and marks beyond ASCII.
var wideLetters = sync.OnceValue(func() charSet {
	return categorySets()["L"].union(categorySets()["M"]).intersection(newCharSet([2]rune{utf8.RuneSelf, maxRune}))
})

// folded adds the other case where case is ignored.
func (p *parser) folded(s charSet) (charSet, error) {
	if !p.fold {
		return s, nil
	}
	if len(s.intersection(wideLetters()).ranges) > 0 {
		return s, errors.New("letters beyond ASCII without case are not supported")
	}
	for c := 'a'; c <= 'z'; c++ {
		if up := c - 'a' + 'A'; s.has(c) || s.has(up) {
			s = s.union(newCharSet([2]rune{c, c}, [2]rune{up, up}))
		}
	}
	const longS, kelvin = 0x17F, 0x212A // whose other cases are s and K
	if s.has('s') {
		s = s.union(newCharSet([2]rune{longS, longS}))
	}
	if s.has('k') {
		s = s.union(newCharSet([2]rune{kelvin, kelvin}))
	}
	return s, nil
}

func (p *parser) group() (n node, err error) {
	shut := func(n node, err error) (node, error) {
		if err == nil && !p.take(")") {
			err = errors.New("missing )")
		}
		return n, err
	}
	if !p.take("?") {
		p.groups++
		number := p.groups
		n, err := shut(p.alternatives())
		p.closed = number
		return n, err
	}
	for _, look := range []struct {
		mark           string
		behind, negate bool
	}{{"=", false, false}, {"!", false, true}, {"<=", true, false}, {"<!", true, true}} {
		if p.take(look.mark) {
			if look.behind {
				p.behind++
				defer func() { p.behind-- }()
			}
			body, err := p.alternatives()
			return shut(lookNode{body, look.behind, look.negate}, err)
		}
	}
	if p.take(">") {
		body, err := p.alternatives()
		return shut(atomicNode{body}, err)
	}
	fold, multi := p.fold, p.multi
	on := true
	for p.more() {
		switch c := p.rune(); c {
		case '-':
			on = false
		case 'i':
			p.fold = on
		case 'm':
			p.multi = on
		case ':':
			n, err = p.alternatives()
			p.fold, p.multi = fold, multi
			return shut(n, err)
		case ')': // holds for the rest of the group: a(?i)b|c is a(?i:b|c)
			return p.alternatives()
		default:
			return nil, fmt.Errorf("group (?%c is not supported", c)
		}
	}
	return nil, errors.New("missing )")
}
