package tokenizers

import "unicode/utf8"

// offsetTrim takes the white space of tokens out of their offsets.
type offsetTrim struct {
	on             bool
	addPrefixSpace bool // a single space before the first token was added, and is not trimmed
}

func readTrim(f *fields) offsetTrim {
	return offsetTrim{on: f.boolean("trim_offsets", true), addPrefixSpace: f.boolean("add_prefix_space", true)}
}

// trimsOf returns the trims that a post-processor does, in order.
func trimsOf(p postProcessor) []offsetTrim {
	var trims []offsetTrim
	add := func(o offsetTrim) {
		if o.on {
			trims = append(trims, o)
		}
	}
	switch p := p.(type) {
	case *byteLevelProcessor:
		add(p.trim)
	case *robertaProcessor:
		add(p.trim)
	case processorSequence:
		for _, part := range p {
			trims = append(trims, trimsOf(part)...)
		}
	}
	return trims
}

// margin is the white space of a token: characters at its beginning and at its end, which for a token of nothing else are the same.
type margin struct{ leading, trailing int32 }

func isTrimmed(c rune) bool {
	return c == byteChars[' '] || charClasses().of(c)&isSpace != 0
}

func marginOf(token string) (m margin) {
	for _, c := range token {
		if !isTrimmed(c) {
			break
		}
		m.leading++
	}
	for rest := token; rest != ""; m.trailing++ {
		c, size := utf8.DecodeLastRuneInString(rest)
		if !isTrimmed(c) {
			break
		}
		rest = rest[:len(rest)-size]
	}
	return m
}

// newMargins returns the margins of all tokens, by id.
func (t *Tokenizer) newMargins() []margin {
	margins := make([]margin, t.vocabSize)
	for id := range margins {
		margins[id] = marginOf(t.string(uint32(id)))
	}
	return margins
}

// applyAll trims the offsets of encodings and of their windows.
func (o offsetTrim) applyAll(encodings []Encoding) {
	for i := range encodings {
		o.apply(&encodings[i])
		o.applyAll(encodings[i].Overflowing)
	}
}

func (o offsetTrim) apply(e *Encoding) {
	if !o.on {
		return
	}
	for i, token := range e.Tokens {
		at := &e.Offsets[i]
		at[0], at[1] = trimmedTo(o, marginOf(token), i == 0, e.textOf(i), at[0], at[1])
	}
}

// trimmedTo moves the offsets of one token by as many characters of the input as the token has white space: the reference counts the token's characters and
// moves over the input's, even where they are not the same.
func trimmedTo[T string | []byte](o offsetTrim, m margin, first bool, text T, start, end int) (newStart, newEnd int) {
	leading, trailing := m.leading, m.trailing
	if leading == 1 && o.addPrefixSpace && (first || start == 0) {
		leading = 0
	}
	to := end
	for ; leading > 0 && start < end; leading-- {
		_, size := utf8.DecodeRuneInString(string(text[start:min(len(text), start+utf8.UTFMax)]))
		start += size
	}
	for ; trailing > 0 && to > 0; trailing-- {
		_, size := utf8.DecodeLastRuneInString(string(text[max(0, to-utf8.UTFMax):to]))
		to -= size
	}
	if trailing == 0 {
		end = max(to, start)
	}
	return start, end
}

// trimSpans trims the offsets of the tokens of one text as the post-processors do, but for those that are trimmed.
func (t *Tokenizer) trimSpans(offsets [][2]uint32, ids []uint32, l *locator, text []byte) {
	margins, shown, trimmed := t.margins(), l.shown, l.trimmed
	for i := 0; i < len(ids); i++ {
		if len(trimmed) > 0 && trimmed[0][0] == i {
			i, trimmed = trimmed[0][1]-1, trimmed[1:]
			continue
		}
		m := margins[ids[i]]
		for len(shown) > 0 && shown[0].token <= i {
			if shown[0].token == i {
				m = marginOf(shown[0].text)
			}
			shown = shown[1:]
		}
		if m == (margin{}) {
			continue
		}
		for _, o := range t.trims {
			start, end := trimmedTo(o, m, i == 0, text, int(offsets[i][0]), int(offsets[i][1]))
			offsets[i] = [2]uint32{uint32(start), uint32(end)}
		}
	}
}
