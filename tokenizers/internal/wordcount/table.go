package wordcount

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

const (
	shortBytes = 15 // the longest word that is its own key
	longTag    = 0xFF << 56
	firstSlots = 1 << 12
	slotBytes  = 32
	entryBytes = 24
)

// table maps words to counts. A word of up to 15 bytes is its own key (bytes, then length); of a longer one the key is hash and length, and its bytes
// lie in long.
type table struct {
	slots []slot // a power of two; at most half of them are taken
	shift int
	used  int
	long  []byte
}

type slot struct {
	low, high uint64 // high is 0 in an empty slot
	count     int64
	at        int64 // of a long word in long
}

func newTable() table {
	return table{slots: make([]slot, firstSlots), shift: 64 - bits.Len(firstSlots-1)}
}

// memoryWith returns the bytes that the table may take once a word of n bytes is added: while it moves to a larger place, and to sort it.
func (t *table) memoryWith(n int) int64 {
	m := int64(len(t.slots))*slotBytes + int64(cap(t.long)) + int64(t.used+1)*entryBytes
	if 2*(t.used+1) > len(t.slots) {
		m += 2 * int64(len(t.slots)) * slotBytes
	}
	if n > shortBytes && len(t.long)+n > cap(t.long) {
		m += int64(cap(t.long)) + int64(cap(t.long)/4+n)
	}
	return m
}

// keyMasks keep the first n bytes of two words of 8.
var keyMasks = func() (masks [shortBytes + 1][2]uint64) {
	for n := range masks {
		masks[n] = [2]uint64{1<<(8*min(n, 8)) - 1, 1<<(8*max(n-8, 0)) - 1}
	}
	return masks
}()

const (
	seed1 = 0x9E3779B97F4A7C15
	seed2 = 0xD6E8FEB86659FD93
)

func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// key is what a word is found by.
type key struct{ low, high, hash uint64 }

// keyOf returns the key of the first n bytes of text, which may be read further.
func keyOf(text []byte, n int) key {
	if n > shortBytes {
		return longKey(text[:n])
	}
	var low, high uint64
	if len(text) >= 16 {
		m := &keyMasks[n]
		low = binary.LittleEndian.Uint64(text) & m[0]
		high = binary.LittleEndian.Uint64(text[8:]) & m[1]
	} else {
		var b [16]byte
		copy(b[:], text[:n])
		low, high = binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	}
	high |= uint64(n) << 56
	return key{low, high, mix(low^seed1, high^seed2)}
}

func longKey(word []byte) key {
	h := uint64(len(word)) * seed1
	rest := word
	for ; len(rest) >= 8; rest = rest[8:] {
		h = mix(h^binary.LittleEndian.Uint64(rest), seed2)
	}
	if len(rest) > 0 {
		var b [8]byte
		copy(b[:], rest)
		h = mix(h^binary.LittleEndian.Uint64(b[:]), seed2)
	}
	return key{h, longTag | uint64(len(word)), mix(h, seed1)}
}

// find returns the slot of a key: that of the word, or an empty one.
func (t *table) find(k key, word []byte) *slot {
	for at := k.hash >> t.shift; ; at++ {
		s := &t.slots[at&uint64(len(t.slots)-1)]
		if s.high == 0 || s.low == k.low && s.high == k.high && (k.high < longTag || bytes.Equal(t.bytesOf(s), word)) {
			return s
		}
	}
}

// bytesOf returns a long word.
func (t *table) bytesOf(s *slot) []byte { return t.long[s.at : s.at+int64(s.high&^longTag)] }

// insert fills an empty slot. It may move all slots.
func (t *table) insert(s *slot, k key, word []byte, count int64) {
	*s = slot{low: k.low, high: k.high, count: count}
	if k.high >= longTag {
		s.at = int64(len(t.long))
		t.long = append(t.long, word...)
	}
	if t.used++; 2*t.used > len(t.slots) {
		t.grow()
	}
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	t.shift--
	for i := range old {
		if s := &old[i]; s.high != 0 {
			hash := mix(s.low^seed1, s.high^seed2)
			if s.high >= longTag {
				hash = mix(s.low, seed1)
			}
			at := hash >> t.shift
			for t.slots[at&uint64(len(t.slots)-1)].high != 0 {
				at++
			}
			t.slots[at&uint64(len(t.slots)-1)] = *s
		}
	}
}

// entry is a word to sort: its first 15 bytes, then its length, or 255 if it is longer, as numbers that compare as the bytes do.
type entry struct {
	first, second uint64
	slot          *slot
}

// sorted returns the words of the table in the order of their bytes.
func (t *table) sorted() []entry {
	entries := make([]entry, 0, t.used)
	for i := range t.slots {
		s := &t.slots[i]
		switch {
		case s.high == 0:
		case s.high < longTag:
			entries = append(entries, entry{bits.ReverseBytes64(s.low), bits.ReverseBytes64(s.high), s})
		default:
			word := t.bytesOf(s)
			entries = append(entries, entry{binary.BigEndian.Uint64(word), binary.BigEndian.Uint64(word[8:]) | 0xFF, s})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.first != b.first {
			return cmp.Compare(a.first, b.first)
		}
		if a.second != b.second || a.second&0xFF != 0xFF {
			return cmp.Compare(a.second, b.second)
		}
		return bytes.Compare(t.bytesOf(a.slot), t.bytesOf(b.slot))
	})
	return entries
}

// word returns the bytes of an entry; short ones are put in buffer.
func (t *table) word(e *entry, buffer *[16]byte) []byte {
	if e.slot.high >= longTag {
		return t.bytesOf(e.slot)
	}
	binary.BigEndian.PutUint64(buffer[:], e.first)
	binary.BigEndian.PutUint64(buffer[8:], e.second)
	return buffer[:e.second&0xFF]
}
