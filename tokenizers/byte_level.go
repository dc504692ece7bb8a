package tokenizers

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// byteChars shows each byte as a printable character, so that vocabularies of bytes are texts: the visible characters of Latin-1 stand for
// themselves, the other bytes in order for U+0100 and up (Radford et al. 2019, the encoder of GPT-2).
var byteChars = func() (table [256]rune) {
	next := rune(0x100)
	for b := range table {
		c := rune(b)
		if c >= '!' && c <= '~' || c >= 0xA1 && c <= 0xAC || c >= 0xAE {
			table[b] = c
		} else {
			table[b] = next
			next++
		}
	}
	return table
}()

// charBytes is the inverse of byteChars; -1 marks a character that stands for no byte.
var charBytes = func() (table [0x144]int16) {
	for i := range table {
		table[i] = -1
	}
	for b, c := range byteChars {
		table[c] = int16(b)
	}
	return table
}()

// byteLevel is the pre-tokenizer of GPT-2: it may set a space before the text, cuts it with the regular expression of GPT-2, and shows the bytes
// as characters.
type byteLevel struct {
	addPrefixSpace bool
	useRegex       bool // false: the text is one word
}

func loadByteLevel(f *fields) (preTokenizer, error) {
	b := &byteLevel{addPrefixSpace: f.boolean("add_prefix_space", true), useRegex: true}
	f.boolean("trim_offsets", true)
	if _, given := f.raw["use_regex"]; given {
		b.useRegex = f.boolean("use_regex", true)
	}
	return b, f.err
}

func (b *byteLevel) split(dst []text, t text) []text {
	if b.addPrefixSpace && t.bytes[0] != ' ' {
		t = text{append([]byte{' '}, t.bytes...), append([]span{t.from[0]}, t.from...)}
	}
	shown := visible(t)
	for rest := t.bytes; len(rest) > 0; {
		n := len(rest)
		if b.useRegex {
			n = gpt2Word(rest)
		}
		size := 0
		for _, c := range rest[:n] {
			size += utf8.RuneLen(byteChars[c])
		}
		dst = append(dst, shown.slice(0, size))
		rest, shown = rest[n:], shown.slice(size, len(shown.bytes))
	}
	return dst
}

// byteLevelNormalizer shows the bytes of the text as characters before it is cut.
type byteLevelNormalizer struct{}

func loadByteLevelNormalizer(f *fields) (normalizer, error) { return byteLevelNormalizer{}, f.err }

func (byteLevelNormalizer) normalize(t text) text { return visible(t) }

// visible returns the text with its bytes shown as characters.
func visible(t text) text {
	out := text{make([]byte, 0, len(t.bytes)*5/4), make([]span, 0, len(t.bytes)*5/4)}
	var char [utf8.UTFMax]byte
	for i, b := range t.bytes {
		n := utf8.EncodeRune(char[:], byteChars[b])
		out.add(char[:n], t.from[i])
	}
	return out
}

// byteLevelDecoder turns shown bytes back. A token with a character that stands for no byte is taken as it is.
type byteLevelDecoder struct{}

func loadByteLevelDecoder(*fields) (decoder, error) { return byteLevelDecoder{}, nil }

func (byteLevelDecoder) decode(tokens []string) []string {
	return []string{strings.Join(decodePieces(shownDecoder{}, tokens), "")}
}

// shownDecoder is byteLevelDecoder without the end, which makes all pieces one.
type shownDecoder struct{}

func (shownDecoder) piece(token string, _, _ bool) string {
	if b, ok := shownBytes(token); ok {
		return string(b)
	}
	return token
}

// shownBytes returns the bytes that a token shows.
func shownBytes(token string) ([]byte, bool) {
	b := make([]byte, 0, len(token))
	for _, c := range token {
		if c >= rune(len(charBytes)) || charBytes[c] < 0 {
			return nil, false
		}
		b = append(b, byte(charBytes[c]))
	}
	return b, true
}

// alphabet returns the characters that stand for bytes, in order.
func alphabet() []string {
	chars := slices.Clone(byteChars[:])
	slices.Sort(chars)
	return strings.Split(string(chars), "")
}
