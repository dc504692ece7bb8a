package trainer

import (
	"context"
	"io"
	"math"
	"testing"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer/params"
)

const vocabulary = 11

// bigram is a model small enough to be checked by hand: the logits after token i are row i of a table plus a bias. In training, a
// function of (Seed, Step) scales its loss as dropout would change it, so that a run which loses count takes another course.
type bigram struct {
	set *params.Set
	// loss, when set, replaces the loss of a training minibatch.
	loss func(step int64, loss float64) (float64, error)
}

func newBigram(t testing.TB) *bigram {
	t.Helper()
	set, err := params.NewSet([]params.Spec{
		{Name: "table.weight", Shape: []int{vocabulary, vocabulary}, Decay: true},
		{Name: "bias", Shape: []int{vocabulary}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range set.List {
		for i := range p.Value {
			p.Value[i] = float32(math.Sin(float64(7*p.Offset + i)))
		}
	}
	return &bigram{set: set}
}

func (m *bigram) Params() *params.Set { return m.set }

func (m *bigram) logits(id uint32) []float32 {
	row := make([]float32, vocabulary)
	for j := range row {
		row[j] = m.set.List[0].Value[int(id)*vocabulary+j] + m.set.List[1].Value[j]
	}
	return row
}

func (m *bigram) Loss(ctx context.Context, b *schemas.Minibatch, o StepOptions) (float64, int, error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	var sum float64
	labels := 0
	noise := 1.0
	if o.Train {
		noise = 0.5 + uniform(o.Seed, uint64(o.Step))
	}
	for i, id := range b.IDs {
		label := b.Labels[i]
		if label == schemas.IgnoreLabel {
			continue
		}
		labels++
		row := m.logits(id)
		var total float64
		for _, v := range row {
			total += math.Exp(float64(v))
		}
		sum -= noise * (float64(row[label]) - math.Log(total))
		for j, v := range row {
			g := math.Exp(float64(v)) / total
			if j == int(label) {
				g--
			}
			if o.Train {
				m.set.List[0].Grad[int(id)*vocabulary+j] += float32(float64(o.Scale) * noise * g)
				m.set.List[1].Grad[j] += float32(float64(o.Scale) * noise * g)
			}
		}
	}
	if o.Train && m.loss != nil {
		var err error
		if sum, err = m.loss(o.Step, sum); err != nil {
			return 0, 0, err
		}
	}
	return sum, labels, nil
}

func (m *bigram) Logits(_ context.Context, b *schemas.Minibatch, rows []int32) ([]float32, error) {
	var all []float32
	for _, row := range rows {
		all = append(all, m.logits(b.IDs[row])...)
	}
	return all, nil
}

// counting gives minibatch n as a function of n alone: pairs of tokens where the second is usually the first times two.
type counting struct {
	next, end int64 // end 0: no end
	name      string
	unlabeled bool
}

func (c *counting) Fingerprint() string     { return c.name }
func (c *counting) SeekBatch(n int64) error { c.next = n; return nil }

func (c *counting) Next(ctx context.Context, b *schemas.Minibatch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.end > 0 && c.next >= c.end {
		return io.EOF
	}
	n := 5 + int(c.next%4)
	b.Step, b.IDs, b.Labels, b.Positions = c.next, b.IDs[:0], b.Labels[:0], b.Positions[:0]
	for i := range n {
		id := uint32(mix(uint64(c.next)*31+uint64(i)) % vocabulary)
		label := int32(id * 2 % vocabulary)
		if c.unlabeled || mix(uint64(c.next)*17+uint64(i))%5 == 0 {
			label = schemas.IgnoreLabel
		}
		b.IDs, b.Labels, b.Positions = append(b.IDs, id), append(b.Labels, label), append(b.Positions, int32(i))
	}
	b.CuSeqlens = append(b.CuSeqlens[:0], 0, int32(n))
	c.next++
	return nil
}
