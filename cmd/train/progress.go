package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/model"
)

// The ways to show progress.
const (
	progressAuto  = "auto"  // live at a terminal, else plain
	progressLive  = "live"  // a bar that is renewed in its place
	progressPlain = "plain" // a line for people, at most one a second
	progressJSON  = "json"  // a line of JSON for each event
	progressNone  = "none"
)

const progressUsage = "auto, live, plain, json or none, on standard error; auto is live at a terminal, else plain"

// progress tells the events of a run. Times are told here and nowhere else.
type progress struct {
	out   io.Writer
	mode  string
	steps int64
	now   func() time.Time

	peak  float64                            // floating-point operations that the machine does in a second at best; 0 if unknown
	flops func(tokens, labels int64) float64 // of an update

	began     time.Time // of the first update of this process
	beganStep int64
	told      time.Time // when the last figures were told
	tokens    int64     // since then
	worked    float64   // operations since then
	loss      float64   // smoothed
	live      *live     // from the first update on, in its mode
}

func newProgress(out io.Writer, mode string, steps int64, now func() time.Time) (*progress, error) {
	switch mode {
	case progressAuto:
		if mode = progressPlain; isTerminal(out) {
			mode = progressLive
		}
	case progressLive, progressPlain, progressJSON, progressNone:
	default:
		return nil, usagef("--progress %q is none of auto, live, plain, json, none", mode)
	}
	return &progress{out: out, mode: mode, steps: steps, now: now}, nil
}

// measure lets the display say how much of what the machine can do is used, for sequences of a length.
func (p *progress) measure(n *model.Network, pool *kernels.Pool, length int) (err error) {
	if p.mode == progressNone {
		return nil
	}
	p.flops = func(tokens, labels int64) float64 { return n.TrainingFLOPs(tokens, labels, length) }
	p.peak, err = pool.PeakFLOPs()
	return err
}

// start sets the clock. It is called before the first update.
func (p *progress) start(step int64) {
	p.began, p.told, p.beganStep = p.now(), p.now(), step
}

// end is called when the run is over, well or not.
func (p *progress) end() {
	if p.live != nil {
		p.live.end()
		p.live = nil
	}
}

func (p *progress) note(format string, args ...any) {
	switch p.mode {
	case progressLive, progressPlain:
		if p.live != nil {
			p.live.note(fmt.Sprintf(format, args...))
			return
		}
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

// smoothing is what a new loss counts for in the one that is told.
const smoothing = 0.05

func (p *progress) step(m trainer.StepMetrics) {
	if p.mode == progressNone {
		return
	}
	p.tokens += m.Tokens
	if p.flops != nil {
		p.worked += p.flops(m.Tokens, m.Labels)
	}
	if p.loss == 0 {
		p.loss = m.Loss
	}
	p.loss += smoothing * (m.Loss - p.loss)
	now := p.now()
	const interval = time.Second
	since := now.Sub(p.told)
	if p.mode == progressLive && p.live == nil {
		p.live = newLive(p.out, p.steps, m.Step)
	} else if p.mode != progressJSON && since < interval && m.Step > 1 && m.Step < p.steps {
		return
	}
	elapsed := now.Sub(p.began)
	f := figures{
		StepMetrics: m, Steps: p.steps, TokensPerSecond: float64(p.tokens) / max(since.Seconds(), 1e-9),
		FLOPs: p.worked / max(since.Seconds(), 1e-9), PeakFLOPs: p.peak, ResidentBytes: residentBytes(),
		ETASeconds: elapsed.Seconds() / float64(m.Step-p.beganStep) * float64(p.steps-m.Step),
	}
	p.told, p.tokens, p.worked = now, 0, 0
	switch p.mode {
	case progressJSON:
		p.json(struct {
			Event string `json:"event"`
			figures
		}{"step", f})
	case progressLive:
		p.live.show(m.Step, f.text(p.loss))
	default:
		fmt.Fprintf(p.out, "step %d/%d  %s\n", m.Step, p.steps, f.text(m.Loss))
	}
}

// figures are what is told about an update.
type figures struct {
	trainer.StepMetrics
	Steps           int64   `json:"steps"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	FLOPs           float64 `json:"flops_per_second,omitempty"`
	PeakFLOPs       float64 `json:"peak_flops_per_second,omitempty"` // the most that the machine was seen to do
	ResidentBytes   int64   `json:"resident_bytes,omitempty"`
	ETASeconds      float64 `json:"eta_seconds"`
}

// text is the figures in one line.
func (f *figures) text(loss float64) string {
	line := fmt.Sprintf("loss %.4f  lr %.2e  norm %.2f  %s tokens/s", loss, f.LearningRate, f.GradNorm, short(f.TokensPerSecond))
	if f.PeakFLOPs > 0 {
		line += fmt.Sprintf("  %.0f %% of peak", 100*f.FLOPs/f.PeakFLOPs)
	}
	if f.ResidentBytes > 0 {
		line += fmt.Sprintf("  %.2f GB", float64(f.ResidentBytes)/1e9)
	}
	return line + "  ETA " + time.Duration(f.ETASeconds*float64(time.Second)).Round(time.Second).String()
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
