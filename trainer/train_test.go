package trainer

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/optim"
)

func options(dir string, steps int64) Options {
	return Options{
		Steps: steps, Accumulate: 2, MaxNorm: 0.2, Seed: 3, Dir: dir,
		Schedule:  optim.Schedule{Shape: optim.Cosine, Peak: 0.05, WarmupSteps: min(3, steps-1), Steps: steps},
		AdamW:     optim.AdamWOptions{WeightDecay: 0.01},
		EvalEvery: 4, EvalBatches: 3, CheckpointEvery: 5,
		Files: map[string][]byte{checkpoint.ConfigFile: []byte("{}")},
	}
}

// start runs a fresh model with the options.
func start(t *testing.T, ctx context.Context, threads int, o Options) (Result, *bigram, error) {
	t.Helper()
	pool := kernels.NewPool(threads)
	defer pool.Close()
	m := newBigram(t)
	r, err := Train(ctx, pool, m, &counting{name: "train"}, &counting{name: "held-out", end: 10}, o)
	return r, m, err
}

func contents(t *testing.T, elem ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTrainLearns(t *testing.T) {
	o := options("", 60)
	var first, last StepMetrics
	var evals []EvalMetrics
	o.Hooks.OnStep = func(m StepMetrics) {
		if m.Step == 1 {
			first = m
		}
		last = m
	}
	o.Hooks.OnEval = func(m EvalMetrics) { evals = append(evals, m) }
	r, _, err := start(t, t.Context(), 1, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(evals) != 15 || evals[14].Step != 60 || !reflect.DeepEqual(*r.Eval, evals[14]) {
		t.Fatalf("evaluations %+v, result %+v", evals, r)
	}
	if evals[14].EvalLoss > evals[0].EvalLoss-0.5 {
		t.Errorf("held-out loss went from %v to %v only", evals[0].EvalLoss, evals[14].EvalLoss)
	}
	if last != r.Last || last.Step != 60 || first.LearningRate != o.Schedule.At(1) || first.Labels == 0 || first.Labels >= first.Tokens {
		t.Errorf("first %+v, last %+v, result %+v", first, last, r)
	}
	if r.Tokens < 60*2*5 || r.Labels <= 0 || r.Labels >= r.Tokens || r.Step != 60 || r.Checkpoint != "" {
		t.Errorf("result %+v", r)
	}
}

// TestAccumulationIsOneBigBatch compares two accumulated minibatches with the mean over both, from the formula.
func TestAccumulationIsOneBigBatch(t *testing.T) {
	m := newBigram(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o := options("", 1)
	o.Schedule, o.MaxNorm = optim.Schedule{Shape: optim.Constant, Peak: 1e-9, Steps: 1}, 0
	var got StepMetrics
	o.Hooks.OnStep = func(s StepMetrics) { got = s }
	pool := kernels.NewPool(1)
	defer pool.Close()
	if _, err := Train(ctx, pool, m, &counting{}, nil, o); err != nil {
		t.Fatal(err)
	}
	b := &run{Options: o, model: newBigram(t), train: &counting{}, minibatch: make([]schemas.Minibatch, 2)}
	_, labels, err := b.read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	var square float64
	for i := range b.minibatch {
		loss, _, err := b.model.Loss(ctx, &b.minibatch[i], StepOptions{Train: true, Seed: o.Seed, Step: int64(i), Scale: 1})
		if err != nil {
			t.Fatal(err)
		}
		sum += loss
	}
	for _, g := range b.model.Params().Grads {
		square += float64(g) * float64(g)
	}
	if want := sum / float64(labels); math.Abs(got.Loss-want) > 1e-12 {
		t.Errorf("loss %v, want %v", got.Loss, want)
	}
	if want := math.Sqrt(square) / float64(labels); math.Abs(got.GradNorm-want) > 1e-6 {
		t.Errorf("norm %v, want %v", got.GradNorm, want)
	}
}

// TestResumeIsExact interrupts a run after every possible step, lets it go on, and compares all that it leaves with an undisturbed run.
func TestResumeIsExact(t *testing.T) {
	const steps = 12
	whole := t.TempDir()
	if _, _, err := start(t, t.Context(), 1, options(whole, steps)); err != nil {
		t.Fatal(err)
	}
	final := filepath.Join("checkpoints", "step-00000012")
	for stopAt := int64(0); stopAt < steps; stopAt++ {
		dir := t.TempDir()
		ctx, stop := context.WithCancel(t.Context())
		o := options(dir, steps)
		o.Hooks.OnStep = func(m StepMetrics) {
			if m.Step == stopAt {
				stop()
			}
		}
		if stopAt == 0 {
			stop()
		}
		_, _, err := start(t, ctx, 1, o)
		var interrupted *Interrupted
		if !errors.As(err, &interrupted) || interrupted.Step != stopAt || !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at %d: error %v", stopAt, err)
		}
		o = options(dir, steps)
		o.Resume = true
		if _, _, err := start(t, t.Context(), 2, o); err != nil {
			t.Fatalf("stopped at %d, resumed: %v", stopAt, err)
		}
		for _, name := range []string{MetricsFile, EventsFile, checkpoint.WeightsFile, filepath.Join(final, checkpoint.StateFile)} {
			if contents(t, dir, name) != contents(t, whole, name) {
				t.Errorf("stopped at %d: %s differs from that of an undisturbed run", stopAt, name)
			}
		}
	}
}

// TestResumeAfterKill goes back to an older checkpoint: what was written after it is forgotten and done again.
func TestResumeAfterKill(t *testing.T) {
	whole, dir := t.TempDir(), t.TempDir()
	for _, d := range []string{whole, dir} {
		if _, _, err := start(t, t.Context(), 1, options(d, 12)); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []string{"step-00000012", "step-00000010"} {
		if err := os.RemoveAll(filepath.Join(dir, "checkpoints", step)); err != nil {
			t.Fatal(err)
		}
	}
	// A line that was cut off by the kill.
	if err := os.WriteFile(filepath.Join(dir, MetricsFile), []byte(contents(t, dir, MetricsFile)+`{"step":13,"lo`), 0o644); err != nil {
		t.Fatal(err)
	}
	o := options(dir, 12)
	o.Resume = true
	var resumed Resumed
	o.Hooks.OnResume = func(r Resumed) { resumed = r }
	if _, _, err := start(t, t.Context(), 1, o); err != nil {
		t.Fatal(err)
	}
	if resumed.Step != 5 {
		t.Errorf("resumed %+v, want step 5", resumed)
	}
	for _, name := range []string{MetricsFile, EventsFile, checkpoint.WeightsFile} {
		if contents(t, dir, name) != contents(t, whole, name) {
			t.Errorf("%s differs from that of an undisturbed run", name)
		}
	}
}

func TestResumeOfNothingBegins(t *testing.T) {
	dir := t.TempDir()
	o := options(dir, 2)
	o.Resume = true
	if r, _, err := start(t, t.Context(), 1, o); err != nil || r.Step != 2 {
		t.Fatalf("result %+v, error %v", r, err)
	}
	// And of a finished run: nothing is left but the evaluation.
	r, _, err := start(t, t.Context(), 1, o)
	if err != nil || r.Step != 2 || r.Eval == nil || r.Last.Step != 0 {
		t.Errorf("result %+v, error %v", r, err)
	}
}

func TestTrainRefuses(t *testing.T) {
	done := t.TempDir()
	if _, _, err := start(t, t.Context(), 1, options(done, 2)); err != nil {
		t.Fatal(err)
	}
	damaged := t.TempDir()
	if err := os.MkdirAll(filepath.Join(damaged, "checkpoints", "step-00000003"), 0o755); err != nil {
		t.Fatal(err)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "tokenizer.json"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name   string
		dir    string
		change func(*Options)
		want   string
	}{
		{"a folder with a run", done, func(o *Options) {}, "holds a run already"},
		{"a folder with files of others", foreign, func(o *Options) { o.Files = map[string][]byte{"tokenizer.json": nil} }, "holds a tokenizer.json that is of no run"},
		{"the same, to resume", foreign, func(o *Options) { o.Resume, o.Files = true, map[string][]byte{"tokenizer.json": nil} }, "give another folder"},
		{"damaged checkpoints", damaged, func(o *Options) { o.Resume = true }, "no complete checkpoint"},
		{"other seed", done, func(o *Options) { o.Resume, o.Seed = true, 4 }, "the seed was 3 and is 4"},
		{"other learning rate", done, func(o *Options) { o.Resume, o.Schedule.Peak = true, 0.1 }, `learning rate was "0.05" and is "0.1"`},
		{"other setting", done, func(o *Options) { o.Resume, o.Settings = true, map[string]string{"model": "x"} }, `model was "" and is "x"`},
		{"fewer steps than done", done, func(o *Options) { o.Resume, o.Steps = true, 1 }, "more than the 1 asked for"},
		{"no steps", "", func(o *Options) { o.Steps = 0 }, "0 steps"},
		{"schedule", "", func(o *Options) { o.Schedule.Shape = "" }, "schedule"},
		{"clip", "", func(o *Options) { o.MaxNorm = math.NaN() }, "norm of NaN"},
		{"evaluation", "", func(o *Options) { o.EvalEvery = -1 }, "evaluating every -1"},
		{"checkpoints", "", func(o *Options) { o.KeepLast = -1 }, "of which -1"},
		{"resume without folder", "", func(o *Options) { o.Resume = true }, "needs the folder"},
		{"accumulate", "", func(o *Options) { o.Accumulate = -1 }, "accumulating -1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := options(c.dir, 2)
			c.change(&o)
			if _, _, err := start(t, t.Context(), 1, o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestResumeWithAllowedChanges(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := start(t, t.Context(), 1, options(dir, 2)); err != nil {
		t.Fatal(err)
	}
	o := options(dir, 4)
	o.Resume, o.AllowChanges, o.Schedule.WarmupSteps = true, true, 1
	var resumed Resumed
	o.Hooks.OnResume = func(r Resumed) { resumed = r }
	r, _, err := start(t, t.Context(), 1, o)
	if err != nil || r.Step != 4 {
		t.Fatalf("result %+v, error %v", r, err)
	}
	if want := []string{`steps of the schedule was "2" and is "4"`}; !slices.Equal(resumed.Changes, want) {
		t.Errorf("changes %q, want %q", resumed.Changes, want)
	}
}

func TestTrainNamesTheStepThatFails(t *testing.T) {
	cases := []struct {
		name string
		loss func(step int64, loss float64) (float64, error)
		want []string
	}{
		{"NaN", func(step int64, loss float64) (float64, error) {
			if step == 7 {
				return math.NaN(), nil
			}
			return loss, nil
		}, []string{"step 4", "minibatch 7", "NaN"}},
		{"error", func(step int64, loss float64) (float64, error) { return 0, io.ErrClosedPipe }, []string{"step 1", "minibatch 0", "closed pipe"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newBigram(t)
			m.loss = c.loss
			pool := kernels.NewPool(1)
			defer pool.Close()
			_, err := Train(t.Context(), pool, m, &counting{}, nil, options("", 20))
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one with %q", err, want)
				}
			}
		})
	}
	t.Run("gradient", func(t *testing.T) {
		m := newBigram(t)
		m.loss = func(step int64, loss float64) (float64, error) {
			m.set.Lookup("bias").Grad[2] = float32(math.Inf(1))
			return loss, nil
		}
		pool := kernels.NewPool(1)
		defer pool.Close()
		_, err := Train(t.Context(), pool, m, &counting{}, nil, options("", 20))
		if err == nil || !strings.Contains(err.Error(), "step 1: the gradient of bias is not finite") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("end of data", func(t *testing.T) {
		pool := kernels.NewPool(1)
		defer pool.Close()
		_, err := Train(t.Context(), pool, newBigram(t), &counting{end: 5}, nil, options("", 20))
		if !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "step 3: read minibatch 5") {
			t.Errorf("error %v", err)
		}
	})
}

// TestTwoRunsInOneFolder lets a second run begin while the first is under way.
func TestTwoRunsInOneFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no locks there")
	}
	dir := t.TempDir()
	o := options(dir, 4)
	o.Hooks.OnStep = func(m StepMetrics) {
		second := options(dir, 4)
		second.Resume = true
		if _, _, err := start(t, t.Context(), 1, second); err == nil || !strings.Contains(err.Error(), "another process trains there") {
			t.Errorf("step %d: the second run has the error %v", m.Step, err)
		}
	}
	if _, _, err := start(t, t.Context(), 1, o); err != nil {
		t.Fatal(err)
	}
}

func TestUpdateWithoutLabels(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	r, err := Train(t.Context(), pool, newBigram(t), &counting{unlabeled: true}, nil, options("", 2))
	if err != nil || r.Last.Loss != 0 || r.Last.GradNorm != 0 || r.Last.Labels != 0 {
		t.Errorf("result %+v, error %v", r, err)
	}
	if _, err := Evaluate(t.Context(), newBigram(t), &counting{unlabeled: true, end: 3}, 0); err == nil || !strings.Contains(err.Error(), "no label") {
		t.Errorf("error %v", err)
	}
}

func TestEvaluateCountsEverything(t *testing.T) {
	m := newBigram(t)
	all, err := Evaluate(t.Context(), m, &counting{end: 4, next: 2}, 0)
	if err != nil {
		t.Fatal(err)
	}
	some, err := Evaluate(t.Context(), m, &counting{}, 4)
	if err != nil || !reflect.DeepEqual(all, some) {
		t.Errorf("%+v and %+v, %v", all, some, err)
	}
	if all.Tokens != 5+6+7+8 {
		t.Errorf("%d tokens, want %d", all.Tokens, 5+6+7+8)
	}
	if slices.ContainsFunc(m.set.Grads, func(g float32) bool { return g != 0 }) {
		t.Error("evaluation left gradients")
	}
}
