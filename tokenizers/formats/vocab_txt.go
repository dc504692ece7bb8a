package formats

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const maxTokenBytes = 1 << 14 // as package tokenizers

// fromVocabText reads a vocab.txt, one token a line, whose number from 0 is its id (Devlin et al. 2018). Empty lines keep their number and hold nothing.
func fromVocabText(data []byte, s *settings) (*document, error) {
	d := &document{decoder: `{"type": "WordPiece", "prefix": "##", "cleanup": true}`, preTokenizer: `{"type": "BertPreTokenizer"}`}
	lines := map[string]int{}
	cased := false
	for number := 1; len(data) > 0; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		token := string(bytes.TrimSuffix(line, []byte("\r")))
		switch first, twice := lines[token]; {
		case token == "":
			continue
		case number > maxIDs:
			return nil, fmt.Errorf("line %d: more than %d tokens", number, maxIDs)
		case len(token) > maxTokenBytes:
			return nil, fmt.Errorf("line %d: token of %d bytes: the longest allowed has %d", number, len(token), maxTokenBytes)
		case !utf8.ValidString(token):
			return nil, fmt.Errorf("line %d: %q is not valid UTF-8", number, token)
		case twice:
			return nil, fmt.Errorf("line %d: %q is on line %d already", number, token, first)
		}
		lines[token] = number
		d.vocab = append(d.vocab, vocabEntry{token: token, id: number - 1})
		cased = cased || hasUpper(token)
	}
	if len(d.vocab) == 0 {
		return nil, errors.New("holds no tokens")
	}
	unknown := s.UNK.or("[UNK]")
	if lines[unknown] == 0 {
		return nil, fmt.Errorf("lacks the unknown token %q: name another one as unk_token in tokenizer_config.json beside it", unknown)
	}
	accents := "null"
	if s.StripAccents != nil {
		accents = fmt.Sprint(*s.StripAccents)
	}
	d.normalizer = fmt.Sprintf(`{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": %t, "strip_accents": %s, "lowercase": %t}`,
		isTrue(s.ChineseChars, true), accents, isTrue(s.Lowercase, !cased))
	d.model = fmt.Sprintf(`"type": "WordPiece", "unk_token": %s, "continuing_subword_prefix": "##", "max_input_chars_per_word": 100`, encode(unknown))
	ids := d.ids()
	cls, sep := s.CLS.or("[CLS]"), s.SEP.or("[SEP]")
	for _, name := range []string{s.PAD.or("[PAD]"), unknown, cls, sep, s.Mask.or("[MASK]")} {
		if id, ok := ids[name]; ok {
			d.addMissing([]addedToken{special(id, name)})
		}
	}
	d.addMissing(s.added)
	d.postProcessor = template(ids, []piece{{cls, 0}, {"A", 0}, {sep, 0}}, []piece{{cls, 0}, {"A", 0}, {sep, 0}, {"B", 1}, {sep, 1}})
	return d, nil
}

// hasUpper tells whether a token of a vocabulary has an upper-case Latin letter. Special tokens such as [CLS] and <S> are passed over.
func hasUpper(token string) bool {
	if strings.HasPrefix(token, "[") || strings.HasPrefix(token, "<") {
		return false
	}
	return strings.ContainsFunc(token, func(r rune) bool { return r >= 'A' && r <= 'Z' })
}
