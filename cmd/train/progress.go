package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/shardmill/shardmill/trainer"
)

// The ways to show progress.
const (
	progressPlain = "plain" // a line for people, at most one a second
	progressJSON  = "json"  // a line of JSON for each event
	progressNone  = "none"
)

// progress writes the events of a run as lines. Times are told here and nowhere else.
type progress struct {
	out   io.Writer
	mode  string
	steps int64
	now   func() time.Time

	began     time.Time // of the first update of this process
	beganStep int64
	told      time.Time // when the last plain line was written
	tokens    int64     // since then
}

func newProgress(out io.Writer, mode string, steps int64, now func() time.Time) (*progress, error) {
	switch mode {
	case progressPlain, progressJSON, progressNone:
		return &progress{out: out, mode: mode, steps: steps, now: now}, nil
	}
	return nil, usagef("--progress %q is none of plain, json, none", mode)
}

// start sets the clock. It is called before the first update.
func (p *progress) start(step int64) {
	p.began, p.told, p.beganStep = p.now(), p.now(), step
}

func (p *progress) note(format string, args ...any) {
	switch p.mode {
	case progressPlain:
		fmt.Fprintf(p.out, format+"\n", args...)
	case progressJSON:
		p.json(struct {
			Event string `json:"event"`
			Text  string `json:"text"`
		}{"note", fmt.Sprintf(format, args...)})
	}
}

func (p *progress) resumed(r trainer.Resumed) {
	for _, err := range r.Skipped {
		p.note("passed over a damaged checkpoint: %v", err)
	}
	for _, change := range r.Changes {
		p.note("changed: %s", change)
	}
	if r.Dir == "" {
		p.note("nothing to resume: beginning")
	} else {
		p.note("going on after step %d, from %s", r.Step, r.Dir)
	}
	p.start(r.Step)
}

func (p *progress) step(m trainer.StepMetrics) {
	p.tokens += m.Tokens
	now := p.now()
	const interval = time.Second
	since := now.Sub(p.told)
	if p.mode == progressNone || p.mode == progressPlain && since < interval && m.Step > 1 && m.Step < p.steps {
		return
	}
	rate := float64(p.tokens) / max(since.Seconds(), 1e-9)
	elapsed := now.Sub(p.began)
	left := time.Duration(float64(elapsed) / float64(m.Step-p.beganStep) * float64(p.steps-m.Step))
	p.told, p.tokens = now, 0
	if p.mode == progressJSON {
		p.json(struct {
			Event string `json:"event"`
			trainer.StepMetrics
			Steps           int64   `json:"steps"`
			TokensPerSecond float64 `json:"tokens_per_second"`
			ETASeconds      float64 `json:"eta_seconds"`
		}{"step", m, p.steps, rate, left.Seconds()})
		return
	}
	fmt.Fprintf(p.out, "step %d/%d  loss %.4f  lr %.2e  norm %.2f  %s tokens/s  ETA %v\n",
		m.Step, p.steps, m.Loss, m.LearningRate, m.GradNorm, short(rate), left.Round(time.Second))
}

func (p *progress) eval(m trainer.EvalMetrics) {
	if p.mode == progressJSON {
		p.json(struct {
			Event string `json:"event"`
			trainer.EvalMetrics
		}{"eval", m})
		return
	}
	if m.Scores != nil {
		p.note("step %d/%d  %s over %d examples", m.Step, p.steps, scoresText(m), m.Labels)
		return
	}
	p.note("step %d/%d  held-out loss %.4f over %d labels", m.Step, p.steps, m.EvalLoss, m.Labels)
}

// scoresText puts the loss and the scores of a classifier in one line.
func scoresText(m trainer.EvalMetrics) string {
	text := fmt.Sprintf("loss %.4f", m.EvalLoss)
	for _, name := range slices.Sorted(maps.Keys(m.Scores)) {
		text += fmt.Sprintf("  %s %.4f", name, m.Scores[name])
	}
	return text
}

func (p *progress) saved(step int64, dir string) {
	if p.mode == progressJSON {
		p.json(struct {
			Event string `json:"event"`
			Step  int64  `json:"step"`
			Dir   string `json:"dir"`
		}{"checkpoint", step, dir})
		return
	}
	p.note("step %d/%d  saved %s", step, p.steps, dir)
}

// json writes one event; what it is given can always be encoded.
func (p *progress) json(event any) { _ = json.NewEncoder(p.out).Encode(event) }

// short writes a rate with at most three figures before its unit.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.1fM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.1fk", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}
