package tokenizers

import "strings"

// wordPieceDecoder joins tokens with spaces, except before those that carry the prefix of following tokens.
type wordPieceDecoder struct {
	prefix  string
	cleanUp bool // take out the spaces that tokenization put around English punctuation and contractions
}

func loadWordPieceDecoder(f *fields) (decoder, error) {
	return &wordPieceDecoder{f.str("prefix", true), f.boolean("cleanup", true)}, f.err
}

func (d *wordPieceDecoder) decode(tokens []string) []string { return decodePieces(d, tokens) }

func (d *wordPieceDecoder) piece(token string, first, _ bool) string {
	if !first {
		if rest, ok := strings.CutPrefix(token, d.prefix); ok {
			token = rest
		} else {
			token = " " + token
		}
	}
	if d.cleanUp {
		token = cleanUp(token)
	}
	return token
}

// cleanUp makes the replacements of the reference one after another; each sees one token with the space before it.
func cleanUp(token string) string {
	for _, r := range [][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"},
		{" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	} {
		token = strings.ReplaceAll(token, r[0], r[1])
	}
	return token
}
