package tokenizers

import (
	"fmt"
	"unicode/utf8"
)

// EncodeStream encodes a text that comes in parts. The ids that it gives make up those of Encoder.AppendIDs for the whole text, however that is divided. It
// holds back what later parts may change, and is for one goroutine.
type EncodeStream struct {
	encoder *Encoder
	emit    func(ids []uint32) error
	maxHeld int
	block   int // bytes after which encoding is tried
	ids     []uint32
	held    []byte // context, then what is not encoded
	begin   int    // of the latter
	next    int    // where added tokens are sought
	begun   bool   // something is encoded
	try     int    // length of held at which encoding is tried next
	finder  addedFinder
	err     error
}

const (
	streamBlockBytes   = 1 << 16
	defaultHeldBytes   = 64 << 20
	streamContextBytes = 2 * utf8.UTFMax // kept of what is encoded, and looked at behind a cut
)

// NewEncodeStream returns a stream that calls emit with ids as they are certain; emit must not keep them. cacheBytes is as for NewEncoder. maxHeldBytes bounds
// what is held back, 0 for 64 MiB: ids come for some 64 KiB of text at a time, but a text without a space that may be cut, or a tokenizer of which it
// is not known where one may, is held back as a whole.
func (t *Tokenizer) NewEncodeStream(cacheBytes, maxHeldBytes int, emit func(ids []uint32) error) *EncodeStream {
	if maxHeldBytes <= 0 {
		maxHeldBytes = defaultHeldBytes
	}
	block := min(streamBlockBytes, maxHeldBytes)
	return &EncodeStream{encoder: t.NewEncoder(cacheBytes), emit: emit, maxHeld: maxHeldBytes, block: block, try: block}
}

// Write adds a part of the text. It returns the error of emit, and one where more than the bound would be held back; both stay until Flush.
func (s *EncodeStream) Write(part []byte) (int, error) {
	written := 0
	for len(part) > 0 && s.err == nil {
		n := min(len(part), max(1, s.try-len(s.held)))
		s.held = append(s.held, part[:n]...)
		written, part = written+n, part[n:]
		if len(s.held) < s.try {
			break
		}
		s.advance()
		if held := len(s.held) - s.begin; s.err == nil && held > s.maxHeld {
			s.err = fmt.Errorf("encode a stream: there is no place to cut %d bytes of text: allow it to hold back more, or encode the text at once", held)
		}
		s.try = min(max(s.block, 2*len(s.held)), s.begin+s.maxHeld+1)
	}
	return written, s.err
}

// Flush ends the text: it encodes what is held back. The next Write begins another text.
func (s *EncodeStream) Flush() error {
	if s.err == nil && s.begin < len(s.held) {
		t := s.encoder.tokenizer
		if t.added.inReplaced && !t.keepsBytes() {
			s.ids = s.encoder.AppendIDs(s.ids[:0], s.held) // nothing was encoded before
			s.err = s.emit(s.ids)
		} else {
			s.encode(s.finder.findFrom(t.added, t.added.raw, s.held, s.begin, s.next, true), len(s.held))
		}
	}
	err := s.err
	s.held, s.begin, s.next, s.begun, s.try, s.err = s.held[:0], 0, 0, false, s.block, nil
	return err
}

// advance encodes as much as is certain.
func (s *EncodeStream) advance() {
	t := s.encoder.tokenizer
	a := t.added
	if a.inReplaced && !t.keepsBytes() || a.normal.wanted(true) && a.reaches {
		return
	}
	limit := len(s.held) - streamContextBytes // cuts lie before
	if a.raw.wanted(true) {
		limit -= a.raw.bytes + utf8.UTFMax // tokens that begin before limit are seen, and what they stand beside
	}
	parts := s.finder.findFrom(a, a.raw, s.held, s.begin, s.next, true)
	for i := len(parts) - 1; i >= 0; i-- {
		p := parts[i]
		if p.token != nil || p.start >= limit {
			continue
		}
		if n := t.lastCut(s.held[p.start:p.end], limit-p.start); n > 0 {
			s.encode(parts[:i+1], p.start+n)
			return
		}
	}
}

// encode encodes parts, the last of them up to end, and forgets them but for a context.
func (s *EncodeStream) encode(parts []found, end int) {
	e := s.encoder
	e.keep = ^uint32(startsWord)
	e.locator.on = false
	s.ids = s.ids[:0]
	for _, f := range parts {
		stop := min(f.end, end)
		if f.token != nil {
			s.ids = e.appendAdded(s.ids, f.token, s.held[f.start:stop], f.start, stop)
		} else {
			at := f.start - s.begin
			if s.begun {
				at++
			}
			s.ids = e.appendPart(s.ids, s.held[f.start:stop], at, true)
		}
	}
	s.begun = true
	e.release()
	context := max(0, end-streamContextBytes)
	s.next = s.finder.passed(e.tokenizer.added, s.next, end) - context
	s.held = s.held[:copy(s.held, s.held[context:])]
	s.begin = end - context
	s.err = s.emit(s.ids)
}
