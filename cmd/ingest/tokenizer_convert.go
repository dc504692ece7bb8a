package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/tokenizers/formats"
)

func newConvert(s streams) *cobra.Command {
	var to string
	var o formats.Options
	cmd := &cobra.Command{
		Use:   "convert IN OUT [--to tokenizer.json|vocab.txt|merges|tiktoken]",
		Short: "Convert a tokenizer from one format to another",
		Long: `Reads a tokenizer, which is ` + tokenizerFormats + `, and writes it in another format:

  tokenizer.json  everything, in one file, as Hugging Face tokenizers reads it
  vocab.txt       the vocabulary of a BERT tokenizer, and tokenizer_config.json, in a folder
  merges          vocab.json and merges.txt of a GPT-2 or RoBERTa tokenizer, and tokenizer_config.json, in a folder
  tiktoken        the ranks of a byte-level BPE tokenizer, in one file; pattern and special tokens are not part of it

A tokenizer that a format can't say in full is refused. tokenizer_config.json, special_tokens_map.json and added_tokens.json beside IN are
taken into account. OUT is a file, or where it ends in / or is there already, the folder for it.
` + exitHelp,
		Example: `  ingest tokenizer convert spiece.model tokenizer.json
  ingest tokenizer convert --encoding cl100k_base ranks.tiktoken tokenizer.json
  ingest tokenizer convert tokenizer.json bert/ --to vocab.txt`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := o.Open(args[0])
			if err != nil {
				return err
			}
			files, err := formats.Convert(t, to)
			if err != nil {
				return err
			}
			for i, path := range outputPaths(args[1], files) {
				if err := writeWhole(path, files[i].Data); err != nil {
					return err
				}
				fmt.Fprintf(s.err, "%s: %s, vocabulary %d\n", path, t.Model(), t.VocabSize())
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", formats.TokenizerJSON, "format to write")
	cmd.Flags().StringVar(&o.Encoding, "encoding", "", fmt.Sprintf("what tiktoken ranks are read as, where name and length don't say: %s", strings.Join(formats.Encodings(), ", ")))
	return cmd
}

// outputPaths returns where the files go: several into the folder out, a single one there only if it is a folder.
func outputPaths(out string, files []formats.File) []string {
	info, err := os.Stat(out)
	if len(files) == 1 && !os.IsPathSeparator(out[max(0, len(out)-1)]) && (err != nil || !info.IsDir()) {
		return []string{out}
	}
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = filepath.Join(out, f.Name)
	}
	return paths
}
