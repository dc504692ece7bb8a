package tokenizers

import "unicode/utf8"

// A plan that is a cuttable encodes the parts of a text one after another as it encodes the whole, where the text is cut at certain places.
type cuttable interface {
	// cutsAt tells whether a text that holds no added token may be cut before text[i], which is a space.
	cutsAt(text []byte, i int) bool
}

// No word of the known cutters has a space behind another character, unless both are white space; and what follows a word does not change where one ends that
// white space follows. So a text may be cut before a space that no white space stands before.
func (p *byteBPE) cutsAt(text []byte, i int) bool {
	if p.cutter == nil || i == 0 {
		return false
	}
	if b := text[i-1]; b < utf8.RuneSelf {
		return charClasses().of(rune(b))&isSpace == 0
	}
	r, _ := utf8.DecodeLastRune(text[:i])
	return charClasses().of(r)&isSpace == 0
}

// White space parts pieces, and nothing that stands before it changes what is behind it. A visible character before it stays there.
func (p *bertPlan) cutsAt(text []byte, i int) bool {
	return i > 0 && text[i-1] > ' ' && text[i-1] < 0x7F
}

// A piece that begins with a space gets no prefix.
func (p *metaspacePlan) cutsAt(text []byte, i int) bool {
	return !p.wholeText && p.kinds()[text[i]]&opensPiece != 0 && p.cutsBefore(text, i)
}

// lastCut returns the last place of text, at which it may be cut, up to limit, or 0 where there is none. The bytes behind limit may decide.
func (t *Tokenizer) lastCut(text []byte, limit int) int {
	plan, ok := t.plan.(cuttable)
	if !ok {
		return 0
	}
	for i := min(limit, len(text)-1); i > 0; i-- {
		if text[i] == ' ' && plan.cutsAt(text, i) {
			return i
		}
	}
	return 0
}

// cutNear returns the last place of text up to limit at which it may be cut, or else the first behind that, or its length.
func (t *Tokenizer) cutNear(text []byte, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	if n := t.lastCut(text, limit); n > 0 {
		return n
	}
	plan, ok := t.plan.(cuttable)
	for i := limit + 1; ok && i < len(text); i++ {
		if text[i] == ' ' && plan.cutsAt(text, i) {
			return i
		}
	}
	return len(text)
}
