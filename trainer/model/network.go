// Package model holds the architectures: BERT for masked language modelling and for the classification of sequences, GPT-2 and Llama for
// causal language modelling, as Hugging Face transformers defines BertForMaskedLM, BertForSequenceClassification, GPT2LMHeadModel and
// LlamaForCausalLM. Parameters have the names, shapes and layouts of their checkpoints.
//
// [ReadConfig] reads a config.json, or a program fills a [EncoderConfig], [GPT2Config] or [LlamaConfig]; [New] makes the
// [Network], whose weights are zero until [Network.Initialize] or a checkpoint fills them. A network runs on minibatches of sequences without
// padding:
//
//	Loss      forward, and backward when training: the sum of cross-entropies at labelled positions, gradients into Params().Grads
//	Logits    the scores of the vocabulary at chosen positions, of a language model
//	Decode    the scores after a sequence that grows, with keys and values kept between calls
//	Classify  the scores of the classes of each sequence, of a classifier
//
// Each way of running has its own graph over the same weights, built when it is first used. Results are the same bits for any number
// of threads.
package model

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/fused"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// Config is the configuration of one of the architectures: [EncoderConfig], [GPT2Config] or [LlamaConfig].
type Config interface {
	// Validate returns an error that names a field whose value this package can't run, if there is one.
	Validate() error
	// JSON is the content of config.json.
	JSON() ([]byte, error)
	// Specs lists the parameters, in the order in which they lie in memory.
	Specs() []params.Spec
	// Limits says which inputs the model takes.
	Limits() Limits

	// encode adds the network to g, up to the last hidden state of each token, and head the rest, up to what the last layer predicts from at Batch.Rows.
	encode(g *fused.Graph, s *params.Set) *fused.Tensor
	head(g *fused.Graph, s *params.Set, x *fused.Tensor) *fused.Tensor
	// decoder is the table of the last layer, a row for each entry of the vocabulary or each class, and the bias of each; nil where there is none.
	decoder(s *params.Set) (table, bias *params.Param)
	// initial says how a parameter starts.
	initial(p *params.Param) initial
}

// Limits says which inputs a model takes.
type Limits struct {
	Vocabulary int // ids and labels lie below
	Positions  int // tokens of a sequence, at most
	Segments   int // segments lie below
	Classes    int // classes of sequences or tokens lie below; 0 for a model whose classes have no names
	Head       Head
}

// Network is a model with its weights. It satisfies trainer.Model. It is not safe for concurrent use.
type Network struct {
	config   Config
	limits   Limits
	pool     *kernels.Pool
	set      *params.Set
	batch    fused.Batch
	decoded  schemas.Minibatch // of Decode
	programs [modes]*program
	refined  LossOptions
	distill  *DistillOptions // of a student
}

var _ trainer.Decoder = (*Network)(nil)

// mode is a way of running a network, which has a graph of its own.
type mode int

const (
	training mode = iota
	evaluation
	prediction
	decoding
	teaching
	modes
)

// program is the graph of one mode, with what it ends in.
type program struct {
	graph  *fused.Graph
	loss   *fused.Loss
	cosine *fused.Loss // besides, of a student in training
	logits *fused.Tensor
	hidden *fused.Tensor // of every token, of a teacher
}

// New makes the network that c describes, with all weights 0. It works on the workers of pool, which the caller closes after the network.
func New(c Config, pool *kernels.Pool) (*Network, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("make model: %w", err)
	}
	set, err := params.NewSet(c.Specs())
	if err != nil {
		return nil, fmt.Errorf("make model: %w", err)
	}
	return &Network{config: c, limits: c.Limits(), pool: pool, set: set}, nil
}

// Config is what the network was made from.
func (n *Network) Config() Config { return n.config }

// ConfigJSON is the content of config.json.
func (n *Network) ConfigJSON() ([]byte, error) { return n.config.JSON() }

// Limits says which inputs the network takes.
func (n *Network) Limits() Limits { return n.limits }

// Params are the weights and gradients, the same at every call.
func (n *Network) Params() *params.Set { return n.set }

// Close releases the graphs. Weights stay.
func (n *Network) Close() error {
	var errs []error
	for i, p := range n.programs {
		if p != nil {
			errs = append(errs, p.graph.Close())
			n.programs[i] = nil
		}
	}
	return errors.Join(errs...)
}

// Loss runs b and returns the sum of the losses, and the number of its terms: cross-entropies in nats at the positions whose label is not schemas.IgnoreLabel, or what
// the head has in their place. With o.Train dropout is on and the gradient of o.Scale times the sum is added to Params().Grads; o.Scale must then not be 0. A batch without
// labels has the loss 0 and no gradient. An input that the model does not take is an error that names it.
func (n *Network) Loss(ctx context.Context, b *schemas.Minibatch, o trainer.StepOptions) (sum float64, labels int, err error) {
	if err := n.limits.check(b); err != nil {
		return 0, 0, err
	}
	if err := n.loadTargets(b); err != nil {
		return 0, 0, fmt.Errorf("minibatch %d: %w", b.Step, err)
	}
	return n.lose(ctx, b.Step, o)
}

// lose is the loss of the batch that was loaded, for minibatch number step.
func (n *Network) lose(ctx context.Context, step int64, o trainer.StepOptions) (sum float64, labels int, err error) {
	if len(n.batch.Rows) == 0 {
		return 0, 0, nil
	}
	m := evaluation
	if n.batch.Scale = 1; o.Train {
		m, n.batch.Scale = training, o.Scale
	}
	n.batch.Seed, n.batch.Step = o.Seed, o.Step
	p, err := n.program(m)
	if err != nil {
		return 0, 0, err
	}
	if err := p.graph.Run(ctx, &n.batch); err != nil {
		return 0, 0, fmt.Errorf("minibatch %d: %w", step, err)
	}
	if sum = p.loss.Sum(); p.cosine != nil {
		sum += float64(float64(n.distill.Hidden) * p.cosine.Sum())
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return 0, 0, fmt.Errorf("minibatch %d: the loss is %v: %w", step, sum, p.graph.Explain(ctx, &n.batch))
	}
	return sum, p.loss.Labels(), nil
}

// load makes n.batch a view of b, with no rows yet.
func (n *Network) load(b *schemas.Minibatch) {
	n.batch.IDs, n.batch.Positions, n.batch.Segments, n.batch.CuSeqlens = b.IDs, b.Positions, b.Segments, b.CuSeqlens
	n.batch.Rows, n.batch.Labels = n.batch.Rows[:0], n.batch.Labels[:0]
	n.batch.Groups, n.batch.Values = append(n.batch.Groups[:0], 0), n.batch.Values[:0]
}

// program returns the graph of a mode, building it the first time.
func (n *Network) program(m mode) (*program, error) {
	if p := n.programs[m]; p != nil {
		return p, nil
	}
	p := new(program)
	if p.graph = fused.NewGraph(n.pool, m == training); m == decoding {
		p.graph = fused.NewDecodingGraph(n.pool)
	}
	if err := n.build(p, m); err != nil {
		return nil, fmt.Errorf("build model: %w", err)
	}
	n.programs[m] = p
	return p, nil
}

// build adds the network to the graph of p, and closes it.
func (n *Network) build(p *program, m mode) error {
	x := n.config.encode(p.graph, n.set)
	learns := m == training && n.distill != nil
	if m == teaching || learns {
		p.hidden = x.Share()
	}
	x = n.config.head(p.graph, n.set, x)
	table, bias := n.config.decoder(n.set)
	switch {
	case m != training && m != evaluation:
		if p.logits = x; table != nil {
			p.logits = p.graph.Logits(x, table, bias)
		}
		return p.graph.Compile()
	case m == evaluation:
		p.loss = n.loss(p.graph, x, table, bias, fused.Objective{})
		return p.graph.Compile()
	}
	o := fused.Objective{Smoothing: n.refined.LabelSmoothing, Weights: n.refined.ClassWeights}
	if !learns {
		p.loss = n.loss(p.graph, x, table, bias, o)
		return p.graph.Differentiate(p.loss)
	}
	o.Distill = &fused.Distillation{Hard: n.distill.Labels, Soft: n.distill.Soft, Temperature: n.distill.Temperature}
	p.loss, p.cosine = n.loss(p.graph, x, table, bias, o), p.graph.HiddenCosine(p.hidden)
	return p.graph.Differentiate(p.graph.Sum([]*fused.Loss{p.loss, p.cosine}, []float32{1, n.distill.Hidden}))
}

// loss ends a graph in the loss of the head. Only a cross-entropy can be refined.
func (n *Network) loss(g *fused.Graph, x *fused.Tensor, table, bias *params.Param, o fused.Objective) *fused.Loss {
	switch n.limits.Head {
	case QuestionAnswering, MultipleChoice:
		return g.GroupCrossEntropy(g.Logits(x, table, bias))
	case Regression:
		return g.SquaredError(g.Logits(x, table, bias))
	case SentenceEmbedding:
		return g.PairCosine(x)
	}
	return g.RefinedCrossEntropy(x, table, bias, o)
}

// check returns an error that names the first thing in b that the model does not take.
func (l Limits) check(b *schemas.Minibatch) error {
	n := len(b.IDs)
	switch {
	case n == 0:
		return fmt.Errorf("minibatch %d is empty", b.Step)
	case len(b.Positions) != n || b.Segments != nil && len(b.Segments) != n:
		return fmt.Errorf("minibatch %d has %d positions and %d segments for %d tokens", b.Step, len(b.Positions), len(b.Segments), n)
	case len(b.CuSeqlens) < 2 || b.CuSeqlens[0] != 0 || int(b.CuSeqlens[len(b.CuSeqlens)-1]) != n:
		return fmt.Errorf("minibatch %d: the borders of its sequences do not run from 0 to its %d tokens", b.Step, n)
	}
	for i, end := range b.CuSeqlens[1:] {
		if length := int(end) - int(b.CuSeqlens[i]); length < 1 {
			return fmt.Errorf("minibatch %d: sequence %d has %d tokens", b.Step, i, length)
		} else if length > l.Positions {
			return fmt.Errorf("minibatch %d: sequence %d has %d tokens, the model takes %d: cut sequences shorter, or make a model with more positions", b.Step, i, length, l.Positions)
		}
	}
	for i, id := range b.IDs {
		if int64(id) >= int64(l.Vocabulary) {
			return fmt.Errorf("minibatch %d: token %d has the id %d, outside the model's vocabulary of %d entries: its tokenizer is not that of the data", b.Step, i, id, l.Vocabulary)
		}
		if p := b.Positions[i]; p < 0 || int(p) >= l.Positions {
			return fmt.Errorf("minibatch %d: token %d has the position %d, the model has %d", b.Step, i, p, l.Positions)
		}
		if b.Segments != nil && int(b.Segments[i]) >= l.Segments {
			return fmt.Errorf("minibatch %d: token %d has the segment %d, the model has %d", b.Step, i, b.Segments[i], l.Segments)
		}
	}
	return nil
}
