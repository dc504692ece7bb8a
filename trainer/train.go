package trainer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/optim"
)

// Interrupted is the error of a run that was cancelled between two updates and saved.
type Interrupted struct {
	Step, Steps int64  // updates done, and asked for
	Checkpoint  string // folder of the newest checkpoint; "" if the run has no folder
	Cause       error  // the error of the context
}

// Error says how far the run came and where it was saved.
func (e *Interrupted) Error() string {
	if e.Checkpoint == "" {
		return fmt.Sprintf("interrupted after step %d of %d; nothing was saved, since the run has no folder", e.Step, e.Steps)
	}
	return fmt.Sprintf("interrupted after step %d of %d; saved in %s", e.Step, e.Steps, e.Checkpoint)
}

// Unwrap returns the error of the context.
func (e *Interrupted) Unwrap() error { return e.Cause }

// Result is what a finished run comes to.
type Result struct {
	Step       int64        // updates done
	Tokens     int64        // read over all updates
	Labels     int64        // predicted over all updates
	Last       StepMetrics  // of the last update; zero if a resumed run had nothing left to do
	Eval       *EvalMetrics // of the last evaluation; nil without held-out batches
	Best       *EvalMetrics // of the best evaluation; nil without Options.Best
	Stopped    bool         // whether Options.Patience ended the run
	Checkpoint string       // folder of the last checkpoint; "" if the run has no folder
}

// run is the state of one call of Train.
type run struct {
	Options
	pool    *kernels.Pool
	model   Model
	train   Batches
	heldOut Batches // may be nil
	adam    *optim.AdamW
	metrics *metricsLog

	state      checkpoint.State
	checkpoint string // folder of the checkpoint of state.Step, if it has one
	sinceBest  int64  // evaluations after the best
	minibatch  []schemas.Minibatch
	result     Result
}

// Train updates the model o.Steps times by the gradients of the training batches. After update n come, where they are due, its
// checkpoint and then its evaluation on heldOut, which may be nil. The metrics of everything go to [MetricsFile].
//
// The course of a run is a function of the model's weights, the batches and the options alone: not of the pool's threads, and not of
// interruptions. When ctx ends, the run stops after the update it is in or before the next one, saves, and returns an *[Interrupted].
// A loss or gradient that is NaN or infinite ends it with an error that names the step. Of two processes that train into one folder at once, the
// second fails.
func Train(ctx context.Context, pool *kernels.Pool, m Model, train, heldOut Batches, o Options) (result Result, err error) {
	if o.Accumulate == 0 {
		o.Accumulate = 1
	}
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	adam, err := optim.NewAdamW(m.Params(), o.AdamW)
	if err != nil {
		return Result{}, err
	}
	r := &run{
		Options: o, pool: pool, model: m, train: train, heldOut: heldOut, adam: adam,
		state:     checkpoint.State{Seed: o.Seed, Data: train.Fingerprint(), Settings: o.settings()},
		minibatch: make([]schemas.Minibatch, o.Accumulate),
	}
	if r.Dir != "" {
		held, err := lock(r.Dir)
		if err != nil {
			return Result{}, err
		}
		defer held.Close() // no data is written to it; on a nil file this does nothing
	}
	if err := r.begin(); err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, r.metrics.close()) }()
	if err := r.loop(ctx); err != nil {
		return Result{}, r.explain(ctx, err)
	}
	r.result.Step, r.result.Tokens, r.result.Labels, r.result.Checkpoint = r.state.Step, r.state.Tokens, r.state.Labels, r.checkpoint
	if r.result.Best != nil {
		if _, err := checkpoint.Promote(r.Dir, r.result.Best.Step); err != nil {
			return Result{}, err
		}
	}
	return r.result, nil
}

// begin goes back to the newest checkpoint, if the run is to be resumed, and opens the metrics.
func (r *run) begin() (err error) {
	if r.Dir != "" {
		if err := r.restore(); err != nil {
			return err
		}
	}
	if err := r.train.SeekBatch(r.state.Minibatches); err != nil {
		return fmt.Errorf("go to minibatch %d of the training batches: %w", r.state.Minibatches, err)
	}
	r.model.Params().ZeroGrads()
	if r.metrics, err = openMetrics(r.Dir, r.state.Step); err != nil || r.Best == "" {
		return err
	}
	evals, err := Evaluations(r.Dir)
	if err != nil {
		return errors.Join(err, r.metrics.close())
	}
	for _, m := range evals {
		r.judge(m)
	}
	return nil
}

// judge compares an evaluation with the best before it, and tells whether it is better.
func (r *run) judge(m EvalMetrics) bool {
	if best := r.result.Best; best != nil && !(m.value(r.Best) > best.value(r.Best)) {
		r.sinceBest++
		return false
	}
	r.result.Best, r.sinceBest = &m, 0
	return true
}

// value is the measure of that name, turned so that more is better.
func (m *EvalMetrics) value(name string) float64 {
	if name == BestLoss {
		return -m.EvalLoss
	}
	return m.Scores[name]
}

func (r *run) restore() error {
	dir, skipped, err := checkpoint.Newest(r.Dir)
	switch {
	case errors.Is(err, checkpoint.ErrNone) && len(skipped) == 0:
		if err := r.refuseForeign(); err != nil {
			return err
		}
		if r.Resume && r.Hooks.OnResume != nil {
			r.Hooks.OnResume(Resumed{})
		}
		return nil
	case err != nil: // with damaged checkpoints, beginning anew is not ours to decide
		return errors.Join(append([]error{err}, skipped...)...)
	case !r.Resume:
		return fmt.Errorf("%s holds a run already: resume it (--resume), or give another folder", r.Dir)
	}
	state, err := checkpoint.ReadState(dir)
	if err != nil {
		return err
	}
	changes := changes(state, r.state)
	if len(changes) > 0 && !r.AllowChanges {
		return fmt.Errorf("resume from %s: the run would take another course, since %s: go back to what it was, or allow changes (--allow-changes)",
			dir, strings.Join(changes, "; "))
	}
	if state.Step > r.Steps {
		return fmt.Errorf("resume from %s: it has done %d steps, more than the %d asked for", dir, state.Step, r.Steps)
	}
	if state, err = checkpoint.Resume(dir, r.model.Params(), checkpoint.Moments{First: r.adam.M, Second: r.adam.V}); err != nil {
		return err
	}
	state.Seed, state.Data, state.Settings = r.state.Seed, r.state.Data, r.state.Settings
	r.state, r.checkpoint, r.adam.Updates = state, dir, state.Step
	if r.Hooks.OnResume != nil {
		r.Hooks.OnResume(Resumed{Step: state.Step, Dir: dir, Skipped: skipped, Changes: changes})
	}
	return nil
}

// refuseForeign returns an error if the first checkpoint would replace files that no run has written: those of a model from elsewhere, or
// the tokenizer of a dataset.
func (r *run) refuseForeign() error {
	for _, name := range append(slices.Sorted(maps.Keys(r.Files)), checkpoint.WeightsFile) {
		if _, err := os.Lstat(filepath.Join(r.Dir, name)); err == nil {
			return fmt.Errorf("%s holds a %s that is of no run, and that checkpoints would replace: give another folder", r.Dir, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look for what checkpoints would replace: %w", err)
		}
	}
	return nil
}

// changes lists what differs between the settings that a run was saved with and those it is to go on with.
func changes(before, now checkpoint.State) []string {
	var changes []string
	if before.Data != now.Data {
		changes = append(changes, fmt.Sprintf("the training data was %q and is %q", before.Data, now.Data))
	}
	if before.Seed != now.Seed {
		changes = append(changes, fmt.Sprintf("the seed was %d and is %d", before.Seed, now.Seed))
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(before.Settings)), maps.Keys(now.Settings))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if a, b := before.Settings[name], now.Settings[name]; a != b {
			changes = append(changes, fmt.Sprintf("%s was %q and is %q", name, a, b))
		}
	}
	return changes
}

// loop does the updates that are left. A resumed run first repeats the evaluation of its checkpoint, which comes after it.
func (r *run) loop(ctx context.Context) error {
	if r.state.Step > 0 {
		if err := r.evaluate(ctx); err != nil {
			return err
		}
	}
	for r.state.Step < r.Steps {
		if r.Patience > 0 && r.sinceBest >= r.Patience {
			r.result.Stopped = true
			return r.save()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.update(ctx); err != nil {
			return err
		}
		if r.state.Step == r.Steps || due(r.state.Step, r.CheckpointEvery) {
			if err := r.save(); err != nil {
				return err
			}
		}
		if err := r.evaluate(ctx); err != nil {
			return err
		}
	}
	return nil
}

func due(step, every int64) bool { return every > 0 && step%every == 0 }

// explain saves a run that was cancelled, and turns its error into an *Interrupted.
func (r *run) explain(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	if err := r.save(); err != nil {
		return fmt.Errorf("interrupted after step %d, and not saved: %w", r.state.Step, err)
	}
	return &Interrupted{Step: r.state.Step, Steps: r.Steps, Checkpoint: r.checkpoint, Cause: context.Cause(ctx)}
}

// update does one update. Until the optimizer has changed the weights, nothing else is changed: a run that ends here stands where it
// stood after the update before.
func (r *run) update(ctx context.Context) error {
	step := r.state.Step + 1
	tokens, labels, err := r.read(ctx)
	if err != nil {
		return fmt.Errorf("step %d: %w", step, err)
	}
	loss, err := r.gradients(ctx, labels)
	if err != nil {
		return fmt.Errorf("step %d: %w", step, err)
	}
	r.adam.DropFrozen()
	norm, err := optim.Norm(r.pool, r.model.Params().Grads)
	if err != nil {
		return fmt.Errorf("step %d: %w", step, err)
	}
	if !finite(norm) {
		return fmt.Errorf("step %d: %w", step, r.badGradient(norm))
	}
	rate := r.Schedule.At(step)
	if err := r.adam.Step(r.pool, rate, optim.ClipScale(norm, r.MaxNorm)); err != nil {
		return fmt.Errorf("step %d: %w", step, err)
	}
	r.state.Step = step
	r.state.Minibatches += int64(r.Accumulate)
	r.state.Tokens += tokens
	r.state.Labels += labels
	r.checkpoint = ""
	r.result.Last = StepMetrics{Step: step, Loss: loss, LearningRate: rate, GradNorm: norm, Tokens: tokens, Labels: labels}
	if err := r.metrics.write(&r.result.Last, nil); err != nil {
		return err
	}
	if r.Hooks.OnStep != nil {
		r.Hooks.OnStep(r.result.Last)
	}
	return nil
}

// read reads the minibatches of one update and counts their tokens and labels.
func (r *run) read(ctx context.Context) (tokens, labels int64, err error) {
	for i := range r.minibatch {
		b := &r.minibatch[i]
		if err := r.train.Next(ctx, b); err != nil {
			return 0, 0, fmt.Errorf("read minibatch %d: %w", r.state.Minibatches+int64(i), err)
		}
		tokens += int64(len(b.IDs))
		labels += b.LabelCount()
	}
	return tokens, labels, nil
}

// gradients adds up the gradient of the mean loss over all labels of the minibatches, and returns that mean.
func (r *run) gradients(ctx context.Context, labels int64) (float64, error) {
	if labels == 0 {
		return 0, nil
	}
	var sum float64
	for i := range r.minibatch {
		number := r.state.Minibatches + int64(i)
		o := StepOptions{Train: true, Seed: r.Seed, Step: number, Scale: float32(1 / float64(labels))}
		loss, _, err := r.model.Loss(ctx, &r.minibatch[i], o)
		if err != nil {
			return 0, fmt.Errorf("minibatch %d: %w", number, err)
		}
		if !finite(loss) {
			return 0, fmt.Errorf("minibatch %d: the loss is %v; a lower learning rate, more warm-up or clipping may help", number, loss)
		}
		sum += loss
	}
	return sum / float64(labels), nil
}

// badGradient names the first parameter whose gradient is not finite.
func (r *run) badGradient(norm float64) error {
	for _, p := range r.model.Params().List {
		if slices.ContainsFunc(p.Grad, func(g float32) bool { return !finite(float64(g)) }) {
			return fmt.Errorf("the gradient of %s is not finite; a lower learning rate, more warm-up or clipping may help", p.Name)
		}
	}
	return fmt.Errorf("the norm of the gradients is %v", norm)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// evaluate runs the evaluation of the current step, if one is due.
func (r *run) evaluate(ctx context.Context) error {
	evaluate := r.Evaluate
	if evaluate == nil && r.heldOut != nil {
		evaluate = func(ctx context.Context) (EvalMetrics, error) {
			return Evaluate(ctx, r.model, r.heldOut, r.EvalBatches)
		}
	}
	if evaluate == nil || r.state.Step != r.Steps && !due(r.state.Step, r.EvalEvery) {
		return nil
	}
	m, err := evaluate(ctx)
	if err != nil {
		return fmt.Errorf("step %d: %w", r.state.Step, err)
	}
	m.Step = r.state.Step
	r.result.Eval = &m
	if err := r.metrics.write(nil, &m); err != nil {
		return err
	}
	if r.Hooks.OnEval != nil {
		r.Hooks.OnEval(m)
	}
	if r.Best != "" {
		if _, ok := m.Scores[r.Best]; !ok && r.Best != BestLoss {
			return fmt.Errorf("step %d: the evaluation has no score %q by which to know the best: it has %v", r.state.Step, r.Best, slices.Sorted(maps.Keys(m.Scores)))
		}
		if r.judge(m) {
			return r.save()
		}
	}
	return nil
}

// bestSteps are the steps whose checkpoints stay, however old.
func (r *run) bestSteps() []int64 {
	if r.result.Best == nil {
		return nil
	}
	return []int64{r.result.Best.Step}
}

// save writes the checkpoint of the current step, unless it has one.
func (r *run) save() error {
	if r.Dir == "" || r.checkpoint != "" {
		return nil
	}
	if err := r.metrics.sync(); err != nil {
		return err
	}
	dir, err := checkpoint.Save(r.Dir, checkpoint.Checkpoint{
		Params:  r.model.Params(),
		Moments: checkpoint.Moments{First: r.adam.M, Second: r.adam.V},
		State:   r.state,
		Files:   r.Files,
	}, r.KeepLast, r.bestSteps()...)
	if err != nil {
		return err
	}
	r.checkpoint = filepath.Clean(dir)
	if r.Hooks.OnCheckpoint != nil {
		r.Hooks.OnCheckpoint(r.state.Step, r.checkpoint)
	}
	return nil
}
