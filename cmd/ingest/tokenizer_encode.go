package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/tokenizers"
)

// maxLineBytes bounds a line of input of the tokenizer commands.
const maxLineBytes = 1 << 30

// encodeOptions are the flags of `ingest tokenizer encode`.
type encodeOptions struct {
	file        string
	pair        string
	pairFile    string
	json        bool
	all         bool
	noSpecial   bool
	byteOffsets bool
}

// encoded is a line of `ingest tokenizer encode --json`. Names and values of the fields are those of Hugging Face tokenizers.
type encoded struct {
	IDs     []uint32 `json:"ids"`
	Offsets [][2]int `json:"offsets"` // in code points, or in bytes with --byte-offsets
	*encodedMore
}

// encodedMore is what --all adds.
type encodedMore struct {
	Tokens        []string `json:"tokens"`
	TypeIDs       []uint32 `json:"type_ids"`
	WordIDs       []*int   `json:"word_ids"`
	SequenceIDs   []*int   `json:"sequence_ids"`
	SpecialMask   []int    `json:"special_tokens_mask"`
	AttentionMask []int    `json:"attention_mask"`
}

func newEncode(s streams) *cobra.Command {
	var path, backend string
	var o encodeOptions
	cmd := &cobra.Command{
		Use:   "encode --tokenizer TOKENIZER [TEXT…]",
		Short: "Encode texts: arguments, or the lines of a file or of standard input",
		Long: `Encodes each TEXT, or each line of a file or of standard input, as Hugging Face tokenizers does: special tokens added as the file's
post-processor says, added tokens matched, no truncation, no padding. Prints the ids of each text.

With --json, lines of input are objects {"text": …}, or {"text": …, "pair": …} for two texts that become one input, and what is printed are objects
{"ids": […], "offsets": [[start, end], …]}, offsets in Unicode code points of the text that the token came from.

TOKENIZER is ` + tokenizerFormats + `.
` + exitHelp,
		Example: `  ingest tokenizer encode --tokenizer tokenizer.json 'some text' 'and another'
  echo 'some text' | ingest tokenizer encode --tokenizer tokenizer.json
  ingest tokenizer encode --tokenizer tokenizer.json --json --all 'Is it so?' --pair 'It is.'
  ingest tokenizer encode --tokenizer tokenizer.json --file questions.txt --pair-file answers.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case path == "":
				return usageError{errors.New("name a tokenizer with --tokenizer")}
			case o.file != "" && len(args) > 0:
				return usageError{errors.New("give texts as arguments or with --file, not both")}
			case o.pairFile != "" && cmd.Flags().Changed("pair"):
				return usageError{errors.New("give second texts with --pair or --pair-file, not both")}
			case (o.all || o.byteOffsets) && !o.json:
				return usageError{errors.New("--all and --byte-offsets say what --json prints: add --json")}
			}
			t, err := openBackend(path, backend)
			if err != nil {
				return err
			}
			return o.run(cmd, s, t, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&path, "tokenizer", "", "tokenizer.json, or another file or folder of a tokenizer")
	backendFlag(f, &backend, "backend", "what encodes")
	f.StringVar(&o.file, "file", "", "encode the lines of this file")
	f.StringVar(&o.pair, "pair", "", "second text of every input")
	f.StringVar(&o.pairFile, "pair-file", "", "second texts: the lines of this file, one for each input")
	f.BoolVar(&o.json, "json", false, "read and write JSON lines")
	f.BoolVar(&o.all, "all", false, "with --json: tokens, type ids, word ids, sequence ids and masks too")
	f.BoolVar(&o.noSpecial, "no-special", false, "leave out the special tokens of the post-processor")
	f.BoolVar(&o.byteOffsets, "byte-offsets", false, "with --json: offsets in bytes")
	return cmd
}

// encodeInput is one text or two.
type encodeInput struct {
	texts []string
	line  int // of the file or standard input; 0 for an argument
}

// named says which input an error is about.
func (in encodeInput) named(err error) error {
	if in.line > 0 {
		return fmt.Errorf("line %d: %w", in.line, err)
	}
	return err
}

func (o *encodeOptions) run(cmd *cobra.Command, s streams, t textEncoder, args []string) (err error) {
	w := bufio.NewWriter(s.out)
	defer func() {
		if flushed := w.Flush(); err == nil {
			err = flushed
		}
	}()
	second, stop := iter.Pull2(o.seconds(cmd))
	defer stop()
	for in, err := range o.inputs(cmd.Context(), s, args) {
		if err != nil {
			return err
		}
		text, err, more := second()
		if err != nil {
			return err
		}
		if more {
			if len(in.texts) > 1 {
				return in.named(errors.New("the input has a pair of its own: leave out --pair and --pair-file"))
			}
			in.texts = append(in.texts, text)
		} else if o.pairFile != "" {
			return in.named(fmt.Errorf("%s has no line for it", o.pairFile))
		}
		if err := o.encode(w, t, in); err != nil {
			return in.named(err)
		}
	}
	if _, _, more := second(); more && o.pairFile != "" {
		return fmt.Errorf("%s has more lines than there are inputs", o.pairFile)
	}
	return nil
}

// inputs yields the arguments, or the lines of the file or of standard input.
func (o *encodeOptions) inputs(ctx context.Context, s streams, args []string) iter.Seq2[encodeInput, error] {
	return func(yield func(encodeInput, error) bool) {
		for _, text := range args {
			if !yield(encodeInput{texts: []string{text}}, nil) {
				return
			}
		}
		if len(args) > 0 {
			return
		}
		number := 0
		for line, err := range linesOf(ctx, o.file, s.in) {
			number++
			in := encodeInput{texts: []string{line}, line: number}
			if err == nil && o.json {
				in.texts, err = textsOf(line)
				if err != nil {
					err = in.named(err)
				}
			}
			if !yield(in, err) || err != nil {
				return
			}
		}
	}
}

// seconds yields the second texts that flags give.
func (o *encodeOptions) seconds(cmd *cobra.Command) iter.Seq2[string, error] {
	switch {
	case o.pairFile != "":
		return linesOf(cmd.Context(), o.pairFile, nil)
	case cmd.Flags().Changed("pair"):
		return func(yield func(string, error) bool) {
			for yield(o.pair, nil) {
			}
		}
	}
	return func(func(string, error) bool) {}
}

// linesOf yields the lines of a file, or of in where path is empty. An error is the last that it yields.
func linesOf(ctx context.Context, path string, in io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		name := "standard input"
		if path != "" {
			file, err := os.Open(path)
			if err != nil {
				yield("", err)
				return
			}
			defer file.Close()
			name, in = path, file
		}
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, maxLineBytes)
		for lines.Scan() {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(lines.Text(), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield("", fmt.Errorf("read %s: %w", name, err))
		}
	}
}

// textsOf reads {"text": …, "pair": …}.
func textsOf(line string) ([]string, error) {
	var in struct{ Text, Pair *string }
	if err := json.Unmarshal([]byte(line), &in); err != nil {
		return nil, err
	}
	if in.Text == nil {
		return nil, errors.New(`no field "text"`)
	}
	if in.Pair == nil {
		return []string{*in.Text}, nil
	}
	return []string{*in.Text, *in.Pair}, nil
}

func (o *encodeOptions) encode(w io.Writer, t textEncoder, in encodeInput) error {
	options := tokenizers.EncodeOptions{AddSpecial: !o.noSpecial}
	var e tokenizers.Encoding
	var err error
	if len(in.texts) > 1 {
		e, err = t.EncodePair(in.texts[0], in.texts[1], options)
	} else {
		e, err = t.Encode(in.texts[0], options)
	}
	if err != nil {
		return err
	}
	if !o.json {
		_, err = fmt.Fprintln(w, e.IDs)
		return err
	}
	line := encoded{IDs: append([]uint32{}, e.IDs...), Offsets: append([][2]int{}, e.Offsets...)}
	if !o.byteOffsets {
		codePoints(line.Offsets, &e, in.texts)
	}
	if o.all {
		line.encodedMore = &encodedMore{
			append([]string{}, e.Tokens...), append([]uint32{}, e.TypeIDs...), orNull(e.WordIDs), orNull(e.SequenceIDs), maskOf(e.SpecialMask), maskOf(e.AttentionMask),
		}
	}
	return writeLine(w, line)
}

// codePoints turns offsets in bytes into offsets in code points of the text that each token came from.
func codePoints(offsets [][2]int, e *tokenizers.Encoding, texts []string) {
	for sequence, text := range texts {
		var of []int
		var at [][2]int
		for i, s := range e.SequenceIDs {
			if s == sequence {
				of, at = append(of, i), append(at, offsets[i])
			}
		}
		for i, o := range tokenizers.RuneOffsets(text, at) {
			offsets[of[i]] = o
		}
	}
}

// orNull returns pointers to the numbers, nil for -1.
func orNull(numbers []int) []*int {
	out := make([]*int, len(numbers))
	for i, n := range numbers {
		if n >= 0 {
			out[i] = &n
		}
	}
	return out
}

func maskOf(mask []bool) []int {
	out := make([]int, len(mask))
	for i, set := range mask {
		if set {
			out[i] = 1
		}
	}
	return out
}
