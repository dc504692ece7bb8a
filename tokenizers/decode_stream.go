package tokenizers

import (
	"slices"
	"unicode/utf8"
)

// DecodeStream turns ids into text as they come: no character is given before all of its bytes are known. The pieces that Add and Flush return
// make up what Decode returns for all ids, unless the tokenizer has one of the rare decoders that look further around than at the last token or the
// run of byte tokens (CTC, or a Strip that takes the end of the text) and changes text that is out.
type DecodeStream struct{ tokenStream }

// tokenStream is how the text of some decoder is given in pieces.
type tokenStream interface {
	add(id uint32) []byte
	flush() []byte
}

// NewDecodeStream returns a stream without tokens. With skipSpecial special tokens are passed over.
func (t *Tokenizer) NewDecodeStream(skipSpecial bool) *DecodeStream {
	table := t.decodeTable()
	if table == nil || slices.ContainsFunc(table.strips, func(d *stripDecoder) bool { return d.stop > 0 }) {
		return &DecodeStream{&partsStream{tokenizer: t, skipSpecial: skipSpecial, bytes: slices.Contains(flattenDecoder(nil, t.decoder), decoder(byteFallback{}))}}
	}
	return &DecodeStream{&tableStream{table: table, skipSpecial: skipSpecial}}
}

// Add returns the text that is certain once the token id has come. A run of byte tokens is text once the token behind it has come, since any of them
// may yet make it none.
func (s *DecodeStream) Add(id uint32) string { return string(appendValid(nil, s.add(id))) }

// Flush returns what is left, with U+FFFD for a character that never became whole, and empties the stream.
func (s *DecodeStream) Flush() string { return string(appendValid(nil, s.flush())) }

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

// tableStream decodes token by token.
type tableStream struct {
	table       *decodeTable
	skipSpecial bool
	begun       bool     // the first token has come
	stripped    bool     // the beginning of the text is decided
	text        []byte   // what is out since the last call, then what is not out
	out         int      // bytes of the first kind
	run         int      // bytes of byte tokens that text ends with
	held        []uint32 // the last token, where it may have another text at the end
}

func (s *tableStream) add(id uint32) []byte {
	if !s.table.present(id, s.skipSpecial) {
		return nil
	}
	if s.table.ends {
		if s.held = append(s.held, id); len(s.held) == 1 {
			return nil
		}
		id = s.held[0]
		s.held = append(s.held[:0], s.held[1])
	}
	s.decode(id, false)
	if s.run > 0 {
		return s.give(len(s.text) - s.run)
	}
	return s.give(complete(s.text))
}

// decode puts the text of a token behind what is not out.
func (s *tableStream) decode(id uint32, last bool) {
	s.text, s.out = append(s.text[:0], s.text[s.out:]...), 0
	if !s.begun || last {
		s.text, s.run = s.table.appendToken(s.text, s.run, id, !s.begun, last)
	} else {
		s.text, s.run = s.table.appendMiddle(s.text, s.run, []uint32{id}, s.skipSpecial)
	}
	s.begun = true
}

// give returns the text up to end, once it is longer than all that may be stripped.
func (s *tableStream) give(end int) []byte {
	text := s.text[:end]
	if !s.stripped {
		limit := 0
		for _, d := range s.table.strips {
			limit += d.start * len(d.char)
		}
		if end <= limit {
			return nil
		}
		text, s.stripped = s.table.strip(text), true
	}
	s.out = end
	return text
}

func (s *tableStream) flush() []byte {
	if len(s.held) > 0 {
		s.decode(s.held[0], true)
	}
	text := endByteRun(s.text, s.run)[s.out:]
	if !s.stripped {
		text = s.table.strip(text)
	}
	*s = tableStream{table: s.table, skipSpecial: s.skipSpecial}
	return text
}

// partsStream decodes the last tokens again each time, with what is out before them as context for the decoder.
type partsStream struct {
	tokenizer   *Tokenizer
	skipSpecial bool
	bytes       bool     // the decoder makes characters of byte tokens
	ids         []uint32 // the context, then tokens whose text is not all out
	context     int      // how many of the first kind
	out         int      // bytes of the text of ids that are out
	text        []byte
}

func (s *partsStream) add(id uint32) []byte {
	token, ok := s.tokenizer.Token(id)
	if !ok || s.skipSpecial && s.tokenizer.added.special[token] {
		return nil
	}
	s.ids = append(s.ids, id)
	if _, ok := fallbackByte(token); ok && s.bytes {
		return nil
	}
	text := s.decode()
	end := complete(text)
	piece := slices.Clone(text[min(s.out, end):end])
	if s.out = max(s.out, end); end == len(text) { // what has come is out: it becomes the context, and the old context goes
		s.ids = append(s.ids[:0], s.ids[s.context:]...)
		s.context = len(s.ids)
		s.out = len(s.decode())
	}
	return piece
}

func (s *partsStream) flush() []byte {
	text := s.decode()
	rest := text[min(s.out, len(text)):]
	s.ids, s.context, s.out = s.ids[:0], 0, 0
	return rest
}

func (s *partsStream) decode() []byte {
	s.text = s.tokenizer.appendTextByParts(s.text[:0], s.ids, s.skipSpecial)
	return s.text
}
