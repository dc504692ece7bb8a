package tokenizers

import "unicode/utf8"

// bertNormalizer is the basic cleaning of BERT (Devlin et al. 2019), in this order: drop control characters and make all white space a space; set
// Chinese characters between spaces; decompose and drop accents; lower case.
type bertNormalizer struct {
	cleanText    bool
	chinese      bool
	stripAccents bool
	lowercase    bool
}

func loadBertNormalizer(f *fields) (normalizer, error) {
	n := &bertNormalizer{
		cleanText: f.boolean("clean_text", true),
		chinese:   f.boolean("handle_chinese_chars", true),
		lowercase: f.boolean("lowercase", true),
	}
	n.stripAccents = n.lowercase
	f.get("strip_accents", false, func(r *jsonReader) (err error) { n.stripAccents, err = r.boolean(); return err })
	return n, f.err
}

func (n *bertNormalizer) normalize(t text) text {
	classes := charClasses()
	if n.cleanText {
		t = t.filter(func(r rune) (rune, bool) {
			c := classes.of(r)
			if c&isSpace != 0 {
				return ' ', c&isRemoved == 0
			}
			return r, c&isRemoved == 0
		})
	}
	if n.chinese {
		t = t.rewrite(t.eachRune(func(dst []edit, r rune) []edit {
			if classes.of(r)&isChinese != 0 {
				return append(dst, edit{' ', 0}, edit{r, fresh}, edit{' ', fresh})
			}
			return append(dst, edit{r, 0})
		}))
	}
	if n.stripAccents {
		t = t.rewrite(decomposed(t, false)).filter(func(r rune) (rune, bool) { return r, classes.of(r)&isAccent == 0 })
	}
	if n.lowercase {
		t = t.rewrite(t.eachRune(func(dst []edit, r rune) []edit {
			if classes.of(r)&hasLower == 0 {
				return append(dst, edit{r, 0})
			}
			for i, c := range lookUp(lowercases, r) {
				dst = append(dst, after(i, c))
			}
			return dst
		}))
	}
	return t
}

// eachRune returns the edits that change appends for each character.
func (t text) eachRune(change func(dst []edit, r rune) []edit) []edit {
	edits := make([]edit, 0, len(t.bytes))
	for i := 0; i < len(t.bytes); {
		r, size := utf8.DecodeRune(t.bytes[i:])
		edits = change(edits, r)
		i += size
	}
	return edits
}

// bertPreTokenizer cuts at white space, which it drops, and around each punctuation character.
type bertPreTokenizer struct{}

func loadBertPreTokenizer(*fields) (preTokenizer, error) { return bertPreTokenizer{}, nil }

func (bertPreTokenizer) split(dst []text, t text) []text {
	classes := charClasses()
	start := 0
	cut := func(end int) {
		if start < end {
			dst = append(dst, t.slice(start, end))
		}
		start = end
	}
	for i := 0; i < len(t.bytes); {
		r, size := utf8.DecodeRune(t.bytes[i:])
		c := classes.of(r)
		if c&(isSpace|isPunctuation) != 0 {
			cut(i)
		}
		i += size
		if c&isSpace != 0 {
			start = i
		} else if c&isPunctuation != 0 {
			cut(i)
		}
	}
	cut(len(t.bytes))
	return dst
}
