package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

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
	cmd.AddCommand(newEncode(s), newDecode(s), newInfo(s), newTrain(s), newConvert(s), newCompare(s))
	return cmd
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
