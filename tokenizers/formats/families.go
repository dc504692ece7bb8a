package formats

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// space is how SentencePiece shows a space.
const space = "▁"

// family is a group of models that transformers gives the same settings to, beyond what the model of SentencePiece says.
type family struct {
	name  string
	class []string // prefixes of tokenizer_class
	kinds []string // model_type of config.json
	holds []string // pieces by which it is known
	build func(d *document, m *spModel, s *settings) error
}

// families in the order in which they are tried; the one without pieces must be named by class or kind.
var families = []family{
	{"T5", []string{"T5Tokenizer", "MT5Tokenizer"}, []string{"t5", "mt5", "umt5"}, []string{"<pad>", "</s>", "<unk>"}, buildT5},
	{"ALBERT", []string{"AlbertTokenizer"}, []string{"albert"}, []string{"<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"}, buildALBERT},
	{"XLNet", []string{"XLNetTokenizer"}, []string{"xlnet"}, []string{"<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>"}, buildXLNet},
	{"XLM-RoBERTa", []string{"XLMRobertaTokenizer"}, []string{"xlm-roberta"}, nil, buildXLMRoBERTa},
	{"Llama", []string{"LlamaTokenizer", "CodeLlamaTokenizer", "Phi3Tokenizer"}, []string{"llama", "mistral", "mixtral", "phi3"}, []string{"<unk>", "<s>", "</s>", "<0x00>"}, buildLlama},
}

// familyOf returns the family that the settings name, or else the one whose special pieces the model begins with, or nil.
func familyOf(m *spModel, path string, s *settings) *family {
	for i, f := range families {
		if slices.ContainsFunc(f.class, func(class string) bool { return s.Class == class || s.Class == class+"Fast" }) ||
			s.Class == "" && slices.Contains(f.kinds, s.modelType) {
			return &families[i]
		}
	}
	if strings.HasSuffix(path, "sentencepiece.bpe.model") { // the name that XLM-RoBERTa's alone has
		return &families[3]
	}
	for i, f := range families {
		if len(f.holds) > 0 && len(m.pieces) >= len(f.holds) && (m.kind == spBPE) == (f.name == "Llama") &&
			slices.EqualFunc(f.holds, m.pieces[:len(f.holds)], func(name string, p spPiece) bool { return name == p.text }) {
			return &families[i]
		}
	}
	return nil
}

// fromSentencePiece reads a model of SentencePiece.
func fromSentencePiece(data []byte, path string, s *settings) (*document, error) {
	m, err := readSentencePiece(data)
	if err != nil {
		return nil, err
	}
	d := &document{scored: m.kind == spUnigram}
	for i, p := range m.pieces {
		d.vocab = append(d.vocab, vocabEntry{p.text, i, p.score})
	}
	build := buildGeneric
	if f := familyOf(m, path, s); f != nil {
		build = f.build
	}
	if err := build(d, m, s); err != nil {
		return nil, err
	}
	d.addMissing(s.added)
	return d, nil
}

// unigram sets model, pre-tokenizer and decoder of a Unigram model whose unknown piece has the given id.
func (d *document) unigram(m *spModel, unknown int) {
	meta := `{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}`
	d.preTokenizer, d.decoder = meta, meta
	d.model = fmt.Sprintf(`"type": "Unigram", "unk_id": %d, "byte_fallback": %t`, unknown, m.byteFallback)
}

// bpe sets model and merges of a BPE model.
func (d *document) bpe(m *spModel, unknown string) {
	d.model = fmt.Sprintf(`"type": "BPE", "dropout": null, "unk_token": %s, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": %t, "ignore_merges": false`,
		encode(unknown), m.byteFallback)
	d.merges, d.hasMerges = m.merges(), true
}

// merges returns every cut of a piece into two pieces, by score of the piece, then by ids of the two.
func (m *spModel) merges() [][2]string {
	ids := make(map[string]int, len(m.pieces))
	for i, p := range m.pieces {
		ids[p.text] = i
	}
	type cut struct {
		parts [2]string
		score float32
	}
	var cuts []cut
	for _, p := range m.pieces {
		first := len(cuts)
		for i := range p.text {
			if i == 0 {
				continue
			}
			_, ok1 := ids[p.text[:i]]
			_, ok2 := ids[p.text[i:]]
			if ok1 && ok2 {
				cuts = append(cuts, cut{[2]string{p.text[:i], p.text[i:]}, p.score})
			}
		}
		slices.SortFunc(cuts[first:], func(a, b cut) int { return ids[a.parts[0]] - ids[b.parts[0]] })
	}
	slices.SortStableFunc(cuts, func(a, b cut) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	merges := make([][2]string, len(cuts))
	for i, c := range cuts {
		merges[i] = c.parts
	}
	return merges
}

// unknown returns the id of the unknown piece.
func (m *spModel) unknown() (int, error) {
	for i, p := range m.pieces {
		if p.kind == spUnknown {
			return i, nil
		}
	}
	return 0, errors.New("has no piece of type UNKNOWN")
}

// addPieces adds the pieces of some kinds: control and unknown pieces are special, those of users are not.
func (d *document) addPieces(m *spModel, kinds ...uint64) {
	for i, p := range m.pieces {
		if slices.Contains(kinds, p.kind) && p.text != "" {
			t := special(i, p.text)
			t.Special = p.kind != spUserDefined
			d.added = append(d.added, t)
		}
	}
}

// precompiled returns the normalizer of the model's charsmap, in a list that is empty where it has none.
func (m *spModel) precompiled() []string {
	if len(m.charsmap) == 0 {
		return nil
	}
	return []string{fmt.Sprintf(`{"type": "Precompiled", "precompiled_charsmap": %q}`, base64.StdEncoding.EncodeToString(m.charsmap))}
}

const (
	oneSpace    = `{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}`
	showSpace   = `{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}`
	hideSpace   = `{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}`
	prependMark = `{"type": "Prepend", "prepend": "▁"}`
)

// sequence returns a Sequence of normalizers.
func sequence(parts ...string) string {
	return `{"type": "Sequence", "normalizers": [` + strings.Join(parts, ", ") + `]}`
}

// buildT5 adds the sentinels <extra_id_…>, which are counted down from the end of the vocabulary (Raffel et al. 2020).
func buildT5(d *document, m *spModel, s *settings) error {
	unknown, err := m.unknown()
	if err != nil {
		return err
	}
	d.unigram(m, unknown)
	d.addPieces(m, spControl, spUnknown)
	d.normalizer = sequence(append(m.precompiled(), oneSpace)...)
	const maxSentinels = 1 << 12
	sentinels := 100
	if s.ExtraIDs != nil {
		sentinels = *s.ExtraIDs
	}
	if strings.HasPrefix(s.modelType, "mt5") || strings.HasPrefix(s.modelType, "umt5") {
		sentinels = 0 // its own pieces hold them
	}
	if sentinels < 0 || sentinels > maxSentinels {
		return fmt.Errorf("extra_ids in tokenizer_config.json: %d is not from 0 to %d", sentinels, maxSentinels)
	}
	for i := sentinels - 1; i >= 0; i-- {
		name := fmt.Sprintf("<extra_id_%d>", i)
		d.added = append(d.added, special(len(d.vocab), name))
		d.vocab = append(d.vocab, vocabEntry{token: name})
	}
	end := s.EOS.or("</s>")
	d.postProcessor = template(d.ids(), []piece{{"A", 0}, {end, 0}}, []piece{{"A", 0}, {end, 0}, {"B", 0}, {end, 0}})
	return nil
}

// buildALBERT is for models that were trained on tidied text: quotes made plain, no accents, mostly no capitals (Lan et al. 2020).
func buildALBERT(d *document, m *spModel, s *settings) error {
	cls, sep := s.CLS.or("[CLS]"), s.SEP.or("[SEP]")
	if err := tidied(d, m, s, true, s.Mask.or("[MASK]")); err != nil {
		return err
	}
	d.postProcessor = template(d.ids(), []piece{{cls, 0}, {"A", 0}, {sep, 0}}, []piece{{cls, 0}, {"A", 0}, {sep, 0}, {"B", 1}, {sep, 1}})
	return nil
}

// buildXLNet is as ALBERT, with the special tokens behind the text (Yang et al. 2019).
func buildXLNet(d *document, m *spModel, s *settings) error {
	cls, sep := s.CLS.or("<cls>"), s.SEP.or("<sep>")
	if err := tidied(d, m, s, false, s.Mask.or("<mask>")); err != nil {
		return err
	}
	d.postProcessor = template(d.ids(), []piece{{"A", 0}, {sep, 0}, {cls, 2}}, []piece{{"A", 0}, {sep, 0}, {"B", 1}, {sep, 1}, {cls, 2}})
	return nil
}

func tidied(d *document, m *spModel, s *settings, lowercase bool, mask string) error {
	unknown, err := m.unknown()
	if err != nil {
		return err
	}
	d.unigram(m, unknown)
	d.addPieces(m, spControl, spUnknown)
	for i := range d.added {
		d.added[i].LStrip = d.added[i].Content == mask
	}
	parts := []string{
		"{\"type\": \"Replace\", \"pattern\": {\"String\": \"``\"}, \"content\": \"\\\"\"}",
		`{"type": "Replace", "pattern": {"String": "''"}, "content": "\""}`,
	}
	if !isTrue(s.KeepAccents, false) {
		parts = append(parts, `{"type": "NFKD"}`, `{"type": "StripAccents"}`)
	}
	if isTrue(s.Lowercase, lowercase) {
		parts = append(parts, `{"type": "Lowercase"}`)
	}
	d.normalizer = sequence(append(append(parts, m.precompiled()...), oneSpace)...)
	for i, e := range d.vocab { // these models never saw a number with a comma behind it as one piece
		if before, found := strings.CutSuffix(e.token, ","); found && before != "" && before[len(before)-1] >= '0' && before[len(before)-1] <= '9' {
			d.vocab[i].score -= 100
		}
	}
	return nil
}

// buildXLMRoBERTa numbers the pieces as fairseq does: four special tokens, the pieces after the model's own three, and the mask (Conneau et al. 2020).
func buildXLMRoBERTa(d *document, m *spModel, s *settings) error {
	if len(m.pieces) < 3 || m.kind != spUnigram {
		return errors.New("is not a Unigram model with three special pieces, as XLM-RoBERTa's is")
	}
	begin, end, mask := s.CLS.or("<s>"), s.SEP.or("</s>"), s.Mask.or("<mask>")
	d.vocab = nil
	for i, name := range []string{begin, s.PAD.or("<pad>"), end, s.UNK.or("<unk>")} {
		d.vocab = append(d.vocab, vocabEntry{token: name})
		d.added = append(d.added, special(i, name))
	}
	const unknown = 3
	for _, p := range m.pieces[3:] {
		d.vocab = append(d.vocab, vocabEntry{token: p.text, score: p.score})
	}
	maskToken := special(len(d.vocab), mask)
	maskToken.LStrip = true
	d.added = append(d.added, maskToken)
	d.vocab = append(d.vocab, vocabEntry{token: mask})
	d.unigram(m, unknown)
	d.preTokenizer = `{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, ` + d.preTokenizer + `]}`
	d.normalizer = sequence(m.precompiled()...)
	d.postProcessor = template(d.ids(), []piece{{begin, 0}, {"A", 0}, {end, 0}}, []piece{{begin, 0}, {"A", 0}, {end, 0}, {end, 0}, {"B", 0}, {end, 0}})
	return nil
}

// buildLlama sets a space before each part of the text between special tokens, as the first version of transformers did and published files still do; with legacy:
// false in tokenizer_config.json only before the text (Touvron et al. 2023).
func buildLlama(d *document, m *spModel, s *settings) error {
	unknown, err := m.unknown()
	if err != nil {
		return err
	}
	if m.kind != spBPE {
		return errors.New("is not a BPE model, as Llama's is")
	}
	d.bpe(m, m.pieces[unknown].text)
	d.addPieces(m, spControl, spUnknown, spUserDefined)
	prefix := isTrue(s.AddPrefixSpace, true)
	switch {
	case isTrue(s.Legacy, true) && prefix:
		d.normalizer = sequence(prependMark, showSpace)
	case isTrue(s.Legacy, true):
		d.normalizer = sequence(showSpace)
	case prefix:
		d.preTokenizer = `{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}`
	default:
		d.preTokenizer = `{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false}`
	}
	d.decoder = bytesDecoder(prefix)
	d.beginAndEnd(s, true, false)
	return nil
}

// bytesDecoder returns a decoder for pieces and bytes, which drops the space that was set before the text.
func bytesDecoder(prefix bool) string {
	strip := ""
	if prefix {
		strip = `, {"type": "Strip", "content": " ", "start": 1, "stop": 0}`
	}
	return `{"type": "Sequence", "decoders": [` + hideSpace + `, {"type": "ByteFallback"}, {"type": "Fuse"}` + strip + `]}`
}

// beginAndEnd sets a template with the tokens that begin and end a text, where the settings or else the fallbacks want them.
func (d *document) beginAndEnd(s *settings, begin, end bool) {
	var single, pair []piece
	for i, text := range []string{"A", "B"} {
		var part []piece
		if isTrue(s.AddBOS, begin) {
			part = append(part, piece{s.BOS.or("<s>"), i})
		}
		part = append(part, piece{text, i})
		if isTrue(s.AddEOS, end) {
			part = append(part, piece{s.EOS.or("</s>"), i})
		}
		if i == 0 {
			single = part
		}
		pair = append(pair, part...)
	}
	if len(single) > 1 {
		d.postProcessor = template(d.ids(), single, pair)
	}
}

// buildGeneric does what the model says, and adds no special tokens unless the settings ask for them. White space beside a piece of the user's is the one
// thing that can differ from SentencePiece, which looks for these pieces later.
func buildGeneric(d *document, m *spModel, s *settings) error {
	unknown, err := m.unknown()
	if err != nil {
		return err
	}
	d.addPieces(m, spControl, spUnknown, spUserDefined)
	parts := m.precompiled()
	scheme := "never"
	switch {
	case m.tidySpaces:
		if m.dummyPrefix {
			scheme = "first" // a space that is there already is the one
		}
		parts = append(parts, oneSpace, fmt.Sprintf(`{"type": "Strip", "strip_left": %t, "strip_right": true}`, !m.dummyPrefix))
	case m.dummyPrefix:
		parts = append(parts, prependMark) // one more than there are
	}
	if len(parts) > 0 {
		d.normalizer = sequence(parts...)
	}
	cut := m.kind == spUnigram && !m.crossesSpaces()
	if m.kind == spUnigram {
		d.unigram(m, unknown)
	} else {
		d.bpe(m, m.pieces[unknown].text)
	}
	d.preTokenizer = fmt.Sprintf(`{"type": "Metaspace", "replacement": "▁", "prepend_scheme": %q, "split": %t}`, scheme, cut)
	d.decoder = bytesDecoder(m.dummyPrefix)
	d.beginAndEnd(s, false, false)
	return nil
}

// crossesSpaces tells whether a piece holds a space behind another character, so that text must not be cut at spaces.
func (m *spModel) crossesSpaces() bool {
	return slices.ContainsFunc(m.pieces, func(p spPiece) bool {
		_, size := utf8.DecodeRuneInString(p.text)
		return p.kind != spControl && strings.Contains(p.text[size:], space)
	})
}
