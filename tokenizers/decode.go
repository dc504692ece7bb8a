package tokenizers

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// Decode returns the text of ids as Hugging Face tokenizers gives it: valid UTF-8, with U+FFFD for each maximal ill-formed part. Ids that mean no
// token are passed over, and with skipSpecial special tokens are too.
func (t *Tokenizer) Decode(ids []uint32, skipSpecial bool) string {
	buffer := decodeBuffers.Get().(*[]byte)
	text := t.AppendText((*buffer)[:0], ids, skipSpecial)
	d := t.decodeTable()
	known := d != nil && d.valid
	if !known && !utf8.Valid(text) {
		return string(appendValid(nil, text))
	}
	s := string(text)
	if cap(text) <= maxScratchBytes {
		*buffer = text
		decodeBuffers.Put(buffer)
	}
	return s
}

// decodeBuffers hold texts until they are strings of their exact size.
var decodeBuffers = sync.Pool{New: func() any { return new([]byte) }}

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
