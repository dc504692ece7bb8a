package tokenizers

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoderSequence hands what one decoder makes of the tokens to the next.
type decoderSequence []decoder

func loadDecoderSequence(f *fields) (decoder, error) {
	parts, err := readParts(f, "decoders", loadDecoder)
	s := decoderSequence(parts)
	if err == nil {
		err = checkGrowth("decoders", decoderGrowth(s))
	}
	return s, err
}

func loadDecoder(r *jsonReader) (decoder, error) { return loadPart(r, decoders) }

func (s decoderSequence) decode(tokens []string) []string {
	for _, d := range s {
		tokens = d.decode(tokens)
	}
	return tokens
}

// fuse makes all tokens one.
type fuse struct{}

func loadFuse(*fields) (decoder, error) { return fuse{}, nil }

func (fuse) decode(tokens []string) []string { return []string{strings.Join(tokens, "")} }

// byteFallback makes runs of tokens such as <0xE2> the text that these bytes are, or U+FFFD for each byte where they are no text.
type byteFallback struct{}

func loadByteFallback(*fields) (decoder, error) { return byteFallback{}, nil }

func (byteFallback) decode(tokens []string) []string {
	out := tokens[:0]
	var run []byte
	flush := func() {
		switch {
		case len(run) == 0:
		case utf8.Valid(run):
			out = append(out, string(run))
		default:
			for range run {
				out = append(out, replacement)
			}
		}
		run = run[:0]
	}
	for _, token := range tokens {
		if b, ok := fallbackByte(token); ok {
			run = append(run, b)
			continue
		}
		flush()
		out = append(out, token)
	}
	flush()
	return out
}

// fallbackByte returns the byte that a token such as <0xE2> names.
func fallbackByte(token string) (byte, bool) {
	if len(token) != 6 || !strings.HasPrefix(token, "<0x") || token[5] != '>' {
		return 0, false
	}
	hex := token[3:5]
	if hex[0] == '+' { // the reference's parser takes a sign
		hex = hex[1:]
	}
	b, err := strconv.ParseUint(hex, 16, 8)
	return byte(b), err == nil
}

// stripDecoder drops up to start and stop characters that are char from the ends of each token.
type stripDecoder struct {
	char        string
	start, stop int
}

func loadStripDecoder(f *fields) (decoder, error) {
	const limit = 1 << 20
	return &stripDecoder{f.char("content"), int(f.count("start", true, limit)), int(f.count("stop", true, limit))}, f.err
}

func (d *stripDecoder) decode(tokens []string) []string { return decodePieces(d, tokens) }

func (d *stripDecoder) piece(token string, _, _ bool) string { return string(d.strip([]byte(token))) }

// strip returns what is left of text.
func (d *stripDecoder) strip(text []byte) []byte {
	for range d.start {
		if !bytes.HasPrefix(text, []byte(d.char)) {
			break
		}
		text = text[len(d.char):]
	}
	for range d.stop {
		if !bytes.HasSuffix(text, []byte(d.char)) {
			break
		}
		text = text[:len(text)-len(d.char)]
	}
	return text
}

// bpeDecoder makes the suffix that ends words a space, and nothing in the last token.
type bpeDecoder struct{ suffix string }

func loadBPEDecoder(f *fields) (decoder, error) { return &bpeDecoder{f.str("suffix", true)}, f.err }

func (d *bpeDecoder) decode(tokens []string) []string { return decodePieces(d, tokens) }

func (d *bpeDecoder) piece(token string, _, last bool) string {
	space := " "
	if last {
		space = ""
	}
	return strings.ReplaceAll(token, d.suffix, space)
}

// ctc decodes what connectionist temporal classification gives for each step of time (Graves et al. 2006): a repeated token counts once, and padding is nothing.
type ctc struct {
	padding, delimiter string
	cleanUp            bool
}

func loadCTC(f *fields) (decoder, error) {
	return &ctc{f.str("pad_token", true), f.str("word_delimiter_token", true), f.boolean("cleanup", true)}, f.err
}

func (d *ctc) decode(tokens []string) []string {
	out, before := tokens[:0], ""
	for i, token := range tokens {
		if i > 0 && token == before {
			continue
		}
		before = token
		if token = strings.ReplaceAll(token, d.padding, ""); d.cleanUp {
			token = strings.ReplaceAll(cleanUp(token), d.delimiter, " ")
		}
		if token != "" {
			out = append(out, token)
		}
	}
	return out
}
