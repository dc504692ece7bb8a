package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/pipeline/recipe"
	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/tokenizers/formats"
)

// trainFlags are what `ingest tokenizer train` is told.
type trainFlags struct {
	options            tokenizers.TrainOptions
	out, template      string
	memory, progress   string
	minTokenOccurrence int64
}

var trainModels = []string{tokenizers.TrainBPE, tokenizers.TrainWordPiece, tokenizers.TrainUnigram, tokenizers.TrainWordLevel}

func newTrain(s streams) *cobra.Command {
	t := &trainFlags{}
	cmd := &cobra.Command{
		Use:   "train --model bpe|wordpiece|unigram|wordlevel --out TOKENIZER.json FILE|DATASET…",
		Short: "Train a tokenizer",
		Long: `Trains a tokenizer on files, read as ` + "`ingest run`" + ` reads them: text, JSON lines or HTML, plain or compressed; and on datasets that
` + "`ingest run`" + ` has made, whose documents are decoded. Records that can't be read are named on standard error and passed over.

  bpe        byte-level BPE with the words of GPT-2; <|endoftext|>
  wordpiece  with the words of BERT; [PAD] [UNK] [CLS] [SEP] [MASK]
  unigram    with NFKC and Metaspace, as T5; <unk> <s> </s> <pad>
  wordlevel  whole words, cut at white space and punctuation; [UNK] [PAD]

With --template the normalizer, pre-tokenizer, post-processor, decoder, special tokens and settings of the model come from another tokenizer.json: the
same tokenizer with a vocabulary of its own. Merges and vocabularies are those of Hugging Face tokenizers on the same texts.

The result depends on the flags and the texts alone: not on their order, nor on --workers and --memory. Memory follows the number of distinct
words: beyond --memory, counted words go to a temporary folder while texts are read.
` + exitHelp,
		Example: `  ingest tokenizer train --model bpe --vocab-size 8000 --out tokenizer.json texts/*.txt
  ingest tokenizer train --model wordpiece --lowercase --vocab-size 30522 --out tokenizer.json web.jsonl.zst
  ingest tokenizer train --model unigram --vocab-size 32000 --workers 8 --memory 8GiB --out tokenizer.json web/*.jsonl.zst
  ingest tokenizer train --template llama/tokenizer.json --vocab-size 64000 --special '<|pad|>' --out tokenizer.json dataset`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.check(args); err != nil {
				return usageError{err}
			}
			return t.run(cmd.Context(), s, args)
		},
	}
	t.register(cmd)
	return cmd
}

func (t *trainFlags) register(cmd *cobra.Command) {
	f, o := cmd.Flags(), &t.options
	f.StringVar(&o.Model, "model", "", "bpe, wordpiece, unigram or wordlevel; that of --template if left out")
	f.StringVar(&t.template, "template", "", "tokenizer to train anew: "+tokenizerFormats)
	f.StringVar(&t.out, "out", "", "file to write")
	f.IntVar(&o.VocabSize, "vocab-size", 30_000, "tokens in the vocabulary, special ones included")
	f.Int64Var(&t.minTokenOccurrence, "min-frequency", 0, "bpe, wordpiece: pairs that occur less often are not merged; wordlevel: words that do are left out; 0: 2, wordlevel 1")
	f.StringArrayVar(&o.SpecialTokens, "special", nil, "special token, in the order of ids; once for each; those above, or of --template and these")
	f.StringVar(&o.UnknownToken, "unknown", "", "special token that stands for what the model does not know")
	f.BoolVar(&o.Lowercase, "lowercase", false, "lower case; for wordpiece no accents either")
	f.IntVar(&o.LimitAlphabet, "limit-alphabet", 0, "bpe, wordpiece: characters to keep, the most frequent ones; 0: wordpiece 1000, bpe all")
	f.StringVar(&o.InitialAlphabet, "initial-alphabet", "", "characters that get into the vocabulary even if no text has them")
	f.IntVar(&o.MaxTokenLength, "max-token-length", 0, "bpe, wordpiece: merged tokens have fewer characters than this; 0: 4000")
	f.StringVar(&o.ContinuingPrefix, "continuing-prefix", "", "bpe, wordpiece: marks tokens that don't begin a word; wordpiece ##")
	f.StringVar(&o.EndOfWordSuffix, "end-of-word-suffix", "", "bpe: marks tokens that end a word")
	f.IntVar(&o.MaxPieceLength, "max-piece-length", 16, "unigram: characters of a piece")
	f.IntVar(&o.SeedSize, "seed-size", 1_000_000, "unigram: pieces to begin with")
	f.Float64Var(&o.ShrinkingFactor, "shrinking-factor", 0.75, "unigram: share of the pieces that stays at each pruning")
	f.IntVar(&o.SubIterations, "sub-iterations", 2, "unigram: rounds before each pruning")
	f.IntVar(&o.Workers, "workers", runtime.GOMAXPROCS(0), "goroutines that count words")
	f.StringVar(&t.memory, "memory", recipe.Size(recipe.DefaultMemoryBytes).String(), "bound of the memory for counting words, such as 512M or 4GiB")
	f.StringVar(&o.SpillFolder, "temp", "", "folder for words that memory has no room for; that of the system if left out")
	f.StringVar(&t.progress, "progress", "plain", "plain or none")
}

// check finds the mistakes that need no text to be seen.
func (t *trainFlags) check(args []string) error {
	o := &t.options
	memory, err := recipe.ParseSize(t.memory)
	switch {
	case o.Model == "" && t.template == "":
		return fmt.Errorf("name a model with --model, one of %v, or a tokenizer with --template", trainModels)
	case o.Model != "" && !slices.Contains(trainModels, o.Model):
		return fmt.Errorf("--model %q: want one of %v", o.Model, trainModels)
	case t.out == "":
		return errors.New("name the file to write with --out")
	case len(args) == 0:
		return errors.New("name at least one file or dataset to train on")
	case o.VocabSize < 1:
		return fmt.Errorf("--vocab-size %d: want at least 1", o.VocabSize)
	case t.minTokenOccurrence < 0:
		return fmt.Errorf("--min-frequency %d: want at least 0", t.minTokenOccurrence)
	case o.Workers < 1 || o.Workers > maxWorkers:
		return fmt.Errorf("--workers %d: want 1 to %d", o.Workers, maxWorkers)
	case err != nil || memory < 1:
		return fmt.Errorf("--memory %s: want a size such as 512M or 4GiB", t.memory)
	case t.progress != "plain" && t.progress != "none":
		return fmt.Errorf("--progress %s: want plain or none", t.progress)
	}
	o.MinFrequency, o.MemoryBytes = t.minTokenOccurrence, memory
	return nil
}

func (t *trainFlags) run(ctx context.Context, s streams, args []string) error {
	texts, err := trainTexts(ctx, s, args)
	if err != nil {
		return err
	}
	if t.template != "" {
		if t.options.Template, err = formats.Open(t.template); err != nil {
			return fmt.Errorf("--template: %w", err)
		}
	}
	t.options.Progress = t.reporter(ctx, s)
	trained, err := tokenizers.Train(t.options, texts)
	if err != nil {
		return err
	}
	if err := save(trained, t.out); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%s: %s, vocabulary %d\n", t.out, trained.Model(), trained.VocabSize())
	return nil
}

// reporter returns what writes a line of progress now and then, and ends the training when the command is interrupted.
func (t *trainFlags) reporter(ctx context.Context, s streams) func(tokenizers.TrainProgress) error {
	next := time.Now().Add(interval)
	return func(p tokenizers.TrainProgress) error {
		if now := time.Now(); t.progress == "plain" && now.After(next) {
			next = now.Add(interval)
			if p.Tokens > 0 {
				fmt.Fprintf(s.err, "%d tokens of %d\n", p.Tokens, t.options.VocabSize)
			} else {
				fmt.Fprintf(s.err, "%s, %s, %s\n", count(p.Texts, "text"), bytesText(p.Bytes), count(p.Words, "distinct word"))
			}
		}
		return ctx.Err()
	}
}

// trainTexts returns the texts of files and datasets.
func trainTexts(ctx context.Context, s streams, args []string) (iter.Seq2[[]byte, error], error) {
	var files []string
	var parts []iter.Seq2[[]byte, error]
	for _, arg := range args {
		if _, err := os.Stat(filepath.Join(arg, shards.ManifestFile)); err == nil {
			parts = append(parts, datasetTexts(ctx, arg))
		} else {
			files = append(files, arg)
		}
	}
	if len(files) > 0 {
		r, err := recipe.Default("", files)
		if err != nil {
			return nil, usageError{err}
		}
		bad := func(source string, offset int64, reason string) {
			fmt.Fprintf(s.err, "passed over: %s: byte %d: %s\n", source, offset, reason)
		}
		parts = append(parts, recipe.Texts(ctx, &recipe.Env{}, r, bad))
	}
	return func(yield func([]byte, error) bool) {
		for _, part := range parts {
			for text, err := range part {
				if !yield(text, err) {
					return
				}
			}
		}
	}, nil
}

// datasetTexts returns the documents of a dataset as its tokenizer gives them back.
func datasetTexts(ctx context.Context, dir string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		err := eachDocument(ctx, dir, "all", func(_ *shards.Batch, _ int, text string) error {
			if !yield([]byte(text), nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(nil, err)
		}
	}
}
