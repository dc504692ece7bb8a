package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/tokenizers"
)

func newTokenizer(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokenizer",
		Short: "Train and use tokenizers",
		Long:  "Works with tokenizer.json files, as Hugging Face tokenizers reads and writes them.\n" + exitHelp,
		Example: `  ingest tokenizer train --model bpe --vocab-size 8000 --out tokenizer.json texts/*.txt
  echo '{"text": "some text"}' | ingest tokenizer encode --tokenizer tokenizer.json --json`,
		RunE: func(cmd *cobra.Command, args []string) error { return wantCommand(s, cmd, args) },
	}
	cmd.AddCommand(newEncode(s), newTrain(s))
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
	var path string
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
			t, err := tokenizers.LoadFile(path)
			if err != nil {
				return err
			}
			return encodeLines(cmd.Context(), s, t, asJSON)
		},
	}
	cmd.Flags().StringVar(&path, "tokenizer", "", "tokenizer.json")
	cmd.Flags().BoolVar(&asJSON, "json", false, "read and write JSON lines")
	return cmd
}

func encodeLines(ctx context.Context, s streams, t *tokenizers.Tokenizer, asJSON bool) (err error) {
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

// save writes the tokenizer beside its place first, so that nobody sees half a file.
func save(t *tokenizers.Tokenizer, path string) (err error) {
	var b bytes.Buffer
	if err := t.Save(&b); err != nil {
		return err
	}
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
	if _, err = io.Copy(f, &b); err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
