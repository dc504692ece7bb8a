package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/metrics"
	"github.com/shardmill/shardmill/trainer/model"
)

// predict is the command with its flags.
type predict struct {
	model, data string
	labelled    labelledFlags
	threads     int
	json        bool
}

func newPredict() *cobra.Command {
	var p predict
	cmd := &cobra.Command{
		Use:   "predict --model DIR --data FILE",
		Short: "Label texts or pairs of texts",
		Long: `predict prints the likeliest label of each example of a file and its probability, with a tab between them. With --json it prints
an object for each, with the line of the file and the probabilities of all labels.
` + exitCodes,
		Example: `  train predict --model sst2 --data reviews.jsonl
  train predict --model rte --data pairs.tsv --text-field premise --pair-field hypothesis --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "model", "data"); err != nil {
				return err
			}
			if err := p.labelled.validate(); err != nil {
				return err
			}
			if err := validateThreads(p.threads); err != nil {
				return err
			}
			return p.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&p.model, "model", "", "model folder")
	f.StringVar(&p.data, "data", "", ".tsv, .csv or .jsonl file")
	f.StringVar(&p.labelled.fields.Text, "text-field", "text", "field of the text")
	f.StringVar(&p.labelled.fields.Pair, "pair-field", "", "field of the second text, for pairs")
	f.BoolVar(&p.labelled.fields.NoHeader, "no-header", false, "the file has no header: fields are called 1, 2, …")
	f.IntVar(&p.labelled.length, "seq-len", 0, "longest sequence in tokens, what is over is cut off; 0 means what the model takes, up to 128")
	f.IntVar(&p.threads, "threads", 0, "threads; 0 means all processors")
	f.BoolVar(&p.json, "json", false, "print one JSON object for each example")
	return cmd
}

// predicted is what the command reports of one example.
type predicted struct {
	Line          int                `json:"line"`
	Label         string             `json:"label"`
	Probabilities map[string]float64 `json:"probabilities"`
}

func (p *predict) run(ctx context.Context, w io.Writer) (err error) {
	m, err := openFolder(p.model, p.threads)
	if err != nil {
		return err
	}
	defer closing(&err, m)
	c, ok := m.Config().(*model.EncoderConfig)
	if !ok || c.Head != model.SequenceClassification {
		return fmt.Errorf("%s is a language model, and labels no texts: see finetune", p.model)
	}
	set, err := tasks.Read(p.data, p.labelled.fields)
	if err != nil {
		return err
	}
	batches, err := p.labelled.evaluationBatches(m, p.data, set, slices.Repeat([]int32{schemas.IgnoreLabel}, len(set)))
	if err != nil {
		return err
	}
	next := 0
	return trainer.Predict(ctx, m, batches, func(_ int32, probabilities []float64) error {
		best := trainer.Likeliest(probabilities)
		line := set[next].Line
		next++
		if !p.json {
			_, err := fmt.Fprintf(w, "%s\t%.6f\n", c.Labels[best], probabilities[best])
			return err
		}
		r := predicted{line, c.Labels[best], make(map[string]float64, len(probabilities))}
		for class, v := range probabilities {
			r.Probabilities[c.Labels[class]] = v
		}
		return json.NewEncoder(w).Encode(r)
	})
}

// evaluationBatches makes minibatches of a set that was read from file, in its order.
func (l *labelledFlags) evaluationBatches(m *folder, file string, set []tasks.Example, targets []int32) (*tasks.Batches, error) {
	e, err := l.encoder(m.tokenizer, m.Limits())
	if err != nil {
		return nil, err
	}
	sequences, _, err := e.sequences(file, set, targets)
	if err != nil {
		return nil, err
	}
	return tasks.NewBatches(sequences, tasks.Options{BatchSequences: evalSequences})
}

// classifierEvaluation is what eval reports of a classifier.
type classifierEvaluation struct {
	Model     string             `json:"model"`
	Data      string             `json:"data"`
	Examples  int64              `json:"examples"`
	Loss      float64            `json:"loss"` // mean over the examples, in nats
	Scores    map[string]float64 `json:"scores"`
	F1        map[string]float64 `json:"f1_by_label"`
	Labels    []string           `json:"labels"`
	Confusion [][]int64          `json:"confusion"` // rows are labels of the file, columns those of the model
}

// classifier measures on a labelled set.
func (e *eval) classifier(ctx context.Context, m *folder, w io.Writer) error {
	if e.labelled.fields.Label == "" {
		return usagef("--label-field is empty: see predict for examples without labels")
	}
	names := m.Config().(*model.EncoderConfig).Labels
	labels, err := tasks.NewLabels(names)
	if err != nil {
		return fmt.Errorf("%s: %w", e.model, err)
	}
	set, err := tasks.Read(e.data, e.labelled.fields)
	if err != nil {
		return err
	}
	targets, err := labels.Targets(e.data, set)
	if err != nil {
		return err
	}
	batches, err := e.labelled.evaluationBatches(m, e.data, set, targets)
	if err != nil {
		return err
	}
	result, table, err := trainer.EvaluateClassifier(ctx, m, batches, len(names))
	if err != nil {
		return err
	}
	return e.reportClassifier(w, result, table, names)
}

func (e *eval) reportClassifier(w io.Writer, m trainer.EvalMetrics, table *metrics.Confusion, names []string) error {
	r := classifierEvaluation{Model: e.model, Data: e.data, Examples: m.Labels, Loss: m.EvalLoss, Scores: m.Scores,
		F1: map[string]float64{}, Labels: names}
	for target, name := range names {
		r.F1[name] = table.F1(target)
		row := make([]int64, len(names))
		for prediction := range row {
			row[prediction] = table.Count(target, prediction)
		}
		r.Confusion = append(r.Confusion, row)
	}
	if e.json {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintf(w, "%d examples  %s\n", r.Examples, scoresText(m))
	for target, name := range names {
		fmt.Fprintf(w, "%-20s f1 %.4f  predicted as", name, r.F1[name])
		for prediction, n := range r.Confusion[target] {
			if n > 0 {
				fmt.Fprintf(w, "  %s: %d", names[prediction], n)
			}
		}
		fmt.Fprintln(w)
	}
	return nil
}
