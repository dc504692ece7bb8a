package tokenizers

import "fmt"

// wordLevel knows whole words alone.
type wordLevel struct {
	vocabulary
	unknown uint32
}

func loadWordLevel(f *fields) (model, error) {
	w := &wordLevel{}
	unknown := f.str("unk_token", true)
	f.get("vocab", true, func(r *jsonReader) (err error) { w.vocabulary, err = readVocabulary(r); return err })
	if f.err != nil {
		return nil, f.err
	}
	var ok bool
	if w.unknown, ok = w.tokenID(unknown); !ok {
		return nil, inField("unk_token", fmt.Errorf("%q is not in vocab", unknown))
	}
	return w, nil
}

func (w *wordLevel) name() string { return "WordLevel" }

func (w *wordLevel) tokenize(dst []token, word []byte, _ *merger) []token {
	id, ok := w.find(word)
	if !ok {
		id = w.unknown
	}
	return append(dst, token{id, 0, int32(len(word))})
}
