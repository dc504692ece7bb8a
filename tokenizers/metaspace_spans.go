package tokenizers

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// metaspaceSpans finds where the tokens of a metaspacePlan come from. In a piece of plain characters, with white space before them, a token stands for as many bytes
// as it has, where the visible space counts as the one that it shows. Other pieces take the way through the parts.
type metaspaceSpans struct {
	*metaspacePlan
	tables func() *metaspaceTables // made when they are asked for first
	wide   func() *[1 << 16]bool   // characters that are plain beyond ASCII; likewise
}

type metaspaceTables struct {
	opens  [256]bool // the byte becomes a space; of a carriage return that is not sure, since it and a line feed may become one together
	plain  [256]bool // the normalizer leaves the byte alone, but for its case, and it is no space
	either [256]bool // one of the two
	joins  bool      // runs of white space become one, which stands for the last of them
	steady bool      // text of these bytes is cut at all white space, and every word has tokens
	length []uint16  // by id, in bytes of plain text; 0 where that is not known: plain characters keep their length
}

func newMetaspaceSpans(t *Tokenizer, p *metaspacePlan) spanner {
	if p.wholeText {
		return nil
	}
	return &metaspaceSpans{p, sync.OnceValue(func() *metaspaceTables { return p.newTables(t.model) }), sync.OnceValue(p.findPlain)}
}

func (p *metaspacePlan) newTables(m model) *metaspaceTables {
	t := &metaspaceTables{length: make([]uint16, m.limit())}
	var scratch normalizerScratch
	const both = closesPiece | alone
	kinds := p.kinds()
	for b := range byte(utf8.RuneSelf) {
		now := p.chain.normalize([]byte{b}, &scratch)
		t.plain[b] = kinds[b]&both == both && len(now) == 1 && (now[0] == b || now[0]|0x20 == b|0x20 && now[0] >= 'A')
		t.opens[b] = kinds[b]&opensPiece != 0 && b != '\r'
		t.either[b] = t.plain[b] || t.opens[b]
	}
	t.joins = p.joinsSpaces(&t.opens)
	b, isBPE := m.(*bpe)
	t.steady = t.joins && !p.dropsSpaces && !(isBPE && b.unknown == noID)
	for b := range t.plain {
		t.steady = t.steady && (!t.either[b] || kinds[b]&behindSpace != 0)
	}
	for id := range t.length {
		token, _ := m.token(uint32(id))
		t.length[id] = uint16(len(token) - (len(p.space.replacement)-1)*strings.Count(token, p.space.replacement)) // at most maxTokenBytes
	}
	for _, id := range standIns(m) {
		if int(id) < len(t.length) {
			t.length[id] = 0
		}
	}
	return t
}

// joinsSpaces tries all pairs of characters that become spaces.
func (p *metaspacePlan) joinsSpaces(opens *[256]bool) bool {
	var scratch normalizerScratch
	for a := range byte(utf8.RuneSelf) {
		for b := range byte(utf8.RuneSelf) {
			if !opens[a] || !opens[b] {
				continue
			}
			now := p.chain.normalize([]byte{'a', a, b, 'a'}, &scratch)
			if len(now) < 2 {
				return false
			}
			if between := string(now[1 : len(now)-1]); between != " " && between != p.space.replacement {
				return false
			}
		}
	}
	return true
}

// standIns returns the tokens that stand for text other than their own, such as the unknown token.
func standIns(m model) []uint32 {
	switch m := m.(type) {
	case *bpe:
		if m.byteTokens != nil {
			return append(m.byteTokens[:], m.unknown)
		}
		return []uint32{m.unknown}
	case *unigram:
		if m.byteIDs != nil {
			return append(m.byteIDs[:], m.unknown)
		}
		return []uint32{m.unknown}
	case *wordPiece:
		return []uint32{m.unknown}
	case *wordLevel:
		return []uint32{m.unknown}
	}
	return nil
}

// findPlain returns which characters beyond ASCII the normalizer leaves alone, whatever stands beside them, of those in the first plane.
func (p *metaspacePlan) findPlain() *[1 << 16]bool {
	const both = closesPiece | alone
	plain, kinds := &[1 << 16]bool{}, p.kinds()
	var scratch normalizerScratch
	var char [utf8.UTFMax]byte
	for r := rune(utf8.RuneSelf); r < 1<<16; r++ {
		if kinds[r]&both == both && utf8.ValidRune(r) && r != utf8.RuneError {
			b := utf8.AppendRune(char[:0], r)
			plain[r] = string(p.chain.normalize(b, &scratch)) == string(r)
		}
	}
	return plain
}

// plainRun returns the length of the run of bytes that a table has, and of plain characters beyond ASCII.
func (s *metaspaceSpans) plainRun(table *[256]bool, text []byte) int {
	n := 0
	for n < len(text) {
		if table[text[n]] {
			n++
			continue
		}
		if text[n] < utf8.RuneSelf {
			break
		}
		r, size := utf8.DecodeRune(text[n:])
		if r >= 1<<16 || !s.wide()[r] {
			break
		}
		n += size
	}
	return n
}

func (s *metaspaceSpans) locate(e *Encoder, text []byte, at int, ids []uint32) {
	t := s.tables()
	if !s.startsAligned(t, text) {
		e.locateByParts(text, at)
		unmark(ids)
		return
	}
	w := metaspaceWalk{metaspaceSpans: s, tables: t, encoder: e, text: text, at: at, ids: ids}
	for w.place < len(text) {
		if t.steady && w.place > 0 {
			w.steady()
		}
		if w.place < len(text) {
			w.piece()
		}
	}
	unmark(ids)
}

// metaspaceWalk goes through a text and its tokens side by side.
type metaspaceWalk struct {
	*metaspaceSpans
	tables  *metaspaceTables
	encoder *Encoder
	text    []byte
	at      int
	place   int      // of the text
	end     int      // of the steady text around place, or before it
	ids     []uint32 // from place on
}

// steady goes through pieces of plain characters and the white space before them, but not the last of them.
func (w *metaspaceWalk) steady() {
	t, text := w.tables, w.text
	if w.end < w.place {
		w.end = w.steadyEnd()
	}
	end := w.end
	if w.place >= end {
		return
	}
	l := &w.encoder.locator
	first := len(l.spans)
	l.spans, l.words = grown(l.spans, len(w.ids)), grown(l.words, len(w.ids))
	spans, words := l.spans[first:][:len(w.ids)], l.words[first:][:len(w.ids)]
	place, word, opens, lengths := w.place, l.next-1, &t.opens, t.length
	done, donePlace, i := 0, place, 0 // tokens before the last place where a word is known to begin
	for ; i < len(w.ids); i++ {
		id := w.ids[i]
		length := int(lengths[id&^startsWord])
		if id&startsWord != 0 {
			if place > end || !opens[text[place]] {
				break
			}
			if done, donePlace = i, place; place == end {
				break
			}
			for opens[text[place+1]] { // a plain character follows before end
				place++
			}
			word++
		}
		if length == 0 {
			break
		}
		spans[i] = [2]uint32{uint32(w.at + place), uint32(w.at + place + length)}
		words[i] = word
		place += length
	}
	l.spans, l.words = l.spans[:first+done], l.words[:first+done]
	if done > 0 {
		l.next = words[done-1] + 1
	}
	w.ids, w.place = w.ids[done:], donePlace
}

// steadyEnd returns where the last of the pieces begins that are plain.
func (w *metaspaceWalk) steadyEnd() int {
	t, text := w.tables, w.text
	end := w.place + w.plainRun(&t.either, text[w.place:])
	for end > w.place && !t.opens[text[end-1]] { // what follows may belong to the piece
		end--
	}
	for end > w.place && t.opens[text[end-1]] {
		end--
	}
	return end
}

// piece goes through one piece.
func (w *metaspaceWalk) piece() {
	spaces, n := w.plainPiece(w.tables, w.text[w.place:])
	tokens := 0
	if n > 0 {
		tokens = w.locatePlain(w.encoder, w.tables, spaces, n, w.at+w.place, w.ids)
	}
	if tokens == 0 {
		n = w.pieceEnd(w.text[w.place:])
		tokens = w.encoder.locateByParts(w.text[w.place:w.place+n], w.at+w.place)
	}
	w.place += n
	w.ids = w.ids[min(tokens, len(w.ids)):]
}

// pieceEnd returns the length of a piece that text begins with, or of several.
func (s *metaspaceSpans) pieceEnd(text []byte) int {
	kinds := s.kinds()
	for i := 1; i < len(text); i++ {
		if text[i] < utf8.RuneSelf && kinds[text[i]]&opensPiece != 0 && s.cutsBefore(text, i) {
			return i
		}
	}
	return len(text)
}

// startsAligned tells whether a charsmap surely leaves something of the first character: else the reference takes all the text behind it for other text.
func (s *metaspaceSpans) startsAligned(t *metaspaceTables, text []byte) bool {
	if s.charsmapAt < 0 {
		return true
	}
	if t.either[text[0]] && (len(text) == 1 || t.either[text[1]]) {
		return true
	}
	n := cluster(text)
	if s.charsmapAt > 0 || !utf8.Valid(text[:n]) {
		return false
	}
	c := s.chain[0].(*charsmap)
	_, size := utf8.DecodeRune(text)
	if n <= maxClusterBytes {
		if to, ok := c.lookUp(text[:n]); ok {
			return len(to) > 0
		}
	}
	to, ok := c.lookUp(text[:size])
	return !ok || len(to) > 0
}

// plainPiece returns the length of the piece that text begins with if it is a word of plain characters, and of the white space before it; n is 0 for other pieces.
func (s *metaspaceSpans) plainPiece(t *metaspaceTables, text []byte) (spaces, n int) {
	for n < len(text) && t.opens[text[n]] {
		n++
	}
	if spaces = n; spaces > 1 && !t.joins {
		return 0, 0
	}
	n += s.plainRun(&t.plain, text[n:])
	if n == spaces || n < len(text) && !(t.opens[text[n]] && s.cutsBefore(text, n)) {
		return 0, 0
	}
	return spaces, n
}

// locatePlain adds where the tokens of a plain piece come from, the first of ids. It returns how many these are, or 0 where that can't be told.
func (s *metaspaceSpans) locatePlain(e *Encoder, t *metaspaceTables, spaces, n, at int, ids []uint32) int {
	l := &e.locator
	begin, end := at+max(0, spaces-1), at+n // of what the tokens stand for
	prefix := spaces == 0 && s.space.prepend != prependNever
	if spaces > 0 && s.dropsSpaces {
		begin++
		prefix = s.space.prepend == prependAlways
	}
	place := begin
	if prefix { // which stands for the first character
		place--
	}
	first, i := len(l.spans), 0
	for ; i < len(ids) && place < end && (i == 0 || ids[i]&startsWord == 0); i++ {
		length := int(t.length[ids[i]&^startsWord])
		if length == 0 {
			break
		}
		l.spans = append(l.spans, [2]uint32{uint32(max(begin, place)), uint32(max(begin+1, place+length))})
		place += length
	}
	if place != end || i < len(ids) && ids[i]&startsWord == 0 {
		l.spans = l.spans[:first]
		return 0
	}
	for range i {
		l.words = append(l.words, l.next)
	}
	l.next++
	return i
}
