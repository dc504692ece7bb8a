package model

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/trainer"
)

func causalConfigs() map[string]Config {
	all := smallConfigs()
	for name, c := range all {
		if _, ok := c.(Causal); !ok {
			delete(all, name)
		}
	}
	return all
}

// TestDecode compares logits with keys and values kept against those of the whole sequence, for pieces of several lengths, after going back and
// for a second sequence.
func TestDecode(t *testing.T) {
	for name, c := range causalConfigs() {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, c, 2)
			for i := range n.Params().Values {
				n.Params().Values[i] *= 5
			}
			b := randomBatch(n.Limits(), 1, 140)
			all := make([]int32, 140)
			for i := range all {
				all[i] = int32(i)
			}
			want := slices.Clone(logitsOf(t, n, b, all...))
			for _, pieces := range [][]int{{1, 1, 1, 4, 130, 1, 1, 1}, {135, 1, 1, 1, 1, 1}, {140}} {
				at := 0
				for _, length := range pieces {
					for range 2 { // the second time it goes back
						got, err := n.Decode(t.Context(), at, b.IDs[at:at+length])
						if err != nil {
							t.Fatal(err)
						}
						if e := relative(got, want[(at+length-1)*50:(at+length)*50]); e > 2e-5 {
							t.Errorf("logits after %d tokens differ by %.2g", at+length, e)
						}
					}
					at += length
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	n := newNetwork(t, smallGPT2(), 1)
	if _, err := n.Decode(t.Context(), 0, []uint32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		past int
		ids  []uint32
		want string
	}{
		{4, []uint32{1}, "4 tokens are said to stand before these, but 3 are kept"},
		{-1, []uint32{1}, "after -1"},
		{3, nil, "empty"},
		{3, []uint32{50}, "id 50"},
		{3, make([]uint32, 138), "the model takes 140"},
	} {
		if _, err := n.Decode(t.Context(), c.past, c.ids); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d after %d: error %v, want one with %q", len(c.ids), c.past, err, c.want)
		}
	}
	if _, err := newNetwork(t, smallBERT(), 1).Decode(t.Context(), 0, []uint32{1}); err == nil || !strings.Contains(err.Error(), "not causal") {
		t.Errorf("a masked model: error %v", err)
	}
}

// uncached hides Decode.
type uncached struct{ trainer.Model }

// TestGenerateWithAndWithoutKeptKeys demands the same tokens, beyond the last position too.
func TestGenerateWithAndWithoutKeptKeys(t *testing.T) {
	for name, c := range causalConfigs() {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, c, 2)
			rng := rand.New(rand.NewPCG(3, 3))
			for i := range n.Params().Values {
				n.Params().Values[i] += float32(rng.NormFloat64() / 4)
			}
			for _, o := range []trainer.GenerateOptions{{}, {Temperature: 1, TopK: 5, TopP: 0.9, RepetitionPenalty: 1.3}} {
				o.MaxTokens, o.MaxPositions = 150, 140
				fast, err := trainer.Generate(t.Context(), n, []uint32{7, 3, 9}, o, nil)
				if err != nil {
					t.Fatal(err)
				}
				slow, err := trainer.Generate(t.Context(), uncached{n}, []uint32{7, 3, 9}, o, nil)
				if err != nil {
					t.Fatal(err)
				}
				if len(fast) != 150 || !slices.Equal(fast, slow) {
					t.Errorf("%v\nand without kept keys\n%v", fast, slow)
				}
			}
		})
	}
}

// BenchmarkGenerate continues a text by 64 tokens with the smallest GPT-2 of research and with the published one, with keys kept and without.
//
//	go test -run '^$' -bench Generate -benchtime 2x ./trainer/model
func BenchmarkGenerate(b *testing.B) {
	small, base := DefaultGPT2(), DefaultGPT2()
	small.VocabSize, small.Width, small.Layers, small.Heads, small.Positions = 8192, 256, 4, 4, 512
	for _, c := range []struct {
		name   string
		config *GPT2Config
	}{{"small", small}, {"gpt2", base}} {
		n := newNetwork(b, c.config, 2)
		for name, m := range map[string]trainer.Model{"kept": n, "anew": uncached{n}} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				prompt := make([]uint32, 64)
				o := trainer.GenerateOptions{MaxTokens: 64}
				for b.Loop() {
					if _, err := trainer.Generate(b.Context(), m, prompt, o, nil); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(o.MaxTokens*b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}
