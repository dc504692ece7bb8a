package tokenizers

import "unicode/utf8"

// span is a range of bytes of the input.
type span struct{ start, end int32 }

// text is a stretch of the input on its way through the pipeline: its bytes as the parts so far have left them and, for each of these bytes,
// the range of the input that it stands for. A character of the input is never divided: all bytes made of it stand for the whole of it.
type text struct {
	bytes []byte
	from  []span
}

// newText returns the input as it is, with U+FFFD for each ill-formed sequence when wellFormed is asked for.
func newText(input string, wellFormed bool) text { return newTextAt(input, 0, wellFormed) }

// newTextAt is newText for a part of the input that stands at a place of it.
func newTextAt(input string, at int, wellFormed bool) text {
	t := text{bytes: make([]byte, 0, len(input)), from: make([]span, 0, len(input))}
	b := []byte(input)
	for i := 0; i < len(b); {
		n := 1
		char := b[i : i+1]
		if b[i] >= utf8.RuneSelf {
			if bad := invalidPrefix(b[i:]); bad == 0 {
				_, n = utf8.DecodeRune(b[i:])
				char = b[i : i+n]
			} else if wellFormed {
				n, char = bad, []byte(replacement)
			}
		}
		t.add(char, span{int32(at + i), int32(at + i + n)})
		i += n
	}
	return t
}

func (t *text) add(char []byte, from span) {
	t.bytes = append(t.bytes, char...)
	for range char {
		t.from = append(t.from, from)
	}
}

func (t text) slice(start, end int) text {
	return text{t.bytes[start:end], t.from[start:end]}
}

// origin returns the range of the input that bytes start to end stand for.
func (t text) origin(start, end int) span {
	return span{t.from[start].start, t.from[end-1].end}
}

// edit is one character of a rewritten text. It replaces the next character of the old text, and the -change characters after that; where change is
// fresh it replaces none and stands for what the character before it stands for.
type edit struct {
	char   rune
	change int32
}

const fresh = 1

// after returns the edit for the i-th of several characters that replace one.
func after(i int, char rune) edit {
	if i > 0 {
		return edit{char, fresh}
	}
	return edit{char, 0}
}

// rewrite returns the text that edits describe. Replacements take the place of the old characters one after another, whatever they are: this
// is how the reference aligns a text whose marks were put in another order.
func (t text) rewrite(edits []edit) text {
	out := text{bytes: make([]byte, 0, len(t.bytes)), from: make([]span, 0, len(t.bytes))}
	next := 0
	var char [utf8.UTFMax]byte
	for _, e := range edits {
		var from span
		switch {
		case e.change > 0 && next > 0:
			from = t.from[next-1]
		case e.change > 0 && len(t.from) > 0:
			from = span{t.from[0].start, t.from[0].start}
		case next < len(t.bytes):
			from = t.from[next]
			for n := e.change; n <= 0 && next < len(t.bytes); n++ {
				_, size := utf8.DecodeRune(t.bytes[next:])
				next += size
			}
		}
		n := utf8.EncodeRune(char[:], e.char)
		out.add(char[:n], from)
	}
	return out
}

// filter returns the text without the characters that keep refuses, and with what change makes of the others.
func (t text) filter(change func(rune) (r rune, keep bool)) text {
	out := text{bytes: make([]byte, 0, len(t.bytes)), from: make([]span, 0, len(t.bytes))}
	var char [utf8.UTFMax]byte
	for i := 0; i < len(t.bytes); {
		r, size := utf8.DecodeRune(t.bytes[i:])
		if to, keep := change(r); keep {
			n := utf8.EncodeRune(char[:], to)
			out.add(char[:n], t.from[i])
		}
		i += size
	}
	return out
}
