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

func isTrimmed(c rune) bool {
	return c == byteChars[' '] || charClasses().of(c)&isSpace != 0
}

// applyAll trims the offsets of encodings and of their windows.
func (o offsetTrim) applyAll(encodings []Encoding) {
	for i := range encodings {
		o.apply(&encodings[i])
		o.applyAll(encodings[i].Overflowing)
	}
}

// apply moves offsets by as many characters of the input as the token has white space: the reference counts the token's characters and moves over the
// input's, even where they are not the same.
func (o offsetTrim) apply(e *Encoding) {
	if !o.on {
		return
	}
	for i, token := range e.Tokens {
		leading, trailing := 0, 0
		for _, c := range token {
			if !isTrimmed(c) {
				break
			}
			leading++
		}
		for rest := token; rest != ""; trailing++ {
			c, size := utf8.DecodeLastRuneInString(rest)
			if !isTrimmed(c) {
				break
			}
			rest = rest[:len(rest)-size]
		}
		at := &e.Offsets[i]
		if leading == 1 && o.addPrefixSpace && (i == 0 || at[0] == 0) {
			leading = 0
		}
		for ; leading > 0 && at[0] < at[1]; leading-- {
			_, size := utf8.DecodeRuneInString(e.textOf(i)[at[0]:])
			at[0] += size
		}
		end := at[1]
		for ; trailing > 0 && end > 0; trailing-- {
			_, size := utf8.DecodeLastRuneInString(e.textOf(i)[:end])
			end -= size
		}
		if trailing == 0 {
			at[1] = max(end, at[0])
		}
	}
}
