package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/metrics"
	"github.com/shardmill/shardmill/trainer/model"
	"github.com/shardmill/shardmill/trainer/optim"
	"github.com/shardmill/shardmill/trainer/report"
)

// finetune is the command with its flags.
type finetune struct {
	task        string
	model       string // folder
	train, eval string // files
	out         string
	labelled    labelledFlags
	examples    int
	fromScratch bool
	metric      string
	epochs      int64
	sequences   int
	warmup      float64
	threads     int
	precision   precision
	progress    string
	options     trainer.Options
	loss        model.LossOptions
	balance     bool

	perLabel int

	kind      *task
	tokenizer *tokenizers.Tokenizer
}

// lossMetric chooses the best model by the lowest loss.
const lossMetric = trainer.BestLoss

func newFinetune(args []string) *cobra.Command {
	var t finetune
	cmd := &cobra.Command{
		Use:   "finetune --model DIR --train FILE --eval FILE --out DIR",
		Short: "Adapt a BERT, RoBERTa or DistilBERT to a task",
		Long: `finetune trains an encoder for a task. It starts from the encoder of --model, such as one that pretrain made, with a new head at random; from a
model for the same task it takes the head along.

  --task      learns                                     from files
  classify    a label for each text, or pair of texts    .tsv (quotes are plain characters), .csv, .jsonl, .parquet
  regress     a number for each text, or pair of texts   the same
  embed       vectors of texts, by how alike pairs are   the same, with numbers from -1 to 1
  tag         a tag for each word                        .conll, .txt, .conllu, .iob2: a word on each line
  qa          where a text answers a question            .json as SQuAD, .jsonl
  choice      the right one of some options              .jsonl, .json

Files may be compressed (.gz, .zst). Without --eval the model of the last epoch is the result, else that of the
epoch with the best --metric; the folder of --out is then its model folder, with metrics.jsonl beside it. The checkpoints of the best and the
last epoch stay, each three times the size of the model. The first Ctrl-C or SIGTERM saves
and ends; --resume goes on, to the same bits that an undisturbed run would have reached. The same seed gives the same model on any number
of threads.
` + exitCodes,
		Example: `  train finetune --model bert --train train.tsv --eval dev.tsv --text-field sentence --out sst2 --epochs 3
  train finetune --model bert --train train.csv --eval dev.csv --text-field premise --pair-field hypothesis --out rte --metric matthews
  train finetune --model bert --train train.tsv --eval dev.tsv --text-field sentence --out scratch --from-scratch
  train finetune --task tag --model bert --train train.conll --eval dev.conll --out ner
  train finetune --task qa --model bert --train train-v1.1.json --eval dev-v1.1.json --out squad
  train finetune --task choice --model bert --train swag.jsonl --text-field startphrase --options-field ending0,ending1,ending2,ending3 --out swag`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := t.validate(cmd); err != nil {
				return err
			}
			return sayHowToResume(t.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()), args)
		},
	}
	t.flags(cmd)
	return cmd
}

func (t *finetune) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&t.task, "task", taskTable[0].name, "what to learn: "+taskNames())
	f.StringVar(&t.model, "model", "", "model folder to start from")
	f.StringVar(&t.train, "train", "", "file of examples to learn from")
	f.StringVar(&t.eval, "eval", "", "file of examples to measure on after each epoch")
	f.StringVar(&t.out, "out", "", "folder for model, checkpoints and metrics")
	f.BoolVar(&t.options.Resume, "resume", false, "go on from the newest checkpoint in --out; begin if there is none")
	t.labelled.flags(cmd)
	f.IntVar(&t.examples, "train-examples", 0, "learn from this many examples, chosen by seed; 0 means all")
	f.IntVar(&t.perLabel, "examples-per-label", 0, "learn from this many examples of each label, chosen by seed; 0 means all")
	f.BoolVar(&t.fromScratch, "from-scratch", false, "random weights instead of those of --model, to see what these are worth")
	f.StringVar(&t.metric, "metric", "", metricUsage())

	f.Int64Var(&t.epochs, "epochs", 3, "times that each example is learned from")
	f.IntVar(&t.sequences, "batch-size", 32, "examples in a minibatch")
	f.IntVar(&t.labelled.length, "seq-len", 0, "longest sequence in tokens, what is over is cut off; 0 means what the model takes, up to 128, or 384 for qa")
	f.Float64Var(&t.options.Schedule.Peak, "lr", 5e-5, "highest learning rate; small models want more")
	f.StringVar(&t.options.Schedule.Shape, "schedule", optim.Linear, "learning rate after the warm-up: "+strings.Join(optim.Shapes, ", "))
	f.Float64Var(&t.warmup, "warmup", 0.1, "share of the updates with a rising learning rate")
	f.Float64Var(&t.options.AdamW.WeightDecay, "weight-decay", 0.01, "decay of AdamW")
	f.Float64Var(&t.options.MaxNorm, "clip", 1, "largest norm of the gradients; 0 means any")
	ratesFlags(f, &t.options.AdamW.Rates)
	f.Float32Var(&t.loss.LabelSmoothing, "label-smoothing", 0, "classify and tag: share of the target that is spread over all labels")
	f.BoolVar(&t.balance, "balance", false, "classify and tag: labels that are rare count more, so that all count the same together")
	f.Int64Var(&t.options.Patience, "patience", 0, "end after so many epochs that are no better by --metric; 0 means never")

	f.Uint64Var(&t.options.Seed, "seed", 0, "seed of the new head, the choice and order of examples, and dropout")
	f.IntVar(&t.threads, "threads", 0, "threads; 0 means all processors")
	t.precision.flag(f)
	f.StringVar(&t.progress, "progress", progressAuto, progressUsage)
}

// validate finds what is wrong with the flags alone.
func (t *finetune) validate(cmd *cobra.Command) error {
	if err := required(cmd, "model", "train", "out"); err != nil {
		return err
	}
	if t.kind = taskNamed(t.task); t.kind != nil && t.metric == "" {
		t.metric = t.kind.metrics[0]
	}
	switch {
	case t.kind == nil:
		return usagef("--task %q is not known; there are %s", t.task, taskNames())
	case t.labelled.fields.Label == "":
		return usagef("--label-field is empty: there would be nothing to learn")
	case !slices.Contains(t.kind.metrics, t.metric):
		return usagef("--metric %q is none of %s", t.metric, strings.Join(t.kind.metrics, ", "))
	case t.examples < 0 || t.perLabel < 0:
		return usagef("--train-examples %d, --examples-per-label %d: give at least 1, or 0 for all", t.examples, t.perLabel)
	case t.examples > 0 && t.perLabel > 0:
		return usagef("--train-examples and --examples-per-label: give one of them")
	case (t.balance || t.loss.LabelSmoothing != 0) && t.kind.kind != tasks.Classes && t.kind.kind != tasks.Tags:
		return usagef("--label-smoothing and --balance have no meaning for the task %s", t.kind.name)
	case !(t.loss.LabelSmoothing >= 0 && t.loss.LabelSmoothing < 1):
		return usagef("--label-smoothing %v is outside 0 to less than 1", t.loss.LabelSmoothing)
	case t.epochs < 1 || t.epochs > 1<<20:
		return usagef("--epochs %d is outside 1..%d", t.epochs, 1<<20)
	case t.options.Patience < 0 || t.options.Patience > 0 && t.eval == "":
		return usagef("--patience %d: give at least 0, and --eval to measure on", t.options.Patience)
	case t.sequences < 1:
		return usagef("--batch-size %d: give at least 1", t.sequences)
	case !(t.warmup >= 0 && t.warmup < 1):
		return usagef("--warmup %v is outside 0 to less than 1", t.warmup)
	}
	if err := t.labelled.validate(cmd, t.kind); err != nil {
		return err
	}
	return validateThreads(t.threads)
}

// run trains.
func (t *finetune) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	set, err := t.kind.read(&t.labelled, t.train, true)
	if err != nil {
		return err
	}
	config, err := t.configuration(set)
	if err != nil {
		return err
	}
	if t.tokenizer, err = folderTokenizer(t.model, config); err != nil {
		return err
	}
	if err := t.choose(set); err != nil {
		return err
	}
	e, err := t.labelled.encoder(t.tokenizer, config, t.kind.length, t.pairs())
	if err != nil {
		return err
	}
	t.labelled.length = e.template.MaxTokens
	sequences, group, cut, err := set.sequences(e, config.Labels)
	if err != nil {
		return err
	}
	train, err := tasks.NewBatches(sequences, tasks.Options{Kind: t.kind.kind, Group: group, BatchSequences: t.sequences, Shuffle: true, Seed: t.options.Seed})
	if err != nil {
		return err
	}
	if err := t.complete(config, train); err != nil {
		return err
	}
	show, err := newProgress(stderr, t.progress, t.options.Steps, time.Now)
	if err != nil {
		return err
	}
	pool := kernels.NewPool(threadCount(t.threads))
	defer pool.Close()
	pool.SetPrecision(t.precision.Precision)
	network, err := t.network(config, pool, show)
	if err != nil {
		return err
	}
	defer closing(&err, network)
	if t.balance {
		t.loss.ClassWeights = tasks.BalancedWeights(sequences, len(config.Labels))
	}
	if t.balance || t.loss.LabelSmoothing != 0 {
		if err := network.SetLoss(t.loss); err != nil {
			return err
		}
	}
	if err := t.evaluation(network, e); err != nil {
		return err
	}
	show.note("%d parameters, %d examples (%d cut to %d tokens)%s, %d threads", network.Params().Count(), set.len(), cut,
		t.labelled.length, ofLabels(config.Labels), pool.Threads())
	t.options.Hooks = trainer.Hooks{OnResume: show.resumed, OnStep: show.step, OnEval: show.eval, OnCheckpoint: show.saved}
	if err := show.measure(network, pool, t.labelled.length); err != nil {
		return err
	}
	show.start(0)
	result, err := trainer.Train(ctx, pool, network, train, nil, t.options)
	show.end()
	if err != nil {
		return err
	}
	data := [][2]string{{"examples", strconv.Itoa(set.len())}}
	if len(config.Labels) > 0 {
		data = append(data, [2]string{"labels", strings.Join(config.Labels, ", ")})
	}
	card := report.Card{
		Task: t.kind.hub, Kind: modelType(config), Parameters: network.Params().Count(), Use: "train predict --model . --data FILE",
		Data: append(data, [2]string{"fingerprint of examples and order", train.Fingerprint()}),
	}
	if err := writeReport(t.out, card); err != nil {
		return fmt.Errorf("the model is done, but not its report: %w", err)
	}
	return t.finish(stdout, result)
}

// metricUsage is the help of --metric.
func metricUsage() string {
	text := "what makes the best epoch"
	for _, t := range taskTable {
		text += fmt.Sprintf("; %s: %s", t.name, strings.Join(t.metrics, ", "))
	}
	return text + " (default: the first)"
}

// ofLabels says how many labels there are, if there are any.
func ofLabels(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" of %d labels", len(names))
}

// pairs tells that sequences are of two texts.
func (t *finetune) pairs() bool { return t.kind.pairs(&t.labelled) }

// choose keeps the examples to learn from.
func (t *finetune) choose(set examples) error {
	if t.examples > 0 {
		if err := set.subset(t.examples, t.options.Seed); err != nil {
			return fmt.Errorf("--train-examples: %s: %w", t.train, err)
		}
	}
	if t.perLabel > 0 {
		if err := set.fewShot(t.perLabel, t.options.Seed); err != nil {
			return fmt.Errorf("--examples-per-label: %s: %w", t.train, err)
		}
	}
	return nil
}

// configuration describes the model: that of the folder with a head for the task and the labels of the set, or with its own head.
func (t *finetune) configuration(set examples) (*model.EncoderConfig, error) {
	path := filepath.Join(t.model, checkpoint.ConfigFile)
	c, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	encoder, ok := c.(*model.EncoderConfig)
	if !ok {
		return nil, fmt.Errorf("%s is not an encoder such as BERT: only these can be fine-tuned here", path)
	}
	if encoder.Head == t.kind.head {
		return encoder, nil
	}
	names, err := set.labels()
	if err != nil {
		return nil, err
	}
	return encoder.WithHead(t.kind.head, names), nil
}

// network makes the model and its first weights.
func (t *finetune) network(c *model.EncoderConfig, pool *kernels.Pool, show *progress) (*model.Network, error) {
	n, err := model.New(c, pool)
	if err != nil {
		return nil, err
	}
	n.Initialize(t.options.Seed)
	if t.fromScratch {
		return n, nil
	}
	if err := initialWeights(t.model, n, show); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// evaluation lets the run measure on the examples of --eval.
func (t *finetune) evaluation(n *model.Network, e *encoder) error {
	if t.eval == "" {
		return nil
	}
	names := n.Config().(*model.EncoderConfig).Labels
	switch {
	case t.kind.kind == tasks.Classes && t.metric == metrics.F1 && len(names) != 2:
		return usagef("--metric f1 is for two labels, these are %d: choose macro_f1", len(names))
	case t.metric == entityF1 && !marksEntities(names):
		return usagef("--metric %s is for tags such as B-PER: choose accuracy", entityF1)
	}
	set, err := t.kind.read(&t.labelled, t.eval, true)
	if err != nil {
		return err
	}
	sequences, group, _, err := set.sequences(e, names)
	if err != nil {
		return err
	}
	t.options.Best, t.options.KeepLast = t.metric, 1
	t.options.Evaluate = func(ctx context.Context) (trainer.EvalMetrics, error) {
		outputs, err := infer(ctx, n, t.kind, sequences, group)
		if err != nil {
			return trainer.EvalMetrics{}, err
		}
		j, err := set.judge(outputs, names)
		if err != nil {
			return trainer.EvalMetrics{}, err
		}
		return j.metrics()
	}
	return nil
}

// complete fills in the options that depend on model and data.
func (t *finetune) complete(c *model.EncoderConfig, train *tasks.Batches) error {
	o := &t.options
	o.Steps, o.EvalEvery, o.CheckpointEvery = t.epochs*train.PerEpoch(), train.PerEpoch(), train.PerEpoch()
	o.Schedule.Steps = o.Steps
	o.Schedule.WarmupSteps = int64(math.Ceil(t.warmup * float64(o.Steps)))
	if o.Schedule.Shape == optim.WSD {
		o.Schedule.DecaySteps = max(1, o.Steps/10)
	}
	o.Dir = t.out
	content, err := c.JSON()
	if err != nil {
		return err
	}
	tokenizer, err := tokenizerConfig(t.tokenizer, c.Limits())
	if err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, content); err != nil {
		return err
	}
	o.Settings = map[string]string{"model": compact.String(), "from scratch": strconv.FormatBool(t.fromScratch), "precision": t.precision.String(),
		"label smoothing": strconv.FormatFloat(float64(t.loss.LabelSmoothing), 'g', -1, 32), "balance": strconv.FormatBool(t.balance)}
	o.Files = map[string][]byte{checkpoint.ConfigFile: content, checkpoint.TokenizerFile: t.tokenizer.Raw(), checkpoint.TokenizerConfigFile: tokenizer}
	if err := o.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}

// finish tells what became of the run.
func (t *finetune) finish(w io.Writer, r trainer.Result) error {
	if r.Best == nil {
		_, err := fmt.Fprintf(w, "trained %d epochs, %d steps; the model is in %s\n", t.epochs, r.Step, t.out)
		return err
	}
	_, err := fmt.Fprintf(w, "trained %d epochs, %d steps; the best by %s is epoch %d: %s; its model is in %s\n",
		r.Step/t.options.EvalEvery, r.Step, t.metric, r.Best.Step/t.options.EvalEvery, scoresText(*r.Best), t.out)
	return err
}
