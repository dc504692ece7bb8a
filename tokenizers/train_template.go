package tokenizers

import (
	"fmt"
	"strings"
)

// Tokenizers without a vocabulary, which training starts from where there is no other template.
const (
	bpeTemplate = `{
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  "model": {"type": "BPE"}
}`
	wordPieceTemplate = `{
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": LOWERCASE},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
    "special_tokens": {
      "[CLS]": {"id": "[CLS]", "ids": [0], "tokens": ["[CLS]"]},
      "[SEP]": {"id": "[SEP]", "ids": [0], "tokens": ["[SEP]"]}
    }
  },
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {"type": "WordPiece", "continuing_subword_prefix": "##"}
}`
	unigramTemplate = `{
  "normalizer": {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "NFKC"},LOWERCASE {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
  "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
  "post_processor": null,
  "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
  "model": {"type": "Unigram"}
}`
	wordLevelTemplate = `{
  "normalizer": LOWERCASE,
  "pre_tokenizer": {"type": "Whitespace"},
  "post_processor": null,
  "decoder": null,
  "model": {"type": "WordLevel"}
}`
)

// trainKind is what training knows of a kind of model.
type trainKind struct {
	name      string      // in tokenizer.json
	template  string      // LOWERCASE in it is replaced
	lowercase [2]string   // by these: as it is, and for lower case
	settings  [][2]string // of the model that a template may have, with their defaults
}

var trainKinds = map[string]trainKind{
	TrainBPE: {"BPE", bpeTemplate, [2]string{}, [][2]string{{"dropout", "null"}, {"unk_token", "null"}, {"continuing_subword_prefix", "null"},
		{"end_of_word_suffix", "null"}, {"fuse_unk", "false"}, {"byte_fallback", "false"}, {"ignore_merges", "false"}}},
	TrainWordPiece: {"WordPiece", wordPieceTemplate, [2]string{"false", "true"}, [][2]string{{"unk_token", "null"}, {"continuing_subword_prefix", "null"},
		{"max_input_chars_per_word", "100"}}},
	TrainUnigram:   {"Unigram", unigramTemplate, [2]string{"", ` {"type": "Lowercase"},`}, [][2]string{{"byte_fallback", "false"}}},
	TrainWordLevel: {"WordLevel", wordLevelTemplate, [2]string{"null", `{"type": "Lowercase"}`}, [][2]string{{"unk_token", "null"}}},
}

// trainTemplate is a tokenizer that lacks a vocabulary.
type trainTemplate struct {
	kind          trainKind
	own           bool // not given by the caller
	parts         map[string][]byte
	model         map[string][]byte // settings
	normalizer    normalizer
	preTokenizer  preTokenizer
	specialTokens []string
	added         map[string]*addedToken // of specialTokens
	byteFallback  bool
}

// newTrainTemplate returns the template that o asks for, and sets o.Model from it.
func newTrainTemplate(o *TrainOptions) (*trainTemplate, error) {
	if o.Model == "" && o.Template != nil {
		for model, kind := range trainKinds {
			if kind.name == o.Template.Model() {
				o.Model = model
			}
		}
	}
	kind, ok := trainKinds[o.Model]
	if !ok {
		return nil, fmt.Errorf("Model is %.64q: %s, %s, %s and %s can be trained", o.Model, TrainBPE, TrainWordPiece, TrainUnigram, TrainWordLevel)
	}
	t := &trainTemplate{kind: kind, own: o.Template == nil, added: map[string]*addedToken{}}
	var data []byte
	if t.own {
		lowercase := kind.lowercase[0]
		if o.Lowercase {
			lowercase = kind.lowercase[1]
		}
		data = []byte(strings.ReplaceAll(kind.template, "LOWERCASE", lowercase))
	} else {
		data = o.Template.raw
		t.takeSpecial(o.Template)
	}
	if err := t.read(data); err != nil {
		return nil, err
	}
	if u, ok := o.templateModel().(*unigram); ok && o.Model == TrainUnigram && o.UnknownToken == "" {
		o.UnknownToken, _ = u.token(u.unknown)
	}
	return t, nil
}

func (o *TrainOptions) templateModel() model {
	if o.Template == nil {
		return nil
	}
	return o.Template.model
}

// takeSpecial takes the special tokens of a tokenizer, in the order of their ids.
func (t *trainTemplate) takeSpecial(from *Tokenizer) {
	for _, s := range from.SpecialTokens() {
		t.specialTokens = append(t.specialTokens, s.Content)
		t.added[s.Content] = from.added.byContent[s.Content]
	}
}

// read takes the parts of a tokenizer.json, and the settings of its model if that is of the kind to train.
func (t *trainTemplate) read(data []byte) error {
	f, err := newFields(data)
	if err != nil {
		return err
	}
	f.get("normalizer", false, func(r *jsonReader) (err error) { t.normalizer, err = loadPart(r, normalizers); return err })
	f.get("pre_tokenizer", false, func(r *jsonReader) (err error) { t.preTokenizer, err = loadPart(r, preTokenizers); return err })
	f.get("model", true, func(r *jsonReader) error {
		m, err := newFields(r.data)
		if err != nil {
			return err
		}
		if kind := m.str("type", false); kind == t.kind.name || kind == "" {
			t.model = m.raw
			t.byteFallback = m.boolean("byte_fallback", false)
		}
		return m.err
	})
	t.parts = f.raw
	return f.err
}

// setting returns a setting of the model that is text: what the options say, or the template.
func (t *trainTemplate) setting(name, option string) string {
	if raw, ok := t.model[name]; ok && option == "" {
		f := &fields{raw: t.model, read: map[string]bool{}}
		if string(raw) != "null" {
			return f.str(name, false)
		}
	}
	return option
}
