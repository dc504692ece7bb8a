package trainer

import (
	"context"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer/params"
)

// Model is what the loop, the evaluation and the generation ask of a network. A call is never made while another is under way.
type Model interface {
	// Params returns the weights and gradients: the same set at every call.
	Params() *params.Set
	// Loss runs the model on b and returns the sum of the cross-entropies in nats at the labelled positions and their number. With
	// o.Train it adds the gradient of o.Scale times that sum to Params().Grads. A batch without labels has the loss 0 and no gradient.
	Loss(ctx context.Context, b *schemas.Minibatch, o StepOptions) (sum float64, labels int, err error)
	// Logits runs the model on b without dropout and returns len(rows) rows of one number for each entry of the vocabulary, for
	// those rows of b.IDs. The result is valid until the next call. b.Labels may be nil.
	Logits(ctx context.Context, b *schemas.Minibatch, rows []int32) ([]float32, error)
}

// Decoder is a causal [Model] that remembers what it computed of a sequence.
type Decoder interface {
	Model
	// Decode runs ids, which follow the first past tokens that earlier calls were given, and returns the logits after the last of them,
	// valid until the next call. They equal those of Logits on the whole sequence but for rounding.
	Decode(ctx context.Context, past int, ids []uint32) ([]float32, error)
}

// StepOptions says how a [Model] is to run one minibatch.
type StepOptions struct {
	// Train asks for gradients, and switches dropout on. Without it the model only measures the loss and leaves its gradients alone.
	Train bool
	// Seed and Step decide the dropout masks, which are a function of (Seed, Step, operation, element). Step is used once in a run.
	Seed uint64
	Step int64
	// Scale multiplies the gradient of the summed loss: one over the valid labels of an update makes it the gradient of their mean.
	Scale float32
}

// Batches is a sequence of minibatches whose order is a function of its settings: after SeekBatch(n), Next gives minibatch n, whatever was
// read before.
type Batches interface {
	// Next fills b, whose slices it may reuse, with the next minibatch. io.EOF says that there is none.
	Next(ctx context.Context, b *schemas.Minibatch) error
	// SeekBatch makes minibatch n, counted from 0, the next one.
	SeekBatch(n int64) error
	// Fingerprint identifies the content and the order. A run is resumed only on batches with the same one.
	Fingerprint() string
}
