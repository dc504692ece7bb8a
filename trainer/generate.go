package trainer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/shardmill/shardmill/schemas"
)

// GenerateOptions says how [Generate] chooses tokens. The zero value of every field but MaxTokens is a choice.
type GenerateOptions struct {
	MaxTokens    int     // tokens to add
	MaxPositions int     // longest sequence the model takes; older tokens are left out beyond it. 0 means no limit
	Temperature  float64 // divides the logits; 0 always takes the most probable token
	TopK         int     // choose among this many most probable tokens; 0 means all
	// TopP chooses among the fewest most probable tokens whose probabilities add up to it (Holtzman et al., 2019); 0 or 1 means all.
	TopP float64
	// MinP leaves out tokens less probable than this share of the most probable one (Nguyen et al., 2024); 0 means none.
	MinP float64
	// RepetitionPenalty divides the positive logits of tokens that the sequence already holds, and multiplies the negative ones (Keskar et
	// al., 2019); 0 or 1 means that none is changed.
	RepetitionPenalty float64
	Seed              uint64   // of the choices
	Stop              []uint32 // tokens that end the text; they are not part of it
}

// Candidate is one possible token and its probability.
type Candidate struct {
	ID          uint32
	Probability float64
}

// validate returns an error that names the first option which makes no sense.
func (o *GenerateOptions) validate() error {
	switch {
	case o.MaxTokens < 0 || o.MaxPositions < 0 || o.TopK < 0:
		return fmt.Errorf("%d tokens, %d positions, the %d most probable: none of them may be below 0", o.MaxTokens, o.MaxPositions, o.TopK)
	case !(o.Temperature >= 0) || math.IsInf(o.Temperature, 0):
		return fmt.Errorf("a temperature of %v is not a number from 0", o.Temperature)
	case !(o.TopP >= 0 && o.TopP <= 1) || !(o.MinP >= 0 && o.MinP <= 1):
		return fmt.Errorf("top-p %v and min-p %v must be from 0 to 1", o.TopP, o.MinP)
	case o.RepetitionPenalty != 0 && !(o.RepetitionPenalty > 0) || math.IsInf(o.RepetitionPenalty, 0):
		return fmt.Errorf("a repetition penalty of %v is not a number above 0", o.RepetitionPenalty)
	}
	return nil
}

// Generate continues prompt with a causal model and returns the new tokens. Each one is handed to emit, which may be nil, as soon as
// it is known. The same model, prompt and options give the same tokens. An error comes with the tokens made before it.
//
// A [Decoder] is given each token once, until the sequence is longer than MaxPositions: from there on all tokens move to another position
// with each that is left out, and are computed anew.
func Generate(ctx context.Context, m Model, prompt []uint32, o GenerateOptions, emit func(id uint32) error) ([]uint32, error) {
	if len(prompt) == 0 {
		return nil, errors.New("generate: the prompt has no token")
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	t := text{model: m, ids: slices.Clone(prompt), positions: o.MaxPositions}
	made := func() []uint32 { return t.ids[len(prompt):] }
	for n := range o.MaxTokens {
		if err := ctx.Err(); err != nil {
			return made(), err
		}
		logits, err := t.logits(ctx)
		if err != nil {
			return made(), fmt.Errorf("generate token %d: %w", n, err)
		}
		id, err := o.choose(logits, t.ids, n)
		if err != nil {
			return made(), fmt.Errorf("generate token %d: %w", n, err)
		}
		if slices.Contains(o.Stop, id) {
			break
		}
		t.ids = append(t.ids, id)
		if emit != nil {
			if err := emit(id); err != nil {
				return made(), err
			}
		}
	}
	return made(), nil
}

// text is a sequence that grows.
type text struct {
	model     Model
	ids       []uint32
	positions int // of the model, 0 for no limit
	decoded   int // tokens that the model remembers
}

// logits returns those of the next token.
func (t *text) logits(ctx context.Context) ([]float32, error) {
	window := t.ids
	if t.positions > 0 {
		window = t.ids[max(0, len(t.ids)-t.positions):]
	}
	decoder, ok := t.model.(Decoder)
	if !ok || len(window) < len(t.ids) {
		return t.model.Logits(ctx, sequence(window), []int32{int32(len(window) - 1)})
	}
	logits, err := decoder.Decode(ctx, t.decoded, t.ids[t.decoded:])
	t.decoded = len(t.ids)
	return logits, err
}

// choose takes token n of the text, which follows ids. The order of the options is that of transformers.
func (o *GenerateOptions) choose(logits []float32, ids []uint32, n int) (uint32, error) {
	if p := o.RepetitionPenalty; p != 0 && p != 1 {
		logits = penalize(logits, ids, p)
	}
	k, temperature := o.TopK, o.Temperature
	if temperature == 0 {
		k, temperature = 1, 1
	}
	candidates, err := top(logits, k, temperature)
	if err != nil {
		return 0, err
	}
	candidates = o.cut(candidates)
	var total float64
	for _, c := range candidates {
		total += c.Probability
	}
	at := total * uniform(o.Seed, uint64(n))
	for _, c := range candidates {
		if at -= c.Probability; at < 0 {
			return c.ID, nil
		}
	}
	return candidates[len(candidates)-1].ID, nil
}

// penalize returns the logits with those of ids made less probable, each once.
func penalize(logits []float32, ids []uint32, penalty float64) []float32 {
	changed := slices.Clone(logits)
	for _, id := range ids {
		if int64(id) >= int64(len(logits)) {
			continue
		}
		if v := float64(logits[id]); v > 0 {
			changed[id] = float32(v / penalty)
		} else {
			changed[id] = float32(v * penalty)
		}
	}
	return changed
}

// cut leaves out the candidates, of which the most probable come first, that TopP and MinP exclude. One at least remains.
func (o *GenerateOptions) cut(candidates []Candidate) []Candidate {
	if o.TopP > 0 && o.TopP < 1 {
		var total, sum float64
		for _, c := range candidates {
			total += c.Probability
		}
		for i, c := range candidates {
			if sum += c.Probability; sum >= o.TopP*total {
				candidates = candidates[:i+1]
				break
			}
		}
	}
	for i, c := range candidates {
		if c.Probability < o.MinP*candidates[0].Probability {
			return candidates[:i]
		}
	}
	return candidates
}

// FillMask returns, for each place where ids holds mask, the k most probable tokens by a masked language model. ids is one sequence,
// special tokens included.
func FillMask(ctx context.Context, m Model, ids []uint32, mask uint32, k int) ([][]Candidate, error) {
	if k < 1 {
		return nil, fmt.Errorf("fill mask: the %d most probable tokens: ask for at least 1", k)
	}
	var rows []int32
	for i, id := range ids {
		if id == mask {
			rows = append(rows, int32(i))
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("fill mask: the text holds no mask token")
	}
	logits, err := m.Logits(ctx, sequence(ids), rows)
	if err != nil {
		return nil, fmt.Errorf("fill mask: %w", err)
	}
	vocabulary := len(logits) / len(rows)
	filled := make([][]Candidate, len(rows))
	for i := range rows {
		if filled[i], err = top(logits[i*vocabulary:(i+1)*vocabulary], k, 1); err != nil {
			return nil, fmt.Errorf("fill mask: position %d: %w", rows[i], err)
		}
	}
	return filled, nil
}

// sequence is a minibatch of one sequence without labels.
func sequence(ids []uint32) *schemas.Minibatch {
	b := &schemas.Minibatch{IDs: ids, Positions: make([]int32, len(ids)), CuSeqlens: []int32{0, int32(len(ids))}}
	for i := range b.Positions {
		b.Positions[i] = int32(i)
	}
	return b
}

// top returns the k tokens with the largest logits (all if k is 0), the lower id first among equals. The probabilities are those of a
// softmax over all logits, divided by the temperature.
func top(logits []float32, k int, temperature float64) ([]Candidate, error) {
	if len(logits) == 0 {
		return nil, errors.New("the model gave no logits")
	}
	largest := math.Inf(-1)
	for i, v := range logits {
		if !finite(float64(v)) {
			return nil, fmt.Errorf("the logit of token %d is %v", i, v)
		}
		largest = max(largest, float64(v))
	}
	var sum float64
	for _, v := range logits {
		sum += math.Exp((float64(v) - largest) / temperature)
	}
	if k == 0 || k > len(logits) {
		k = len(logits)
	}
	candidates := make([]Candidate, k)
	for i, id := range largestFirst(logits, k) {
		candidates[i] = Candidate{id, math.Exp((float64(logits[id])-largest)/temperature) / sum}
	}
	return candidates, nil
}

// largestFirst returns the indices of the k largest logits, the lower index first among equals.
func largestFirst(logits []float32, k int) []uint32 {
	compare := func(a, b uint32) int { return cmp.Or(cmp.Compare(logits[b], logits[a]), cmp.Compare(a, b)) }
	// Insertion into a short list passes over nearly all of a vocabulary with one comparison each; sorting pays for longer lists.
	const longest = 64
	var order []uint32
	for id := range uint32(len(logits)) {
		switch {
		case k > longest || len(order) < k:
			order = append(order, id)
		case compare(id, order[k-1]) < 0:
			order[k-1] = id
		default:
			continue
		}
		if k <= longest {
			for i := len(order) - 1; i > 0 && compare(order[i], order[i-1]) < 0; i-- {
				order[i], order[i-1] = order[i-1], order[i]
			}
		}
	}
	if k > longest {
		slices.SortFunc(order, compare)
	}
	return order[:k]
}

// uniform returns a number in [0, 1) that is a function of its arguments: the finalizer of SplitMix64 (Steele, Lea and Flood 2014)
// over a counter.
func uniform(seed, counter uint64) float64 {
	x := mix(seed+0x9e3779b97f4a7c15) + (counter+1)*0x9e3779b97f4a7c15
	return float64(mix(x)>>11) / (1 << 53)
}

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
