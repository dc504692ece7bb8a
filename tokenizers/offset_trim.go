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

// trimsOf returns the trims of a post-processor, in order.
func trimsOf(p postProcessor) []offsetTrim {
	var trims []offsetTrim
	switch p := p.(type) {
	case *byteLevelProcessor:
		trims = append(trims, p.trim)
	case *robertaProcessor:
		trims = append(trims, p.trim)
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
		at[0], at[1] = trimmed(o, marginOf(token), i == 0, e.textOf(i), at[0], at[1])
	}
}

// trimmed moves the offsets of one token by as many characters of the input as the token has white space: the reference counts the token's characters and
// moves over the input's, even where they are not the same.
func trimmed[T string | []byte](o offsetTrim, m margin, first bool, text T, start, end int) (newStart, newEnd int) {
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

// trimSpans trims the offsets of the tokens of one text as the post-processors do.
func (t *Tokenizer) trimSpans(offsets [][2]uint32, ids []uint32, shown []shownToken, text []byte) {
	for _, o := range t.trims {
		if o.on {
			o.trimAll(t.margins(), offsets, ids, shown, text)
		}
	}
}

func (o offsetTrim) trimAll(margins []margin, offsets [][2]uint32, ids []uint32, shown []shownToken, text []byte) {
	for i, id := range ids {
		m := margins[id]
		if len(shown) > 0 && shown[0].token == i {
			m, shown = marginOf(shown[0].text), shown[1:]
		}
		switch {
		case m == margin{}:
		case m == margin{leading: 1} && offsets[i][0] > 0 && offsets[i][0] < offsets[i][1] && text[offsets[i][0]] < utf8.RuneSelf && i > 0:
			offsets[i][0]++
		default:
			start, end := trimmed(o, m, i == 0, text, int(offsets[i][0]), int(offsets[i][1]))
			offsets[i] = [2]uint32{uint32(start), uint32(end)}
		}
	}
}
