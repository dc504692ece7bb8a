package trainer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/trainer/checkpoint"
)

// scored lets the evaluation after each step have a score that is written beforehand.
func scored(o *Options, scores map[int64]float64) {
	var step int64
	o.Hooks.OnResume = func(r Resumed) { step = r.Step }
	next := o.Hooks.OnStep
	o.Hooks.OnStep = func(m StepMetrics) {
		step = m.Step
		if next != nil {
			next(m)
		}
	}
	o.Evaluate = func(context.Context) (EvalMetrics, error) {
		return EvalMetrics{EvalLoss: 1 / (1 + scores[step]), Labels: 1, Scores: map[string]float64{"accuracy": scores[step]}}, nil
	}
}

func steps(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimLeft(strings.TrimPrefix(e.Name(), "step-"), "0"))
	}
	return names
}

func TestTheBestIsKept(t *testing.T) {
	scores := map[int64]float64{4: .5, 8: .9, 12: .7, 16: .9, 20: .8}
	for _, by := range []string{"accuracy", BestLoss} {
		dir := t.TempDir()
		o := options(dir, 20)
		o.Best, o.KeepLast = by, 1
		scored(&o, scores)
		r, _, err := start(t, t.Context(), 1, o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Best == nil || r.Best.Step != 8 || r.Stopped || r.Step != 20 {
			t.Errorf("by %s: best %+v, result %+v", by, r.Best, r)
		}
		if got := steps(t, dir); !slices.Equal(got, []string{"8", "20"}) {
			t.Errorf("by %s: checkpoints %v are left", by, got)
		}
		if contents(t, dir, checkpoint.WeightsFile) != contents(t, dir, "checkpoints", "step-00000008", checkpoint.WeightsFile) {
			t.Errorf("by %s: the model of the folder is not the best", by)
		}
	}
}

// TestPatience stops a run that gets no better, whether it was interrupted on the way or not, and a stopped run stays stopped.
func TestPatience(t *testing.T) {
	scores := map[int64]float64{4: .5, 8: .9, 12: .7, 16: .9, 20: .95}
	run := func(dir string, stopAt int64, resume bool) (Result, error) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		o := options(dir, 40)
		o.Best, o.Patience, o.KeepLast, o.Resume = "accuracy", 2, 2, resume
		o.Hooks.OnStep = func(m StepMetrics) {
			if m.Step == stopAt {
				stop()
			}
		}
		scored(&o, scores)
		r, _, err := start(t, ctx, 1, o)
		return r, err
	}
	whole := t.TempDir()
	for range 2 {
		r, err := run(whole, 0, true)
		if err != nil || !r.Stopped || r.Step != 16 || r.Best.Step != 8 {
			t.Fatalf("result %+v, error %v", r, err)
		}
	}
	for stopAt := int64(1); stopAt < 16; stopAt++ {
		dir := t.TempDir()
		var interrupted *Interrupted
		if _, err := run(dir, stopAt, false); !errors.As(err, &interrupted) {
			t.Fatalf("interrupted after %d: error %v", stopAt, err)
		}
		if r, err := run(dir, 0, true); err != nil || !r.Stopped || r.Step != 16 || r.Best.Step != 8 {
			t.Errorf("interrupted after %d: result %+v, error %v", stopAt, r, err)
		}
		for _, file := range []string{MetricsFile, EventsFile, checkpoint.WeightsFile, "checkpoints/step-00000016/" + checkpoint.WeightsFile} {
			if contents(t, dir, file) != contents(t, whole, file) {
				t.Errorf("interrupted after %d: %s differs", stopAt, file)
			}
		}
	}
}

func TestBestRefuses(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"needs a folder":      func(o *Options) { o.Best, o.Dir = BestLoss, "" },
		"the measure":         func(o *Options) { o.Patience = 1 },
		`no score "matthews"`: func(o *Options) { o.Best = "matthews" },
	} {
		o := options(t.TempDir(), 4)
		scored(&o, map[int64]float64{})
		change(&o)
		if _, _, err := start(t, t.Context(), 1, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
