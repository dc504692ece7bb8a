package tokenizers

import "strings"

// Decode returns the text of ids as Hugging Face tokenizers gives it: valid UTF-8, with U+FFFD for each maximal ill-formed part. Ids that mean no
// token are passed over, and with skipSpecial special tokens are too.
func (t *Tokenizer) Decode(ids []uint32, skipSpecial bool) string {
	return string(appendValid(nil, t.AppendText(nil, ids, skipSpecial)))
}

// AppendText appends the text of ids to dst like Decode, but leaves bytes as they are: what a byte-level tokenizer encoded comes back exactly,
// valid UTF-8 or not, unless the tokenizer sets a space before the text.
func (t *Tokenizer) AppendText(dst []byte, ids []uint32, skipSpecial bool) []byte {
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
