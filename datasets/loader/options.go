package loader

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/stages/mask"
)

// Objective is what a model learns to predict.
type Objective string

// The objectives.
const (
	MLM    Objective = "mlm"    // masked tokens
	Causal Objective = "causal" // the next token
)

// The sides of a dataset that a loader can read.
const (
	Train   = "train"
	HeldOut = "held-out"
	All     = "all"
)

// Options says what to read and how. All but Rank, World and Unchecked decide about the batches and are part of the State.
type Options struct {
	Split          string    // Train, HeldOut or All; "" means Train
	Objective      Objective // MLM or Causal
	SequenceTokens int       // length of each sequence, with [CLS] and [SEP]; at least 1, for MLM 3
	BatchSequences int       // sequences in a batch of all processes together
	Seed           uint64    // of the order and of the masks
	Sequential     bool      // stream order, one epoch, then io.EOF; always so for HeldOut
	Boundaries     bool      // documents in one sequence don't see each other
	Rank, World    int       // this process and the number of processes, which divides BatchSequences; World 0 means 1
	Unchecked      bool      // don't hold record batches against their checksums when they are first used

	// For MLM:
	Template    *Template            // ids of [CLS], [SEP] and [MASK]
	MaskRatePPM uint32               // share of tokens to predict in parts per million; 0 means mask.DefaultRatePPM
	WordStart   func(id uint32) bool // tells ids that begin a word, to mask whole words; nil masks single tokens
}

// Template is what MLM adds to the tokens of a document.
type Template struct {
	CLS, SEP, Mask uint32
}

// FindTemplate finds the tokens of a template among the special tokens of a dataset by the names that BERT or RoBERTa gives them.
func FindTemplate(special []schemas.SpecialToken) (*Template, error) {
	var t Template
	for _, part := range []struct {
		id    *uint32
		names []string
	}{
		{&t.CLS, []string{"[CLS]", "<s>"}},
		{&t.SEP, []string{"[SEP]", "</s>"}},
		{&t.Mask, []string{"[MASK]", "<mask>"}},
	} {
		id, ok := findSpecial(special, part.names)
		if !ok {
			return nil, fmt.Errorf("the tokenizer of the dataset has no special token %s: choose a tokenizer with one, or the objective %q",
				strings.Join(part.names, " or "), Causal)
		}
		*part.id = id
	}
	return &t, nil
}

func findSpecial(special []schemas.SpecialToken, names []string) (uint32, bool) {
	for _, name := range names {
		for _, s := range special {
			if s.Content == name {
				return s.ID, true
			}
		}
	}
	return 0, false
}

// setDefaults fills in what is left out.
func (o *Options) setDefaults() {
	if o.Split == "" {
		o.Split = Train
	}
	if o.World == 0 {
		o.World = 1
	}
	if o.Split == HeldOut {
		o.Sequential = true
	}
	if o.MaskRatePPM == 0 {
		o.MaskRatePPM = mask.DefaultRatePPM
	}
}

// check names the field that can't be used.
func (o *Options) check() error {
	if o.Split != Train && o.Split != HeldOut && o.Split != All {
		return fmt.Errorf("Split is %q: it must be %q, %q or %q", o.Split, Train, HeldOut, All)
	}
	shortest := 1
	switch o.Objective {
	case Causal:
	case MLM:
		shortest = 3
		if o.Template == nil {
			return fmt.Errorf("Template is missing: the objective %q needs the ids of [CLS], [SEP] and [MASK]", MLM)
		}
	default:
		return fmt.Errorf("Objective is %q: it must be %q or %q", o.Objective, MLM, Causal)
	}
	if o.SequenceTokens < shortest {
		return fmt.Errorf("SequenceTokens is %d: the objective %q needs at least %d", o.SequenceTokens, o.Objective, shortest)
	}
	if o.BatchSequences < 1 {
		return fmt.Errorf("BatchSequences is %d: it must be at least 1", o.BatchSequences)
	}
	if o.SequenceTokens > math.MaxInt32/o.BatchSequences {
		return fmt.Errorf("BatchSequences %d of SequenceTokens %d: a batch holds at most %d tokens", o.BatchSequences, o.SequenceTokens, math.MaxInt32)
	}
	if o.World < 1 || o.BatchSequences%o.World != 0 {
		return fmt.Errorf("World is %d: it must divide the %d BatchSequences", o.World, o.BatchSequences)
	}
	if o.Rank < 0 || o.Rank >= o.World {
		return fmt.Errorf("Rank is %d: it must lie in [0, %d)", o.Rank, o.World)
	}
	return nil
}

// masker checks what MLM needs of the vocabulary.
func (o *Options) masker(vocab vocabulary) (*mask.MLM, error) {
	for _, part := range []struct {
		name string
		id   uint32
	}{{"CLS", o.Template.CLS}, {"SEP", o.Template.SEP}, {"Mask", o.Template.Mask}} {
		if int64(part.id) >= int64(vocab.size) {
			return nil, fmt.Errorf("Template.%s is %d, outside the vocabulary of %d tokens: is it of another tokenizer?", part.name, part.id, vocab.size)
		}
	}
	special := append([]uint32{o.Template.CLS, o.Template.SEP}, vocab.special...)
	m, err := mask.New(mask.Options{RatePPM: o.MaskRatePPM, MaskID: o.Template.Mask, VocabSize: vocab.size, Special: special})
	if err != nil {
		return nil, fmt.Errorf("prepare masks: %w", err)
	}
	return m, nil
}

// Setting is one named fact that decides about the batches.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// orderVersion is raised when the same settings give other batches than before.
const orderVersion = "1"

// settings lists what the batches are a function of.
func (o *Options) settings(data identity, wordStarts []uint64) []Setting {
	s := []Setting{
		{"order version", orderVersion},
		{"dataset", data.fingerprint},
		{"dataset tokens", strconv.FormatInt(data.tokens, 10)},
		{"split", o.Split},
		{"objective", string(o.Objective)},
		{"sequence tokens", strconv.Itoa(o.SequenceTokens)},
		{"batch sequences", strconv.Itoa(o.BatchSequences)},
		{"seed", strconv.FormatUint(o.Seed, 10)},
		{"sequential", strconv.FormatBool(o.Sequential)},
		{"boundaries", strconv.FormatBool(o.Boundaries)},
	}
	if o.Objective != MLM {
		return s
	}
	return append(s,
		Setting{"template", fmt.Sprintf("%d %d %d", o.Template.CLS, o.Template.SEP, o.Template.Mask)},
		Setting{"mask rate", strconv.FormatUint(uint64(o.MaskRatePPM), 10)},
		Setting{"vocabulary", strconv.Itoa(data.vocab.size)},
		Setting{"special ids", fmt.Sprint(data.vocab.special)},
		Setting{"word starts", digestWordStarts(wordStarts)})
}

func digestWordStarts(starts []uint64) string {
	if starts == nil {
		return "none"
	}
	h := sha256.New()
	for _, word := range starts {
		fmt.Fprintf(h, "%016x", word)
	}
	return hex.EncodeToString(h.Sum(nil))
}
