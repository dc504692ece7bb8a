package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/shardmill/shardmill/schemas"
)

// Template puts the tokens of texts together as BERT does: [CLS] a [SEP], or [CLS] a [SEP] b [SEP].
type Template struct {
	CLS, SEP  uint32
	MaxTokens int // longest sequence, special tokens included

	OneSegment bool // all tokens are of the first segment, as for models that know no other
	TwoSEP     bool // RoBERTa: [CLS] a [SEP] [SEP] b [SEP]
}

// Sequence is an example in tokens, or one of those that make an example.
type Sequence struct {
	IDs    []uint32
	First  int      // tokens of the first segment, its [SEP] included
	Target int32    // Classes and Choices: id of the class or of the right choice, or schemas.IgnoreLabel
	Labels []int32  // Tags: id of the tag of each token, or schemas.IgnoreLabel
	Span   [2]int32 // Spans: first and last token of the answer, or schemas.NoSpan
	Value  float32  // Values: the number to predict, or NaN
}

// Validate refuses a template whose sequences have no room for a token of each text.
func (t *Template) Validate(pair bool) error {
	if least := t.special(pair) + texts(pair); t.MaxTokens < least {
		return fmt.Errorf("sequences of %d tokens are too short: give at least %d", t.MaxTokens, least)
	}
	return nil
}

func texts(pair bool) int {
	if pair {
		return 2
	}
	return 1
}

func (t *Template) special(pair bool) int {
	if pair && t.TwoSEP {
		return texts(pair) + 2
	}
	return texts(pair) + 1
}

// Single makes a sequence of one text. What is over the limit is cut off at its end.
func (t *Template) Single(a []uint32, target int32) Sequence {
	a = a[:max(0, min(len(a), t.MaxTokens-t.special(false)))]
	ids := append(append(append(make([]uint32, 0, len(a)+2), t.CLS), a...), t.SEP)
	return Sequence{IDs: ids, First: len(ids), Target: target}
}

// Pair makes a sequence of two texts. What is over the limit is cut off at the end of the longer one until both are equally long, and then of both:
// the strategy longest_first of Hugging Face tokenizers.
func (t *Template) Pair(a, b []uint32, target int32) Sequence {
	n, m := longestFirst(len(a), len(b), max(0, t.MaxTokens-t.special(true)))
	return t.join(a[:n], b[:m], target)
}

// join makes a sequence of two texts, of whatever length.
func (t *Template) join(a, b []uint32, target int32) Sequence {
	ids := append(append(append(make([]uint32, 0, len(a)+len(b)+4), t.CLS), a...), t.SEP)
	first := len(ids)
	if t.TwoSEP {
		ids = append(ids, t.SEP)
	}
	ids = append(append(ids, b...), t.SEP)
	if t.OneSegment {
		first = len(ids)
	}
	return Sequence{IDs: ids, First: first, Target: target}
}

// longestFirst returns how much of two lengths stays, so that both together do not exceed limit. Where both are cut and limit is odd, the
// longer one keeps the token more, or the second among equals.
func longestFirst(a, b, limit int) (keepA, keepB int) {
	if a+b <= limit {
		return a, b
	}
	if a > b {
		keepB, keepA = longestFirst(b, a, limit)
		return keepA, keepB
	}
	if a > limit/2 {
		a = limit / 2
	}
	return a, limit - a
}

// Kind is what a minibatch gives a model to learn.
type Kind uint8

const (
	Classes Kind = iota // a class for each sequence: Targets
	Tags                // a tag for each token: Labels
	Spans               // first and last token of an answer for each sequence: Spans
	Choices             // the right one of the sequences of an example, which Target of the first tells: Targets and Choices
	Values              // a number for each example, which Value of its first sequence tells: Values
)

// Options says how [Batches] orders examples, each of which is Group sequences in a row.
type Options struct {
	Kind           Kind
	Group          int    // Choices: sequences of an example; Values: 2 for pairs whose sides are encoded apart; 0 stands for 1
	BatchSequences int    // examples in a minibatch; the last one of an epoch may have fewer
	Shuffle        bool   // an order of its own for each epoch, over and over; else one epoch in the order given, then io.EOF
	Seed           uint64 // of the order
}

// Batches gives sequences as minibatches without padding, with what is to be learned of each. It satisfies trainer.Batches.
type Batches struct {
	options   Options
	sequences []Sequence
	order     []int32 // of epoch
	epoch     int64
	next      int64
}

// NewBatches makes minibatches of sequences, which it keeps and leaves as they are.
func NewBatches(sequences []Sequence, o Options) (*Batches, error) {
	if o.BatchSequences < 1 {
		return nil, fmt.Errorf("make minibatches: %d sequences in each: give at least 1", o.BatchSequences)
	}
	if len(sequences) == 0 {
		return nil, errors.New("make minibatches: there is no sequence")
	}
	o.Group = max(1, o.Group)
	if len(sequences)%o.Group != 0 || o.Group > 1 && o.Kind != Choices && o.Kind != Values {
		return nil, fmt.Errorf("make minibatches: %d sequences in examples of %d", len(sequences), o.Group)
	}
	for i := range sequences {
		if s := &sequences[i]; o.Kind == Tags && len(s.Labels) != len(s.IDs) {
			return nil, fmt.Errorf("make minibatches: sequence %d has %d tokens with %d labels", i, len(s.IDs), len(s.Labels))
		}
	}
	b := &Batches{options: o, sequences: sequences, order: make([]int32, len(sequences)/o.Group)}
	b.shuffle(0)
	return b, nil
}

// PerEpoch is the number of minibatches in which each example comes once.
func (b *Batches) PerEpoch() int64 {
	n := int64(b.options.BatchSequences)
	return (int64(len(b.order)) + n - 1) / n
}

// Next fills m, whose slices it reuses, with the next minibatch. io.EOF says that there is none.
func (b *Batches) Next(ctx context.Context, m *schemas.Minibatch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	epoch := b.next / b.PerEpoch()
	if epoch > 0 && !b.options.Shuffle {
		return io.EOF
	}
	if epoch != b.epoch {
		b.shuffle(epoch)
	}
	b.clear(m)
	from := int(b.next%b.PerEpoch()) * b.options.BatchSequences
	for _, example := range b.order[from:min(from+b.options.BatchSequences, len(b.order))] {
		first := int(example) * b.options.Group
		for i := range b.options.Group {
			b.add(m, &b.sequences[first+i], i == 0)
		}
	}
	b.next++
	return nil
}

// clear empties m, and leaves nil what the kind does not have.
func (b *Batches) clear(m *schemas.Minibatch) {
	labels, targets, spans, values := m.Labels[:0], m.Targets[:0], m.Spans[:0], m.Values[:0]
	*m = schemas.Minibatch{Step: b.next, IDs: m.IDs[:0], Positions: m.Positions[:0], Segments: m.Segments[:0], CuSeqlens: append(m.CuSeqlens[:0], 0)}
	switch b.options.Kind {
	case Tags:
		m.Labels = labels
	case Spans:
		m.Spans = spans
	case Values:
		m.Values = values
	case Choices:
		m.Targets, m.Choices = targets, b.options.Group
	default:
		m.Targets = targets
	}
}

// add puts a sequence at the end of m. first tells that it is the first of its example.
func (b *Batches) add(m *schemas.Minibatch, s *Sequence, first bool) {
	start := int32(len(m.IDs))
	for at := range s.IDs {
		segment := uint8(0)
		if at >= s.First {
			segment = 1
		}
		m.Positions, m.Segments = append(m.Positions, int32(at)), append(m.Segments, segment)
	}
	m.IDs = append(m.IDs, s.IDs...)
	m.CuSeqlens = append(m.CuSeqlens, int32(len(m.IDs)))
	switch span := s.Span; {
	case b.options.Kind == Tags:
		m.Labels = append(m.Labels, s.Labels...)
	case b.options.Kind == Spans:
		if span != schemas.NoSpan {
			span[0] += start
			span[1] += start
		}
		m.Spans = append(m.Spans, span)
	case !first:
	case b.options.Kind == Values:
		m.Values = append(m.Values, s.Value)
	default:
		m.Targets = append(m.Targets, s.Target)
	}
}

// SeekBatch makes minibatch n, counted from 0 over all epochs, the next one.
func (b *Batches) SeekBatch(n int64) error {
	if n < 0 {
		return fmt.Errorf("go to minibatch %d: the first is 0", n)
	}
	b.next = n
	return nil
}

// Fingerprint identifies the sequences and their order.
func (b *Batches) Fingerprint() string {
	h := sha256.New()
	shuffle := int64(0)
	if b.options.Shuffle {
		shuffle = 1
	}
	number(h, int64(b.options.BatchSequences), shuffle, int64(b.options.Seed))
	if b.options.Kind != Classes { // which had no kind once: runs of then can go on
		number(h, int64(b.options.Kind), int64(b.options.Group))
	}
	for i := range b.sequences {
		s := &b.sequences[i]
		number(h, int64(len(s.IDs)), int64(s.First), int64(s.Target))
		switch b.options.Kind {
		case Tags:
			for _, l := range s.Labels {
				number(h, int64(l))
			}
		case Spans:
			number(h, int64(s.Span[0]), int64(s.Span[1]))
		case Values:
			number(h, int64(math.Float32bits(s.Value)))
		}
		for _, id := range s.IDs {
			number(h, int64(id))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func number(h hash.Hash, values ...int64) {
	var b [8]byte
	for _, v := range values {
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		h.Write(b[:])
	}
}

// shuffle puts the order of an epoch into b.order.
func (b *Batches) shuffle(epoch int64) {
	b.epoch = epoch
	for i := range b.order {
		b.order[i] = int32(i)
	}
	if b.options.Shuffle {
		permute(b.order, b.options.Seed, uint64(epoch))
	}
}

// permute is the shuffle of Fisher and Yates, fixed here since that of the standard library may change between releases; the generator may not.
func permute[T any](s []T, seed, stream uint64) {
	rng := rand.NewPCG(seed, stream)
	for i := len(s) - 1; i > 0; i-- {
		j, _ := bits.Mul64(rng.Uint64(), uint64(i+1)) // multiply and shift: a bias below 2^-32 for any size here
		s[i], s[j] = s[j], s[i]
	}
}
