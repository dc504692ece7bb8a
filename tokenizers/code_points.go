package tokenizers

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// RuneOffsets turns offsets in bytes of text into offsets in code points, as Hugging Face tokenizers gives them in Python. An ill-formed
// sequence counts as the one U+FFFD that it is shown as.
func RuneOffsets(text string, offsets [][2]int) [][2]int {
	out := make([][2]int, len(offsets))
	if isASCII([]byte(text)) {
		copy(out, offsets)
		return out
	}
	index := pointIndex([]byte(text))
	for i, o := range offsets {
		out[i] = [2]int{int(index[o[0]]), int(index[o[1]])}
		if o[0] < o[1] {
			out[i][1] = int(index[o[1]-1]) + 1
		}
	}
	return out
}

// pointIndex returns for each byte of text, and for its end, which code point it is part of.
func pointIndex(text []byte) []uint32 {
	index := make([]uint32, len(text)+1)
	n := uint32(0)
	for i := 0; i < len(text); n++ {
		_, size := utf8.DecodeRune(text[i:])
		if size == 1 && text[i] >= utf8.RuneSelf {
			size = max(1, invalidPrefix(text[i:]))
		}
		for range size {
			index[i] = n
			i++
		}
	}
	index[len(text)] = n
	return index
}

// points counts code points of well-formed text: those before a place are the bytes before it, less those inside of code points.
type points struct {
	blocks []pointBlock
}

// pointBlock is what is known of pointBlockBytes bytes of text.
type pointBlock struct {
	inner  uint64 // which of them are inside of a code point
	before uint64 // how many bytes before them are
}

const pointBlockBytes = 64

// before returns how many code points begin before a place of the text.
func (p *points) before(place uint32) uint32 {
	b := p.blocks[place/pointBlockBytes]
	return place - uint32(b.before) - uint32(bits.OnesCount64(b.inner&(1<<(place%pointBlockBytes)-1)))
}

// read looks at a text.
func (p *points) read(text []byte) {
	p.blocks = slices.Grow(p.blocks[:0], len(text)/pointBlockBytes+1)
	before := uint64(0)
	for len(text) >= pointBlockBytes {
		inner := uint64(0)
		for i := 0; i < pointBlockBytes; i += 8 {
			inner |= innerBits(binary.LittleEndian.Uint64(text[i:])) << i
		}
		p.blocks = append(p.blocks, pointBlock{inner, before})
		before += uint64(bits.OnesCount64(inner))
		text = text[pointBlockBytes:]
	}
	inner := uint64(0)
	for i, b := range text {
		if b&0xC0 == 0x80 {
			inner |= 1 << i
		}
	}
	p.blocks = append(p.blocks, pointBlock{inner, before})
}

// count turns offsets in bytes of text into offsets in code points, as RuneOffsets does.
func (p *points) count(offsets [][2]uint32, text []byte) {
	if isASCII(text) {
		return
	}
	if !utf8.Valid(text) {
		index := pointIndex(text)
		for i, o := range offsets {
			offsets[i] = [2]uint32{index[o[0]], index[o[1]]}
			if o[0] < o[1] {
				offsets[i][1] = index[o[1]-1] + 1
			}
		}
		return
	}
	p.read(text)
	for i, o := range offsets {
		// The code points before a place are those that begin before it. An offset is the beginning of one, so that it is also how many end before it.
		offsets[i] = [2]uint32{p.before(o[0]), p.before(o[1])}
	}
}

// innerBits has a bit for each of 8 bytes that does not begin a code point.
func innerBits(w uint64) uint64 {
	const gather = 0x0102040810204080 // brings the lowest bits of 8 bytes together, in the highest byte
	return (w >> 7 &^ (w >> 6) & 0x0101010101010101) * gather >> 56
}

// isASCII tells whether all of b is ASCII.
func isASCII(b []byte) bool {
	for ; len(b) >= 32; b = b[32:] {
		w := binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[8:]) | binary.LittleEndian.Uint64(b[16:]) | binary.LittleEndian.Uint64(b[24:])
		if w&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
