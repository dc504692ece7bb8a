package tokenizers

import (
	"encoding/binary"
	"math/bits"
)

// wholeWords finds tokens by their bytes, with one look at memory for most words that are none: it holds a part of their hashes beside their ids.
type wholeWords struct {
	slots []uint64 // open addressing: the low bits of the hash, then an id of idBits; noWhole where empty
	shift int
	start []uint32 // by id, of its bytes; one more than there are ids
	bytes []byte
}

const noWhole = 1<<64 - 1

// newWholeWords returns the words of a vocabulary whose tokens are shown bytes.
func newWholeWords(v *vocabulary) *wholeWords {
	size := bits.Len(uint(2 * len(v.tokens)))
	w := &wholeWords{slots: make([]uint64, 1<<size), shift: 64 - size, start: make([]uint32, 1, len(v.tokens)+1)}
	for i := range w.slots {
		w.slots[i] = noWhole
	}
	for id, token := range v.tokens {
		if b, ok := shownBytes(token); ok && len(b) > 0 {
			w.bytes = append(w.bytes, b...)
			hash := hashWord(b)
			i := int(hash >> w.shift)
			for w.slots[i] != noWhole {
				i = (i + 1) & (len(w.slots) - 1)
			}
			w.slots[i] = hash<<idBits | uint64(id)
		}
		w.start = append(w.start, uint32(len(w.bytes)))
	}
	return w
}

// id returns the token that a word is.
func (w *wholeWords) id(word []byte) (uint32, bool) {
	hash := hashWord(word)
	for i := int(hash >> w.shift); w.slots[i] != noWhole; i = (i + 1) & (len(w.slots) - 1) {
		if id := uint32(w.slots[i]) & maxID; w.slots[i]>>idBits == hash<<idBits>>idBits && string(w.bytes[w.start[id]:w.start[id+1]]) == string(word) {
			return id, true
		}
	}
	return 0, false
}

func hashWord(word []byte) uint64 {
	hash := uint64(len(word))
	for ; len(word) >= 8; word = word[8:] {
		hash = mix(hash ^ binary.LittleEndian.Uint64(word))
	}
	var rest [8]byte
	copy(rest[:], word)
	return mix(hash ^ binary.LittleEndian.Uint64(rest[:]))
}

func mix(hash uint64) uint64 {
	high, low := bits.Mul64(hash^0xD6E8FEB86659FD93, hashFactor)
	return high ^ low
}
