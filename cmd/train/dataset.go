package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/shardmill/shardmill/datasets/loader"
	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer/checkpoint"
)

// dataset is what must be known of a dataset folder beside its tokens. The tokenizer is the one that the manifest names.
type dataset struct {
	dir       string
	manifest  *schemas.Manifest
	tokenizer *tokenizers.Tokenizer
}

// openDataset opens the dataset in dir and refuses a tokenizer.json that is not the one that made it.
func openDataset(dir string) (opened *dataset, err error) {
	d, err := shards.OpenDataset(dir)
	if err != nil {
		return nil, err
	}
	defer closing(&err, d)
	t, err := datasetTokenizer(dir, d.Manifest().Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", dir, err)
	}
	return &dataset{dir, d.Manifest(), t}, nil
}

func datasetTokenizer(dir string, m schemas.ManifestTokenizer) (*tokenizers.Tokenizer, error) {
	if !filepath.IsLocal(m.File) {
		return nil, fmt.Errorf("its manifest names the tokenizer %q, which is not below it", m.File)
	}
	t, err := tokenizers.LoadFile(filepath.Join(dir, m.File))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(t.Raw()); hex.EncodeToString(sum[:]) != m.Digest {
		return nil, fmt.Errorf("%s is not the tokenizer that made the shards: its SHA-256 is %x, the manifest says %s", m.File, sum, m.Digest)
	}
	if t.VocabSize() != m.VocabSize {
		return nil, fmt.Errorf("%s has a vocabulary of %d tokens, the manifest says %d", m.File, t.VocabSize(), m.VocabSize)
	}
	return t, nil
}

// sameTokenizer returns an error that says how the tokenizers differ, if they give other ids to the tokens.
func sameTokenizer(a, b *tokenizers.Tokenizer) error {
	if a.Model() != b.Model() || a.VocabSize() != b.VocabSize() {
		return fmt.Errorf("%s of %d tokens and %s of %d tokens", a.Model(), a.VocabSize(), b.Model(), b.VocabSize())
	}
	for id := range uint32(a.VocabSize()) {
		x, inA := a.Token(id)
		y, inB := b.Token(id)
		if x != y || inA != inB {
			return fmt.Errorf("token %d is %q and %q", id, x, y)
		}
	}
	return nil
}

// batchFlags say how samples are made of the tokens of a dataset.
type batchFlags struct {
	sequences  int
	tokens     int
	length     int
	maskRate   float64
	wholeWords bool
	boundaries bool
}

// validate finds what is wrong with the flags alone, and turns tokens into sequences.
func (f *batchFlags) validate() error {
	if f.length < 1 {
		return usagef("--seq-len %d: give at least 1", f.length)
	}
	if f.tokens != 0 {
		f.sequences = f.tokens / f.length
		if f.sequences < 1 {
			return usagef("--batch-tokens %d is less than one sequence of %d", f.tokens, f.length)
		}
	}
	if f.sequences < 1 {
		return usagef("--batch-size %d: give at least 1", f.sequences)
	}
	if !(f.maskRate > 0 && f.maskRate <= 1) {
		return usagef("--mask-rate %v is outside 0..1", f.maskRate)
	}
	return nil
}

// loaderOptions turns the flags into options for a split.
func (f *batchFlags) loaderOptions(d *dataset, o objective, split string, seed uint64) (loader.Options, error) {
	options := loader.Options{
		Split: split, Objective: loader.Objective(o), SequenceTokens: f.length, BatchSequences: f.sequences, Seed: seed,
		Boundaries: f.boundaries,
	}
	if o != masked {
		return options, nil
	}
	template, err := loader.FindTemplate(d.manifest.Tokenizer.SpecialIDs)
	if err != nil {
		return options, err
	}
	options.Template, options.MaskRatePPM = template, uint32(f.maskRate*1e6+0.5)
	if f.wholeWords {
		if d.manifest.Tokenizer.Model != "WordPiece" {
			return options, fmt.Errorf("--whole-words needs a dataset with a WordPiece tokenizer, %s has %s", d.dir, d.manifest.Tokenizer.Model)
		}
		options.WordStart = d.startsWord
	}
	return options, nil
}

// startsWord tells whether a token begins a word: WordPiece marks those that do not.
func (d *dataset) startsWord(id uint32) bool {
	token, ok := d.tokenizer.Token(id)
	return !ok || len(token) < 2 || token[:2] != "##"
}

// modelTokenizer loads the tokenizer of a model folder.
func modelTokenizer(dir string) (*tokenizers.Tokenizer, error) {
	return tokenizers.LoadFile(filepath.Join(dir, checkpoint.TokenizerFile))
}

// readSmall reads a file that has no reason to be large.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const maxBytes = 16 << 20
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(b) > maxBytes {
		err = fmt.Errorf("read %s: longer than %d bytes", path, maxBytes)
	}
	return b, err
}
