package tokenizers

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers/internal/onig"
)

// Patterns that most published tokenizers split with. For these there are cutters, which do the same faster than the engine.
const (
	gpt2Pattern    = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	contractions   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
	spaces         = `|\s*[\r\n]+|\s+(?!\S)|\s+`
	beforeDigits   = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|`
	afterDigits    = `| ?[^\s\p{L}\p{N}]+[\r\n]*` + spaces
	llama3Pattern  = beforeDigits + `\p{N}{1,3}` + afterDigits // also cl100k
	qwen2Pattern   = beforeDigits + `\p{N}` + afterDigits
	anyCountDigits = beforeDigits + `\p{N}+` + afterDigits
	upperCase      = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
	lowerCase      = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
	o200kPattern   = `[^\r\n\p{L}\p{N}]?` + upperCase + `*` + lowerCase + `+` + contractions + `?|[^\r\n\p{L}\p{N}]?` + upperCase + `+` + lowerCase + `*` +
		contractions + `?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*` + spaces
)

// knownCutter returns the cutter that does what a pattern says, or nil. Some files hold the line breaks themselves, not escapes.
func knownCutter(pattern string) wordCutter {
	switch strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(pattern) {
	case gpt2Pattern:
		return newGPT2Cutter()
	case llama3Pattern:
		return &modernCutter{kinds: wordKinds(), maxDigits: 3}
	case qwen2Pattern:
		return &modernCutter{kinds: wordKinds(), maxDigits: 1}
	case anyCountDigits:
		return &modernCutter{kinds: wordKinds(), maxDigits: maxTextBytes}
	case o200kPattern:
		return &modernCutter{kinds: wordKinds(), maxDigits: 3, byCase: true}
	}
	return nil
}

// wordKind says what a code point is to a modernCutter.
type wordKind uint8

const (
	inWord    wordKind = 1 << iota // \p{L}
	inNumber                       // \p{N}
	inSpace                        // \s
	lineBreak                      // \r and \n, which are inSpace too
	inUpper                        // may stand in the first part of a word that case divides
	inLower                        // may stand in its second part
)

// wordKinds returns the kind of every code point.
var wordKinds = sync.OnceValue(func() []wordKind {
	kinds := make([]wordKind, utf8.MaxRune+1)
	for r, category := range onig.Categories() {
		kind := wordKind(0)
		switch category {
		case "Lu", "Lt":
			kind = inWord | inUpper
		case "Ll":
			kind = inWord | inLower
		case "Lm", "Lo":
			kind = inWord | inUpper | inLower
		case "Mn", "Mc", "Me":
			kind = inUpper | inLower
		case "Nd", "Nl", "No":
			kind = inNumber
		}
		for c := r[0]; c <= r[1]; c++ {
			kinds[c] = kind
		}
	}
	for _, r := range spaceRanges {
		for c := r[0]; c <= r[1]; c++ {
			kinds[c] = inSpace
		}
	}
	kinds['\r'] |= lineBreak
	kinds['\n'] |= lineBreak
	return kinds
})

// modernCutter cuts with the patterns that came with cl100k: contractions in any case; words with one other character before them; few digits
// at a time; other characters with the line breaks behind them; white space up to a line break, or up to the space before a word.
type modernCutter struct {
	kinds     []wordKind
	maxDigits int
	byCase    bool // as o200k does: a word ends where small letters end; contractions go with the word, and / with line breaks
}

// at returns the kind and length of the character at i, which is in text.
func (c *modernCutter) at(text []byte, i int) (wordKind, int) {
	if b := text[i]; b < utf8.RuneSelf {
		return c.kinds[b], 1
	}
	r, size := utf8.DecodeRune(text[i:])
	return c.kinds[r], size
}

// run returns where the run of characters that have a kind of want and none of not ends.
func (c *modernCutter) run(text []byte, i int, want, not wordKind) int {
	for i < len(text) {
		kind, size := c.at(text, i)
		if kind&not != 0 || want != 0 && kind&want == 0 {
			break
		}
		i += size
	}
	return i
}

func (c *modernCutter) word(text []byte) int {
	if text[0] == '\'' && !c.byCase {
		if n := anyCaseContraction(text); n > 0 {
			return n
		}
	}
	kind, size := c.at(text, 0)
	if n := c.letters(text, kind, size); n > 0 {
		return n
	}
	if kind&inNumber != 0 {
		n := size
		for digits := 1; digits < c.maxDigits && n < len(text); digits++ {
			if kind, size = c.at(text, n); kind&inNumber == 0 {
				break
			}
			n += size
		}
		return n
	}
	start := 0
	if text[0] == ' ' {
		start = 1
	}
	if n := c.run(text, start, 0, inSpace|inWord|inNumber); n > start {
		n = c.run(text, n, lineBreak, 0)
		for c.byCase && n < len(text) && (text[n] == '/' || text[n] == '\r' || text[n] == '\n') {
			n++
		}
		return n
	}
	return c.space(text)
}

// letters returns the length of the word that text begins with, or 0. The first character has the given kind and size.
func (c *modernCutter) letters(text []byte, kind wordKind, size int) int {
	prefix := kind&(inWord|inNumber|lineBreak) == 0
	if !c.byCase {
		switch {
		case kind&inWord != 0:
			return c.run(text, size, inWord, 0)
		case prefix:
			if n := c.run(text, size, inWord, 0); n > size {
				return n
			}
		}
		return 0
	}
	// The pattern tries four ways, in this order: the two parts of a word, the second of them not empty, behind another character or not; then
	// the first part alone, behind another character or not.
	for _, part := range []func([]byte, int) int{c.twoParts, c.firstPart} {
		if prefix {
			if n := part(text, size); n > 0 {
				return n + anyCaseContraction(text[n:])
			}
		}
		if n := part(text, 0); n > 0 {
			return n + anyCaseContraction(text[n:])
		}
	}
	return 0
}

// twoParts returns where characters of the first part and at least one of the second end, or 0.
func (c *modernCutter) twoParts(text []byte, i int) int {
	last := 0 // where the last character that both parts may have ends
	for i < len(text) {
		kind, size := c.at(text, i)
		if kind&inUpper == 0 {
			if kind&inLower != 0 {
				return c.run(text, i, inLower, 0)
			}
			break
		}
		if i += size; kind&inLower != 0 {
			last = i
		}
	}
	return last
}

// firstPart returns where characters of the first part end, or 0.
func (c *modernCutter) firstPart(text []byte, i int) int {
	if end := c.run(text, i, inUpper, 0); end > i {
		return c.run(text, end, inLower, 0)
	}
	return 0
}

// space returns the length of the white space that text begins with, up to its last line break, or else without the space that goes with the
// next word.
func (c *modernCutter) space(text []byte) int {
	n, last, breakEnd := 0, 0, 0
	for n < len(text) {
		kind, size := c.at(text, n)
		if kind&inSpace == 0 {
			break
		}
		last = n
		if n += size; kind&lineBreak != 0 {
			breakEnd = n
		}
	}
	switch {
	case breakEnd > 0:
		return breakEnd
	case n < len(text) && last > 0:
		return last
	}
	return n
}

// anyCaseContraction returns the length of 's, 't, 'm, 'd, 're, 've or 'll in any case at the start of text, or 0. The long s is an s too.
func anyCaseContraction(text []byte) int {
	const longS = "\u017F"
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	second := byte(0)
	switch text[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		second = 'e'
	case 'l':
		second = 'l'
	}
	if second != 0 && len(text) > 2 && text[2]|0x20 == second {
		return 3
	}
	if len(text) > 2 && string(text[1:3]) == longS {
		return 3
	}
	return 0
}
