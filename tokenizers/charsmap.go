package tokenizers

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// charsmap rewrites text as SentencePiece does, by a table that comes with the tokenizer: mostly NFKC with changes. Its format, precompiled_charsmap,
// is the length of a double array of 32-bit units in bytes (darts-clone, Aoe 1989), these units, and strings that end in NUL.
type charsmap struct {
	units   []uint32
	strings []byte
	longest int                 // bytes of the longest string
	ascii   [utf8.RuneSelf]bool // the character is a cluster that is not in the table, or one of two
}

// The parts of a unit of the double array.
const (
	unitLeaf   = 1 << 8 // an entry ends here
	unitLabel  = 1<<31 | 0xFF
	unitValue  = 1<<31 - 1
	unitFar    = 1 << 9 // the offset counts 256 units
	offsetBits = 10
	farBits    = 8
)

// loadCharsmap reads a Precompiled normalizer.
func loadCharsmap(f *fields) (normalizer, error) {
	var c *charsmap
	f.get("precompiled_charsmap", true, func(r *jsonReader) error {
		s, err := r.str()
		if err != nil {
			return err
		}
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return err
		}
		c, err = newCharsmap(data)
		return err
	})
	return c, f.err
}

func newCharsmap(data []byte) (*charsmap, error) {
	if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
		return nil, errors.New("is shorter than it says")
	}
	c := &charsmap{units: make([]uint32, binary.LittleEndian.Uint32(data)/4)}
	data = data[4:]
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	if c.strings = data[4*len(c.units):]; !utf8.Valid(c.strings) {
		return nil, errors.New("its strings are not valid UTF-8")
	}
	for s := range bytes.SplitSeq(c.strings, []byte{0}) {
		c.longest = max(c.longest, len(s))
	}
	if c.longest > maxAffixBytes {
		return nil, fmt.Errorf("a string has %d bytes: the longest allowed has %d", c.longest, maxAffixBytes)
	}
	for b := range c.ascii {
		_, ok := c.lookUp([]byte{byte(b)})
		c.ascii[b] = !ok
	}
	if _, ok := c.lookUp([]byte("\r\n")); ok { // the only ASCII cluster of two characters
		c.ascii['\r'] = false
	}
	return c, nil
}

// lookUp returns what the shortest entry that key begins with becomes. The reference looks for no longer one.
func (c *charsmap) lookUp(key []byte) (to []byte, ok bool) {
	if len(c.units) == 0 {
		return nil, false
	}
	at := offset(c.units[0])
	for _, b := range key {
		at ^= uint32(b)
		if b == 0 || int(at) >= len(c.units) || c.units[at]&unitLabel != uint32(b) {
			break
		}
		unit := c.units[at]
		if at ^= offset(unit); unit&unitLeaf != 0 {
			return c.value(at)
		}
	}
	return nil, false
}

// offset returns what leads from a unit to those after it.
func offset(unit uint32) uint32 {
	if unit&unitFar != 0 {
		return unit >> offsetBits << farBits
	}
	return unit >> offsetBits
}

// value returns the string that the unit at a place points to.
func (c *charsmap) value(at uint32) ([]byte, bool) {
	if int(at) >= len(c.units) {
		return nil, false
	}
	start := int(c.units[at] & unitValue)
	if start > len(c.strings) || start < len(c.strings) && !utf8.RuneStart(c.strings[start]) {
		return nil, false
	}
	to := c.strings[start:]
	if end := bytes.IndexByte(to, 0); end >= 0 {
		to = to[:end]
	}
	return to, true
}

// maxClusterBytes is the longest grapheme cluster that is looked up whole.
const maxClusterBytes = 5

// normalize looks up each short grapheme cluster, then each character of those that are not found or longer.
func (c *charsmap) normalize(t text) text {
	plain := true
	for _, b := range t.bytes {
		plain = plain && b < utf8.RuneSelf && c.ascii[b]
	}
	if plain {
		return t
	}
	edits := make([]edit, 0, len(t.bytes))
	modified := false
	take := func(part []byte) bool {
		to, ok := c.lookUp(part)
		if ok {
			modified = true
			edits = exchange(edits, runeCount(part), to)
		}
		return ok
	}
	for rest := t.bytes; len(rest) > 0; {
		n := cluster(rest)
		if n > maxClusterBytes || !take(rest[:n]) {
			for i := 0; i < n; {
				r, size := utf8.DecodeRune(rest[i:n])
				if !take(rest[i : i+size]) {
					edits = append(edits, edit{r, 0})
				}
				i += size
			}
		}
		rest = rest[n:]
	}
	if !modified {
		return t
	}
	return t.rewrite(edits)
}

// exchange appends the edits that put to in place of the next count characters: one for one, what is over is fresh or makes the last replace more. Where to is
// empty that is the one before, and where there is none nothing is removed: the reference then aligns what follows with the wrong characters.
func exchange(edits []edit, count int, to []byte) []edit {
	start := len(edits)
	for _, r := range string(to) {
		edits = append(edits, edit{r, 0})
	}
	more := len(edits) - start - count
	for i := range more {
		edits[len(edits)-1-i].change = fresh
	}
	if more < 0 && len(edits) > 0 {
		edits[len(edits)-1].change += int32(more)
	}
	return edits
}
