package tokenizers

import "unicode/utf8"

// DecodeStream turns ids into text as they come: no character is given before all of its bytes are known. The pieces that Add and Flush return
// make up what Decode returns for all ids, unless a decoder changes text before the last two tokens given.
type DecodeStream struct {
	tokenizer   *Tokenizer
	skipSpecial bool
	ids         []uint32 // the last tokens whose text is out, as context for a decoder, then those whose text is not all out
	context     int      // how many of the first kind
	out         int      // bytes of the text of ids that are out
}

// NewDecodeStream returns a stream without tokens. With skipSpecial special tokens are passed over.
func (t *Tokenizer) NewDecodeStream(skipSpecial bool) *DecodeStream {
	return &DecodeStream{tokenizer: t, skipSpecial: skipSpecial}
}

// Add returns the text that is certain once the token id has come.
func (s *DecodeStream) Add(id uint32) string {
	s.ids = append(s.ids, id)
	text := s.text()
	end := complete(text)
	if end <= s.out {
		return ""
	}
	piece := text[s.out:end]
	if s.out = end; end == len(text) { // what has come is out: it becomes the context, and the old context goes
		s.ids = append(s.ids[:0], s.ids[s.context:]...)
		s.context, s.out = len(s.ids), len(s.text())
	}
	return string(appendValid(nil, piece))
}

// Flush returns what is left, with U+FFFD for a character that never became whole, and empties the stream.
func (s *DecodeStream) Flush() string {
	text := s.text()
	rest := text[min(s.out, len(text)):]
	s.ids, s.context, s.out = s.ids[:0], 0, 0
	return string(appendValid(nil, rest))
}

func (s *DecodeStream) text() []byte { return s.tokenizer.AppendText(nil, s.ids, s.skipSpecial) }

// complete is the length of text without the beginning of a character at its end.
func complete(text []byte) int {
	for i := len(text) - 1; i >= 0 && i > len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return i
			}
			break
		}
	}
	return len(text)
}
