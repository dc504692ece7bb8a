package tokenizers

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shardmill/shardmill/tokenizers/internal/learn"
	"github.com/shardmill/shardmill/tokenizers/internal/wordcount"
)

// The models that Train makes.
const (
	TrainBPE       = "bpe"       // BPE (Sennrich et al. 2016); by itself byte-level with the words of GPT-2, as ByteLevelBPETokenizer of Hugging Face tokenizers
	TrainWordPiece = "wordpiece" // WordPiece; by itself with the words of BERT, as BertWordPieceTokenizer of the same
	TrainUnigram   = "unigram"   // Unigram (Kudo 2018); by itself with Metaspace and NFKC, as SentencePieceUnigramTokenizer of the same
	TrainWordLevel = "wordlevel" // whole words; by itself those that its pre-tokenizer Whitespace finds
)

// TrainOptions says what vocabulary to train. Zero values stand for the defaults, which are those of the reference.
type TrainOptions struct {
	Model         string     // one of the above; no default, unless there is a Template
	Template      *Tokenizer // its normalizer, pre-tokenizer, post-processor, decoder, special tokens and settings of the model are taken; nil: as said above
	VocabSize     int        // tokens to reach, special ones included; 30,000
	MinFrequency  int64      // BPE, WordPiece: a pair that occurs less often is not merged; WordLevel: a word that occurs less often is left out; 2, WordLevel 1
	SpecialTokens []string   // get the first ids, behind those of Template; nil: see below
	UnknownToken  string     // what the model makes of unknown text, one of SpecialTokens; "": that of Template, or see below

	LimitAlphabet    int    // BPE, WordPiece: the most characters to keep, the most frequent ones; WordPiece 1,000, BPE all
	InitialAlphabet  string // characters that get into the vocabulary even if no text has them
	Lowercase        bool   // lower case; for WordPiece no accents either. Not with byte-level BPE, nor with a Template
	ContinuingPrefix string // BPE, WordPiece: marks tokens that don't begin a word; "": that of Template; WordPiece ##
	EndOfWordSuffix  string // BPE: marks tokens that end a word; "": that of Template
	MaxTokenLength   int    // BPE, WordPiece: merged tokens of more than two characters have fewer than this; 4,000

	MaxPieceLength  int     // Unigram: characters of a piece, at most; 16
	SeedSize        int     // Unigram: pieces to begin with, at most; 1,000,000
	ShrinkingFactor float64 // Unigram: share of the pieces that stay when the others are pruned; 0.75
	SubIterations   int     // Unigram: rounds of expectation and maximization before each pruning; 2

	Workers     int    // goroutines at once; they change nothing but the time; 1
	MemoryBytes int64  // for counting: words that don't fit are written to a temporary folder meanwhile; changes nothing but the time; 0: no bound
	SpillFolder string // where that folder is made; "": where the system makes them

	Progress func(TrainProgress) error // called now and then by the goroutine of Train; an error ends the training; nil: not called
}

// maxMergedLength keeps merged tokens within maxTokenBytes.
const maxMergedLength = 4000

// Special tokens and unknown token by themselves.
var trainDefaults = map[string]struct {
	special []string
	unknown string
}{
	TrainBPE:       {[]string{"<|endoftext|>"}, ""},
	TrainWordPiece: {[]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}, "[UNK]"},
	TrainUnigram:   {[]string{"<unk>", "<s>", "</s>", "<pad>"}, "<unk>"},
	TrainWordLevel: {[]string{"[UNK]", "[PAD]"}, "[UNK]"},
}

// TrainProgress is how far a training is: first texts are read, then tokens are made.
type TrainProgress struct {
	Texts, Bytes int64 // read so far
	Words        int64 // distinct words in memory so far; those that several workers met count several times
	Tokens       int   // in the vocabulary so far, for Unigram those not pruned yet; 0 while texts are read
}

// Train makes a tokenizer from texts; each is a document, whose words don't go on in the next. The tokenizer is a function of the options and the
// multiset of words, whatever the order of the texts, the number of workers and the memory. The first error of texts is returned.
//
// Memory follows the number of distinct words: MemoryBytes bounds what counting takes; learning takes some 30 bytes for each character of a distinct word, and
// Unigram some 60. A word of more than a megabyte is taken as several.
//
// BPE merges, and vocabularies of WordLevel, equal the reference's on the same texts. WordPiece, and BPE with a suffix, break ties between pairs of
// equal count by the order in which the reference's hash table happened to give characters their ids; here ids follow the code points. Unigram of the
// reference differs in the last bits from run to run; here sums are made in one order.
//
// Text that looks like a special token is ordinary text. Tokens of Template that are added and not special are not taken over.
func Train(o TrainOptions, texts iter.Seq2[[]byte, error]) (*Tokenizer, error) {
	t, err := train(o, texts)
	if err != nil {
		return nil, fmt.Errorf("train tokenizer: %w", err)
	}
	return t, nil
}

func train(o TrainOptions, texts iter.Seq2[[]byte, error]) (_ *Tokenizer, err error) {
	t, err := newTraining(o)
	if err != nil {
		return nil, err
	}
	store := wordcount.NewStore(t.o.SpillFolder)
	defer func() { err = errors.Join(err, store.Close()) }()
	words, err := t.countWords(store, texts)
	if err != nil {
		return nil, err
	}
	v, err := t.learn(words)
	if err != nil {
		return nil, err
	}
	return t.load(v)
}

func (t *training) load(v learned) (*Tokenizer, error) {
	data, err := t.file(v)
	if err != nil {
		return nil, err
	}
	return Load(data)
}

// training is what Train works with: its options, and the tokenizer that lacks a vocabulary.
type training struct {
	o        TrainOptions
	reserved []string // first tokens of the vocabulary: special ones, then bytes to fall back to
	unknown  string   // "" where there is none
	template *trainTemplate
	prefix   string
	suffix   string
	bytes    bool // words are bytes, which the vocabulary shows as characters
	progress TrainProgress
}

// learned is a vocabulary.
type learned struct {
	tokens []string
	scores []float64 // Unigram
	merges []learn.Pair
}

func newTraining(o TrainOptions) (*training, error) {
	t := &training{o: o}
	var err error
	if t.template, err = newTrainTemplate(&t.o); err != nil {
		return nil, err
	}
	if err := t.setDefaults(); err != nil {
		return nil, err
	}
	if o := t.unigramOptions(); t.o.Model == TrainUnigram && o.Check() != nil {
		return nil, o.Check()
	}
	t.bytes = t.o.Model == TrainBPE && t.template.normalizer == nil && bytesCutter(t.template.preTokenizer) != nil
	if t.byteLevel() && t.o.Lowercase {
		return nil, errors.New("Lowercase is not for byte-level BPE, which keeps every byte")
	}
	// What can't be loaded with nothing learned is not worth reading texts for.
	nothing := learned{tokens: slices.Clone(t.reserved)}
	for _, c := range t.initialAlphabet() {
		if !slices.Contains(t.reserved, c) {
			nothing.tokens = append(nothing.tokens, c)
		}
	}
	nothing.scores = make([]float64, len(nothing.tokens))
	if _, err := t.load(nothing); err != nil {
		return nil, err
	}
	return t, nil
}

// byteLevel tells whether words are shown bytes.
func (t *training) byteLevel() bool {
	return t.o.Model == TrainBPE && makesBytes(t.template.preTokenizer)
}

// initialAlphabet returns the characters that are in the vocabulary whatever the texts hold.
func (t *training) initialAlphabet() []string {
	chars := strings.Split(t.o.InitialAlphabet, "")
	if t.byteLevel() {
		chars = append(chars, alphabet()...)
	}
	slices.Sort(chars)
	return slices.Compact(chars)
}

func (t *training) setDefaults() error {
	o := &t.o
	setDefault(&o.VocabSize, 30000)
	setDefault(&o.MaxTokenLength, maxMergedLength)
	setDefault(&o.MaxPieceLength, 16)
	setDefault(&o.SeedSize, 1_000_000)
	setDefault(&o.ShrinkingFactor, 0.75)
	setDefault(&o.SubIterations, 2)
	setDefault(&o.Workers, 1)
	if o.Model == TrainWordPiece {
		setDefault(&o.LimitAlphabet, 1000)
	}
	if o.Model != TrainWordLevel {
		setDefault(&o.MinFrequency, 2)
	}
	if o.Progress == nil {
		o.Progress = func(TrainProgress) error { return nil }
	}
	t.prefix, t.suffix = t.template.setting("continuing_subword_prefix", o.ContinuingPrefix), t.template.setting("end_of_word_suffix", o.EndOfWordSuffix)
	if err := t.setSpecial(); err != nil {
		return err
	}
	switch {
	case o.VocabSize < 0 || o.VocabSize > maxID+1:
		return fmt.Errorf("VocabSize is %d: at most %d is possible", o.VocabSize, maxID+1)
	case o.MinFrequency < 0 || o.LimitAlphabet < 0:
		return errors.New("MinFrequency and LimitAlphabet can't be negative")
	case o.MaxTokenLength > maxMergedLength:
		return fmt.Errorf("MaxTokenLength is %d: at most %d is possible", o.MaxTokenLength, maxMergedLength)
	case o.MaxTokenLength < 0 || o.Workers < 0 || o.MemoryBytes < 0:
		return errors.New("MaxTokenLength, Workers and MemoryBytes can't be negative")
	case o.Lowercase && o.Template != nil:
		return errors.New("Lowercase is the template's business: its normalizer decides")
	case !utf8.ValidString(o.InitialAlphabet):
		return errors.New("InitialAlphabet is not valid UTF-8")
	}
	return t.checkAffixes()
}

func setDefault[T int | int64 | float64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func (t *training) checkAffixes() error {
	for name, s := range map[string]string{"ContinuingPrefix": t.prefix, "EndOfWordSuffix": t.suffix} {
		if !utf8.ValidString(s) || len(s) > maxAffixBytes {
			return fmt.Errorf("%s is not valid UTF-8 or has more than %d bytes", name, maxAffixBytes)
		}
	}
	switch {
	case t.suffix != "" && t.o.Model != TrainBPE:
		return fmt.Errorf("EndOfWordSuffix is for %s", TrainBPE)
	case t.prefix != "" && t.o.Model != TrainBPE && t.o.Model != TrainWordPiece:
		return fmt.Errorf("ContinuingPrefix is for %s and %s", TrainBPE, TrainWordPiece)
	}
	return nil
}

// setSpecial finds the special tokens and checks them.
func (t *training) setSpecial() error {
	o := &t.o
	defaults := trainDefaults[o.Model]
	special := o.SpecialTokens
	if o.Template == nil && special == nil {
		special = defaults.special
	}
	for i, s := range special {
		if s == "" || len(s) > maxAddedBytes || slices.Contains(special[:i], s) || !utf8.ValidString(s) {
			return fmt.Errorf("SpecialTokens hold %.64q, which is empty, too long, not valid UTF-8 or given twice", s)
		}
	}
	o.SpecialTokens = slices.Clone(t.template.specialTokens)
	for _, s := range special {
		if !slices.Contains(o.SpecialTokens, s) {
			o.SpecialTokens = append(o.SpecialTokens, s)
		}
	}
	t.unknown = t.template.setting("unk_token", o.UnknownToken)
	if t.unknown == "" && o.Model != TrainBPE {
		t.unknown = defaults.unknown
	}
	if t.unknown != "" && !slices.Contains(o.SpecialTokens, t.unknown) {
		if o.Template == nil {
			return fmt.Errorf("SpecialTokens lack %s, which %s needs for what it does not know", t.unknown, o.Model)
		}
		o.SpecialTokens = append(o.SpecialTokens, t.unknown)
	}
	t.reserved = slices.Clone(o.SpecialTokens)
	if t.template.byteFallback {
		for b := range 256 {
			if s := fmt.Sprintf("<0x%02X>", b); !slices.Contains(t.reserved, s) {
				t.reserved = append(t.reserved, s)
			}
		}
	}
	return nil
}

// tooSmall is the error for a vocabulary that does not hold what it must.
func (t *training) tooSmall(least int) error {
	hint := ""
	if !t.byteLevel() && t.o.Model != TrainWordLevel {
		hint = ", or lower LimitAlphabet"
	}
	return fmt.Errorf("VocabSize is %d, but special tokens and alphabet alone are %d tokens: raise it%s", t.o.VocabSize, least, hint)
}
