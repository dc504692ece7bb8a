package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shardmill/shardmill/datasets/loader"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/model"
	"github.com/shardmill/shardmill/trainer/optim"
	"github.com/shardmill/shardmill/trainer/report"
)

// pretrain is the command with its flags.
type pretrain struct {
	objective string
	data, out string
	config    string // file
	init      string // folder
	seed      uint64
	threads   int
	precision precision
	progress  string

	size    sizeFlags
	batch   batchFlags
	options trainer.Options
	warmup  int64

	tokenBudget int64   // --tokens
	epochs      float64 // --epochs
	keepBest    bool
}

func newPretrain(args []string) *cobra.Command {
	var p pretrain
	cmd := &cobra.Command{
		Use:   "pretrain --objective mlm|causal --data DIR --out DIR --steps N|--tokens N|--epochs X",
		Short: "Train a model on masked or next tokens",
		Long: `pretrain trains a BERT (--objective mlm) or a GPT-2 or Llama (--objective causal) on a dataset that "ingest run" made.

The folder of --out is a model folder of the newest checkpoint (config.json, model.safetensors, tokenizer.json), with all checkpoints
below it, metrics.jsonl, one line for each step, the same for TensorBoard, and in the end report.html with curves. The first Ctrl-C or SIGTERM saves and ends; --resume goes on, to the same bits that
an undisturbed run would have reached. The same seed gives the same model on any number of threads.
` + exitCodes,
		Example: `  train pretrain --objective mlm --data shards --out bert --steps 2000
  train pretrain --objective causal --data shards --out gpt --steps 2000 --layers 6 --hidden 384 --heads 6 --seq-len 256
  train pretrain --objective causal --data shards --out gpt --steps 2000 --resume
  train pretrain --objective causal --data more-shards --out tuned --steps 500 --init gpt --lr 1e-4`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.validate(cmd); err != nil {
				return err
			}
			return sayHowToResume(p.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()), args)
		},
	}
	p.flags(cmd)
	return cmd
}

func (p *pretrain) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&p.objective, "objective", "", "what the model learns to predict: mlm (masked tokens, BERT) or causal (next tokens, GPT-2)")
	f.StringVar(&p.data, "data", "", "dataset folder")
	f.StringVar(&p.out, "out", "", "folder for model, checkpoints and metrics")
	f.Int64Var(&p.options.Steps, "steps", 0, "updates in all; or give one of the next two")
	f.Int64Var(&p.tokenBudget, "tokens", 0, "tokens to learn from in all, rounded up to whole updates")
	f.Float64Var(&p.epochs, "epochs", 0, "times to learn from the dataset, rounded up to whole updates")
	f.BoolVar(&p.options.Resume, "resume", false, "go on from the newest checkpoint in --out; begin if there is none")
	f.BoolVar(&p.options.AllowChanges, "allow-changes", false, "resume with other data, seed or settings than before")

	f.StringVar(&p.config, "config", "", "config.json that describes the model, instead of sizes")
	f.StringVar(&p.init, "init", "", "model folder to start from, instead of random weights")
	f.IntVar(&p.size.layers, "layers", 4, "layers of a new model")
	f.IntVar(&p.size.hidden, "hidden", 256, "width of a new model")
	f.IntVar(&p.size.heads, "heads", 4, "attention heads of a new model; they divide the width")
	f.Float64Var(&p.size.dropout, "dropout", 0.1, "dropout of a new model")

	f.IntVar(&p.batch.length, "seq-len", 128, "tokens in a sequence")
	f.IntVar(&p.batch.sequences, "batch-size", 32, "sequences in a minibatch")
	f.IntVar(&p.batch.tokens, "batch-tokens", 0, "tokens in a minibatch, instead of --batch-size")
	f.IntVar(&p.options.Accumulate, "accumulate", 1, "minibatches in an update")
	f.Float64Var(&p.batch.maskRate, "mask-rate", 0.15, "share of tokens to predict with mlm")
	f.BoolVar(&p.batch.wholeWords, "whole-words", false, "mask whole words with mlm; needs a WordPiece tokenizer")
	f.BoolVar(&p.batch.boundaries, "boundaries", false, "keep documents in one sequence from seeing each other")

	f.Float64Var(&p.options.Schedule.Peak, "lr", 5e-4, "highest learning rate")
	f.StringVar(&p.options.Schedule.Shape, "schedule", optim.Linear, "learning rate after the warm-up: "+strings.Join(optim.Shapes, ", "))
	f.Int64Var(&p.warmup, "warmup-steps", -1, "updates with a rising learning rate; -1 means a tenth of the schedule")
	f.Int64Var(&p.options.Schedule.DecaySteps, "decay-steps", 0, "last updates of --schedule wsd, with a falling learning rate; 0 means a tenth of the schedule")
	f.Int64Var(&p.options.Schedule.Steps, "schedule-steps", 0, "updates that the schedule spans, if others than --steps")
	f.Float64Var(&p.options.AdamW.WeightDecay, "weight-decay", 0.01, "decay of AdamW")
	f.Float64Var(&p.options.MaxNorm, "clip", 1, "largest norm of the gradients; 0 means any")
	ratesFlags(f, &p.options.AdamW.Rates)

	f.Int64Var(&p.options.EvalEvery, "eval-every", 500, "updates between two evaluations on held-out documents; 0 means only at the end")
	f.Int64Var(&p.options.EvalBatches, "eval-batches", 20, "minibatches of an evaluation; 0 means all held-out documents")
	f.Int64Var(&p.options.CheckpointEvery, "checkpoint-every", 500, "updates between two checkpoints; 0 means only at the end")
	f.IntVar(&p.options.KeepLast, "keep-last", 2, "checkpoints to keep; 0 means all")
	f.BoolVar(&p.keepBest, "keep-best", false, "keep the checkpoint with the lowest held-out loss too; its model is the result")
	f.Int64Var(&p.options.Patience, "patience", 0, "end after so many evaluations without a lower held-out loss, with the best model as the result; 0 means never")

	f.Uint64Var(&p.seed, "seed", 0, "seed of weights, order, masks and dropout")
	f.IntVar(&p.threads, "threads", 0, "threads; 0 means all processors")
	p.precision.flag(f)
	f.StringVar(&p.progress, "progress", progressAuto, progressUsage)
}

// validate finds what is wrong with the flags alone.
func (p *pretrain) validate(cmd *cobra.Command) error {
	if err := required(cmd, "objective", "data", "out"); err != nil {
		return err
	}
	changed := cmd.Flags().Changed
	if err := p.validateBudget(changed); err != nil {
		return err
	}
	if o := objective(p.objective); o != masked && o != causal {
		return usagef("--objective %q is neither mlm nor causal", p.objective)
	}
	for _, pair := range [][2]string{{"config", "init"}, {"batch-size", "batch-tokens"}} {
		if changed(pair[0]) && changed(pair[1]) {
			return usagef("--%s and --%s exclude each other", pair[0], pair[1])
		}
	}
	for _, size := range []string{"layers", "hidden", "heads", "dropout"} {
		if changed(size) && (p.config != "" || p.init != "") {
			return usagef("--%s is for a new model; --config and --init bring their own", size)
		}
	}
	if objective(p.objective) != masked && (changed("mask-rate") || changed("whole-words")) {
		return usagef("--mask-rate and --whole-words are for --objective mlm")
	}
	if err := validateThreads(p.threads); err != nil {
		return err
	}
	if p.keepBest || p.options.Patience > 0 {
		p.options.Best = trainer.BestLoss
	}
	p.options.Seed, p.options.Dir = p.seed, p.out
	if err := p.batch.validate(); err != nil || p.options.Steps == 0 {
		return err
	}
	return p.schedule()
}

// validateBudget holds the three ways to say how long to train against each other.
func (p *pretrain) validateBudget(changed func(string) bool) error {
	given := 0
	for _, name := range []string{"steps", "tokens", "epochs"} {
		if changed(name) {
			given++
		}
	}
	switch {
	case given != 1:
		return usagef("give one of --steps, --tokens and --epochs")
	case changed("steps") && p.options.Steps < 1:
		return usagef("--steps %d: give at least 1", p.options.Steps)
	case changed("tokens") && p.tokenBudget < 1:
		return usagef("--tokens %d: give at least 1", p.tokenBudget)
	case changed("epochs") && !(p.epochs > 0 && p.epochs <= 1<<20):
		return usagef("--epochs %v is outside 0..%d", p.epochs, 1<<20)
	}
	return nil
}

// budget turns tokens or epochs into updates.
func (p *pretrain) budget(size loader.Size) error {
	sequences := int64(p.batch.sequences) * int64(max(p.options.Accumulate, 1)) // of an update
	switch {
	case p.tokenBudget > 0:
		p.options.Steps = ceilDiv(p.tokenBudget, sequences*int64(p.batch.length))
	case p.epochs > 0:
		p.options.Steps = ceilDiv(int64(math.Ceil(p.epochs*float64(size.Samples))), sequences)
	default:
		return nil
	}
	return p.schedule()
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// schedule fills in what the flags of the schedule leave open.
func (p *pretrain) schedule() error {
	s := &p.options.Schedule
	if s.Steps == 0 {
		s.Steps = p.options.Steps
	}
	s.WarmupSteps = p.warmup
	if p.warmup == -1 {
		s.WarmupSteps = s.Steps / 10
	}
	if s.Shape == optim.WSD && s.DecaySteps == 0 {
		s.DecaySteps = max(1, s.Steps/10)
	}
	if err := p.options.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// ratesFlags are the flags that let parameters learn unlike others.
func ratesFlags(f *pflag.FlagSet, r *optim.Rates) {
	f.StringSliceVar(&r.Frozen, "freeze", nil, "parameters that stay as they are: parts of their names, such as embeddings or encoder.layer.0, or layers<N")
	f.Float64Var(&r.LayerDecay, "layer-decay", 1, "learning rate of each layer, as a share of that of the layer above it")
}

// run trains.
func (p *pretrain) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	show, err := newProgress(stderr, p.progress, p.options.Steps, time.Now)
	if err != nil {
		return err
	}
	data, err := openDataset(p.data)
	if err != nil {
		return err
	}
	config, err := p.configuration(data)
	if err != nil {
		return err
	}
	train, heldOut, err := p.batches(data, show)
	if err != nil {
		return err
	}
	defer closing(&err, train)
	if heldOut != nil {
		defer closing(&err, heldOut)
	} else if p.options.Best != "" {
		return usagef("--keep-best and --patience need held-out documents: %s has too few (shards.held_out in the recipe)", p.data)
	}
	if err := p.budget(train.Size()); err != nil {
		return err
	}
	show.steps = p.options.Steps
	pool := kernels.NewPool(threadCount(p.threads))
	defer pool.Close()
	pool.SetPrecision(p.precision.Precision)
	network, err := p.network(config, pool, show)
	if err != nil {
		return err
	}
	defer closing(&err, network)
	if err := p.complete(config, data, train, show); err != nil {
		return err
	}
	show.note("%d parameters, %d sequences of %d tokens in an epoch, %d threads",
		network.Params().Count(), train.Size().Samples, p.batch.length, pool.Threads())
	if err := show.measure(network, pool, p.batch.length); err != nil {
		return err
	}
	show.start(0)
	var evaluation trainer.Batches
	if heldOut != nil {
		evaluation = heldOut
	}
	result, err := trainer.Train(ctx, pool, network, train, evaluation, p.options)
	show.end()
	if err != nil {
		return err
	}
	p.summary(stdout, result)
	if err := writeReport(p.out, p.card(config, data, network)); err != nil {
		return fmt.Errorf("the model is done, but not its report: %w", err)
	}
	return nil
}

// configuration describes the model, and refuses one that does not fit the data.
func (p *pretrain) configuration(d *dataset) (model.Config, error) {
	o := objective(p.objective)
	manifest := d.manifest.Tokenizer
	if p.config == "" && p.init == "" {
		var pad *int
		for _, name := range []string{"<pad>", "[PAD]"} {
			if id, ok := d.tokenizer.TokenID(name); ok {
				n := int(id)
				pad = &n
			}
		}
		return p.size.newConfig(o, manifest.VocabSize, p.batch.length, manifest.EndOfDocument, pad)
	}
	path := p.config
	if p.init != "" {
		path = filepath.Join(p.init, checkpoint.ConfigFile)
	}
	c, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	limits := c.Limits()
	if kind := objectiveOf(c); kind != o {
		return nil, fmt.Errorf("%s is a model for --objective %s, not %s", path, kind, o)
	}
	if limits.Positions < p.batch.length {
		return nil, fmt.Errorf("%s has %d positions: give --seq-len %d or less", path, limits.Positions, limits.Positions)
	}
	if limits.Vocabulary < manifest.VocabSize || p.init == "" && limits.Vocabulary != manifest.VocabSize {
		return nil, fmt.Errorf("%s has vocab_size %d, but the tokenizer of %s has %d tokens: they don't belong together",
			path, limits.Vocabulary, p.data, manifest.VocabSize)
	}
	if p.init == "" {
		endLike(c, manifest.EndOfDocument)
	}
	return c, p.checkTokenizer(d)
}

// checkTokenizer refuses a model to start from whose tokenizer is not that of the data.
func (p *pretrain) checkTokenizer(d *dataset) error {
	if p.init == "" {
		return nil
	}
	t, err := modelTokenizer(p.init)
	if err != nil {
		return fmt.Errorf("hold the tokenizer of %s against the data: %w", p.init, err)
	}
	if err := sameTokenizer(t, d.tokenizer); err != nil {
		return fmt.Errorf("the tokenizers of %s and %s differ: %w", p.init, p.data, err)
	}
	return nil
}

// batches opens both sides of the dataset. A dataset without enough held-out documents is trained on without evaluation.
func (p *pretrain) batches(d *dataset, show *progress) (train, heldOut *loader.Loader, err error) {
	open := func(split string) (*loader.Loader, error) {
		o, err := p.batch.loaderOptions(d, objective(p.objective), split, p.seed)
		if err != nil {
			return nil, err
		}
		return loader.Open(p.data, o)
	}
	if train, err = open(loader.Train); errors.Is(err, loader.ErrTooSmall) {
		return nil, nil, fmt.Errorf("--seq-len %d: %w", p.batch.length, err)
	} else if err != nil {
		return nil, nil, err
	}
	heldOut, err = open(loader.HeldOut)
	if errors.Is(err, loader.ErrTooSmall) {
		show.note("no evaluation: %v", err)
		return train, nil, nil
	}
	if err != nil {
		return nil, nil, errors.Join(err, train.Close())
	}
	return train, heldOut, nil
}

// network makes the model and its first weights.
func (p *pretrain) network(c model.Config, pool *kernels.Pool, show *progress) (*model.Network, error) {
	n, err := model.New(c, pool)
	if err != nil {
		return nil, err
	}
	n.Initialize(p.seed)
	if p.init == "" {
		return n, nil
	}
	if err := initialWeights(p.init, n, show); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// complete fills in the options that depend on model and data.
func (p *pretrain) complete(c model.Config, d *dataset, train *loader.Loader, show *progress) error {
	content, err := c.JSON()
	if err != nil {
		return err
	}
	generation, err := generationConfig(c)
	if err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, content); err != nil {
		return err
	}
	p.options.Settings = map[string]string{"model": compact.String(), "precision": p.precision.String()}
	for _, s := range train.State().Settings {
		p.options.Settings["data: "+s.Name] = s.Value
	}
	tokenizer, err := tokenizerConfig(d.tokenizer, c.Limits())
	if err != nil {
		return err
	}
	p.options.Files = map[string][]byte{checkpoint.ConfigFile: content, checkpoint.TokenizerFile: d.tokenizer.Raw(),
		checkpoint.TokenizerConfigFile: tokenizer}
	if generation != nil {
		p.options.Files[checkpoint.GenerationConfigFile] = generation
	}
	p.options.Hooks = trainer.Hooks{OnResume: show.resumed, OnStep: show.step, OnEval: show.eval, OnCheckpoint: show.saved}
	return nil
}

// card describes the model for its README.
func (p *pretrain) card(c model.Config, d *dataset, n *model.Network) report.Card {
	card := report.Card{Task: "fill-mask", Kind: modelType(c), Parameters: n.Params().Count(), Use: "train fill-mask --model . 'The [MASK] of the house.'"}
	if objective(p.objective) == causal {
		card.Task, card.Use = "text-generation", "train generate --model . --prompt 'Once upon a time'"
	}
	m := d.manifest
	card.Data = [][2]string{
		{"documents", strconv.FormatInt(m.Totals.Documents, 10)}, {"tokens", strconv.FormatInt(m.Totals.Tokens, 10)},
		{"fingerprint of recipe and inputs", m.Fingerprint.Digest}, {"tokenizer", fmt.Sprintf("%s, vocabulary %d", m.Tokenizer.Model, m.Tokenizer.VocabSize)},
	}
	return card
}

func (p *pretrain) summary(w io.Writer, r trainer.Result) {
	fmt.Fprintf(w, "trained %d steps on %d tokens", r.Step, r.Tokens)
	if r.Last.Step > 0 {
		fmt.Fprintf(w, ", last loss %.4f", r.Last.Loss)
	}
	if r.Eval != nil {
		fmt.Fprintf(w, ", held-out loss %.4f", r.Eval.EvalLoss)
	}
	if r.Stopped {
		fmt.Fprintf(w, "; stopped after %d evaluations without a lower one", p.options.Patience)
	}
	if r.Best != nil {
		fmt.Fprintf(w, "; the best is that of step %d, %.4f", r.Best.Step, r.Best.EvalLoss)
	}
	fmt.Fprintf(w, "; the model is in %s\n", p.out)
}

// sayHowToResume adds to the error of a run that was interrupted and saved the command that goes on with it.
func sayHowToResume(err error, args []string) error {
	var interrupted *trainer.Interrupted
	if errors.As(err, &interrupted) {
		return fmt.Errorf("%w; go on with:\n  %s", err, resumeCommand(args))
	}
	return err
}

// resumeCommand is the command line of this process with --resume.
func resumeCommand(args []string) string {
	line := []string{os.Args[0]}
	for _, arg := range args {
		if strings.ContainsAny(arg, " \t\n'\"$&|;<>()*?[]{}~`\\!#") || arg == "" {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		line = append(line, arg)
	}
	if !slices.Contains(args, "--resume") {
		line = append(line, "--resume")
	}
	return strings.Join(line, " ")
}
