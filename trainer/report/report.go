// Package report shows what training runs did: a page with curves for one run, and tables and overlaid curves for several. All of it is read from the
// folders of the runs, holds no times, and needs no network to be looked at.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
)

// Run is what the folder of a run tells.
type Run struct {
	Name  string // the last parts of its folder, as many as tell it from others
	Dir   string
	Steps []trainer.StepMetrics
	Evals []trainer.EvalMetrics
	State checkpoint.State // of the newest checkpoint; zero without one
}

// Read reads the folders of runs, finished or not.
func Read(dirs ...string) ([]Run, error) {
	var runs []Run
	for _, dir := range dirs {
		r := Run{Dir: dir}
		var err error
		if r.Steps, r.Evals, err = trainer.ReadMetrics(dir); err != nil {
			return nil, fmt.Errorf("%s is not the folder of a run: %w", dir, err)
		}
		newest, _, err := checkpoint.Newest(dir)
		switch {
		case err == nil:
			if r.State, err = checkpoint.ReadState(newest); err != nil {
				return nil, err
			}
		case !errors.Is(err, checkpoint.ErrNone):
			return nil, err
		}
		runs = append(runs, r)
	}
	for i, name := range names(dirs) {
		runs[i].Name = name
	}
	return runs, nil
}

// names are the shortest ends of paths that differ.
func names(dirs []string) []string {
	parts := make([][]string, len(dirs))
	for i, dir := range dirs {
		parts[i] = strings.Split(filepath.ToSlash(filepath.Clean(dir)), "/")
	}
	all := make([]string, len(dirs))
	for n := 1; ; n++ {
		longer := false
		for i, p := range parts {
			all[i] = strings.Join(p[max(0, len(p)-n):], "/")
			longer = longer || n < len(p)
		}
		sorted := slices.Sorted(slices.Values(all))
		if !longer || len(slices.Compact(sorted)) == len(all) {
			return all
		}
	}
}

// Summary is a run in a few numbers.
type Summary struct {
	Run    string             `json:"run"`
	Steps  int64              `json:"steps"`
	Tokens int64              `json:"tokens"`
	Loss   *float64           `json:"loss,omitempty"`      // of the last updates, smoothed
	Best   *float64           `json:"eval_loss,omitempty"` // the lowest
	BestAt int64              `json:"eval_loss_step,omitempty"`
	Scores map[string]float64 `json:"eval_scores,omitempty"` // the highest of each
	State  map[string]string  `json:"settings,omitempty"`
}

// Summary sums a run up.
func (r *Run) Summary() Summary {
	s := Summary{Run: r.Name, State: r.settings()}
	if n := len(r.Steps); n > 0 {
		s.Steps = r.Steps[n-1].Step
		smooth := r.smoothed()
		s.Loss = &smooth[n-1]
	}
	for _, m := range r.Steps {
		s.Tokens += m.Tokens
	}
	for _, e := range r.Evals {
		if s.Best == nil || e.EvalLoss < *s.Best {
			s.Best, s.BestAt = &e.EvalLoss, e.Step
		}
		for name, v := range e.Scores {
			if s.Scores == nil {
				s.Scores = map[string]float64{}
			}
			if best, ok := s.Scores[name]; !ok || v > best {
				s.Scores[name] = v
			}
		}
	}
	return s
}

// smoothed is the loss of each update, averaged with weights that halve every fiftieth of the run.
func (r *Run) smoothed() []float64 {
	keep := math.Exp2(-50 / float64(max(50, len(r.Steps))))
	smooth := make([]float64, len(r.Steps))
	var sum, weight float64
	for i, m := range r.Steps {
		sum, weight = float64(keep*sum)+m.Loss, float64(keep*weight)+1
		smooth[i] = sum / weight
	}
	return smooth
}

// settings are what the course of a run followed from.
func (r *Run) settings() map[string]string {
	if r.State.Settings == nil {
		return nil
	}
	all := map[string]string{}
	for name, value := range r.State.Settings {
		var fields map[string]json.RawMessage
		if !strings.HasPrefix(value, "{") || json.Unmarshal([]byte(value), &fields) != nil {
			all[name] = value
			continue
		}
		for field, v := range fields { // of a model's configuration
			all[name+": "+field] = string(v)
		}
	}
	all["seed"] = strconv.FormatUint(r.State.Seed, 10)
	all["training data"] = r.State.Data
	return all
}

// setting is one of the settings and its value in each run.
type setting struct {
	Name   string
	Values []string
}

// settingsOf returns all settings of one run, or those that differ between several.
func settingsOf(runs []Run) []setting {
	names := map[string]bool{}
	for i := range runs {
		for name := range runs[i].settings() {
			names[name] = true
		}
	}
	var all []setting
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s := setting{Name: name}
		for i := range runs {
			s.Values = append(s.Values, runs[i].settings()[name])
		}
		if same := slices.Compact(slices.Clone(s.Values)); len(runs) == 1 || len(same) > 1 {
			all = append(all, s)
		}
	}
	return all
}

// scoreNames are the names of the scores of all runs.
func scoreNames(runs []Run) []string {
	names := map[string]bool{}
	for _, r := range runs {
		for _, e := range r.Evals {
			for name := range e.Scores {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
