package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/stages/mask"
)

// stream is the documents of one split, end to end. Ranges lie in [0, Len].
type stream interface {
	Len() int64
	// Append appends the tokens [from, to).
	Append(dst []uint32, from, to int64) ([]uint32, error)
	// AppendEnds appends, ascending and relative to from, the places in (from, to] where a document ends.
	AppendEnds(dst []int32, from, to int64) ([]int32, error)
}

// identity is what a loader must know of a dataset beside its tokens.
type identity struct {
	fingerprint string // of the shards
	tokens      int64  // of all splits
	vocab       vocabulary
}

type vocabulary struct {
	size    int
	special []uint32
}

// Loader gives the minibatches of one dataset. It has one user at a time.
type Loader struct {
	opts     Options
	stream   stream
	closer   io.Closer
	vocab    int
	stride   int64 // tokens of the stream from the start of a sample to the next
	size     Size
	settings []Setting
	masker   *mask.MLM
	starts   []uint64 // bit set of the ids that begin a word; nil for single tokens

	step  int64 // the next batch
	epoch uint64
	order Permutation // of epoch

	ends      []int32  // scratch: document ends in a sample
	words     []int32  // scratch of the masker
	positions []uint64 // scratch: bit set of the positions that begin a word
}

// Size tells how much one epoch holds.
type Size struct {
	Tokens     int64 // in the split
	Samples    int64 // sequences in an epoch
	TailTokens int64 // at the end of the split, too few for a sample: they are never read
	Batches    int64 // batches that the samples fill, rounded up: all there are if reading is sequential
}

var errClosed = errors.New("the loader is closed")

// ErrTooSmall says that a split does not hold a single sequence.
var ErrTooSmall = errors.New("too little text")

func newLoader(s stream, closer io.Closer, data identity, o Options) (*Loader, error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("loader options: %w", err)
	}
	if data.vocab.size < 1 || data.vocab.size > math.MaxInt32 {
		return nil, fmt.Errorf("the dataset tells a vocabulary of %d tokens: the size must lie between 1 and %d", data.vocab.size, math.MaxInt32)
	}
	l := &Loader{opts: o, stream: s, closer: closer, vocab: data.vocab.size}
	if o.Objective == MLM {
		masker, err := o.masker(data.vocab)
		if err != nil {
			return nil, fmt.Errorf("loader options: %w", err)
		}
		l.masker = masker
		l.starts = wordStartIDs(o.WordStart, data.vocab.size)
	}
	l.settings = l.opts.settings(data, l.starts)
	if err := l.measure(); err != nil {
		return nil, err
	}
	l.enterEpoch(0)
	return l, nil
}

// measure cuts the stream into samples.
func (l *Loader) measure() error {
	length, used := l.stream.Len(), int64(0)
	l.size.Tokens = length
	if length == 0 {
		hint := ""
		if l.opts.Split == HeldOut {
			hint = ": make the dataset with a share of held-out documents, or evaluate on another one"
		}
		return fmt.Errorf("%w: the dataset has no %stokens%s", ErrTooSmall, splitWord(l.opts.Split), hint)
	}
	if l.opts.Objective == MLM {
		l.stride = int64(l.opts.SequenceTokens) - 2
		l.size.Samples = length / l.stride
		used = l.size.Samples * l.stride
	} else {
		l.stride = int64(l.opts.SequenceTokens)
		l.size.Samples = (length - 1) / l.stride
		used = l.size.Samples*l.stride + 1
	}
	if l.size.Samples == 0 {
		return fmt.Errorf("%w: SequenceTokens is %d, but the dataset has %d %stokens: take shorter sequences or more text",
			ErrTooSmall, l.opts.SequenceTokens, length, splitWord(l.opts.Split))
	}
	global := int64(l.opts.BatchSequences)
	l.size.TailTokens = length - used
	l.size.Batches = (l.size.Samples-1)/global + 1
	return nil
}

// splitWord is a split as an adjective with a space behind, for messages.
func splitWord(split string) string { return strings.TrimPrefix(split+" ", All+" ") }

// Size tells how much one epoch holds.
func (l *Loader) Size() Size { return l.size }

// SeekBatch makes batch n, counted from 0 over all epochs, the next one. It costs the same for every n.
func (l *Loader) SeekBatch(n int64) error {
	if last := math.MaxInt64/int64(l.opts.BatchSequences) - 1; n < 0 || n > last {
		return fmt.Errorf("seek batch %d: batches are numbered from 0 to %d", n, last)
	}
	l.step = n
	return nil
}

// Next fills m with the part of the next batch that is this process's, using the memory that the slices of m have, and says io.EOF at the
// end of a sequential reading. There the last batch may be short, or even empty for some processes, so that all of them count
// alike. After an error the content of m is undefined and the same batch is still the next.
func (l *Loader) Next(ctx context.Context, m *schemas.Minibatch) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("load batch %d: %w", l.step, err)
	}
	return l.fill(m)
}

// fill is Next without a context.
func (l *Loader) fill(m *schemas.Minibatch) error {
	if l.stream == nil {
		return fmt.Errorf("load batch %d: %w", l.step, errClosed)
	}
	global := int64(l.opts.BatchSequences)
	share := global / int64(l.opts.World)
	first := l.step*global + int64(l.opts.Rank)*share
	end := first + share
	if l.opts.Sequential {
		if l.step >= l.size.Batches {
			return io.EOF
		}
		first, end = min(first, l.size.Samples), min(end, l.size.Samples)
	} else if l.step > math.MaxInt64/global-1 {
		return fmt.Errorf("load batch %d: there are no more numbers for samples", l.step)
	}
	m.Step = l.step
	m.IDs, m.Labels, m.Positions, m.Segments = m.IDs[:0], m.Labels[:0], m.Positions[:0], nil
	m.CuSeqlens = append(m.CuSeqlens[:0], 0)
	for g := first; g < end; g++ {
		if err := l.appendSample(m, g); err != nil {
			return fmt.Errorf("load batch %d: %w", l.step, err)
		}
	}
	l.step++
	return nil
}

// Close unmaps the shards. Minibatches stay valid.
func (l *Loader) Close() error {
	closer := l.closer
	l.stream, l.closer = nil, nil
	if closer == nil {
		return nil
	}
	return closer.Close()
}

// locate finds the epoch of a global sample and its place in the stream.
func (l *Loader) locate(g int64) (epoch uint64, sample int64) {
	epoch, slot := uint64(g/l.size.Samples), g%l.size.Samples
	if l.opts.Sequential {
		return epoch, slot
	}
	if epoch != l.epoch {
		l.enterEpoch(epoch)
	}
	return epoch, int64(l.order.At(uint64(slot)))
}

func (l *Loader) enterEpoch(epoch uint64) {
	l.epoch, l.order = epoch, NewPermutation(uint64(l.size.Samples), l.opts.Seed, epoch)
}
