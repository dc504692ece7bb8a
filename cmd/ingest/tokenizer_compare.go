package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/tokenizers"
)

// compareOptions are the flags of `ingest tokenizer compare`.
type compareOptions struct {
	text               []string
	backendA, backendB string
	cuts               bool
	json               bool
	limit              int
}

func newCompare(s streams) *cobra.Command {
	o := &compareOptions{}
	cmd := &cobra.Command{
		Use:   "compare A B [FILE…]",
		Short: "Show where two tokenizers differ on texts",
		Long: `Encodes each line of the files, or of standard input, with two tokenizers, and shows for each line that they encode differently the first piece
of text where they part, with the tokens that each makes of it, up to where both have a token end again. A and B are
` + tokenizerFormats + `.
- for B is A once more, for another back end. Ids and offsets are compared, special tokens in the text found and those of the templates added;
with --cuts, for tokenizers with vocabularies of their own, the offsets of the text's tokens alone.

Totals: texts encoded alike, tokens of A that B has at the same place, and bytes for each token of both. With --json, one object for
each text that differs, and the totals last; offsets in bytes.

Exit codes, as of diff:
  0  every text is encoded alike
  1  some are not
  2  failed, interrupted, or wrong usage`,
		Example: `  ingest tokenizer compare old/tokenizer.json new/tokenizer.json texts.txt
  ingest tokenizer compare spiece.model tokenizer.json --text 'some text'
  ingest tokenizer compare tokenizer.json - --backend-b sugarme texts.txt
  ingest tokenizer compare gpt2 cl100k_base.tiktoken --cuts --json < texts.txt`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			differ, err := o.run(cmd.Context(), s, args[0], args[1], args[2:])
			switch {
			case err != nil:
				return usageError{err} // of the two codes that are left
			case differ:
				return toldError{errors.New("the tokenizers differ")}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.text, "text", nil, "a text to compare, in place of files; may be given more than once")
	backendFlag(f, &o.backendA, "backend-a", "what encodes with A")
	backendFlag(f, &o.backendB, "backend-b", "what encodes with B")
	f.BoolVar(&o.cuts, "cuts", false, "compare where tokens begin and end, not their ids")
	f.BoolVar(&o.json, "json", false, "print JSON lines")
	f.IntVar(&o.limit, "limit", 20, "show at most so many texts; all are counted")
	return cmd
}

func (o *compareOptions) run(ctx context.Context, s streams, pathA, pathB string, files []string) (differ bool, err error) {
	if len(o.text) > 0 && len(files) > 0 {
		return false, errors.New("give texts with --text or in files, not both")
	}
	if pathB == "-" {
		pathB = pathA
	}
	c := &comparison{compareOptions: o, out: bufio.NewWriter(s.out)}
	if c.a, err = openBackend(pathA, o.backendA); err != nil {
		return false, err
	}
	if c.b, err = openBackend(pathB, o.backendB); err != nil {
		return false, err
	}
	if err := c.readAll(ctx, s.in, files); err != nil {
		return false, err
	}
	if err := c.printTotals(); err != nil {
		return false, err
	}
	return c.totals.Equal < c.totals.Texts, c.out.Flush()
}

// comparison compares texts and counts.
type comparison struct {
	*compareOptions
	a, b   textEncoder
	out    *bufio.Writer
	totals compareTotals
}

// compareTotals are the last line of `ingest tokenizer compare --json`.
type compareTotals struct {
	Texts  int        `json:"texts"`
	Equal  int        `json:"equal"`
	Shared int64      `json:"shared_tokens"` // tokens of A that B has at the same place
	Bytes  int64      `json:"bytes"`
	A      sideTotals `json:"a"`
	B      sideTotals `json:"b"`
}

type sideTotals struct {
	Tokens        int64   `json:"tokens"`
	BytesPerToken float64 `json:"bytes_per_token"`
	Failed        int     `json:"failed"` // texts that the back end could not encode
}

// difference is a text that is not encoded alike.
type difference struct {
	Source  string          `json:"source,omitempty"` // file; empty for standard input and --text
	Line    int             `json:"line"`
	Offsets [2]int          `json:"offsets"` // of the piece where they part, in the line
	Text    string          `json:"text"`    // that piece
	A       []comparedToken `json:"a"`
	B       []comparedToken `json:"b"`
	FailA   string          `json:"error_a,omitempty"`
	FailB   string          `json:"error_b,omitempty"`
}

type comparedToken struct {
	Token   string `json:"token"`
	ID      uint32 `json:"id"`
	Offsets [2]int `json:"offsets"`
}

func (c *comparison) readAll(ctx context.Context, stdin io.Reader, files []string) error {
	for i, text := range c.text {
		if err := c.compare("", i+1, text); err != nil {
			return err
		}
	}
	if len(files) == 0 && len(c.text) == 0 {
		return c.readLines(ctx, "", stdin)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = c.readLines(ctx, name, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) readLines(ctx context.Context, source string, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLineBytes)
	number := 0
	for lines.Scan() {
		number++
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.compare(source, number, lines.Text()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: line %d: %w", sourceName(source), number+1, err)
	}
	return nil
}

func sourceName(source string) string {
	if source == "" {
		return "standard input"
	}
	return source
}

// compare encodes one text with both.
func (c *comparison) compare(source string, line int, text string) error {
	options := tokenizers.EncodeOptions{AddSpecial: !c.cuts}
	a, errA := c.a.Encode(text, options)
	b, errB := c.b.Encode(text, options)
	t := &c.totals
	t.Texts++
	t.Bytes += int64(len(text))
	t.A.Tokens += int64(len(a.IDs))
	t.B.Tokens += int64(len(b.IDs))
	d := difference{Source: source, Line: line}
	if errA != nil {
		t.A.Failed++
		d.FailA = errA.Error()
	}
	if errB != nil {
		t.B.Failed++
		d.FailB = errB.Error()
	}
	if errA == nil && errB == nil {
		left, right := comparedTokens(a, len(text)), comparedTokens(b, len(text))
		t.Shared += c.shared(left, right)
		if !c.part(&d, text, left, right) {
			t.Equal++
			return nil
		}
	}
	if t.Texts-t.Equal > c.limit {
		return nil
	}
	return c.print(&d)
}

// comparedTokens returns the tokens of an encoding in order. Tokens of a template stand where the token before them ends; offsets that are not in the text, which
// only another library gives, are moved there.
func comparedTokens(e tokenizers.Encoding, size int) []comparedToken {
	tokens := make([]comparedToken, len(e.IDs))
	end := 0
	for i := range tokens {
		at := e.Offsets[i]
		if e.SpecialMask[i] {
			at = [2]int{end, end}
		}
		start := min(max(at[0], 0), size)
		end = min(max(at[1], start), size)
		tokens[i] = comparedToken{e.Tokens[i], e.IDs[i], [2]int{start, end}}
	}
	return tokens
}

// same tells whether two tokens are alike, as far as they are compared.
func (c *comparison) same(a, b comparedToken) bool {
	return a.Offsets == b.Offsets && (c.cuts || a.ID == b.ID)
}

// shared counts the tokens that both have at the same place, in order.
func (c *comparison) shared(a, b []comparedToken) (count int64) {
	for i, k := 0, 0; i < len(a) && k < len(b); {
		switch {
		case c.same(a[i], b[k]):
			count++
			i++
			k++
		case a[i].Offsets[1] < b[k].Offsets[1]:
			i++
		case a[i].Offsets[1] > b[k].Offsets[1]:
			k++
		default:
			i++
			k++
		}
	}
	return count
}

// part fills d with the first piece of text where a and b differ, and tells whether there is one.
func (c *comparison) part(d *difference, text string, a, b []comparedToken) bool {
	first := 0
	for first < len(a) && first < len(b) && c.same(a[first], b[first]) {
		first++
	}
	if first == len(a) && first == len(b) {
		return false
	}
	i, k := min(first+1, len(a)), min(first+1, len(b))
	for endA, endB := pieceEnd(a, i), pieceEnd(b, k); endA != endB; endA, endB = pieceEnd(a, i), pieceEnd(b, k) {
		switch {
		case endA < endB && i < len(a):
			i++
		case endB < endA && k < len(b):
			k++
		default: // one has no more tokens: what is left of the other
			i, k = len(a), len(b)
		}
		if i == len(a) && k == len(b) {
			break
		}
	}
	d.A, d.B = a[first:i], b[first:k]
	start, end := len(text), 0
	for _, t := range append(append([]comparedToken{}, d.A...), d.B...) {
		start, end = min(start, t.Offsets[0]), max(end, t.Offsets[1])
	}
	d.Offsets, d.Text = [2]int{start, end}, text[start:end]
	return true
}

// pieceEnd returns where the first n tokens end.
func pieceEnd(tokens []comparedToken, n int) int {
	if n == 0 {
		return 0
	}
	return tokens[n-1].Offsets[1]
}

func (c *comparison) print(d *difference) error {
	if c.json {
		return writeLine(c.out, d)
	}
	place := fmt.Sprintf("line %d", d.Line)
	if d.Source != "" {
		place = d.Source + ": " + place
	}
	fmt.Fprintf(c.out, "%s, bytes %d to %d: %s\n", place, d.Offsets[0], d.Offsets[1], abridged(d.Text))
	_, err := fmt.Fprintf(c.out, "  A %s\n  B %s\n", sideText(d.A, d.FailA), sideText(d.B, d.FailB))
	return err
}

// maxShown bounds the tokens of one side of a difference that are shown.
const maxShown = 16

func sideText(tokens []comparedToken, fail string) string {
	if fail != "" {
		return "fails: " + fail
	}
	var b strings.Builder
	for i, t := range tokens {
		if i == maxShown {
			fmt.Fprintf(&b, " and %d more", len(tokens)-i)
			break
		}
		fmt.Fprintf(&b, " %q=%d", t.Token, t.ID)
	}
	if len(tokens) == 0 {
		return "no token"
	}
	return b.String()[1:]
}

// abridged quotes a text, without the middle of a long one.
func abridged(text string) string {
	const maxRunes = 80
	runes := []rune(text)
	if len(runes) <= maxRunes {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q … %q", string(runes[:maxRunes/2]), string(runes[len(runes)-maxRunes/2:]))
}

func (c *comparison) printTotals() error {
	t := &c.totals
	t.A.BytesPerToken, t.B.BytesPerToken = ratio(t.Bytes, t.A.Tokens), ratio(t.Bytes, t.B.Tokens)
	if c.json {
		return writeLine(c.out, map[string]*compareTotals{"totals": t})
	}
	if hidden := t.Texts - t.Equal - c.limit; hidden > 0 {
		fmt.Fprintf(c.out, "%d more differ: raise --limit to see them\n", hidden)
	}
	fmt.Fprintf(c.out, "%d of %d texts encoded alike; %d of %d tokens of A are in B at the same place\n", t.Equal, t.Texts, t.Shared, t.A.Tokens)
	for _, side := range []struct {
		name string
		sideTotals
	}{{"A", t.A}, {"B", t.B}} {
		failed := ""
		if side.Failed > 0 {
			failed = fmt.Sprintf(", %d texts failed", side.Failed)
		}
		if _, err := fmt.Fprintf(c.out, "%s: %d tokens, %.3f bytes a token%s\n", side.name, side.Tokens, side.BytesPerToken, failed); err != nil {
			return err
		}
	}
	return nil
}

// ratio returns a/b, 0 where b is 0.
func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
