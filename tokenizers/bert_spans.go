package tokenizers

import (
	"encoding/binary"
	"unicode/utf8"
)

// bertSpans finds where the tokens of BERT come from. In ASCII a token stands for as many bytes as it has; elsewhere the characters are normalized again one by
// one to see what became of each.
type bertSpans struct {
	*bertPlan
	length []uint16          // of the token by id, in bytes
	kinds  [256]bertByteKind // how the byte cuts
}

// bertByteKind says what becomes of an ASCII byte, which is itself in lower or upper case unless it is white space.
type bertByteKind uint8

const (
	bertInner bertByteKind = iota // goes into a word
	bertSpace                     // between words
	bertAlone                     // a word by itself
	bertOther                     // removed, or not ASCII
)

func newBertSpans(p *bertPlan) spanner {
	s := &bertSpans{bertPlan: p, length: make([]uint16, p.model.limit())}
	for id := range s.length {
		token, _ := p.model.token(uint32(id))
		s.length[id] = uint16(len(token)) // at most maxTokenBytes
	}
	for b := range s.kinds {
		c := charClass(0)
		if b < utf8.RuneSelf {
			c = p.class.of(rune(b))
		}
		switch {
		case b >= utf8.RuneSelf, p.norm.cleanText && c&isRemoved != 0:
			s.kinds[b] = bertOther
		case c&isSpace != 0:
			s.kinds[b] = bertSpace
		case c&isPunctuation != 0:
			s.kinds[b] = bertAlone
		}
	}
	return s
}

func (s *bertSpans) locate(e *Encoder, text []byte, at int, ids []uint32) {
	l := &e.locator
	first := len(l.spans)
	l.spans, l.words = grown(l.spans, len(ids)), grown(l.words, len(ids))
	w := bertWalk{bertSpans: s, encoder: e, text: text, at: at, ids: ids, spans: l.spans[first:]}
	for w.done < len(ids) && w.place < len(text) {
		if w.plainEnd <= w.place {
			w.plainEnd = w.place + s.plainBytes(text[w.place:])
		}
		w.plain()
		w.other()
	}
	word, words := l.next-1, l.words[first:][:len(ids)]
	for i, id := range ids {
		word += id >> 31
		words[i] = word
		ids[i] = id &^ startsWord
	}
	l.next = word + 1
}

// bertWalk goes through a text and its tokens side by side.
type bertWalk struct {
	*bertSpans
	encoder  *Encoder
	text     []byte
	at       int
	place    int // of the text
	plainEnd int // text from place to here is ASCII of which nothing is removed
	ids      []uint32
	spans    [][2]uint32
	done     int    // ids
	from     []span // of each byte of the normalized word
}

// plainBytes returns how many bytes text begins with that are ASCII and not removed.
func (s *bertSpans) plainBytes(text []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		low := (w - 0x20*ones) &^ w & tops                      // the highest bit of a byte below 0x20
		del := (w ^ 0x7F*ones - ones) &^ (w ^ 0x7F*ones) & tops // of one that is 0x7F
		if w&tops|low|del == 0 {
			continue
		}
		for k, b := range text[i : i+8] {
			if s.kinds[b] == bertOther {
				return i + k
			}
		}
	}
	for ; i < len(text); i++ {
		if s.kinds[text[i]] == bertOther {
			break
		}
	}
	return i
}

// plain goes through the words of the plain text at place, but not a word that something else follows.
func (w *bertWalk) plain() {
	limit := w.plainEnd
	if limit < len(w.text) {
		for limit > w.place && w.kinds[w.text[limit-1]] == bertInner {
			limit--
		}
	}
	text, ids, spans := w.text[:limit], w.ids, w.spans[:len(w.ids)]
	place, done, prefix, unknown := w.place, w.done, uint32(len(w.model.prefix)), w.model.unknown
	kinds, length := &w.kinds, w.length
	for ; done < len(ids); done++ {
		if place < limit && kinds[text[place]] == bertSpace {
			for place++; place < limit && kinds[text[place]] == bertSpace; place++ {
			}
		}
		if place >= limit {
			break
		}
		id := ids[done] &^ startsWord
		following := ids[done]>>31 ^ 1
		end := place + int(uint32(length[id])-prefix*following)
		if id == unknown && w.single(done) {
			end = w.wordEnd(place, limit)
		}
		spans[done] = [2]uint32{uint32(w.at + place), uint32(w.at + end)}
		place = end
	}
	w.place, w.done = place, done
}

// wordEnd returns where the word at a place of plain text ends.
func (w *bertWalk) wordEnd(place, limit int) int {
	end := place + 1
	if w.kinds[w.text[place]] == bertInner {
		for end < limit && w.kinds[w.text[end]] == bertInner {
			end++
		}
	}
	return end
}

// single tells whether a token is all of its word.
func (w *bertWalk) single(i int) bool { return i+1 == len(w.ids) || w.ids[i+1]&startsWord != 0 }

// other goes through the piece at place, and on until a piece begins with ASCII.
func (w *bertWalk) other() {
	w.from = w.encoder.locator.from[:0]
	for w.done < len(w.ids) && w.place < len(w.text) {
		r, size := utf8.DecodeRune(w.text[w.place:])
		kind, end := w.kind(r), w.place+size
		for kind == pieceInner && end < len(w.text) {
			r, size = utf8.DecodeRune(w.text[end:])
			if w.kind(r) != pieceInner {
				break
			}
			end += size
		}
		if kind != pieceSpace {
			w.piece(end)
		}
		if w.place = end; end < len(w.text) && w.text[end] < utf8.RuneSelf {
			break
		}
	}
	w.encoder.locator.from = w.from
}

// piece finds where the tokens of the text from place to end come from.
func (w *bertWalk) piece(end int) {
	done := w.done
	if w.normalize(end) {
		w.endWord()
		return
	}
	w.done, w.from = done, w.from[:0]
	l := &w.encoder.locator
	spans, words, next := l.spans, l.words, l.next
	l.spans = spans[:len(spans)-len(w.ids)+done] // which has room for all
	w.done += w.encoder.locateByParts(w.text[w.place:end], w.at+w.place)
	l.spans, l.words, l.next = spans, words, next
}

// normalize goes through the words of the text from place to end, but for the last word. It returns false where marks change their order, since the reference
// then takes one for another.
func (w *bertWalk) normalize(end int) bool {
	class := uint8(0)
	var room [maxDecomposed]rune
	for i := w.place; i < end; {
		r, size := utf8.DecodeRune(w.text[i:])
		if size == 1 && r == utf8.RuneError {
			size = invalidPrefix(w.text[i:])
		}
		from := span{int32(w.at + i), int32(w.at + i + size)}
		i += size
		c := w.class.of(r)
		if w.norm.cleanText && c&isRemoved != 0 {
			continue
		}
		apart := w.norm.chinese && c&isChinese != 0
		if apart {
			w.endWord()
		}
		runes := append(room[:0], r)
		if w.norm.stripAccents && c&hasDecomposition != 0 {
			runes = appendDecomposed(room[:0], r)
		}
		for _, r := range runes {
			c := w.class.of(r)
			if w.norm.stripAccents {
				before := class
				if class = 0; c&isCombining != 0 {
					if class = combiningClass(r); class < before {
						return false
					}
				}
				if c&isAccent != 0 {
					continue
				}
			}
			if w.norm.lowercase && c&hasLower != 0 {
				for _, lower := range lookUp(lowercases, r) {
					w.add(lower, from)
				}
			} else {
				w.add(r, from)
			}
		}
		if apart {
			w.endWord()
		}
	}
	return true
}

// add adds a normalized character to the word, and ends words as bertPreTokenizer does.
func (w *bertWalk) add(r rune, from span) {
	c := w.class.of(r)
	if c&(isSpace|isPunctuation) != 0 {
		w.endWord()
	}
	if c&isSpace == 0 {
		for range utf8.RuneLen(r) {
			w.from = append(w.from, from)
		}
	}
	if c&isPunctuation != 0 {
		w.endWord()
	}
}

// endWord gives the tokens of a word their places.
func (w *bertWalk) endWord() {
	n := len(w.from)
	if n == 0 || w.done == len(w.ids) {
		return
	}
	for start, first := 0, true; start < n; first = false {
		end := n
		if !first || !w.single(w.done) {
			end = start + int(w.length[w.ids[w.done]&^startsWord])
			if !first {
				end -= len(w.model.prefix)
			}
		}
		w.spans[w.done] = [2]uint32{uint32(w.from[start].start), uint32(w.from[end-1].end)}
		w.done++
		start = end
	}
	w.from = w.from[:0]
}
