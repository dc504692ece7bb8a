package trainer

import (
	"context"
	"fmt"
	"strconv"

	"github.com/shardmill/shardmill/trainer/optim"
)

// Options says how [Train] runs.
type Options struct {
	Steps      int64              // updates in all, those of a resumed run included
	Accumulate int                // minibatches whose gradients make one update; 0 means 1
	Schedule   optim.Schedule     // learning rate of each update
	AdamW      optim.AdamWOptions // constants of the update rule
	MaxNorm    float64            // gradients with a larger global norm are scaled down to it; 0 means never
	Seed       uint64             // of the dropout masks

	EvalEvery   int64 // updates between two evaluations; the last update is followed by one too. 0 means only that
	EvalBatches int64 // held-out minibatches of each evaluation; 0 means all there are
	// Evaluate, if not nil, does the evaluations in the place of the loss on held-out batches, for models with scores beside it.
	Evaluate func(ctx context.Context) (EvalMetrics, error)

	// Best is the measure by which one evaluation is better than another: BestLoss, where less is better, or the name of a score, where more is; ""
	// means that none is. The checkpoint of the best, the first of equals, is kept, and its model is that of the folder when the run ends.
	Best string
	// Patience ends the run after so many evaluations without a new best; 0 means never.
	Patience int64

	Dir             string            // folder of the run; "" writes nothing
	Files           map[string][]byte // files of the model folder that stand beside the weights, by name: config.json, tokenizer.json
	CheckpointEvery int64             // updates between two checkpoints; the last update is always followed by one. 0 means only that
	KeepLast        int               // checkpoints kept; 0 means all

	Resume       bool              // go on from the newest checkpoint in Dir, or begin if there is none
	AllowChanges bool              // resume even if settings, seed or data are others than before
	Settings     map[string]string // what else decides the course of the run, such as the model's configuration, to compare on resume

	Hooks Hooks
}

// BestLoss takes the evaluation with the lowest loss for the best.
const BestLoss = "loss"

// Hooks are called by [Train], in its goroutine, as things happen. Each may be nil.
type Hooks struct {
	OnResume     func(Resumed)
	OnStep       func(StepMetrics)
	OnEval       func(EvalMetrics)
	OnCheckpoint func(step int64, dir string)
}

// Resumed tells where a run goes on.
type Resumed struct {
	Step    int64    // updates already done
	Dir     string   // the checkpoint; "" if there was none
	Skipped []error  // why newer checkpoints were not taken
	Changes []string // settings that differ from those before; only with Options.AllowChanges
}

// StepMetrics describes one update.
type StepMetrics struct {
	Step         int64   `json:"step"`
	Loss         float64 `json:"loss"` // mean over the labels of the update, in nats; 0 if it had none
	LearningRate float64 `json:"learning_rate"`
	GradNorm     float64 `json:"grad_norm"` // before clipping
	Tokens       int64   `json:"tokens"`    // of this update
	Labels       int64   `json:"labels"`    // of this update
}

// EvalMetrics describes one evaluation on held-out batches.
type EvalMetrics struct {
	Step     int64   `json:"step"`                  // updates done before it
	EvalLoss float64 `json:"eval_loss"`             // mean over the labels, in nats
	Tokens   int64   `json:"eval_tokens,omitempty"` // 0 where nobody counts them
	Labels   int64   `json:"eval_labels"`
	// Scores are measures beside the loss, by name, higher being better; nil if the model has none.
	Scores map[string]float64 `json:"eval_scores,omitempty"`
}

// Validate returns an error that names the first field which makes no sense.
func (o *Options) Validate() error {
	switch {
	case o.Steps < 1:
		return fmt.Errorf("training for %d steps: give at least 1", o.Steps)
	case o.Accumulate < 0:
		return fmt.Errorf("accumulating %d minibatches: give at least 1", o.Accumulate)
	case !(o.MaxNorm >= 0):
		return fmt.Errorf("gradients can't be clipped to a norm of %v", o.MaxNorm)
	case o.EvalEvery < 0 || o.EvalBatches < 0:
		return fmt.Errorf("evaluating every %d steps on %d batches: neither may be below 0", o.EvalEvery, o.EvalBatches)
	case o.CheckpointEvery < 0 || o.KeepLast < 0:
		return fmt.Errorf("a checkpoint every %d steps of which %d are kept: neither may be below 0", o.CheckpointEvery, o.KeepLast)
	case o.Patience < 0 || o.Patience > 0 && o.Best == "":
		return fmt.Errorf("patience of %d evaluations: give at least 0, and the measure that it waits for", o.Patience)
	case o.Best != "" && o.Dir == "":
		return fmt.Errorf("keeping the best model needs a folder for the run")
	case o.Resume && o.Dir == "":
		return fmt.Errorf("resuming needs the folder of the run")
	}
	if err := o.Schedule.Validate(); err != nil {
		return err
	}
	return o.AdamW.Validate()
}

// settings names everything that decides the numbers of a run beside its data, seed and code.
func (o *Options) settings() map[string]string {
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	adamw := o.AdamW.WithDefaults()
	m := map[string]string{
		"accumulate":            strconv.Itoa(o.Accumulate),
		"clip":                  float(o.MaxNorm),
		"learning rate":         float(o.Schedule.Peak),
		"lowest learning rate":  float(o.Schedule.Floor),
		"schedule":              o.Schedule.Shape,
		"steps of the schedule": strconv.FormatInt(o.Schedule.Steps, 10),
		"warm-up steps":         strconv.FormatInt(o.Schedule.WarmupSteps, 10),
		"beta1":                 float(adamw.Beta1),
		"beta2":                 float(adamw.Beta2),
		"epsilon":               float(adamw.Epsilon),
		"weight decay":          float(adamw.WeightDecay),
	}
	if o.Schedule.DecaySteps > 0 {
		m["decay steps"] = strconv.FormatInt(o.Schedule.DecaySteps, 10)
	}
	if rates := adamw.Rates.String(); rates != "" {
		m["rates"] = rates
	}
	if o.Patience > 0 {
		m["patience"] = strconv.FormatInt(o.Patience, 10) + " evaluations by " + o.Best
	}
	for name, value := range o.Settings {
		m[name] = value
	}
	return m
}
