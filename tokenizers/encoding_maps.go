package tokenizers

// The maps between the characters, words and tokens of an Encoding, as Hugging Face tokenizers gives them (char_to_token and the like). sequence says which of
// the texts is meant, 0 or 1. Places of a text are in the unit of Offsets. Where there is no answer ok is false.

// SequenceRange returns the tokens of a text, start up to end, without special tokens and padding around it. ok is false where it has none.
func (e *Encoding) SequenceRange(sequence int) (start, end int, ok bool) {
	for i, s := range e.SequenceIDs {
		if s == sequence {
			if !ok {
				start, ok = i, true
			}
			end = i + 1
		}
	}
	return start, end, ok
}

// WordTokens returns the tokens of a word, start up to end.
func (e *Encoding) WordTokens(word, sequence int) (start, end int, ok bool) {
	first, last, found := e.SequenceRange(sequence)
	if !found || word < 0 {
		return 0, 0, false
	}
	for i := first; i < last; i++ {
		if e.WordIDs[i] == word {
			if !ok {
				start, ok = i, true
			}
			end = i + 1
		}
	}
	return start, end, ok
}

// WordChars returns where a word stands in its text, from the first of its tokens to the last.
func (e *Encoding) WordChars(word, sequence int) (span [2]int, ok bool) {
	start, end, ok := e.WordTokens(word, sequence)
	if !ok {
		return span, false
	}
	return [2]int{e.Offsets[start][0], e.Offsets[end-1][1]}, true
}

// TokenSequence returns the text that a token is of. There is none for special tokens and padding.
func (e *Encoding) TokenSequence(token int) (sequence int, ok bool) {
	if token < 0 || token >= len(e.SequenceIDs) || e.SequenceIDs[token] < 0 {
		return 0, false
	}
	return e.SequenceIDs[token], true
}

// TokenChars returns the text that a token is of, and where it stands there.
func (e *Encoding) TokenChars(token int) (sequence int, span [2]int, ok bool) {
	if sequence, ok = e.TokenSequence(token); ok {
		span = e.Offsets[token]
	}
	return sequence, span, ok
}

// TokenWord returns the text that a token is of, and its word there.
func (e *Encoding) TokenWord(token int) (sequence, word int, ok bool) {
	sequence, ok = e.TokenSequence(token)
	if !ok || e.WordIDs[token] < 0 {
		return 0, 0, false
	}
	return sequence, e.WordIDs[token], true
}

// CharToken returns the token that a place of a text is part of, the first where there are several.
func (e *Encoding) CharToken(place, sequence int) (token int, ok bool) {
	start, end, found := e.SequenceRange(sequence)
	if !found {
		return 0, false
	}
	for i := start; i < end; i++ {
		if o := e.Offsets[i]; o[0] <= place && place < o[1] && e.SequenceIDs[i] == sequence {
			return i, true
		}
	}
	return 0, false
}

// CharWord returns the word that a place of a text is part of.
func (e *Encoding) CharWord(place, sequence int) (word int, ok bool) {
	token, ok := e.CharToken(place, sequence)
	if !ok {
		return 0, false
	}
	_, word, ok = e.TokenWord(token)
	return word, ok
}
