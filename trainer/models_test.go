package trainer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/model"
	"github.com/shardmill/shardmill/trainer/optim"
)

const vocabulary = 37

// patterns gives sequences of several lengths in which each token follows from the one before. The following token is the label: always
// for a causal model, at one place in three for a masked one.
type patterns struct {
	causal bool
	next   int64
}

func (p *patterns) Fingerprint() string     { return "patterns" }
func (p *patterns) SeekBatch(n int64) error { p.next = n; return nil }

func (p *patterns) Next(_ context.Context, b *schemas.Minibatch) error {
	*b = schemas.Minibatch{Step: p.next, CuSeqlens: []int32{0}}
	for s := range int64(3) {
		length := 5 + int((p.next+2*s)%7)
		id := uint32((p.next*5 + s*11) % vocabulary)
		for i := range length {
			following := (id*3 + 1) % vocabulary
			label := int32(schemas.IgnoreLabel)
			if p.causal || (i+int(p.next))%3 == 0 {
				label = int32(following)
			}
			b.IDs, b.Labels, b.Positions = append(b.IDs, id), append(b.Labels, label), append(b.Positions, int32(i))
			id = following
		}
		b.CuSeqlens = append(b.CuSeqlens, int32(len(b.IDs)))
	}
	p.next++
	return nil
}

func config(t *testing.T, causal bool) model.Config {
	t.Helper()
	text := `{"model_type":"bert","vocab_size":37,"hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":40,"max_position_embeddings":16}`
	if causal {
		text = `{"model_type":"gpt2","vocab_size":37,"n_embd":16,"n_layer":2,"n_head":2,"n_positions":16}`
	}
	c, err := model.ReadConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fresh makes a model, with the dropout of 0.1 that is the default of its configuration.
func fresh(t *testing.T, causal bool, pool *kernels.Pool) *model.Network {
	t.Helper()
	m, err := model.New(config(t, causal), pool)
	if err != nil {
		t.Fatal(err)
	}
	m.Initialize(1)
	return m
}

// kind is a way of training.
type kind struct {
	causal, student bool
	precision       kernels.Precision
}

// train runs a fresh model, or one that learns from another.
func train(ctx context.Context, t *testing.T, c kind, threads int, o trainer.Options) error {
	t.Helper()
	pool := kernels.NewPool(threads)
	pool.SetPrecision(c.precision)
	defer pool.Close()
	causal := c.causal
	m := fresh(t, causal, pool)
	defer m.Close()
	var learner trainer.Model = m
	if c.student {
		teacher := fresh(t, causal, pool)
		defer teacher.Close()
		teacher.Initialize(2)
		d, err := model.NewDistiller(m, teacher, model.DefaultDistillation())
		if err != nil {
			t.Fatal(err)
		}
		learner = d
	}
	_, err := trainer.Train(ctx, pool, learner, &patterns{causal: causal}, &patterns{causal: causal, next: 0}, o)
	return err
}

func settings(dir string) trainer.Options {
	return trainer.Options{
		Steps: 20, Accumulate: 2, MaxNorm: 1, Seed: 9, Dir: dir, EvalEvery: 6, EvalBatches: 2, CheckpointEvery: 8,
		Schedule: optim.Schedule{Shape: optim.Linear, Peak: 0.01, WarmupSteps: 4, Steps: 20},
		AdamW:    optim.AdamWOptions{WeightDecay: 0.01},
	}
}

// TestRealModelsResumeExactly trains each architecture, in each precision, undisturbed on one thread, and again on two threads with two interruptions and
// a checkpoint lost. All files must be the same.
func TestRealModelsResumeExactly(t *testing.T) {
	for _, c := range []kind{{}, {causal: true}, {student: true}, {precision: kernels.BF16}, {causal: true, precision: kernels.BF16}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			whole, parts := t.TempDir(), t.TempDir()
			if err := train(t.Context(), t, c, 1, settings(whole)); err != nil {
				t.Fatal(err)
			}
			for _, stopAt := range []int64{11, 17} {
				ctx, stop := context.WithCancel(t.Context())
				o := settings(parts)
				o.Resume = true
				o.Hooks.OnStep = func(m trainer.StepMetrics) {
					if m.Step == stopAt {
						stop()
					}
				}
				var interrupted *trainer.Interrupted
				if err := train(ctx, t, c, 2, o); !errors.As(err, &interrupted) || interrupted.Step != stopAt {
					t.Fatalf("error %v, want an interruption after step %d", err, stopAt)
				}
			}
			if err := os.RemoveAll(filepath.Join(parts, "checkpoints", "step-00000017")); err != nil {
				t.Fatal(err)
			}
			o := settings(parts)
			o.Resume = true
			if err := train(t.Context(), t, c, 2, o); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{trainer.MetricsFile, checkpoint.WeightsFile, "checkpoints/step-00000020/" + checkpoint.StateFile} {
				a, errA := os.ReadFile(filepath.Join(whole, name))
				b, errB := os.ReadFile(filepath.Join(parts, name))
				if err := errors.Join(errA, errB); err != nil {
					t.Fatal(err)
				}
				if string(a) != string(b) {
					t.Errorf("%s differs from that of an undisturbed run", name)
				}
			}
		})
	}
}

// TestRealModelsLearn shows that both architectures find the rule behind the patterns.
func TestRealModelsLearn(t *testing.T) {
	for _, causal := range []bool{false, true} {
		t.Run(fmt.Sprintf("causal=%v", causal), func(t *testing.T) {
			pool := kernels.NewPool(2)
			defer pool.Close()
			m := fresh(t, causal, pool)
			defer m.Close()
			o := settings("")
			o.Steps = 300
			o.Schedule = optim.Schedule{Shape: optim.Cosine, Peak: 0.01, WarmupSteps: 20, Steps: 300}
			r, err := trainer.Train(t.Context(), pool, m, &patterns{causal: causal}, &patterns{causal: causal}, o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Eval.EvalLoss > 0.5 {
				t.Errorf("loss %v after 300 steps, want at most 0.5 (chance is 3.6)", r.Eval.EvalLoss)
			}
		})
	}
}
