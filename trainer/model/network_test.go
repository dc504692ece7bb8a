package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/kernels"
)

func smallBERT() *EncoderConfig {
	c := DefaultBERT()
	c.VocabSize, c.HiddenSize, c.Layers, c.Heads, c.IntermediateSize, c.MaxPositions = 50, 20, 2, 4, 36, 140
	return c
}

func smallGPT2() *GPT2Config {
	c := DefaultGPT2()
	c.VocabSize, c.Width, c.Layers, c.Heads, c.Positions = 50, 20, 2, 4, 140
	return c
}

func smallLlama() *LlamaConfig {
	c, kv := DefaultLlama(), 2
	c.VocabSize, c.HiddenSize, c.IntermediateSize, c.Layers, c.Heads, c.KVHeads, c.MaxPositions = 50, 24, 36, 2, 4, &kv, 140
	c.AttentionDropout = 0.1
	return c
}

func smallConfigs() map[string]Config {
	return map[string]Config{"bert": smallBERT(), "gpt2": smallGPT2(), "llama": smallLlama()}
}

func newNetwork(t testing.TB, c Config, threads int) *Network {
	t.Helper()
	pool := kernels.NewPool(threads)
	t.Cleanup(pool.Close)
	n, err := New(c, pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	n.Initialize(1)
	return n
}

// randomBatch is sequences of the given lengths, half of whose tokens have a label.
func randomBatch(l Limits, seed uint64, lengths ...int) *schemas.Minibatch {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := &schemas.Minibatch{CuSeqlens: []int32{0}}
	for _, n := range lengths {
		for i := range n {
			label := int32(schemas.IgnoreLabel)
			if rng.IntN(2) == 0 {
				label = int32(rng.IntN(l.Vocabulary))
			}
			b.IDs, b.Labels = append(b.IDs, uint32(1+rng.IntN(l.Vocabulary-1))), append(b.Labels, label)
			b.Positions, b.Segments = append(b.Positions, int32(i)), append(b.Segments, uint8(rng.IntN(l.Segments)))
		}
		b.CuSeqlens = append(b.CuSeqlens, int32(len(b.IDs)))
	}
	return b
}

// TestThreadsAndRepetition demands the same bits for 1 and 2 threads and a second network, over steps that change the weights.
func TestThreadsAndRepetition(t *testing.T) {
	for name, c := range smallConfigs() {
		t.Run(name, func(t *testing.T) {
			run := func(threads int) (losses []float64, values []float32) {
				n := newNetwork(t, c, threads)
				for step := range int64(4) {
					b := randomBatch(n.Limits(), uint64(step), 130, 7, 33, 1)
					n.Params().ZeroGrads()
					sum, labels, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true, Seed: 3, Step: step, Scale: 1.0 / 80})
					if err != nil {
						t.Fatal(err)
					}
					losses = append(losses, sum/float64(labels))
					for i, g := range n.Params().Grads {
						n.Params().Values[i] -= 0.5 * g
					}
				}
				return losses, n.Params().Values
			}
			losses, values := run(1)
			for _, threads := range []int{1, 2} {
				gotLosses, gotValues := run(threads)
				if !slices.Equal(gotLosses, losses) || !slices.Equal(gotValues, values) {
					t.Errorf("%d threads: losses %v, want %v; weights equal: %v", threads, gotLosses, losses, slices.Equal(gotValues, values))
				}
			}
			if start := math.Log(50); math.Abs(losses[0]-start) > 0.3 {
				t.Errorf("the loss starts at %v, want about %v", losses[0], start)
			}
		})
	}
}

// TestSlopeWithDropout compares the gradient of each parameter with the finite difference of the loss along it, with dropout on.
func TestSlopeWithDropout(t *testing.T) {
	for name, c := range smallConfigs() {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, c, 2)
			for _, p := range n.Params().List { // larger weights than at the start, so that every gradient stands out from rounding
				for i := range p.Value {
					p.Value[i] *= 4
				}
			}
			b := randomBatch(n.Limits(), 5, 40, 17, 3)
			loss := func() float64 {
				n.Params().ZeroGrads()
				sum, _, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true, Seed: 1, Step: 2, Scale: 1})
				if err != nil {
					t.Fatal(err)
				}
				return sum
			}
			loss()
			for _, p := range n.Params().List {
				grad := slices.Clone(p.Grad)
				var size float64
				for _, g := range grad {
					size += float64(g) * float64(g)
				}
				size = math.Sqrt(size)
				if strings.HasSuffix(p.Name, "key.bias") { // 0 but for rounding: it adds the same to all scores of a query
					if size > 1e-4 {
						t.Errorf("%s: the gradient has size %v, want 0", p.Name, size)
					}
					loss()
					continue
				}
				eps := 0.02 / size
				move := func(step float64) {
					for i, g := range grad {
						p.Value[i] += float32(step * float64(g) / size)
					}
				}
				before := slices.Clone(p.Value)
				move(eps)
				up := loss()
				copy(p.Value, before)
				move(-eps)
				slope := (up - loss()) / (2 * eps)
				copy(p.Value, before)
				if math.Abs(slope-size) > 2e-2*size {
					t.Errorf("%s: slope %v, gradient %v", p.Name, slope, size)
				}
			}
		})
	}
}

func TestEvaluationHasNoDropoutAndNoGradient(t *testing.T) {
	for name, c := range smallConfigs() {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, c, 1)
			b := randomBatch(n.Limits(), 1, 20, 9)
			loss := func(o trainer.StepOptions) float64 {
				sum, _, err := n.Loss(t.Context(), b, o)
				if err != nil {
					t.Fatal(err)
				}
				return sum
			}
			first := loss(trainer.StepOptions{Seed: 1})
			if second := loss(trainer.StepOptions{Seed: 2, Step: 9}); second != first {
				t.Errorf("evaluation gave %v, then %v", first, second)
			}
			for _, g := range n.Params().Grads {
				if g != 0 {
					t.Fatal("evaluation wrote a gradient")
				}
			}
			train := trainer.StepOptions{Train: true, Seed: 1, Scale: 1}
			trained := loss(train)
			train.Step = 1
			if trained == first || loss(train) == trained {
				t.Error("training has no dropout, or the same at every step")
			}

			// Logits agree with the loss, and the sequences do not see each other.
			logits, err := n.Logits(t.Context(), b, labelled(b, len(b.IDs)))
			if err != nil {
				t.Fatal(err)
			}
			var sum float64
			for i, row := range labelled(b, len(b.IDs)) {
				scores := logits[i*50 : (i+1)*50]
				var total float64
				for _, s := range scores {
					total += math.Exp(float64(s))
				}
				sum += math.Log(total) - float64(scores[b.Labels[row]])
			}
			if math.Abs(sum-first) > 1e-4*first {
				t.Errorf("the logits have the loss %v, want %v", sum, first)
			}
			alone := &schemas.Minibatch{IDs: b.IDs[20:], Positions: b.Positions[20:], Segments: b.Segments[20:], CuSeqlens: []int32{0, 9}}
			together := slices.Clone(logitsOf(t, n, b, 24))
			if got := logitsOf(t, n, alone, 4); relative(got, together) > 1e-5 {
				t.Errorf("a sequence alone has other logits than beside another: %.2g", relative(got, together))
			}
		})
	}
}

func logitsOf(t *testing.T, n *Network, b *schemas.Minibatch, rows ...int32) []float32 {
	t.Helper()
	logits, err := n.Logits(t.Context(), b, rows)
	if err != nil {
		t.Fatal(err)
	}
	return logits
}

func TestCausality(t *testing.T) {
	n := newNetwork(t, smallGPT2(), 1)
	b := randomBatch(n.Limits(), 1, 139)
	before := slices.Clone(logitsOf(t, n, b, 0, 64, 130))
	b.IDs[131] = (b.IDs[131] + 1) % 50
	if !slices.Equal(logitsOf(t, n, b, 0, 64, 130), before) {
		t.Error("a token changed what comes before it")
	}
	if slices.Equal(logitsOf(t, n, b, 131), before[100:]) {
		t.Error("a token changed nothing")
	}
}

func TestRefusedInput(t *testing.T) {
	n := newNetwork(t, smallBERT(), 1)
	fresh := func() *schemas.Minibatch { return randomBatch(n.Limits(), 1, 6, 5) }
	cases := []struct {
		name  string
		spoil func(b *schemas.Minibatch)
		want  string
	}{
		{"empty", func(b *schemas.Minibatch) { *b = schemas.Minibatch{} }, "is empty"},
		{"id", func(b *schemas.Minibatch) { b.IDs[4] = 50 }, "token 4 has the id 50"},
		{"huge id", func(b *schemas.Minibatch) { b.IDs[4] = math.MaxUint32 }, "token 4 has the id 4294967295"},
		{"label", func(b *schemas.Minibatch) { b.Labels[2] = 50 }, "token 2 has the label 50"},
		{"negative label", func(b *schemas.Minibatch) { b.Labels[2] = -1 }, "token 2 has the label -1"},
		{"labels", func(b *schemas.Minibatch) { b.Labels = b.Labels[:3] }, "3 labels for 11 tokens"},
		{"position", func(b *schemas.Minibatch) { b.Positions[3] = 140 }, "token 3 has the position 140"},
		{"negative position", func(b *schemas.Minibatch) { b.Positions[3] = -1 }, "position -1"},
		{"positions", func(b *schemas.Minibatch) { b.Positions = nil }, "0 positions"},
		{"segment", func(b *schemas.Minibatch) { b.Segments[1] = 2 }, "segment 2"},
		{"segments", func(b *schemas.Minibatch) { b.Segments = b.Segments[:1] }, "1 segments"},
		{"no borders", func(b *schemas.Minibatch) { b.CuSeqlens = nil }, "borders"},
		{"borders too far", func(b *schemas.Minibatch) { b.CuSeqlens[2] = 12 }, "borders"},
		{"borders descend", func(b *schemas.Minibatch) { b.CuSeqlens = []int32{0, 12, 11} }, "sequence 1 has -1 tokens"},
		{"empty sequence", func(b *schemas.Minibatch) { b.CuSeqlens = []int32{0, 6, 6, 11} }, "sequence 1 has 0 tokens"},
		{"long sequence", func(b *schemas.Minibatch) { *b = *randomBatch(n.Limits(), 1, 3, 141) }, "sequence 1 has 141 tokens, the model takes 140"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := fresh()
			c.spoil(b)
			if _, _, err := n.Loss(t.Context(), b, trainer.StepOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	for _, row := range []int32{-1, 11} {
		if _, err := n.Logits(t.Context(), fresh(), []int32{row}); err == nil {
			t.Errorf("row %d was taken", row)
		}
	}
	if _, _, err := n.Loss(t.Context(), fresh(), trainer.StepOptions{Train: true}); err == nil || !strings.Contains(err.Error(), "scale") {
		t.Errorf("a scale of 0 returned %v", err)
	}
	b := fresh()
	for i := range b.Labels {
		b.Labels[i] = schemas.IgnoreLabel
	}
	if sum, labels, err := n.Loss(t.Context(), b, trainer.StepOptions{Train: true}); sum != 0 || labels != 0 || err != nil {
		t.Errorf("a batch without labels returned %v, %v, %v", sum, labels, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := n.Loss(ctx, fresh(), trainer.StepOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run returned %v", err)
	}
}

func TestInitialize(t *testing.T) {
	c := DefaultGPT2()
	c.VocabSize, c.Width, c.Layers, c.Heads, c.Positions = 400, 64, 8, 4, 16
	n := newNetwork(t, c, 1)
	want := map[string]float64{
		"transformer.wte.weight": 0.02, "transformer.h.3.attn.c_attn.weight": 0.02,
		"transformer.h.3.attn.c_proj.weight": 0.005, "transformer.h.7.mlp.c_proj.weight": 0.005,
	}
	for name, std := range want {
		var sum, squares float64
		values := n.Params().Lookup(name).Value
		for _, v := range values {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		count := float64(len(values))
		if got := math.Sqrt(squares / count); math.Abs(got-std) > 0.05*std || math.Abs(sum/count) > 5*std/math.Sqrt(count) {
			t.Errorf("%s: mean %v, standard deviation %v, want %v", name, sum/count, got, std)
		}
	}
	first := slices.Clone(n.Params().Values)
	n.Initialize(1)
	if !slices.Equal(first, n.Params().Values) {
		t.Error("the same seed gave other weights")
	}
	n.Initialize(2)
	if slices.Equal(first, n.Params().Values) {
		t.Error("another seed gave the same weights")
	}
	a, b := n.Params().Lookup("transformer.h.0.mlp.c_fc.weight").Value, n.Params().Lookup("transformer.h.1.mlp.c_fc.weight").Value
	if slices.Equal(a, b) {
		t.Error("two parameters are equal")
	}

	bert := newNetwork(t, smallBERT(), 1).Params()
	for i, v := range bert.Lookup("bert.embeddings.word_embeddings.weight").Value[:40] {
		if (v == 0) != (i < 20) {
			t.Errorf("element %d of the embeddings is %v; only the row of the padding is 0", i, v)
		}
	}
	if g := bert.Lookup("bert.encoder.layer.1.output.LayerNorm.weight").Value; g[0] != 1 || g[19] != 1 {
		t.Error("the weight of a norm does not start at 1")
	}
}

// BenchmarkStep trains the networks of research: 4 layers of 256, batches of 32 sequences of 128 tokens, and of ragged ones.
//
//	go test -run '^$' -bench Step -benchtime 5x ./trainer/model
func BenchmarkStep(b *testing.B) {
	bert, gpt2 := DefaultBERT(), DefaultGPT2()
	bert.VocabSize, bert.HiddenSize, bert.Layers, bert.Heads, bert.IntermediateSize, bert.MaxPositions = 8192, 256, 4, 4, 1024, 128
	gpt2.VocabSize, gpt2.Width, gpt2.Layers, gpt2.Heads, gpt2.Positions = 8192, 256, 4, 4, 128
	for _, threads := range []int{1, 2} {
		for name, c := range map[string]Config{"bert": bert, "gpt2": gpt2} {
			b.Run(fmt.Sprintf("model=%s/threads=%d", name, threads), func(b *testing.B) {
				n := newNetwork(b, c, threads)
				lengths := slices.Repeat([]int{128}, 32)
				batch := randomBatch(n.Limits(), 1, lengths...)
				for i := range batch.Labels {
					batch.Labels[i] = int32(i % 8192)
					if name == "bert" && i%7 != 0 {
						batch.Labels[i] = schemas.IgnoreLabel
					}
				}
				o := trainer.StepOptions{Train: true, Scale: 1}
				step := func() {
					if _, _, err := n.Loss(b.Context(), batch, o); err != nil {
						b.Fatal(err)
					}
					o.Step++
				}
				step()
				b.ReportAllocs()
				for b.Loop() {
					step()
				}
				b.ReportMetric(float64(len(batch.IDs)*b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}
