package tokenizers

import (
	"encoding/binary"
	"math/bits"
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

// points counts code points of well-formed text. Offsets mostly go up in small steps, so it counts on from the last place; marks bound the way where they
// don't.
type points struct {
	marks []uint32 // code points before each block of pointBlock bytes
}

const pointBlock = 256

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
	p.marks = p.marks[:0]
	total := uint32(0)
	for i := 0; i < len(text); i += pointBlock {
		p.marks = append(p.marks, total)
		total += countPoints(text[i:min(i+pointBlock, len(text))])
	}
	p.marks = append(p.marks, total)
	place, before := uint32(0), uint32(0) // a place of the text, and the code points before it
	to := func(next uint32) uint32 {
		if next < place || next-place > pointBlock {
			place = next / pointBlock * pointBlock
			before = p.marks[next/pointBlock]
		}
		if n := next - place; n <= 8 && int(place)+8 <= len(text) {
			w := binary.LittleEndian.Uint64(text[place:])
			before += n - uint32(bits.OnesCount64(innerBytes(w)&(1<<(8*n)-1)))
		} else {
			before += countPoints(text[place:next])
		}
		place = next
		return before
	}
	for i, o := range offsets {
		// The code points before a place are those that begin before it. An offset is the beginning of one, so that it is also how many end before it.
		offsets[i] = [2]uint32{to(o[0]), to(o[1])}
	}
}

// countPoints counts the code points of well-formed text.
func countPoints(text []byte) uint32 {
	n := len(text)
	inner := 0 // bytes that don't begin a code point
	for ; len(text) >= 8; text = text[8:] {
		w := binary.LittleEndian.Uint64(text)
		inner += bits.OnesCount64(innerBytes(w))
	}
	for _, b := range text {
		if b&0xC0 == 0x80 {
			inner++
		}
	}
	return uint32(n - inner)
}

// innerBytes has a bit for each of 8 bytes that does not begin a code point.
func innerBytes(w uint64) uint64 { return w >> 7 &^ (w >> 6) & 0x0101010101010101 }

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
