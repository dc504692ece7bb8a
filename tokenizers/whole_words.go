package tokenizers

// wholeWords are the words that a byte-level BPE takes whole: its tokens, shown byte by byte as characters.
type wholeWords struct {
	*vocabulary
	longest int // bytes of the longest token
}

func newWholeWords(v *vocabulary) *wholeWords {
	w := &wholeWords{vocabulary: v}
	for _, token := range v.tokens {
		w.longest = max(w.longest, len(token))
	}
	return w
}

// id returns the token that a word is.
func (w *wholeWords) id(word []byte) (uint32, bool) {
	if w == nil || len(word) > w.longest {
		return 0, false
	}
	var room [256]byte
	shown := room[:0]
	for _, b := range word {
		shown = append(shown, byteText[b]...)
	}
	return w.find(shown)
}

// byteText holds byteChars as text.
var byteText = func() (table [256]string) {
	for b, char := range byteChars {
		table[b] = string(char)
	}
	return table
}()
