package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/model"
	"github.com/shardmill/shardmill/trainer/optim"
)

// sequence is one of a file of data: with a label for each token, or a class.
type sequence struct {
	IDs    []uint32
	Labels []int32
	Target int32
}

// The constants of each update, those of peers.py.
const (
	rate    = 1e-5
	decay   = 0.01
	maxNorm = 1.0
)

// load reads a model folder.
func load(pool *kernels.Pool, folder string) (*model.Network, error) {
	config, err := os.ReadFile(filepath.Join(folder, checkpoint.ConfigFile))
	if err != nil {
		return nil, err
	}
	c, err := model.ReadConfig(config)
	if err != nil {
		return nil, err
	}
	n, err := model.New(c, pool)
	if err != nil {
		return nil, err
	}
	weights, err := checkpoint.OpenWeights(folder)
	if err != nil {
		return nil, err
	}
	defer weights.Close()
	report, err := weights.Load(n.Params())
	if err != nil {
		return nil, err
	}
	return n, report.Strict()
}

// steps are updates of a language model on one minibatch.
type steps struct {
	pool    *kernels.Pool
	network *model.Network
	adam    *optim.AdamW
	batch   schemas.Minibatch
	labels  int64
	updates int
	done    int64
}

func newSteps(pool *kernels.Pool, n *model.Network, sequences []sequence, updates int) (*steps, error) {
	s := &steps{pool: pool, network: n, updates: updates}
	s.batch.CuSeqlens = []int32{0}
	for _, q := range sequences {
		for i := range q.IDs {
			s.batch.Positions = append(s.batch.Positions, int32(i))
		}
		s.batch.IDs, s.batch.Labels = append(s.batch.IDs, q.IDs...), append(s.batch.Labels, q.Labels...)
		s.batch.CuSeqlens = append(s.batch.CuSeqlens, int32(len(s.batch.IDs)))
	}
	s.labels = s.batch.LabelCount()
	var err error
	s.adam, err = optim.NewAdamW(n.Params(), optim.AdamWOptions{WeightDecay: decay})
	return s, err
}

func (s *steps) describe(ctx context.Context, a *answer) error {
	tokens := int64(len(s.batch.IDs))
	a.Units = s.updates * int(tokens)
	a.FLOPs = float64(s.updates) * s.network.TrainingFLOPs(tokens, s.labels, int(s.batch.CuSeqlens[1]))
	return a.measure(ctx, s.network, &s.batch)
}

// measure notes the loss without dropout.
func (a *answer) measure(ctx context.Context, n *model.Network, b *schemas.Minibatch) error {
	sum, labels, err := n.Loss(ctx, b, trainer.StepOptions{})
	if err == nil && labels == 0 {
		err = fmt.Errorf("the data have no labels")
	}
	a.Loss = sum / float64(labels)
	return err
}

func (s *steps) run(ctx context.Context) error {
	for range s.updates {
		s.done++
		if _, _, err := s.network.Loss(ctx, &s.batch, trainer.StepOptions{Train: true, Seed: 1, Step: s.done, Scale: 1 / float32(s.labels)}); err != nil {
			return err
		}
		norm, err := optim.Norm(s.pool, s.network.Params().Grads)
		if err != nil {
			return err
		}
		if err := s.adam.Step(s.pool, rate, optim.ClipScale(norm, maxNorm)); err != nil {
			return err
		}
	}
	return nil
}

// epoch is a fine-tuning of a classifier that sees each example once.
type epoch struct {
	pool     *kernels.Pool
	network  *model.Network
	batches  *tasks.Batches
	first    schemas.Minibatch // in the order of the file
	examples int
}

func newEpoch(pool *kernels.Pool, n *model.Network, sequences []sequence, size int) (*epoch, error) {
	var examples []tasks.Sequence
	for _, q := range sequences {
		examples = append(examples, tasks.Sequence{IDs: q.IDs, First: len(q.IDs), Target: q.Target})
	}
	e := &epoch{pool: pool, network: n, examples: len(examples)}
	inOrder, err := tasks.NewBatches(examples, tasks.Options{BatchSequences: size})
	if err != nil {
		return nil, err
	}
	if err := inOrder.Next(context.Background(), &e.first); err != nil {
		return nil, err
	}
	e.batches, err = tasks.NewBatches(examples, tasks.Options{BatchSequences: size, Shuffle: true, Seed: 1})
	return e, err
}

func (e *epoch) describe(ctx context.Context, a *answer) error {
	a.Units = e.examples
	return a.measure(ctx, e.network, &e.first)
}

func (e *epoch) run(ctx context.Context) error {
	_, err := trainer.Train(ctx, e.pool, e.network, e.batches, nil, trainer.Options{
		Steps: e.batches.PerEpoch(), MaxNorm: maxNorm, Seed: 1,
		AdamW:    optim.AdamWOptions{WeightDecay: decay},
		Schedule: optim.Schedule{Shape: optim.Linear, Peak: rate, Steps: e.batches.PerEpoch()},
	})
	return err
}

// generation continues a prompt, always with the most probable token.
type generation struct {
	network       *model.Network
	prompt        []uint32
	texts, tokens int
}

func (g *generation) describe(ctx context.Context, a *answer) (err error) {
	a.Units = g.texts * g.tokens
	a.IDs, err = trainer.Generate(ctx, g.network, g.prompt, trainer.GenerateOptions{MaxTokens: g.tokens}, nil)
	return err
}

func (g *generation) run(ctx context.Context) error {
	for range g.texts {
		if _, err := trainer.Generate(ctx, g.network, g.prompt, trainer.GenerateOptions{MaxTokens: g.tokens}, nil); err != nil {
			return err
		}
	}
	return nil
}
