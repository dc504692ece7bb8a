package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/tokenizers/formats"
)

// decodeOptions are the flags of `ingest tokenizer decode`.
type decodeOptions struct {
	file        string
	json        bool
	skipSpecial bool
}

func newDecode(s streams) *cobra.Command {
	var path string
	var o decodeOptions
	cmd := &cobra.Command{
		Use:   "decode --tokenizer TOKENIZER [IDS…]",
		Short: "Decode ids: arguments, or the lines of a file or of standard input",
		Long: `Decodes ids as Hugging Face tokenizers does, and prints the text: of all arguments together, or of each line of a file or of standard input. Ids
stand apart by spaces or commas, and may stand in brackets, as ` + "`ingest tokenizer encode`" + ` prints them.

With --json, lines of input are objects {"ids": […]}, and what is printed are objects {"text": …}.

TOKENIZER is ` + tokenizerFormats + `.
` + exitHelp,
		Example: `  ingest tokenizer decode --tokenizer tokenizer.json 31373 995
  echo '[31373, 995]' | ingest tokenizer decode --tokenizer tokenizer.json --skip-special
  ingest tokenizer encode --tokenizer tokenizer.json --json <texts.jsonl | ingest tokenizer decode --tokenizer tokenizer.json --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case path == "":
				return usageError{errors.New("name a tokenizer with --tokenizer")}
			case len(args) > 0 && (o.file != "" || o.json):
				return usageError{errors.New("--file and --json are for lines of input: leave out the arguments")}
			}
			ids, err := idsOf(strings.Join(args, " "))
			if err != nil {
				return usageError{err}
			}
			t, err := formats.Open(path)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return o.decode(s.out, t, ids)
			}
			return o.run(cmd, s, t)
		},
	}
	f := cmd.Flags()
	f.StringVar(&path, "tokenizer", "", "tokenizer.json, or another file or folder of a tokenizer")
	f.StringVar(&o.file, "file", "", "decode the lines of this file")
	f.BoolVar(&o.json, "json", false, "read and write JSON lines")
	f.BoolVar(&o.skipSpecial, "skip-special", false, "leave out special tokens")
	return cmd
}

func (o *decodeOptions) run(cmd *cobra.Command, s streams, t *tokenizers.Tokenizer) (err error) {
	w := bufio.NewWriter(s.out)
	defer func() {
		if flushed := w.Flush(); err == nil {
			err = flushed
		}
	}()
	n := 0
	for line, err := range linesOf(cmd.Context(), o.file, s.in) {
		if err != nil {
			return err
		}
		n++
		ids, err := o.read(line)
		if err == nil {
			err = o.decode(w, t, ids)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

func (o *decodeOptions) read(line string) ([]uint32, error) {
	if !o.json {
		return idsOf(line)
	}
	var in struct{ IDs *[]uint32 }
	if err := json.Unmarshal([]byte(line), &in); err != nil {
		return nil, err
	}
	if in.IDs == nil {
		return nil, errors.New(`no field "ids"`)
	}
	return *in.IDs, nil
}

// idsOf reads ids with spaces, commas or brackets between and around them.
func idsOf(s string) ([]uint32, error) {
	var ids []uint32
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(" \t\r,[]", r) }) {
		id, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is not an id", word)
		}
		ids = append(ids, uint32(id))
	}
	return ids, nil
}

// decode prints the text of ids. An id that means no token is an error, since it comes from another tokenizer.
func (o *decodeOptions) decode(w io.Writer, t *tokenizers.Tokenizer, ids []uint32) error {
	for _, id := range ids {
		if _, ok := t.Token(id); !ok {
			return fmt.Errorf("id %d means no token: the vocabulary ends at %d", id, t.VocabSize()-1)
		}
	}
	text := t.Decode(ids, o.skipSpecial)
	if o.json {
		return writeLine(w, struct {
			Text string `json:"text"`
		}{text})
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
