package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
  echo '{"text": "some text"}' | ingest tokenizer encode --tokenizer tokenizer.json --json
  ingest tokenizer convert spiece.model tokenizer.json
  ingest tokenizer compare old.json new.json texts.txt`,
		RunE: func(cmd *cobra.Command, args []string) error { return wantCommand(s, cmd, args) },
	}
	cmd.AddCommand(newEncode(s), newTrain(s))
	cmd.AddCommand(newConvert(s), newCompare(s))
	return cmd
}

// maxLineBytes bounds a line of input of `ingest tokenizer encode`.
const maxLineBytes = 1 << 30

// encoded is a line of `ingest tokenizer encode --json`.
type encoded struct {
	IDs     []uint32 `json:"ids"`
	Offsets [][2]int `json:"offsets"` // in code points
}

func newEncode(s streams) *cobra.Command {
	var path, backend string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "encode --tokenizer TOKENIZER.json",
		Short: "Encode the lines of standard input",
		Long: `Encodes each line of standard input as Hugging Face tokenizers does: special tokens added as the file's post-processor says, added tokens
matched, no truncation, no padding. Prints the ids of each line; with --json, reads {"text": …} and prints {"ids": […], "offsets":
[[start, end], …]}, offsets in Unicode code points.
` + exitHelp,
		Example: `  echo 'some text' | ingest tokenizer encode --tokenizer tokenizer.json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return usageError{errors.New("name a tokenizer.json with --tokenizer")}
			}
			t, err := openBackend(path, backend)
			if err != nil {
				return err
			}
			return encodeLines(cmd.Context(), s, t, asJSON)
		},
	}
	cmd.Flags().StringVar(&path, "tokenizer", "", "tokenizer.json")
	cmd.Flags().BoolVar(&asJSON, "json", false, "read and write JSON lines")
	backendFlag(cmd.Flags(), &backend, "backend", "what encodes")
	return cmd
}

func encodeLines(ctx context.Context, s streams, t textEncoder, asJSON bool) (err error) {
	lines := bufio.NewScanner(s.in)
	lines.Buffer(nil, maxLineBytes)
	w := bufio.NewWriter(s.out)
	defer func() {
		if flushed := w.Flush(); err == nil {
			err = flushed
		}
	}()
	for n := 1; lines.Scan(); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		text := lines.Text()
		if asJSON {
			var in struct {
				Text *string `json:"text"`
			}
			if err := json.Unmarshal(lines.Bytes(), &in); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
			if in.Text == nil {
				return fmt.Errorf(`line %d: no field "text"`, n)
			}
			text = *in.Text
		}
		e, err := t.Encode(text, tokenizers.EncodeOptions{AddSpecial: true})
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if asJSON {
			err = writeLine(w, encoded{append([]uint32{}, e.IDs...), append([][2]int{}, tokenizers.RuneOffsets(text, e.Offsets)...)})
		} else {
			_, err = fmt.Fprintln(w, e.IDs)
		}
		if err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	return nil
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
