package tokenizers

import (
	"encoding/binary"
	"math/bits"
)

const (
	slotBytes      = 32
	inlineIDs      = 3
	shortWordBytes = 15  // the longest word that is its own key
	maxCachedBytes = 128 // longer words hardly come again
	cacheProbes    = 4
	minCacheBytes  = 4096
	longWord       = 0xFF << 56
)

// wordCache remembers the ids of words. Its memory is taken at once and never grows: where a place is taken another word gives way, and when the
// shared areas are full everything is forgotten. What it holds changes speed alone.
type wordCache struct {
	slots []cacheSlot // a power of two
	shift int
	ids   []uint32 // of words with more ids than fit a slot
	keys  []byte   // of words that are longer than a key
}

// cacheSlot holds a word of up to 15 bytes as its key (bytes, then length), a longer one by hash and length, with its bytes in keys.
type cacheSlot struct {
	low, high uint64 // high is 0 in an empty slot
	count     uint32
	inline    [inlineIDs]uint32 // the ids, or where they lie in the cache's ids; for a long word then where its bytes lie in keys
}

func newWordCache(maxBytes int) *wordCache {
	if maxBytes < minCacheBytes {
		return nil
	}
	size := bits.Len(uint(maxBytes/2/slotBytes)) - 1
	return &wordCache{
		slots: make([]cacheSlot, 1<<size),
		shift: 64 - size,
		ids:   make([]uint32, 0, maxBytes/4/4),
		keys:  make([]byte, 0, maxBytes/4),
	}
}

// wordKey is what a word is looked up by.
type wordKey struct{ low, high, hash uint64 }

const (
	hashSeed1 = 0x9E3779B97F4A7C15
	hashSeed2 = 0xD6E8FEB86659FD93
)

func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// keyMasks keep the first n bytes of two words of 8.
var keyMasks = func() (masks [shortWordBytes + 1][2]uint64) {
	for n := range masks {
		masks[n] = [2]uint64{1<<(8*min(n, 8)) - 1, 1<<(8*max(n-8, 0)) - 1}
	}
	return masks
}()

// keyOf returns the key of the first n bytes of text, which may be read further.
func keyOf(text []byte, n int) wordKey {
	if n > shortWordBytes {
		return longKey(text[:n])
	}
	var k wordKey
	if len(text) >= 16 {
		m := &keyMasks[n]
		k.low = binary.LittleEndian.Uint64(text) & m[0]
		k.high = binary.LittleEndian.Uint64(text[8:]) & m[1]
	} else {
		var b [16]byte
		copy(b[:], text[:n])
		k.low, k.high = binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	}
	k.high |= uint64(n) << 56
	k.hash = mix(k.low^hashSeed1, k.high^hashSeed2)
	return k
}

func longKey(word []byte) wordKey {
	h := uint64(len(word)) * hashSeed1
	for rest := word; len(rest) > 0; {
		if len(rest) < 8 {
			var b [8]byte
			copy(b[:], rest)
			h = mix(h^binary.LittleEndian.Uint64(b[:]), hashSeed2)
			break
		}
		h = mix(h^binary.LittleEndian.Uint64(rest), hashSeed2)
		rest = rest[8:]
	}
	return wordKey{h, longWord | uint64(len(word)), h}
}

// find returns the slot of a word, or nil.
func (c *wordCache) find(k wordKey, word []byte) *cacheSlot {
	at := int(k.hash >> c.shift)
	for i := range cacheProbes {
		s := &c.slots[(at+i)&(len(c.slots)-1)]
		if s.low == k.low && s.high == k.high && (k.high < longWord || string(c.keys[s.inline[1]:int(s.inline[1])+len(word)]) == string(word)) {
			return s
		}
		if s.high == 0 {
			return nil
		}
	}
	return nil
}

// append appends the ids of a slot.
func (c *wordCache) append(dst []uint32, s *cacheSlot) []uint32 {
	if s.count <= inlineIDs && s.high < longWord {
		return append(dst, s.inline[:s.count]...)
	}
	return append(dst, c.ids[s.inline[0]:s.inline[0]+s.count]...)
}

// put remembers a word, which is not in the cache.
func (c *wordCache) put(k wordKey, word []byte, ids []uint32) {
	s := cacheSlot{low: k.low, high: k.high, count: uint32(len(ids))}
	if len(ids) <= inlineIDs && k.high < longWord {
		copy(s.inline[:], ids)
	} else {
		if cap(c.ids)-len(c.ids) < len(ids) || cap(c.keys)-len(c.keys) < len(word) {
			clear(c.slots)
			c.ids, c.keys = c.ids[:0], c.keys[:0]
		}
		s.inline[0] = uint32(len(c.ids))
		c.ids = append(c.ids, ids...)
		if k.high >= longWord {
			s.inline[1] = uint32(len(c.keys))
			c.keys = append(c.keys, word...)
		}
	}
	home := int(k.hash >> c.shift)
	for i := range cacheProbes {
		if at := (home + i) & (len(c.slots) - 1); c.slots[at].high == 0 {
			c.slots[at] = s
			return
		}
	}
	c.slots[home] = s
}
