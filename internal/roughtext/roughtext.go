// Package roughtext makes texts that tokenizers get wrong: runs of white space, characters of many scripts and Unicode versions, marks in every order,
// control characters, contractions, and the text of special tokens. Texts are a function of their number, so that what a reference said
// about them can be kept.
package roughtext

import (
	"math/rand/v2"
	"strings"
)

// sweepLines cover the first two planes, 256 code points to a line.
const sweepLines = 0x20000 / 256

var pools = []func(r *rand.Rand) string{
	words, words, spaces, chinese, emoji, marks, controls, specials, contractions, digits, scripts, anywhere, punctuation, repeated, hangul, compat,
}

// Lines returns the first n texts, all valid UTF-8.
func Lines(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = line(i)
	}
	return lines
}

func line(i int) string {
	var s strings.Builder
	if i < sweepLines {
		for c := rune(i * 256); c < rune(i+1)*256; c++ {
			if c < 0xD800 || c > 0xDFFF {
				s.WriteRune(c)
				s.WriteString([]string{"", "a", " ", "B"}[c%4])
			}
		}
		return s.String()
	}
	r := rand.New(rand.NewPCG(uint64(i), 1))
	pool := pools[i%len(pools)]
	for range 1 + r.IntN(12) {
		if r.IntN(4) == 0 {
			s.WriteString(pools[r.IntN(len(pools))](r))
		} else {
			s.WriteString(pool(r))
		}
		if r.IntN(3) == 0 {
			s.WriteByte(' ')
		}
	}
	return s.String()
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func between(r *rand.Rand, low, high rune) string {
	return string(low + rune(r.IntN(int(high-low+1))))
}

func words(r *rand.Rand) string {
	return pick(r, "the", " The", " quick", "brown", " Fox", "jumps", " over", " LAZY", "dog", "Straße", " naïve", "café", " İstanbul", "tokenization", " hello", "world",
		"antidisestablishmentarianism", " supercalifragilistic", "unbelievable", " don't", "ﬁne", " Ǆungla", "ſtill", "µm")
}

func spaces(r *rand.Rand) string {
	s := pick(r, " ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\u0085", "\v", "\f", "\u2028", "\u200b", "\u1680", "\u202f")
	return strings.Repeat(s, 1+r.IntN(5)) + pick(r, "", "x", "é", "1", "!", "中")
}

func chinese(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return between(r, 0x3400, 0x4DBF)
	case 1:
		return between(r, 0x20000, 0x2FA1F)
	case 2:
		return between(r, 0xF900, 0xFAFF)
	case 3:
		return between(r, 0x3041, 0x30FF)
	case 4:
		return pick(r, "、", "。", "「", "」", "！", "％", "ａ", "１")
	}
	return between(r, 0x4E00, 0x9FFF)
}

func emoji(r *rand.Rand) string {
	return pick(r, "😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "1️⃣", "❤️", "🧑🏿‍🚀", "☃", "🫠") + pick(r, "", " ", "a")
}

func marks(r *rand.Rand) string {
	s := pick(r, "a", "e", "O", "क", "ก", "ا", "א", "", "が", "각")
	for range r.IntN(5) {
		switch r.IntN(7) {
		case 0:
			s += between(r, 0x591, 0x5C7)
		case 1:
			s += between(r, 0x64B, 0x65F)
		case 2:
			s += pick(r, "\u0f71", "\u0f72", "\u0f73", "\u0344", "\u0340", "\u0345", "\u302e", "\u302a", "\U0001d165", "\U0001d15f", "\u3099")
		case 3:
			s += between(r, 0x1DC0, 0x1DFF)
		case 4:
			s += between(r, 0x900, 0x963)
		default:
			s += between(r, 0x300, 0x36F)
		}
	}
	return s
}

func controls(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return between(r, 0, 0x1F) + "a"
	case 1:
		return "b" + between(r, 0x7F, 0x9F)
	}
	return pick(r, "\u00ad", "\u200d", "\ufeff", "\u202e", "\ue000", "\U000e0001", "\ufffd", "\uffff", "\u0378", "\u180e", "\u2060") + pick(r, "", "c", " ")
}

func specials(r *rand.Rand) string {
	return pick(r, "", " ", "  ", "x", "_", "\n", "\u3000") +
		pick(r, "[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "<s>", "</s>", "<mask>", "<pad>", "<unk>", "<|endoftext|>", "[mask]", "<|endof", "[MASK", "[[CLS]]") +
		pick(r, "", " ", "  ", "x", "é", "\t")
}

func contractions(r *rand.Rand) string {
	return pick(r, "I", "we", "it", "you", "é", "1", "", " ", "!") + pick(r, "'", "'", "’", " '") + pick(r, "s", "t", "re", "ve", "m", "ll", "d", "S", "RE", "l", "r", "v", "''s", "tis") + pick(r, "", " ", "x")
}

func digits(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return pick(r, "½", "²", "Ⅷ", "①", "٣", "९", "〇", "𝟗", "१२३")
	case 1:
		return pick(r, "3.14", "1,000,000", "0x1F", "1e-5", "2024-01-31", "$5", "№7")
	}
	return strings.Repeat(between(r, '0', '9'), 1+r.IntN(6))
}

func scripts(r *rand.Rand) string {
	low := []rune{0x370, 0x400, 0x530, 0x590, 0x600, 0x700, 0x900, 0x980, 0xB80, 0xE00, 0xF00, 0x1000, 0x10A0, 0x1200, 0x13A0, 0x1780, 0x1E00, 0x1F00, 0x2C00, 0xA640, 0x10400, 0x1E900}[r.IntN(22)]
	s := ""
	for range 1 + r.IntN(8) {
		s += between(r, low, low+0x7F)
	}
	return s
}

func anywhere(r *rand.Rand) string {
	c := rune(r.IntN(0x110000))
	if r.IntN(2) == 0 {
		c = rune(r.IntN(0x20000))
	}
	if c >= 0xD800 && c <= 0xDFFF {
		c = 0xFFFD
	}
	return string(c) + pick(r, "", "a", " ")
}

func punctuation(r *rand.Rand) string {
	if r.IntN(2) == 0 {
		return between(r, 0x2010, 0x205E)
	}
	return pick(r, "...", "--", "?!", "(a)", "[b]", "a_b", "x+y=z", "`", "^", "~", "€", "±", "«q»", "¿", "·", "a.b", "#1", "@me", "\\n", "/", "|")
}

func repeated(r *rand.Rand) string {
	return strings.Repeat(pick(r, "a", "ab", "!", "-", "0", "é", "中", "\u0301", "aA", "=", "Z"), 1+r.IntN(60))
}

func hangul(r *rand.Rand) string {
	return pick(r, between(r, 0xAC00, 0xD7A3), between(r, 0x1100, 0x11FF), "한국어", "ㄱ")
}

func compat(r *rand.Rand) string {
	return pick(r, "\u037e", "\u1fef", "≠", "\u212b", "Å", "ǅ", "ŉ", "ﬃ", "\u2000", "\u2126", "K", "ẞ", "ϓ", "ᾼ", "\u0149", "ΐ", "𝐀", "ℵ", "㎏", "\u0958", "\u09dc", "\ufb1d", "½")
}
