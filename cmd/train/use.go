package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/model"
)

// fillMask is the command with its flags.
type fillMask struct {
	model   string
	topK    int
	threads int
	json    bool
}

func newFillMask() *cobra.Command {
	var m fillMask
	cmd := &cobra.Command{
		Use:   "fill-mask --model DIR TEXT…",
		Short: "Guess the masked words of texts with a BERT",
		Long: `fill-mask prints, for each mask token in each text, the tokens that the model holds most probable, with their probabilities.
The mask token is that of the tokenizer: [MASK] or <mask>.
` + exitCodes,
		Example: `  train fill-mask --model bert "He took the [MASK] and went to the house."`,
		RunE: func(cmd *cobra.Command, texts []string) error {
			if err := required(cmd, "model"); err != nil {
				return err
			}
			if len(texts) == 0 {
				return usagef("give at least one text")
			}
			if m.topK < 1 {
				return usagef("--top-k %d: give at least 1", m.topK)
			}
			if err := validateThreads(m.threads); err != nil {
				return err
			}
			return m.run(cmd.Context(), cmd.OutOrStdout(), texts)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&m.model, "model", "", "model folder")
	f.IntVar(&m.topK, "top-k", 5, "tokens to print for each mask")
	f.IntVar(&m.threads, "threads", 0, "threads; 0 means all processors")
	f.BoolVar(&m.json, "json", false, "print one JSON object for each text")
	return cmd
}

// filled is what the command reports of one text.
type filled struct {
	Text  string    `json:"text"`
	Masks [][]guess `json:"masks"` // for each mask, the most probable first
}

type guess struct {
	Token       string  `json:"token"` // as text, without the space that may stand before it
	ID          uint32  `json:"id"`
	Probability float64 `json:"probability"`
}

func (m *fillMask) run(ctx context.Context, w io.Writer, texts []string) (err error) {
	f, err := openFolder(m.model, m.threads)
	if err != nil {
		return err
	}
	defer closing(&err, f)
	switch f.objective {
	case causal:
		return fmt.Errorf("%s is a causal model: it continues texts, see generate", m.model)
	case adapted:
		return fmt.Errorf("%s is no language model: %s, see predict", m.model, taskOf(f.Config()).does)
	}
	mask, err := maskToken(f.tokenizer)
	if err != nil {
		return fmt.Errorf("%s: %w", m.model, err)
	}
	for _, text := range texts {
		result, err := m.fill(ctx, f, mask, text)
		if err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		if err := m.report(w, result); err != nil {
			return err
		}
	}
	return nil
}

func maskToken(t *tokenizers.Tokenizer) (uint32, error) {
	for _, name := range []string{"[MASK]", "<mask>"} {
		if id, ok := t.TokenID(name); ok {
			return id, nil
		}
	}
	return 0, errors.New("its tokenizer has neither [MASK] nor <mask>")
}

func (m *fillMask) fill(ctx context.Context, f *folder, mask uint32, text string) (filled, error) {
	encoded, err := f.tokenizer.Encode(text, tokenizers.EncodeOptions{AddSpecial: true})
	if err != nil {
		return filled{}, err
	}
	if n, limit := len(encoded.IDs), f.Limits().Positions; n > limit {
		return filled{}, fmt.Errorf("it has %d tokens, the model takes %d: give a shorter text", n, limit)
	}
	if !slices.Contains(encoded.IDs, mask) {
		token, _ := f.tokenizer.Token(mask)
		return filled{}, fmt.Errorf("there is no mask in it: write %s where a word is to be guessed", token)
	}
	masks, err := trainer.FillMask(ctx, f, encoded.IDs, mask, m.topK)
	if err != nil {
		return filled{}, err
	}
	result := filled{Text: text, Masks: make([][]guess, len(masks))}
	for i, candidates := range masks {
		for _, c := range candidates {
			result.Masks[i] = append(result.Masks[i], guess{tokenText(f.tokenizer, c.ID), c.ID, c.Probability})
		}
	}
	return result, nil
}

// tokenText is the text of a token without the space before it; of one that is white space alone, what the vocabulary calls it.
func tokenText(t *tokenizers.Tokenizer, id uint32) string {
	if text := strings.TrimSpace(t.Decode([]uint32{id}, false)); text != "" {
		return text
	}
	name, _ := t.Token(id)
	return name
}

func (m *fillMask) report(w io.Writer, r filled) error {
	if m.json {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintln(w, r.Text)
	for i, guesses := range r.Masks {
		if len(r.Masks) > 1 {
			fmt.Fprintf(w, "  mask %d\n", i+1)
		}
		for _, g := range guesses {
			fmt.Fprintf(w, "  %6.2f %%  %s\n", 100*g.Probability, g.Token)
		}
	}
	return nil
}

// generate is the command with its flags.
type generate struct {
	model, prompt string
	options       trainer.GenerateOptions
	threads       int
	json          bool
}

func newGenerate() *cobra.Command {
	var g generate
	cmd := &cobra.Command{
		Use:   "generate --model DIR --prompt TEXT",
		Short: "Continue a text with a causal model",
		Long: `generate continues a text until --tokens are made or the model ends the document. Text is printed as it is made, in whole characters.
The same model, prompt, seed and settings give the same text.
` + exitCodes,
		Example: `  train generate --model gpt --prompt "Once upon a time" --tokens 100
  train generate --model gpt --prompt "The boy" --temperature 0`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "model", "prompt"); err != nil {
				return err
			}
			if err := g.validate(); err != nil {
				return err
			}
			return g.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&g.model, "model", "", "model folder")
	f.StringVar(&g.prompt, "prompt", "", "text to continue")
	f.IntVar(&g.options.MaxTokens, "tokens", 50, "most tokens to add")
	f.Float64Var(&g.options.Temperature, "temperature", 0.8, "0 always takes the most probable token; higher values take more chances")
	f.IntVar(&g.options.TopK, "top-k", 40, "choose among this many most probable tokens; 0 means all")
	f.Float64Var(&g.options.TopP, "top-p", 1, "choose among the fewest most probable tokens whose probabilities add up to this; 1 means all")
	f.Float64Var(&g.options.MinP, "min-p", 0, "leave out tokens less probable than this share of the most probable one")
	f.Float64Var(&g.options.RepetitionPenalty, "repetition-penalty", 1, "above 1 makes tokens less probable that the text already holds")
	f.Uint64Var(&g.options.Seed, "seed", 0, "seed of the choices")
	f.IntVar(&g.threads, "threads", 0, "threads; 0 means all processors")
	f.BoolVar(&g.json, "json", false, "print one JSON object")
	return cmd
}

func (g *generate) validate() error {
	switch {
	case g.options.MaxTokens < 1:
		return usagef("--tokens %d: give at least 1", g.options.MaxTokens)
	case !(g.options.Temperature >= 0 && g.options.Temperature <= 1e6):
		return usagef("--temperature %v is outside 0..1e6", g.options.Temperature)
	case g.options.TopK < 0:
		return usagef("--top-k %d: give at least 0", g.options.TopK)
	case !(g.options.TopP > 0 && g.options.TopP <= 1):
		return usagef("--top-p %v: give more than 0, at most 1", g.options.TopP)
	case !(g.options.MinP >= 0 && g.options.MinP <= 1):
		return usagef("--min-p %v is outside 0..1", g.options.MinP)
	case !(g.options.RepetitionPenalty > 0 && g.options.RepetitionPenalty <= 1e6):
		return usagef("--repetition-penalty %v: give more than 0, at most 1e6", g.options.RepetitionPenalty)
	}
	return validateThreads(g.threads)
}

func (g *generate) run(ctx context.Context, w io.Writer) (err error) {
	f, err := openFolder(g.model, g.threads)
	if err != nil {
		return err
	}
	defer closing(&err, f)
	config, ok := f.Config().(model.Causal)
	if f.objective == adapted {
		return fmt.Errorf("%s is no language model: %s, see predict", g.model, taskOf(f.Config()).does)
	}
	if !ok {
		return fmt.Errorf("%s is a masked model: it fills gaps, see fill-mask", g.model)
	}
	encoded, err := f.tokenizer.Encode(g.prompt, tokenizers.EncodeOptions{})
	if err != nil {
		return err
	}
	g.options.Stop, g.options.MaxPositions = config.Ends(), f.Limits().Positions
	prompt := encoded.IDs
	// A start that is not also an end stands before every text; one that is both stands between texts.
	if start, ok := config.Start(); ok && (len(prompt) == 0 || !slices.Contains(g.options.Stop, start)) {
		prompt = append([]uint32{start}, prompt...)
	}
	if !g.json {
		return g.stream(ctx, w, f, prompt, encoded.IDs)
	}
	made, err := trainer.Generate(ctx, f, prompt, g.options, nil)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(struct {
		Prompt string   `json:"prompt"`
		Text   string   `json:"text"`
		IDs    []uint32 `json:"ids"`
	}{g.prompt, f.tokenizer.Decode(append(encoded.IDs, made...), true), made})
}

// stream prints the shown tokens of the prompt, then those that are made, as text that ends in one newline.
func (g *generate) stream(ctx context.Context, w io.Writer, f *folder, prompt, shown []uint32) error {
	out := lineWriter{w: w}
	text := f.tokenizer.NewDecodeStream(true)
	for _, id := range shown {
		out.write(text.Add(id))
	}
	_, err := trainer.Generate(ctx, f, prompt, g.options, func(id uint32) error {
		out.write(text.Add(id))
		return out.err
	})
	out.write(text.Flush())
	out.end()
	return errors.Join(err, out.err)
}

// lineWriter writes text but for the newlines at its end. It keeps the first error.
type lineWriter struct {
	w    io.Writer
	held string // newlines to write before what follows
	err  error
}

func (l *lineWriter) write(text string) {
	text = l.held + text
	whole := strings.TrimRight(text, "\n")
	l.held = text[len(whole):]
	if l.err == nil && whole != "" {
		_, l.err = io.WriteString(l.w, whole)
	}
}

// end writes the one newline at the end.
func (l *lineWriter) end() {
	if l.err == nil {
		_, l.err = io.WriteString(l.w, "\n")
	}
}
