package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/shardmill/shardmill/trainer/metrics"
	"github.com/shardmill/shardmill/trainer/model"
)

// taskEvaluation is what eval reports of a model that was adapted to a task.
type taskEvaluation struct {
	Model     string                          `json:"model"`
	Data      string                          `json:"data"`
	Task      string                          `json:"task"`
	Examples  int                             `json:"examples"`
	Cut       int                             `json:"cut"`  // of them, over the longest sequence
	Loss      float64                         `json:"loss"` // mean, in nats; for numbers the mean of squares
	Scores    map[string]float64              `json:"scores"`
	F1        map[string]float64              `json:"f1_by_label,omitempty"`
	Entities  map[string]metrics.EntityScores `json:"entities,omitempty"` // by type
	Labels    []string                        `json:"labels,omitempty"`
	Confusion [][]int64                       `json:"confusion,omitempty"` // rows are labels of the file, columns those of the model
	Worst     []verdict                       `json:"worst"`               // the examples with the highest loss, the worst first
}

// task measures on a file of examples.
func (e *eval) task(ctx context.Context, m *folder, t *task, w io.Writer) error {
	if e.labelled.fields.Label == "" {
		return usagef("--label-field is empty: see predict for examples without labels")
	}
	j, cut, err := e.labelled.judge(ctx, m, t, e.data, true)
	if err != nil {
		return err
	}
	measured, err := j.metrics()
	if err != nil {
		return err
	}
	r := taskEvaluation{
		Model: e.model, Data: e.data, Task: t.name, Examples: len(j.verdicts), Cut: cut, Loss: measured.EvalLoss, Scores: measured.Scores,
		Labels: m.Config().(*model.EncoderConfig).Labels, Worst: worst(j.verdicts, e.worst),
	}
	if j.table != nil {
		r.count(j.table)
	}
	if j.entities != nil {
		r.Entities = map[string]metrics.EntityScores{}
		for _, kind := range j.entities.Types() {
			r.Entities[kind] = j.entities.Of(kind)
		}
	}
	if e.json {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintf(w, "%d examples  %s\n", r.Examples, scoresText(measured))
	if r.Cut > 0 {
		fmt.Fprintf(w, "%d of them longer than a sequence\n", r.Cut)
	}
	return r.text(w)
}

// worst are the n verdicts with the highest loss, in the order of the file among equals.
func worst(all []verdict, n int) []verdict {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b verdict) int { return cmp.Compare(b.Loss, a.Loss) })
	return sorted[:min(n, len(sorted))]
}

// count takes what a table counted.
func (r *taskEvaluation) count(table *metrics.Confusion) {
	r.F1 = map[string]float64{}
	for target, name := range r.Labels {
		r.F1[name] = table.F1(target)
		row := make([]int64, len(r.Labels))
		for prediction := range row {
			row[prediction] = table.Count(target, prediction)
		}
		r.Confusion = append(r.Confusion, row)
	}
}

// text prints all but the scores.
func (r *taskEvaluation) text(w io.Writer) error {
	for _, kind := range slices.Sorted(maps.Keys(r.Entities)) {
		s := r.Entities[kind]
		fmt.Fprintf(w, "%-20s f1 %.4f  precision %.4f  recall %.4f  of %d\n", kind, s.F1, s.Precision, s.Recall, s.Targets)
	}
	for target, name := range r.Labels {
		fmt.Fprintf(w, "%-20s f1 %.4f  predicted as", name, r.F1[name])
		for prediction, n := range r.Confusion[target] {
			if n > 0 {
				fmt.Fprintf(w, "  %s: %d", r.Labels[prediction], n)
			}
		}
		fmt.Fprintln(w)
	}
	if len(r.Worst) > 0 {
		fmt.Fprintln(w, "highest loss:")
	}
	for _, v := range r.Worst {
		place := v.ID
		if v.Line > 0 {
			place = fmt.Sprintf("%s:%d", r.Data, v.Line)
		}
		fmt.Fprintf(w, "  %.4f  %s\n    input      %s\n    expected   %s\n    predicted  %s\n", v.Loss, place, shortText(v.Input), shortText(v.Target), shortText(v.Predicted))
	}
	return nil
}

// shortText is the beginning of a text, in one line.
func shortText(s string) string {
	const most = 100
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}
