package tokenizers

import (
	"math"
	"slices"
	"unicode/utf8"
)

// lattice is the memory in which the best cut of a word is sought: scratch memory of one goroutine.
type lattice struct {
	paths  []path
	tokens []token
}

// path is the best way to a place of a word. It is whole numbers so that the better of two can be taken without a branch, which a processor would often
// guess wrong.
type path struct {
	bits uint64 // of the score of all its pieces; minus infinity where no way is known
	last uint64 // the id of the last piece << 32 + the bytes of that
}

func (p path) score() float64 { return math.Float64frombits(p.bits) }
func (p path) id() uint32     { return uint32(p.last >> 32) }
func (p path) length() int    { return int(uint32(p.last)) }

var unreached = math.Float64bits(math.Inf(-1))

// improve takes a way to a place if it is better than what was known.
func (p *path) improve(score float64, id uint32, length int) {
	bits, last := p.bits, p.last
	now, next := math.Float64bits(score), uint64(id)<<32|uint64(length)
	if score > math.Float64frombits(bits) {
		bits, last = now, next
	}
	p.bits, p.last = bits, last
}

func (l *lattice) bytes() int { return 16*cap(l.paths) + 12*cap(l.tokens) }

// cutter finds the best cut of one word, which is well-formed, from the left to the right (Viterbi 1967). Of two ways of the same score that found first
// stays, and scores are added up from the left: both decide as in the reference.
type cutter struct {
	*lattice
	model   *unigram
	word    []byte
	origin  int     // the place of paths[0]; all before it is cut
	score   float64 // of the best way there
	unknown int     // bytes of unknown text that end at origin and are not cut yet
	window  int     // bytes after which what is certain is taken out, so that a long word does not take many times its length
}

const latticeWindow = 1 << 14

func (u *unigram) newCutter(word []byte, l *lattice) cutter {
	return cutter{lattice: l, model: u, word: word, window: latticeWindow}
}

// next puts the next tokens into the lattice, which are all unless the word is long. It returns false where there are none.
func (c *cutter) next() bool {
	if c.origin == len(c.word) {
		return false
	}
	end := len(c.word)
	if end <= c.window {
		c.walkShort()
	} else {
		end = c.walk()
	}
	c.score = c.paths[end-c.origin].score()
	c.backtrack(end)
	c.origin = end
	return true
}

// walkShort is walk for a whole word that is not long.
func (c *cutter) walkShort() {
	u, word, units, scores := c.model, c.word, c.model.pieces.units, c.model.scores
	c.paths = append(c.paths[:0], path{})
	c.layOut(len(word) + 1)
	for start := 0; start < len(word); {
		score := c.paths[start].score()
		paths := c.paths[start+1:]
		base := u.pieces.root
		for i, b := range word[start:] {
			unit := units[base^uint32(b)]
			if unit.mark>>labelShift != uint32(b) {
				break
			}
			base = unit.base
			id := unit.mark & pieceMask
			paths[i].improve(score+scores[id], id, i+1)
		}
		char, size := utf8.DecodeRune(word[start:])
		if u.chars.of(char) == noID {
			paths[size-1].improve(score+u.unknownScore, u.unknown, size)
		}
		start += size
	}
}

// pathsAhead is how many paths beyond the longest piece are laid out at once.
const pathsAhead = 256

// walk considers all pieces from origin on, up to the end of the word or a place that no piece reaches over. It returns that place.
func (c *cutter) walk() int {
	u, word, units := c.model, c.word[c.origin:], c.model.pieces.units
	c.paths = append(c.paths[:0], path{bits: math.Float64bits(c.score)})
	reach := 0 // where the pieces so far end
	start := 0
	for start < len(word) {
		if start == reach && start >= c.window {
			break
		}
		if need := min(len(word), start+u.longest) + 1; need > len(c.paths) {
			c.layOut(min(len(word)+1, need+pathsAhead))
		}
		paths := c.paths[start:]
		score := paths[0].score()
		size := characterSize(word[start])
		last, single := 0, false
		base := u.pieces.root
		for i, b := range word[start:] {
			unit := &units[base^uint32(b)]
			if unit.mark>>labelShift != uint32(b) {
				break
			}
			base = unit.base
			if id := unit.mark & pieceMask; id != u.pieces.none {
				paths[i+1].improve(score+u.scores[id], id, i+1)
				last = i + 1
				single = single || last == size
			}
		}
		if !single {
			paths[size].improve(score+u.unknownScore, u.unknown, size)
			last = max(last, size)
		}
		reach = max(reach, start+last)
		start += size
	}
	return c.origin + start
}

// layOut makes paths n long.
func (c *cutter) layOut(n int) {
	from := len(c.paths)
	if n > cap(c.paths) {
		c.paths = append(make([]path, 0, max(n, min(2*n, len(c.word)+1))), c.paths...)
	}
	c.paths = c.paths[:n]
	for i := range c.paths[from:] {
		c.paths[from+i].bits = unreached
	}
}

// characterSize returns the length of the character that begins with b in well-formed text.
func characterSize(b byte) int {
	switch {
	case b < 0x80:
		return 1
	case b < 0xE0:
		return 2
	case b < 0xF0:
		return 3
	}
	return 4
}

// backtrack puts the pieces of the best way from origin to end into the lattice, runs of unknown ones as one. A run that may go on behind end stays for the
// next time.
func (c *cutter) backtrack(end int) {
	u := c.model
	c.tokens = c.tokens[:0]
	if end-c.origin > c.window {
		c.tokens = slices.Grow(c.tokens, c.countPieces(end))
	}
	before, unknown := c.unknown, 0
	for at := end; at > c.origin; {
		p := c.paths[at-c.origin]
		start := at - p.length()
		if p.id() != u.unknown {
			c.tokens = append(c.tokens, token{p.id(), int32(start), int32(at)})
			at = start
			continue
		}
		for start > c.origin && c.paths[start-c.origin].id() == u.unknown {
			start -= c.paths[start-c.origin].length()
		}
		from := start
		if start == c.origin {
			from, before = start-before, 0
		}
		if at == end && end < len(c.word) {
			unknown = at - from
		} else {
			c.addUnknown(from, at)
		}
		at = start
	}
	if before > 0 {
		c.addUnknown(c.origin-before, c.origin)
	}
	c.unknown = unknown
	slices.Reverse(c.tokens)
}

// countPieces returns how many pieces the best way from origin to end has.
func (c *cutter) countPieces(end int) int {
	n := 0
	for at := end - c.origin; at > 0; at -= c.paths[at].length() {
		n++
	}
	return n
}

// addUnknown adds the tokens of unknown text, the last first.
func (c *cutter) addUnknown(start, end int) {
	u, text := c.model, c.word[start:end]
	if id, ok := u.find(text); ok {
		c.tokens = append(c.tokens, token{id, int32(start), int32(end)})
		return
	}
	if u.byteIDs == nil || !u.hasBytes(text) {
		c.tokens = append(c.tokens, token{u.unknown, int32(start), int32(end)})
		return
	}
	for i := len(text) - 1; i >= 0; i-- {
		c.tokens = append(c.tokens, token{u.byteIDs[text[i]], int32(start), int32(end)})
	}
}
