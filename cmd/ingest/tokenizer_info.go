package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/tokenizers/formats"
)

// maxSampleBytes bounds the sample of `ingest tokenizer info`.
const maxSampleBytes = 256 << 20

// mostSpecial is the number of special tokens that are printed one by one; --json prints all.
const mostSpecial = 10

// tokenizerInfo is what `ingest tokenizer info --json` prints.
type tokenizerInfo struct {
	Path       string           `json:"path"`
	Bytes      int              `json:"bytes"`
	SHA256     string           `json:"sha256"`
	Model      string           `json:"model"`
	VocabSize  int              `json:"vocab_size"` // one more than the highest id
	Special    []specialToken   `json:"special_tokens"`
	Components []tokenizerPart  `json:"components"`
	Plan       string           `json:"plan"`
	Sample     *tokenizerSample `json:"sample,omitempty"`
}

type specialToken struct {
	ID      uint32 `json:"id"`
	Content string `json:"content"`
}

// tokenizerPart is a member of the tokenizer.json, without the vocabulary.
type tokenizerPart struct {
	Name     string `json:"name"`
	Settings string `json:"settings"` // in one line
}

type tokenizerSample struct {
	Bytes         int     `json:"bytes"`
	Tokens        int     `json:"tokens"`
	BytesPerToken float64 `json:"bytes_per_token"`
}

func newInfo(s streams) *cobra.Command {
	var asJSON bool
	var text, file string
	cmd := &cobra.Command{
		Use:   "info TOKENIZER",
		Short: "Say what a tokenizer is made of",
		Long: `Prints the kind of model, the size of the vocabulary, the special tokens, each component with its settings, and the plan by which documents become
ids. With --text or --file, also how many bytes of that sample a token stands for, without special tokens.

TOKENIZER is ` + tokenizerFormats + `. Size and digest are those of its tokenizer.json, which
other formats are converted to.
` + exitHelp,
		Example: `  ingest tokenizer info tokenizer.json
  ingest tokenizer info tokenizer.json --file sample.txt --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usageError{errors.New("name one tokenizer")}
			case file != "" && cmd.Flags().Changed("text"):
				return usageError{errors.New("give a sample with --text or --file, not both")}
			}
			info, err := describe(args[0])
			if err != nil {
				return err
			}
			if file != "" {
				if text, err = readSample(file); err != nil {
					return err
				}
			}
			if text != "" {
				info.measure(text)
			}
			if asJSON {
				return writeJSON(s.out, info.tokenizerInfo)
			}
			return info.print(s.out)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.StringVar(&text, "text", "", "sample to count the tokens of")
	f.StringVar(&file, "file", "", "file with a sample to count the tokens of")
	return cmd
}

// described is a tokenizer and what is said about it.
type described struct {
	tokenizerInfo
	tokenizer *tokenizers.Tokenizer
}

func describe(path string) (*described, error) {
	t, err := formats.Open(path)
	if err != nil {
		return nil, err
	}
	raw := t.Raw()
	sum := sha256.Sum256(raw)
	d := &described{tokenizerInfo{
		Path: path, Bytes: len(raw), SHA256: hex.EncodeToString(sum[:]), Model: t.Model(), VocabSize: t.VocabSize(), Plan: t.Explain(), Special: []specialToken{},
	}, t}
	for _, special := range t.SpecialTokens() {
		d.Special = append(d.Special, specialToken(special))
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, name := range []string{"normalizer", "pre_tokenizer", "model", "post_processor", "decoder", "truncation", "padding"} {
		settings, err := oneLine(file[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, name, err)
		}
		if strings.HasPrefix(settings, "{") && name == "model" { // of an old file, which gives no type
			settings = d.Model + "(" + settings[1:len(settings)-1] + ")"
		}
		d.Components = append(d.Components, tokenizerPart{name, settings})
	}
	return d, nil
}

// readSample reads a file of bounded size.
func readSample(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSampleBytes+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > maxSampleBytes {
		return "", fmt.Errorf("read %s: more than %d bytes are no sample: take a part of it", path, maxSampleBytes)
	}
	return string(data), nil
}

// measure counts the tokens of a text.
func (d *described) measure(text string) {
	const cacheBytes = 8 << 20
	n := len(d.tokenizer.NewEncoder(cacheBytes).AppendIDs(nil, []byte(text)))
	d.Sample = &tokenizerSample{Bytes: len(text), Tokens: n, BytesPerToken: float64(len(text)) / float64(max(n, 1))}
}

func (d *described) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "file\t%s, %d bytes, sha256 %s\n", d.Path, d.Bytes, d.SHA256)
	fmt.Fprintf(w, "vocabulary\t%d ids\n", d.VocabSize)
	var special []string
	for i, t := range d.Special {
		if i == mostSpecial && len(d.Special) > mostSpecial+1 {
			special = append(special, fmt.Sprintf("and %d more up to id %d", len(d.Special)-i, d.Special[len(d.Special)-1].ID))
			break
		}
		special = append(special, fmt.Sprintf("%d %q", t.ID, t.Content))
	}
	fmt.Fprintf(w, "special tokens\t%s\n", orNone(strings.Join(special, ", ")))
	for _, part := range d.Components {
		fmt.Fprintf(w, "%s\t%s\n", part.Name, orNone(part.Settings))
	}
	fmt.Fprintf(w, "plan\t%s\n", d.Plan)
	if s := d.Sample; s != nil {
		fmt.Fprintf(w, "sample\t%d bytes, %d tokens, %.3f bytes/token\n", s.Bytes, s.Tokens, s.BytesPerToken)
	}
	return w.Flush()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// oneLine writes a component as its type and settings, such as Sequence(normalizers=[NFC(), Lowercase()]), and nothing for none. Vocabularies, merges and long strings are
// counted, not written.
func oneLine(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var b strings.Builder
	err := writeSettings(&b, d)
	return b.String(), err
}

// writeSettings writes the next value of d.
func writeSettings(b *strings.Builder, d *json.Decoder) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return writeObject(b, d)
		}
		return writeList(b, d)
	case string:
		const longest = 200
		if len(v) > longest {
			fmt.Fprintf(b, "%d bytes", len(v))
		} else {
			fmt.Fprintf(b, "%q", v)
		}
	case nil:
		b.WriteString("null")
	default:
		fmt.Fprint(b, v)
	}
	return nil
}

func writeObject(b *strings.Builder, d *json.Decoder) error {
	var kind string
	var members strings.Builder
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name := key.(string)
		if name == "vocab" || name == "merges" {
			n, err := countEntries(d)
			if err != nil {
				return err
			}
			fmt.Fprintf(&members, ", %s=%d entries", name, n)
			continue
		}
		var value strings.Builder
		if err := writeSettings(&value, d); err != nil {
			return err
		}
		if name == "type" {
			kind = strings.Trim(value.String(), `"`)
			continue
		}
		fmt.Fprintf(&members, ", %s=%s", name, value.String())
	}
	open, shut := kind+"(", ")"
	if kind == "" {
		open, shut = "{", "}"
	}
	b.WriteString(open + strings.TrimPrefix(members.String(), ", ") + shut)
	_, err := d.Token()
	return err
}

func writeList(b *strings.Builder, d *json.Decoder) error {
	b.WriteByte('[')
	for i := 0; d.More(); i++ {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := writeSettings(b, d); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	_, err := d.Token()
	return err
}

// countEntries counts the members of an object or a list.
func countEntries(d *json.Decoder) (n int, err error) {
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		return 0, err
	}
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil {
		return len(list), nil
	}
	var object map[string]json.RawMessage
	err = json.Unmarshal(value, &object)
	return len(object), err
}
