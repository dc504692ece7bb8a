package tokenizers

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// pieceDecoder is a decoder that makes a piece of text of each token by itself: only whether the token is the first or the last matters.
type pieceDecoder interface {
	piece(token string, first, last bool) string
}

// decodePieces is the decode of a pieceDecoder.
func decodePieces(d pieceDecoder, tokens []string) []string {
	for i, token := range tokens {
		tokens[i] = d.piece(token, i == 0, i == len(tokens)-1)
	}
	return tokens
}

// pieceDecoders hand what one makes of a token to the next.
type pieceDecoders []pieceDecoder

func (s pieceDecoders) piece(token string, first, last bool) string {
	for _, d := range s {
		token = d.piece(token, first, last)
	}
	return token
}

// joinWithSpaces is what happens without a decoder.
type joinWithSpaces struct{}

func (joinWithSpaces) piece(token string, first, _ bool) string {
	if first {
		return token
	}
	return " " + token
}

// decodeTable holds the text of each token, for decoders of this kind: a pieceDecoder for each token, then runs of byte tokens made characters, then
// the ends of the whole stripped. It gives what the decoder gives.
type decodeTable struct {
	tokenizer *Tokenizer
	slots     []decodeSlot // by id: the text in the middle of others
	texts     []string     // those that are not in their slots
	pieces    pieceDecoders
	bytes     bool            // tokens such as <0xE2> are bytes
	strips    []*stripDecoder // of the whole text
	ends      bool            // the last token may have another text than in the middle
	valid     bool            // all texts are valid UTF-8
}

// decodeSlot is a text of up to 15 bytes, then its length, so that one store appends it; or, in place of a length, one of these kinds.
type decodeSlot [decodeShort + 1]byte

const (
	decodeShort   = 15
	decodeLong    = 0x10 // begins with the index of its text in texts
	decodeSpecial = 0x11 // as decodeLong, of a special token
	decodeByte    = 0x12 // begins with the byte of a byte token
	decodeNothing = 0x13 // no token
)

// newDecodeTable returns nil for a decoder of another kind.
func newDecodeTable(t *Tokenizer) *decodeTable {
	d := &decodeTable{tokenizer: t, valid: true}
	if t.decoder == nil {
		d.pieces = pieceDecoders{joinWithSpaces{}}
	} else if !d.compile(flattenDecoder(nil, t.decoder)) {
		return nil
	}
	d.slots = make([]decodeSlot, t.vocabSize)
	for id := range d.slots {
		s := &d.slots[id]
		token, ok := t.Token(uint32(id))
		if !ok {
			s[decodeShort] = decodeNothing
			continue
		}
		text := d.pieces.piece(token, false, false)
		d.valid = d.valid && utf8.ValidString(token) && utf8.ValidString(text)
		b, isByte := fallbackByte(text)
		isByte = isByte && d.bytes
		switch special := t.added.special[token]; {
		case special && isByte:
			return nil
		case isByte:
			s[0], s[decodeShort] = b, decodeByte
		case special:
			d.put(s, decodeSpecial, text)
		case len(text) > decodeShort:
			d.put(s, decodeLong, text)
		default:
			s[decodeShort] = byte(copy(s[:decodeShort], text))
		}
	}
	return d
}

func (d *decodeTable) put(s *decodeSlot, kind byte, text string) {
	s[decodeShort] = kind
	binary.LittleEndian.PutUint32(s[:], uint32(len(d.texts)))
	d.texts = append(d.texts, text)
}

func flattenDecoder(dst []decoder, d decoder) []decoder {
	s, ok := d.(decoderSequence)
	if !ok {
		return append(dst, d)
	}
	for _, d := range s {
		dst = flattenDecoder(dst, d)
	}
	return dst
}

// compile takes pieceDecoders, ByteFallback, Fuse and Strip in this order, each of which may be missing, or ByteLevel alone.
func (d *decodeTable) compile(parts []decoder) bool {
	if len(parts) == 1 && parts[0] == decoder(byteLevelDecoder{}) {
		d.pieces = pieceDecoders{shownDecoder{}}
		return true
	}
	for len(parts) > 0 {
		p, ok := parts[0].(pieceDecoder)
		if !ok {
			break
		}
		_, suffix := p.(*bpeDecoder)
		d.ends = d.ends || suffix
		d.pieces, parts = append(d.pieces, p), parts[1:]
	}
	if len(parts) > 0 && parts[0] == decoder(byteFallback{}) {
		d.bytes, parts = true, parts[1:]
	}
	if len(parts) == 0 || parts[0] != decoder(fuse{}) {
		return len(parts) == 0
	}
	for _, p := range parts[1:] {
		strip, ok := p.(*stripDecoder)
		if !ok {
			return false
		}
		d.strips = append(d.strips, strip)
	}
	return true
}

// present tells whether an id has a token that is not passed over.
func (d *decodeTable) present(id uint32, skipSpecial bool) bool {
	if int64(id) >= int64(len(d.slots)) {
		return false
	}
	kind := d.slots[id][decodeShort]
	return kind != decodeNothing && !(skipSpecial && kind == decodeSpecial)
}

// append appends the text of ids.
func (d *decodeTable) append(dst []byte, ids []uint32, skipSpecial bool) []byte {
	for len(ids) > 0 && !d.present(ids[0], skipSpecial) {
		ids = ids[1:]
	}
	for d.ends && len(ids) > 0 && !d.present(ids[len(ids)-1], skipSpecial) {
		ids = ids[:len(ids)-1]
	}
	if len(ids) == 0 {
		return dst
	}
	start, last, run := len(dst), len(ids), 0
	dst, run = d.appendToken(dst, run, ids[0], true, len(ids) == 1)
	if d.ends && last > 1 {
		last--
	}
	dst, run = d.appendMiddle(dst, run, ids[1:last], skipSpecial)
	if last < len(ids) {
		dst, run = d.appendToken(dst, run, ids[last], false, true)
	}
	dst = endByteRun(dst, run)
	return append(dst[:start], d.strip(dst[start:])...)
}

func (d *decodeTable) strip(text []byte) []byte {
	for _, s := range d.strips {
		text = s.strip(text)
	}
	return text
}

// appendToken appends the text of a token that is the first or the last. run is how many bytes of byte tokens dst ends with, and the new number is returned.
func (d *decodeTable) appendToken(dst []byte, run int, id uint32, first, last bool) ([]byte, int) {
	token, _ := d.tokenizer.Token(id)
	text := d.pieces.piece(token, first, last)
	if b, ok := fallbackByte(text); ok && d.bytes {
		return append(dst, b), run + 1
	}
	return append(endByteRun(dst, run), text...), 0
}

// appendMiddle appends the texts of tokens that are neither first nor last.
func (d *decodeTable) appendMiddle(dst []byte, run int, ids []uint32, skipSpecial bool) ([]byte, int) {
	slots := d.slots
	for _, id := range ids {
		if int64(id) >= int64(len(slots)) {
			continue
		}
		s := &slots[id]
		size := int(s[decodeShort])
		if run > 0 && size != decodeByte && d.present(id, skipSpecial) {
			dst, run = endByteRun(dst, run), 0
		}
		switch {
		case size <= decodeShort:
			n := len(dst)
			if cap(dst)-n < len(s) {
				dst = slices.Grow(dst, len(s))
			}
			*(*decodeSlot)(dst[n : n+len(s)]) = *s
			dst = dst[:n+size]
		case size == decodeByte:
			dst, run = append(dst, s[0]), run+1
		case size == decodeLong || size == decodeSpecial && !skipSpecial:
			dst = append(dst, d.texts[binary.LittleEndian.Uint32(s[:])]...)
		}
	}
	return dst, run
}

// endByteRun puts U+FFFD for each of the last run bytes where they are no text.
func endByteRun(dst []byte, run int) []byte {
	if run == 0 || utf8.Valid(dst[len(dst)-run:]) {
		return dst
	}
	dst = dst[:len(dst)-run]
	for range run {
		dst = append(dst, replacement...)
	}
	return dst
}
