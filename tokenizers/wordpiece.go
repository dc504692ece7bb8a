package tokenizers

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// wordPiece cuts a word into the longest tokens from the left; all but the first carry a prefix. A word that can't be cut is one unknown token
// (Schuster and Nakajima 2012, as in BERT).
type wordPiece struct {
	vocabulary
	prefix    string
	unknown   uint32
	maxChars  int // a longer word is unknown
	trie      *trie
	following uint32 // the node behind the prefix of following tokens
}

func loadWordPiece(f *fields) (model, error) {
	w := &wordPiece{trie: newTrie()}
	unknown := f.str("unk_token", true)
	w.prefix = f.str("continuing_subword_prefix", true)
	w.maxChars = int(f.count("max_input_chars_per_word", true, 1<<31-1))
	f.get("vocab", true, func(r *jsonReader) (err error) { w.vocabulary, err = readVocabulary(r); return err })
	if f.err != nil {
		return nil, f.err
	}
	var ok bool
	if w.unknown, ok = w.tokenID(unknown); !ok {
		return nil, inField("unk_token", fmt.Errorf("%q is not in vocab", unknown))
	}
	for id, token := range w.tokens {
		if token != "" {
			w.trie.insert(token, uint32(id))
		}
	}
	if len(w.prefix) > maxTokenBytes {
		return nil, inField("continuing_subword_prefix", errors.New("is too long"))
	}
	w.following = w.trie.path(trieRoot, w.prefix)
	return w, nil
}

func (w *wordPiece) name() string { return "WordPiece" }

func (w *wordPiece) tokenize(dst []token, word []byte, _ *merger) []token {
	start := len(dst)
	if len(word) > w.maxChars && runeCount(word) > w.maxChars {
		return append(dst, token{w.unknown, 0, int32(len(word))})
	}
	node := uint32(trieRoot)
	for i := 0; i < len(word); {
		id, n := w.trie.longest(node, word[i:])
		if n == 0 {
			return append(dst[:start], token{w.unknown, 0, int32(len(word))})
		}
		dst = append(dst, token{id, int32(i), int32(i + n)})
		i += n
		node = w.following
	}
	return dst
}

// runeCount counts the characters of well-formed text. utf8.RuneCount allocates when it is inlined.
func runeCount(b []byte) int {
	n := 0
	for _, c := range b {
		if utf8.RuneStart(c) {
			n++
		}
	}
	return n
}
