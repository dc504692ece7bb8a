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
	"math/bits"
	"math/rand/v2"

	"github.com/shardmill/shardmill/schemas"
)

// Template puts the tokens of texts together as BERT does: [CLS] a [SEP], or [CLS] a [SEP] b [SEP].
type Template struct {
	CLS, SEP  uint32
	MaxTokens int // longest sequence, special tokens included
}

// Sequence is an example in tokens.
type Sequence struct {
	IDs    []uint32
	First  int   // tokens of the first segment, its [SEP] included
	Target int32 // id of the class, or schemas.IgnoreLabel
}

// Validate refuses a template whose sequences have no room for a token of each text.
func (t *Template) Validate(pair bool) error {
	if least := special(pair) + texts(pair); t.MaxTokens < least {
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

func special(pair bool) int { return texts(pair) + 1 }

// Single makes a sequence of one text. What is over the limit is cut off at its end.
func (t *Template) Single(a []uint32, target int32) Sequence {
	a = a[:max(0, min(len(a), t.MaxTokens-special(false)))]
	ids := append(append(append(make([]uint32, 0, len(a)+2), t.CLS), a...), t.SEP)
	return Sequence{IDs: ids, First: len(ids), Target: target}
}

// Pair makes a sequence of two texts. What is over the limit is cut off at the end of the longer one until both are equally long, and then of both:
// the strategy longest_first of Hugging Face tokenizers.
func (t *Template) Pair(a, b []uint32, target int32) Sequence {
	n, m := longestFirst(len(a), len(b), max(0, t.MaxTokens-special(true)))
	a, b = a[:n], b[:m]
	ids := append(append(append(make([]uint32, 0, n+m+3), t.CLS), a...), t.SEP)
	first := len(ids)
	return Sequence{IDs: append(append(ids, b...), t.SEP), First: first, Target: target}
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

// Options says how [Batches] orders sequences.
type Options struct {
	BatchSequences int    // in a minibatch; the last one of an epoch may have fewer
	Shuffle        bool   // an order of its own for each epoch, over and over; else one epoch in the order given, then io.EOF
	Seed           uint64 // of the order
}

// Batches gives sequences as minibatches without padding, with a target for each. It satisfies trainer.Batches.
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
	b := &Batches{options: o, sequences: sequences, order: make([]int32, len(sequences))}
	b.shuffle(0)
	return b, nil
}

// PerEpoch is the number of minibatches in which each sequence comes once.
func (b *Batches) PerEpoch() int64 {
	n := int64(b.options.BatchSequences)
	return (int64(len(b.sequences)) + n - 1) / n
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
	m.Step, m.Labels = b.next, nil
	m.IDs, m.Positions, m.Segments, m.Targets = m.IDs[:0], m.Positions[:0], m.Segments[:0], m.Targets[:0]
	m.CuSeqlens = append(m.CuSeqlens[:0], 0)
	from := int(b.next%b.PerEpoch()) * b.options.BatchSequences
	for _, i := range b.order[from:min(from+b.options.BatchSequences, len(b.order))] {
		s := &b.sequences[i]
		for at := range s.IDs {
			m.Positions = append(m.Positions, int32(at))
			segment := uint8(0)
			if at >= s.First {
				segment = 1
			}
			m.Segments = append(m.Segments, segment)
		}
		m.IDs, m.Targets = append(m.IDs, s.IDs...), append(m.Targets, s.Target)
		m.CuSeqlens = append(m.CuSeqlens, int32(len(m.IDs)))
	}
	b.next++
	return nil
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
	for i := range b.sequences {
		s := &b.sequences[i]
		number(h, int64(len(s.IDs)), int64(s.First), int64(s.Target))
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

// Subset returns n examples chosen by seed, in the order of the file; a smaller subset of the same seed is part of a larger one. With n 0 or as
// many as there are it is all of them.
func Subset(examples []Example, n int, seed uint64) ([]Example, error) {
	if n < 0 || n > len(examples) {
		return nil, fmt.Errorf("choose examples: %d of %d", n, len(examples))
	}
	if n == 0 || n == len(examples) {
		return examples, nil
	}
	order := make([]int, len(examples))
	for i := range order {
		order[i] = i
	}
	const subsets = ^uint64(0) // a stream that no epoch has
	permute(order, seed, subsets)
	chosen := make([]bool, len(examples))
	for _, i := range order[:n] {
		chosen[i] = true
	}
	out := make([]Example, 0, n)
	for i, e := range examples {
		if chosen[i] {
			out = append(out, e)
		}
	}
	return out, nil
}
