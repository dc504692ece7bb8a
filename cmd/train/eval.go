package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/datasets/loader"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
)

// eval is the command with its flags.
type eval struct {
	model, data string
	split       string
	batch       batchFlags
	maxTokens   int64
	seed        uint64
	threads     int
	json        bool
	labelled    labelledFlags
	worst       int
}

// evaluation is what the command reports. Losses and entropies are in nats.
type evaluation struct {
	Model          string  `json:"model"`
	Data           string  `json:"data"`
	Split          string  `json:"split"`
	Objective      string  `json:"objective"`
	SequenceTokens int     `json:"sequence_tokens"`
	Tokens         int64   `json:"tokens"` // read
	Labels         int64   `json:"labels"` // predicted
	Loss           float64 `json:"loss"`   // mean over the labels
	Perplexity     float64 `json:"perplexity"`
	UnigramEntropy float64 `json:"unigram_entropy"` // of the tokens that could be labels
}

func newEval() *cobra.Command {
	var e eval
	cmd := &cobra.Command{
		Use:   "eval --model DIR --data DIR",
		Short: "Held-out loss and perplexity of a model",
		Long: `eval measures the loss of a model on the held-out documents of a dataset: of masked tokens for a BERT, of next tokens for a GPT-2. Of a
model that finetune adapted to a task it measures loss and scores on a file: accuracy, F1, Matthews' correlation and the confusion of labels or
tags; precision, recall and F1 of entities; exact answers and the F1 of their words; correlations of numbers. It shows the examples with the
highest loss.

Beside it stands the unigram entropy of the same tokens: the loss of the best guess that knows the frequency of every token in these
very documents, and nothing of the context.
` + exitCodes,
		Example: `  train eval --model bert --data shards
  train eval --model gpt --data shards --max-tokens 100000 --json
  train eval --model sst2 --data test.tsv --text-field sentence`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := e.validate(cmd); err != nil {
				return err
			}
			return e.run(cmd.Context(), cmd.OutOrStdout(), cmd)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&e.model, "model", "", "model folder")
	f.StringVar(&e.data, "data", "", "dataset folder; a file of examples for a model that was adapted to a task")
	f.StringVar(&e.split, "split", loader.HeldOut, "documents to measure on: held-out, train or all")
	f.IntVar(&e.batch.length, "seq-len", 0, "tokens in a sequence; 0 means the longest that the model takes, up to 1024")
	f.Int64Var(&e.maxTokens, "max-tokens", 0, "tokens to read, rounded up to whole minibatches; 0 means all")
	f.Float64Var(&e.batch.maskRate, "mask-rate", 0.15, "share of tokens to predict with a BERT")
	f.BoolVar(&e.batch.boundaries, "boundaries", false, "keep documents in one sequence from seeing each other")
	f.Uint64Var(&e.seed, "seed", 0, "seed of the masks")
	f.IntVar(&e.threads, "threads", 0, "threads; 0 means all processors")
	f.BoolVar(&e.json, "json", false, "print one JSON object")
	f.IntVar(&e.worst, "worst", 5, "examples with the highest loss to show, for a model that was adapted to a task")
	e.labelled.flags(cmd)
	return cmd
}

func (e *eval) validate(cmd *cobra.Command) error {
	if err := required(cmd, "model", "data"); err != nil {
		return err
	}
	if !slices.Contains([]string{loader.HeldOut, loader.Train, loader.All}, e.split) {
		return usagef("--split %q is none of held-out, train, all", e.split)
	}
	if e.maxTokens < 0 {
		return usagef("--max-tokens %d: give at least 1, or 0 for all", e.maxTokens)
	}
	if cmd.Flags().Changed("seq-len") && e.batch.length < 1 {
		return usagef("--seq-len %d: give at least 1", e.batch.length)
	}
	if e.worst < 0 {
		return usagef("--worst %d: give at least 0", e.worst)
	}
	return validateThreads(e.threads)
}

// batchTokens is about how many tokens are run at once. It decides about speed alone.
const batchTokens = 4096

func (e *eval) run(ctx context.Context, w io.Writer, cmd *cobra.Command) (err error) {
	m, err := openFolder(e.model, e.threads)
	if err != nil {
		return err
	}
	defer closing(&err, m)
	if t := taskOf(m.Config()); t != nil {
		if err := refuse(cmd, "is for language models, and "+e.model+" is none: "+t.does, "split", "max-tokens", "mask-rate", "boundaries", "seed"); err != nil {
			return err
		}
		e.labelled.length = e.batch.length
		if err := e.labelled.validate(cmd, t); err != nil {
			return err
		}
		return e.task(ctx, m, t, w)
	}
	if err := refuse(cmd, "is for models that finetune adapted to a task, and "+e.model+" is a language model", append(labelledNames, "worst")...); err != nil {
		return err
	}
	return e.languageModel(ctx, m, w)
}

// languageModel measures on a dataset.
func (e *eval) languageModel(ctx context.Context, m *folder, w io.Writer) (err error) {
	data, err := openDataset(e.data)
	if err != nil {
		return err
	}
	if err := sameTokenizer(m.tokenizer, data.tokenizer); err != nil {
		return fmt.Errorf("the tokenizers of %s and %s differ: %w", e.model, e.data, err)
	}
	const longest = 1024
	if e.batch.length == 0 {
		e.batch.length = min(m.Limits().Positions, longest)
	}
	if positions := m.Limits().Positions; e.batch.length > positions {
		return fmt.Errorf("--seq-len %d: %s has %d positions: give %d or less", e.batch.length, e.model, positions, positions)
	}
	e.batch.sequences = max(1, batchTokens/e.batch.length)
	options, err := e.batch.loaderOptions(data, m.objective, e.split, e.seed)
	if err != nil {
		return err
	}
	options.Sequential = true
	batches, err := loader.Open(e.data, options)
	if err != nil {
		return err
	}
	defer closing(&err, batches)
	perBatch := int64(e.batch.length * e.batch.sequences)
	counted := countTokens(batches, data.manifest.Tokenizer, m.objective)
	result, err := trainer.Evaluate(ctx, m, counted, (e.maxTokens+perBatch-1)/perBatch)
	if err != nil {
		return err
	}
	return e.report(w, evaluation{
		Model: e.model, Data: e.data, Split: e.split, Objective: string(m.objective), SequenceTokens: e.batch.length,
		Tokens: result.Tokens, Labels: result.Labels, Loss: result.EvalLoss, Perplexity: math.Exp(result.EvalLoss),
		UnigramEntropy: counted.entropy(),
	})
}

func (e *eval) report(w io.Writer, r evaluation) error {
	if e.json {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%s loss       %.4f nats over %d labels of %d tokens (perplexity %.2f)\nunigram entropy     %.4f nats (of the same tokens)\ndifference          %+.4f nats\n",
		r.Split, r.Loss, r.Labels, r.Tokens, r.Perplexity, r.UnigramEntropy, r.Loss-r.UnigramEntropy)
	return err
}

// tokenCounts counts the tokens of batches as they pass: those that are or could have been labels. A masked model is never asked for a
// special token, so these are left out; a causal model is asked for every one.
type tokenCounts struct {
	trainer.Batches
	skip   map[uint32]bool
	counts []int64
	total  int64
}

func countTokens(b trainer.Batches, t schemas.ManifestTokenizer, o objective) *tokenCounts {
	c := &tokenCounts{Batches: b, skip: map[uint32]bool{}, counts: make([]int64, t.VocabSize)}
	if o == masked {
		for _, s := range t.SpecialIDs {
			c.skip[s.ID] = true
		}
	}
	return c
}

// Next passes the next minibatch on.
func (c *tokenCounts) Next(ctx context.Context, b *schemas.Minibatch) error {
	if err := c.Batches.Next(ctx, b); err != nil {
		return err
	}
	for i, id := range b.IDs {
		if b.Labels[i] != schemas.IgnoreLabel {
			id = uint32(b.Labels[i])
		}
		if int(id) < len(c.counts) && !c.skip[id] {
			c.counts[id]++
			c.total++
		}
	}
	return nil
}

// entropy of the counts, in nats.
func (c *tokenCounts) entropy() float64 {
	var h float64
	for _, n := range c.counts {
		if n > 0 {
			p := float64(n) / float64(c.total)
			h -= p * math.Log(p)
		}
	}
	return h
}
