package trainer

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

// doubling is a bigram whose most probable token after i is 2i.
func doubling(t *testing.T) *bigram {
	m := newBigram(t)
	clear(m.set.Values)
	for i := range vocabulary {
		m.set.List[0].Value[i*vocabulary+i*2%vocabulary] = 2
		m.set.List[0].Value[i*vocabulary+i] = 1
	}
	return m
}

func TestGenerateGreedy(t *testing.T) {
	var seen []uint32
	emit := func(id uint32) error { seen = append(seen, id); return nil }
	got, err := Generate(t.Context(), doubling(t), []uint32{9, 1}, GenerateOptions{MaxTokens: 5}, emit)
	if want := []uint32{2, 4, 8, 5, 10}; err != nil || !slices.Equal(got, want) || !slices.Equal(seen, want) {
		t.Errorf("Generate = %v, %v, emitted %v, want %v", got, err, seen, want)
	}
	got, err = Generate(t.Context(), doubling(t), []uint32{1}, GenerateOptions{MaxTokens: 5, Stop: []uint32{8}}, nil)
	if want := []uint32{2, 4}; err != nil || !slices.Equal(got, want) {
		t.Errorf("with a stop: %v, %v, want %v", got, err, want)
	}
}

func TestGenerateSamples(t *testing.T) {
	m := doubling(t)
	draw := func(o GenerateOptions) []uint32 {
		t.Helper()
		o.MaxTokens = 2000
		ids, err := Generate(t.Context(), m, []uint32{1}, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	one, again, other := draw(GenerateOptions{Temperature: 1, Seed: 1}), draw(GenerateOptions{Temperature: 1, Seed: 1}), draw(GenerateOptions{Temperature: 1, Seed: 2})
	if !slices.Equal(one, again) || slices.Equal(one, other) {
		t.Error("the seed does not decide the text")
	}
	// After i come 2i with e²/(e²+e+9) and i with e/(e²+e+9): count both over the text.
	doubled, same, previous := 0, 0, uint32(1)
	for _, id := range one {
		if previous != 0 && id == previous*2%vocabulary {
			doubled++
		}
		if previous != 0 && id == previous {
			same++
		}
		previous = id
	}
	total := math.Exp(2) + math.E + 9
	for _, c := range []struct {
		name        string
		count       int
		probability float64
	}{{"2i", doubled, math.Exp(2) / total}, {"i", same, math.E / total}} {
		if share := float64(c.count) / float64(len(one)); math.Abs(share-c.probability) > 0.06 {
			t.Errorf("share of %s is %v, want about %v", c.name, share, c.probability)
		}
	}
	previous = 1
	for _, id := range draw(GenerateOptions{Temperature: 3, TopK: 2, Seed: 5}) {
		if id != previous && id != previous*2%vocabulary && previous != 0 {
			t.Fatalf("%d after %d is not among the 2 most probable", id, previous)
		}
		previous = id
	}
	if cold, greedy := draw(GenerateOptions{Temperature: 1e-3}), draw(GenerateOptions{}); !slices.Equal(cold, greedy) {
		t.Error("a temperature near 0 is not greedy")
	}
}

// window records the longest sequence that a model was given.
type window struct {
	*bigram
	longest int
}

func (w *window) Logits(ctx context.Context, b *schemas.Minibatch, rows []int32) ([]float32, error) {
	w.longest = max(w.longest, len(b.IDs))
	return w.bigram.Logits(ctx, b, rows)
}

func TestGenerateKeepsToThePositions(t *testing.T) {
	w := &window{bigram: doubling(t)}
	if _, err := Generate(t.Context(), w, []uint32{1, 2, 3}, GenerateOptions{MaxTokens: 9, MaxPositions: 5}, nil); err != nil || w.longest != 5 {
		t.Errorf("longest sequence %d, error %v, want 5", w.longest, err)
	}
}

func TestGenerateRefuses(t *testing.T) {
	stop := errors.New("stop")
	cases := []struct {
		name    string
		prompt  []uint32
		options GenerateOptions
		want    string
	}{
		{"no prompt", nil, GenerateOptions{MaxTokens: 1}, "no token"},
		{"tokens", []uint32{1}, GenerateOptions{MaxTokens: -1}, "-1 tokens"},
		{"temperature", []uint32{1}, GenerateOptions{Temperature: math.NaN()}, "NaN"},
		{"top-p", []uint32{1}, GenerateOptions{TopP: 1.5}, "top-p 1.5"},
		{"min-p", []uint32{1}, GenerateOptions{MinP: math.NaN()}, "min-p NaN"},
		{"penalty", []uint32{1}, GenerateOptions{RepetitionPenalty: -1}, "penalty of -1"},
		{"emit", []uint32{1}, GenerateOptions{MaxTokens: 1}, "stop"},
	}
	for _, c := range cases {
		_, err := Generate(t.Context(), doubling(t), c.prompt, c.options, func(uint32) error { return stop })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	m := doubling(t)
	m.set.List[1].Value[3] = float32(math.NaN())
	if _, err := Generate(t.Context(), m, []uint32{1}, GenerateOptions{MaxTokens: 1}, nil); err == nil || !strings.Contains(err.Error(), "logit of token 3 is NaN") {
		t.Errorf("NaN: error %v", err)
	}
}

func TestFillMask(t *testing.T) {
	const mask = 5
	got, err := FillMask(t.Context(), doubling(t), []uint32{1, mask, 2, mask}, mask, 3)
	if err != nil || len(got) != 2 || len(got[0]) != 3 {
		t.Fatalf("FillMask = %v, %v", got, err)
	}
	total := math.Exp(2) + math.E + 9
	want := []Candidate{{10, math.Exp(2) / total}, {5, math.E / total}, {0, 1 / total}}
	for i, c := range got[1] {
		if c.ID != want[i].ID || math.Abs(c.Probability-want[i].Probability) > 1e-12 {
			t.Errorf("candidate %d = %v, want %v", i, c, want[i])
		}
	}
	if _, err := FillMask(t.Context(), doubling(t), []uint32{1, 2}, mask, 3); err == nil || !strings.Contains(err.Error(), "no mask token") {
		t.Errorf("without a mask: error %v", err)
	}
	if _, err := FillMask(t.Context(), doubling(t), []uint32{mask}, mask, 0); err == nil || !strings.Contains(err.Error(), "at least 1") {
		t.Errorf("0 candidates: error %v", err)
	}
}

func TestLargestFirst(t *testing.T) {
	logits := make([]float32, 500)
	for i := range logits {
		logits[i] = float32(mix(uint64(i)) % 97) // many equals
	}
	all := largestFirst(logits, len(logits))
	for i := 1; i < len(all); i++ {
		a, b := all[i-1], all[i]
		if logits[a] < logits[b] || logits[a] == logits[b] && a > b {
			t.Fatalf("%d stands before %d", a, b)
		}
	}
	for _, k := range []int{1, 2, 63, 64, 65, 499} {
		if got := largestFirst(logits, k); !slices.Equal(got, all[:k]) {
			t.Errorf("k = %d: %v, want %v", k, got, all[:k])
		}
	}
}

func TestChoiceOptions(t *testing.T) {
	candidates := []Candidate{{3, 0.4}, {1, 0.3}, {0, 0.1}, {2, 0.05}} // the rest was cut by top-k
	for _, c := range []struct {
		topP, minP float64
		left       int
	}{{0, 0, 4}, {1, 0, 4}, {0.47, 0, 1}, {0.48, 0, 2}, {0.9, 0, 3}, {0, 0.13, 3}, {0, 0.74, 2}, {0, 1, 1}, {0.9, 0.3, 2}, {1e-9, 0, 1}} {
		o := GenerateOptions{TopP: c.topP, MinP: c.minP}
		if got := o.cut(candidates); len(got) != c.left {
			t.Errorf("top-p %v, min-p %v leave %v, want %d", c.topP, c.minP, got, c.left)
		}
	}
	logits := []float32{2, -2, 3, 0}
	if got := penalize(logits, []uint32{0, 1, 1, 99}, 2); !slices.Equal(got, []float32{1, -4, 3, 0}) || logits[0] != 2 {
		t.Errorf("penalized logits %v of %v", got, logits)
	}
	// After 1 comes 2, but then nothing is as probable as what was not there before.
	got, err := Generate(t.Context(), doubling(t), []uint32{1, 2}, GenerateOptions{MaxTokens: 3, RepetitionPenalty: 1.5}, nil)
	if want := []uint32{4, 8, 5}; err != nil || !slices.Equal(got, want) {
		t.Errorf("with a penalty: %v, %v, want %v", got, err, want)
	}
	got, err = Generate(t.Context(), doubling(t), []uint32{8}, GenerateOptions{MaxTokens: 12, RepetitionPenalty: 10}, nil)
	if err != nil || len(got) != 12 || slices.Index(got[:10], got[9]) != 9 {
		t.Errorf("a large penalty repeats: %v, %v", got, err)
	}
}

// remembering is a bigram that checks that each token is given once.
type remembering struct {
	*bigram
	t     *testing.T
	given int
}

func (r *remembering) Decode(_ context.Context, past int, ids []uint32) ([]float32, error) {
	if past != r.given || len(ids) == 0 {
		r.t.Errorf("%d tokens after %d, of which %d were given", len(ids), past, r.given)
	}
	r.given += len(ids)
	return r.logits(ids[len(ids)-1]), nil
}

func TestGenerateGivesADecoderEachTokenOnce(t *testing.T) {
	m := &remembering{bigram: doubling(t), t: t}
	got, err := Generate(t.Context(), m, []uint32{9, 1}, GenerateOptions{MaxTokens: 5, MaxPositions: 5}, nil)
	if want := []uint32{2, 4, 8, 5, 10}; err != nil || !slices.Equal(got, want) || m.given != 5 {
		t.Errorf("%v, %v, %d tokens decoded; want %v, 5", got, err, m.given, want)
	}
}
