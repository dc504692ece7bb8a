package tokenizers

import "fmt"

// normalizerSequence runs normalizers one after another.
type normalizerSequence []normalizer

func loadNormalizerSequence(f *fields) (normalizer, error) {
	parts, err := readParts(f, "normalizers", loadNormalizer)
	s := normalizerSequence(parts)
	if err == nil {
		err = checkGrowth("normalizers", normalizerGrowth(s))
	}
	return s, err
}

func loadNormalizer(r *jsonReader) (normalizer, error) { return loadPart(r, normalizers) }

// maxParts bounds the parts of one sequence; published files have fewer than ten.
const maxParts = 256

// readParts reads the members of a sequence.
func readParts[P any](f *fields, name string, load func(*jsonReader) (P, error)) (parts []P, err error) {
	f.get(name, true, func(r *jsonReader) error {
		return r.array(func(i int) error {
			if i >= maxParts {
				return fmt.Errorf("more than %d parts", maxParts)
			}
			raw, err := r.raw()
			if err != nil {
				return err
			}
			part, err := load(&jsonReader{data: raw})
			parts = append(parts, part)
			return err
		})
	})
	return parts, f.err
}

func (s normalizerSequence) normalize(t text) text {
	for _, n := range s {
		t = n.normalize(t)
	}
	return t
}

// lowercase makes each character lower case, without regard to its neighbours.
type lowercase struct{}

func loadLowercase(*fields) (normalizer, error) { return lowercase{}, nil }

func (lowercase) normalize(t text) text {
	classes := charClasses()
	return t.rewrite(t.eachRune(func(dst []edit, r rune) []edit {
		if classes.of(r)&hasLower == 0 {
			return append(dst, edit{r, 0})
		}
		for i, c := range lookUp(lowercases, r) {
			dst = append(dst, after(i, c))
		}
		return dst
	}))
}

// stripAccents drops combining marks; NFD or NFKD comes before it to part them from their letters.
type stripAccents struct{}

func loadStripAccents(*fields) (normalizer, error) { return stripAccents{}, nil }

func (stripAccents) normalize(t text) text {
	classes := charClasses()
	return t.filter(func(r rune) (rune, bool) { return r, classes.of(r)&isMark == 0 })
}

// prepend sets a string before a text that is not empty. It stands for what the first character stands for.
type prepend struct{ prefix string }

// maxAffixBytes bounds what is set before or in place of a text, since that may happen at every character.
const maxAffixBytes = 1024

func loadPrepend(f *fields) (normalizer, error) {
	p := &prepend{f.str("prepend", true)}
	if f.err == nil && len(p.prefix) > maxAffixBytes {
		f.err = inField("prepend", fmt.Errorf("has %d bytes: the longest allowed has %d", len(p.prefix), maxAffixBytes))
	}
	return p, f.err
}

func (p *prepend) normalize(t text) text { return t.withPrefix(p.prefix) }

// withPrefix returns the text with a prefix that stands for its first character, unless there is none.
func (t text) withPrefix(prefix string) text {
	if len(t.bytes) == 0 {
		return t
	}
	out := text{make([]byte, 0, len(prefix)+len(t.bytes)), make([]span, 0, len(prefix)+len(t.bytes))}
	out.add([]byte(prefix), t.from[0])
	return text{append(out.bytes, t.bytes...), append(out.from, t.from...)}
}

// strip drops the white space at the ends.
type strip struct{ left, right bool }

func loadStrip(f *fields) (normalizer, error) {
	return &strip{f.boolean("strip_left", true), f.boolean("strip_right", true)}, f.err
}

func (s *strip) normalize(t text) text {
	return t.slice(s.bounds(t.bytes))
}

// bounds returns where what is kept of b starts and ends.
func (s *strip) bounds(b []byte) (start, end int) {
	end = len(b)
	if s.left {
		start = spaceAfter(b)
	}
	if s.right {
		end -= spaceBefore(b[start:])
	}
	return start, end
}

// nmt is the cleaning that SentencePiece calls nmt: it drops control characters and makes what is as good as white space a space.
type nmt struct{}

func loadNmt(*fields) (normalizer, error) { return nmt{}, nil }

func (nmt) normalize(t text) text { return t.filter(cleaned) }

// cleaned returns what nmt makes of a character.
func cleaned(r rune) (to rune, keep bool) {
	switch {
	case r >= 0x1 && r <= 0x8, r == 0xB, r >= 0xE && r <= 0x1F, r == 0x7F, r == 0x8F, r == 0x9F:
		return r, false
	case r == 0x9, r == 0xA, r == 0xC, r == 0xD, r == 0x1680, r >= 0x200B && r <= 0x200F, r == 0x2028, r == 0x2029, r == 0x2581,
		r == 0xFEFF, r == 0xFFFD:
		return ' ', true
	}
	return r, true
}
