package tokenizers

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// maxDropoutRate bounds the rate of dropout below 1: a merge is considered 1/(1-rate) times.
const maxDropoutRate = 0.99

// Dropout leaves out merges of BPE at random, so that a model in training sees words in several cuts (Provilkov et al. 2020, BPE-Dropout).
type Dropout struct {
	Rate float64 // the chance that a merge is passed over when its turn comes: 0 to 0.99, or 1 for no merges at all
	Seed uint64  // one text and one seed always give the same tokens: take another seed for each text and epoch
}

// Dropout returns the rate that the file gives its model, 0 for none. Encode drops merges only where EncodeOptions ask for it: the reference drops
// them whenever the file has a rate, from a seed of its own.
func (t *Tokenizer) Dropout() float64 {
	if b, ok := t.model.(*bpe); ok {
		return b.dropout
	}
	return 0
}

// readDropout reads a rate.
func readDropout(f *fields) (rate float64) {
	f.get("dropout", false, func(r *jsonReader) error {
		s, err := r.number()
		if err != nil {
			return err
		}
		if rate, err = strconv.ParseFloat(string(s), 64); err != nil || rate < 0 || rate > 1 {
			return fmt.Errorf("%s is not a rate from 0 to 1", s)
		}
		return nil
	})
	return rate
}

// dropper decides which merges of one text are left out.
type dropper struct {
	rate    float64
	random  *rand.Rand
	skipped []candidate // since the last merge
}

// newDropper returns nil where nothing is dropped.
func (t *Tokenizer) newDropper(d *Dropout, sequence int) (*dropper, error) {
	switch {
	case d == nil || d.Rate == 0:
		return nil, nil
	case t.Model() != "BPE":
		return nil, fmt.Errorf("dropout: the model is %s: only BPE has merges to drop", t.Model())
	case !(d.Rate > 0 && d.Rate <= maxDropoutRate || d.Rate == 1):
		return nil, fmt.Errorf("dropout: a rate of %v: want 0 to %v, or 1", d.Rate, maxDropoutRate)
	}
	return &dropper{rate: d.Rate, random: rand.New(rand.NewPCG(d.Seed, uint64(sequence)))}, nil
}

// passesOver decides about a candidate whose turn has come. What is passed over gets its next turn when another candidate was not.
func (d *dropper) passesOver(c candidate, m *merger) bool {
	if d.random.Float64() < d.rate {
		d.skipped = append(d.skipped, c)
		return true
	}
	for _, skipped := range d.skipped {
		m.push(skipped)
	}
	d.skipped = d.skipped[:0]
	return false
}
