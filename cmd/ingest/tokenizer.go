package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/pipeline/recipe"
	"github.com/shardmill/shardmill/tokenizers"
)

func newTokenizer(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokenizer",
		Short: "Train and use tokenizers",
		Long:  "Works with tokenizer.json files, as Hugging Face tokenizers reads and writes them, and with the other files that tokenizers are published in.\n" + exitHelp,
		Example: `  ingest tokenizer train --model bpe --vocab-size 8000 --out tokenizer.json texts/*.txt
  ingest tokenizer info tokenizer.json
  echo '{"text": "some text"}' | ingest tokenizer encode --tokenizer tokenizer.json --json
  ingest tokenizer decode --tokenizer tokenizer.json 31373 995
  ingest tokenizer convert spiece.model tokenizer.json
  ingest tokenizer compare old.json new.json texts.txt`,
		RunE: func(cmd *cobra.Command, args []string) error { return wantCommand(s, cmd, args) },
	}
	cmd.AddCommand(newEncode(s), newDecode(s), newInfo(s), newTrain(s))
	cmd.AddCommand(newConvert(s), newCompare(s))
	return cmd
}

func newTrain(s streams) *cobra.Command {
	o := tokenizers.TrainOptions{}
	var out string
	cmd := &cobra.Command{
		Use:   "train --model bpe|wordpiece --vocab-size N --out TOKENIZER.json FILE…",
		Short: "Train a tokenizer",
		Long: `Trains a byte-level BPE tokenizer (as GPT-2's) or a WordPiece tokenizer (as BERT's) on files, read as ` + "`ingest run`" + ` reads them: text,
JSON lines or HTML, plain or compressed. Records that can't be read are named on standard error and passed over.
` + exitHelp,
		Example: `  ingest tokenizer train --model bpe --vocab-size 8000 --out tokenizer.json texts/*.txt
  ingest tokenizer train --model wordpiece --lowercase --vocab-size 30522 --out tokenizer.json web.jsonl.zst`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.Model != tokenizers.TrainBPE && o.Model != tokenizers.TrainWordPiece:
				return usageError{fmt.Errorf("--model %q: want %s or %s", o.Model, tokenizers.TrainBPE, tokenizers.TrainWordPiece)}
			case out == "":
				return usageError{errors.New("name the file to write with --out")}
			case len(args) == 0:
				return usageError{errors.New("name at least one file to train on")}
			case o.VocabSize < 1:
				return usageError{fmt.Errorf("--vocab-size %d: want at least 1", o.VocabSize)}
			}
			return train(cmd.Context(), s, o, out, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Model, "model", "", "bpe (byte level) or wordpiece")
	f.IntVar(&o.VocabSize, "vocab-size", 30_000, "tokens in the vocabulary, special ones included")
	f.Int64Var(&o.MinFrequency, "min-frequency", 2, "pairs that occur less often are not merged")
	f.BoolVar(&o.Lowercase, "lowercase", false, "wordpiece: lower case, no accents")
	f.StringVar(&out, "out", "", "file to write")
	return cmd
}

func train(ctx context.Context, s streams, o tokenizers.TrainOptions, out string, files []string) error {
	r, err := recipe.Default("", files)
	if err != nil {
		return usageError{err}
	}
	bad := func(source string, offset int64, reason string) {
		fmt.Fprintf(s.err, "passed over: %s: byte %d: %s\n", source, offset, reason)
	}
	t, err := tokenizers.Train(o, recipe.Texts(ctx, &recipe.Env{}, r, bad))
	if err != nil {
		return err
	}
	if err := save(t, out); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%s: %s, vocabulary %d\n", out, t.Model(), t.VocabSize())
	return nil
}

// save writes the tokenizer as tokenizer.json.
func save(t *tokenizers.Tokenizer, path string) error {
	var b bytes.Buffer
	if err := t.Save(&b); err != nil {
		return err
	}
	return writeWhole(path, b.Bytes())
}

// writeWhole writes a file beside its place first, so that nobody sees half of it.
func writeWhole(path string, data []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write tokenizer: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write tokenizer: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write tokenizer %s: %w", path, err), os.Remove(f.Name()))
		}
	}()
	if _, err = f.Write(data); err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
