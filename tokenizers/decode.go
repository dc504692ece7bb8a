package tokenizers

import (
	"strings"
	"unicode/utf8"
)

// Decode returns the text of ids as Hugging Face tokenizers gives it: valid UTF-8, with U+FFFD for each maximal ill-formed part. Ids that mean no
// token are passed over, and with skipSpecial special tokens are too.
func (t *Tokenizer) Decode(ids []uint32, skipSpecial bool) string {
	const guess = 5 // bytes of a token: near the mean of English
	text := t.AppendText(make([]byte, 0, guess*len(ids)+decodeShort+1), ids, skipSpecial)
	if d := t.decodeTable(); d != nil && d.valid || utf8.Valid(text) {
		return string(text)
	}
	return string(appendValid(nil, text))
}

// AppendText appends the text of ids to dst like Decode, but leaves bytes as they are: what a byte-level tokenizer encoded comes back exactly,
// valid UTF-8 or not, unless the tokenizer sets a space before the text.
func (t *Tokenizer) AppendText(dst []byte, ids []uint32, skipSpecial bool) []byte {
	if d := t.decodeTable(); d != nil {
		return d.append(dst, ids, skipSpecial)
	}
	return t.appendTextByParts(dst, ids, skipSpecial)
}

// appendTextByParts is AppendText for any decoder.
func (t *Tokenizer) appendTextByParts(dst []byte, ids []uint32, skipSpecial bool) []byte {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		token, ok := t.Token(id)
		if ok && !(skipSpecial && t.added.special[token]) {
			tokens = append(tokens, token)
		}
	}
	if t.decoder == nil {
		return append(dst, strings.Join(tokens, " ")...)
	}
	for _, piece := range t.decoder.decode(tokens) {
		dst = append(dst, piece...)
	}
	return dst
}
