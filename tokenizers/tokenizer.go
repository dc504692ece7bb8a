package tokenizers

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// maxFileBytes bounds the size of a tokenizer.json; the largest published ones have about 40 MB.
const maxFileBytes = 256 << 20

// Tokenizer turns text into token ids and back. It never changes after it was loaded: any number of goroutines may use it.
type Tokenizer struct {
	raw []byte

	normalizer    normalizer // nil: text stays as it is
	preTokenizer  preTokenizer
	model         model
	postProcessor postProcessor
	decoder       decoder
	added         *addedTokens
	vocabSize     int
	truncation    *Truncation // what the file asks for; nil for nothing
	padding       *Padding
	plan          fusedPlan // nil: the parts are run one by one
	spans         spanner   // nil: the parts say where tokens come from
	prefixesFirst bool      // the pre-tokenizer sets a prefix only before the beginning of the input
	trims         []offsetTrim
	margins       func() []margin // white space of the tokens, by id; made when it is asked for first
	sequencers    sync.Pool
	decodeTable   func() *decodeTable
}

// The parts of a tokenizer, one job each. All are read-only, and none fails once it is loaded.
type (
	// normalizer rewrites well-formed text.
	normalizer interface{ normalize(t text) text }
	// preTokenizer appends the words of a text, which is not empty. No word is empty.
	preTokenizer interface {
		split(dst []text, t text) []text
	}
	// model appends the tokens of one word.
	model interface {
		name() string
		tokenize(dst []token, word []byte, m *merger) []token
		tokenID(token string) (uint32, bool)
		token(id uint32) (string, bool)
		entries() int // number of tokens
		limit() int   // one more than the highest id
	}
	// postProcessor lays out one or two encoded texts.
	postProcessor interface {
		// process returns what follows one another in the encoding. It may change the pieces it is given: a text each, or what a post-processor
		// before it made of them.
		process(pieces []Encoding, addSpecial bool) []Encoding
		// added returns how many tokens it adds to one text, or to a pair.
		added(pair bool) int
		// specials returns what it may add.
		specials() []specialPiece
	}
	// decoder turns tokens, which it may change, into the pieces of a text.
	decoder interface {
		decode(tokens []string) []string
	}
)

// token is a token of a word and the bytes of the word that it stands for.
type token struct {
	id         uint32
	start, end int32
}

// LoadFile loads a tokenizer.json.
func LoadFile(path string) (*Tokenizer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	t, err := Load(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Load reads the contents of a tokenizer.json. A component or a setting of the model that is not known here is an error that names it, never
// approximated; other unknown fields are kept for Save and change nothing. Load keeps data, which must not change afterwards.
func Load(data []byte) (*Tokenizer, error) {
	t, err := load(data)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	return t, nil
}

func load(data []byte) (*Tokenizer, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("file of more than %d bytes", maxFileBytes)
	}
	f, err := newFieldsOf(data, "model")
	if err != nil {
		return nil, err
	}
	if v := f.str("version", false); f.err == nil && v != "" && v != "1.0" {
		f.err = inField("version", fmt.Errorf("%q is not known: 1.0 is", v))
	}
	t := &Tokenizer{raw: data}
	f.get("truncation", false, func(r *jsonReader) (err error) { t.truncation, err = readTruncation(r); return err })
	f.get("padding", false, func(r *jsonReader) (err error) { t.padding, err = readPadding(r); return err })
	f.get("normalizer", false, func(r *jsonReader) (err error) { t.normalizer, err = loadPart(r, normalizers); return err })
	f.get("pre_tokenizer", false, func(r *jsonReader) (err error) { t.preTokenizer, err = loadPart(r, preTokenizers); return err })
	f.get("post_processor", false, func(r *jsonReader) (err error) { t.postProcessor, err = loadPart(r, postProcessors); return err })
	f.get("decoder", false, func(r *jsonReader) (err error) { t.decoder, err = loadPart(r, decoders); return err })
	f.get("model", true, func(r *jsonReader) (err error) { t.model, err = loadModel(r, f.sub); return err })
	if f.err != nil {
		return nil, f.err
	}
	tokens := []*addedToken{}
	f.get("added_tokens", false, func(r *jsonReader) (err error) { tokens, err = readAddedTokens(r.data); return err })
	if f.err != nil {
		return nil, f.err
	}
	if t.added, err = newAddedTokens(tokens, t.model, t.normalizer); err != nil {
		return nil, inField("added_tokens", err)
	}
	t.vocabSize = t.model.limit()
	for id := range t.added.byID {
		t.vocabSize = max(t.vocabSize, int(id)+1)
	}
	t.plan = newPlan(t)
	t.trims = trimsOf(t.postProcessor)
	t.spans = newSpanner(t)
	if m, ok := t.preTokenizer.(*metaspace); ok {
		t.prefixesFirst = m.prepend == prependFirst
	}
	t.margins = sync.OnceValue(t.newMargins)
	t.decodeTable = sync.OnceValue(func() *decodeTable { return newDecodeTable(t) })
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

// The components that are known, by the type that a tokenizer.json gives them.
var (
	normalizers = map[string]func(*fields) (normalizer, error){
		"BertNormalizer": loadBertNormalizer,
		"ByteLevel":      loadByteLevelNormalizer,
		"Lowercase":      loadLowercase,
		"NFC":            loadNFC,
		"NFD":            loadNFD,
		"NFKC":           loadNFKC,
		"NFKD":           loadNFKD,
		"Nmt":            loadNmt,
		"Precompiled":    loadCharsmap,
		"Prepend":        loadPrepend,
		"Replace":        loadReplace,
		"Strip":          loadStrip,
		"StripAccents":   loadStripAccents,
	}
	preTokenizers = map[string]func(*fields) (preTokenizer, error){
		"BertPreTokenizer": loadBertPreTokenizer,
		"ByteLevel":        loadByteLevel,
		"Metaspace":        loadMetaspace,
	}
	postProcessors = map[string]func(*fields) (postProcessor, error){
		"BertProcessing":     loadBertProcessor,
		"ByteLevel":          loadByteLevelProcessor,
		"RobertaProcessing":  loadRobertaProcessor,
		"TemplateProcessing": loadTemplate,
	}
	decoders = map[string]func(*fields) (decoder, error){
		"BPEDecoder":   loadBPEDecoder,
		"ByteFallback": loadByteFallback,
		"ByteLevel":    loadByteLevelDecoder,
		"CTC":          loadCTC,
		"Fuse":         loadFuse,
		"Metaspace":    loadMetaspaceDecoder,
		"Replace":      loadReplaceDecoder,
		"Strip":        loadStripDecoder,
		"WordPiece":    loadWordPieceDecoder,
	}
	models = map[string]func(*fields) (model, error){
		"BPE":       loadBPE,
		"Unigram":   loadUnigram,
		"WordLevel": loadWordLevel,
		"WordPiece": loadWordPiece,
	}
)

// The sequences are added when the tables are there, since they use them.
func init() {
	normalizers["Sequence"] = loadNormalizerSequence
	postProcessors["Sequence"] = loadProcessorSequence
	decoders["Sequence"] = loadDecoderSequence
}

func loadPart[P any](r *jsonReader, known map[string]func(*fields) (P, error)) (part P, err error) {
	f, err := newFields(r.data)
	if err != nil {
		return part, err
	}
	return loadType(f, f.str("type", true), known)
}

func loadType[P any](f *fields, kind string, known map[string]func(*fields) (P, error)) (part P, err error) {
	if f.err != nil {
		return part, f.err
	}
	load, ok := known[kind]
	if !ok {
		names := []string{}
		for name := range known {
			names = append(names, name)
		}
		slices.Sort(names)
		return part, inField("type", fmt.Errorf("%q is not supported: %v are", kind, names))
	}
	return load(f)
}

// loadModel also takes old files, whose models have no type and are told apart by their members. f are the fields of what r reads, or nil where that is
// no object.
func loadModel(r *jsonReader, f *fields) (model, error) {
	if f == nil {
		return nil, r.fail("expected an object")
	}
	kind := f.str("type", false)
	if _, given := f.raw["type"]; !given {
		kind = "WordPiece"
		if _, ok := f.raw["merges"]; ok {
			kind = "BPE"
		}
	}
	m, err := loadType(f, kind, models)
	if err != nil {
		return nil, err
	}
	var unknown []string
	for name := range f.raw {
		if !f.read[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, inField(unknown[0], fmt.Errorf("is not a setting of %s that is known here", kind))
	}
	return m, nil
}

// check refuses ids that an embedding table would lack, and a model that could not encode every text: the reference fails only when such a text comes.
func (t *Tokenizer) check() error {
	if t.postProcessor != nil {
		for _, special := range t.postProcessor.specials() {
			for _, id := range special.ids {
				if int(id) >= t.vocabSize {
					return inField("post_processor", fmt.Errorf("id %d is not in the vocabulary", id))
				}
			}
		}
	}
	b, ok := t.model.(*bpe)
	if !ok || b.missing == nil {
		return nil
	}
	if makesBytes(t.preTokenizer) && b.hasAlphabet() {
		return nil
	}
	return inField("model", b.missing)
}

// keepsBytes tells whether text that is not valid UTF-8 is encoded byte by byte.
func (t *Tokenizer) keepsBytes() bool {
	_, shown := t.normalizer.(byteLevelNormalizer)
	return shown || makesBytes(t.preTokenizer) && t.normalizer == nil
}

// Save writes the tokenizer.json, byte for byte the one that was loaded, unknown fields included.
func (t *Tokenizer) Save(w io.Writer) error {
	if _, err := w.Write(t.raw); err != nil {
		return fmt.Errorf("save tokenizer: %w", err)
	}
	return nil
}

// Raw returns the exact bytes of the tokenizer.json, for digests. They must not be changed.
func (t *Tokenizer) Raw() []byte { return t.raw }

// Model returns the kind of model by its name in tokenizer.json: BPE, Unigram, WordLevel or WordPiece.
func (t *Tokenizer) Model() string { return t.model.name() }

// VocabSize returns one more than the highest id, which is what an embedding table needs; ids may have gaps.
func (t *Tokenizer) VocabSize() int { return t.vocabSize }

// TokenID returns the id of a token, added tokens first.
func (t *Tokenizer) TokenID(token string) (uint32, bool) {
	if a := t.added.byContent[token]; a != nil {
		return a.id, true
	}
	return t.model.tokenID(token)
}

// Token returns the token of an id. An added token that is sought in normalized text is given as the normalizer leaves it, since that is what a
// decoder must see.
func (t *Tokenizer) Token(id uint32) (string, bool) {
	if a := t.added.byID[id]; a != nil {
		return a.normal, true
	}
	return t.model.token(id)
}

// SpecialToken is an added token that text becomes only where a caller asks for it, such as [MASK].
type SpecialToken struct {
	ID      uint32
	Content string
}

// SpecialTokens returns the special tokens by id.
func (t *Tokenizer) SpecialTokens() []SpecialToken {
	var special []SpecialToken
	for _, a := range t.added.byID {
		if a.special {
			special = append(special, SpecialToken{a.id, a.content})
		}
	}
	slices.SortFunc(special, func(a, b SpecialToken) int { return int(a.ID) - int(b.ID) })
	return special
}
