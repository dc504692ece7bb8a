package optim

import (
	"math"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

func newSet(t *testing.T) *params.Set {
	t.Helper()
	set, err := params.NewSet([]params.Spec{
		{Name: "a.weight", Shape: []int{3, 7}, Decay: true},
		{Name: "b.weight", Shape: []int{5, 2}, Decay: true},
		{Name: "b.bias", Shape: []int{5}},
		{Name: "c.weight", Shape: []int{33}, Decay: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func update(t *testing.T, adam *AdamW, lr, scale float64) {
	t.Helper()
	pool := kernels.NewPool(2)
	defer pool.Close()
	if err := adam.Step(pool, lr, scale); err != nil {
		t.Fatal(err)
	}
}

// TestAdamWFollowsFormula compares with the formula in float64, written for one weight.
func TestAdamWFollowsFormula(t *testing.T) {
	cases := []struct {
		name    string
		options AdamWOptions
		scale   float64
	}{
		{"defaults", AdamWOptions{}, 1},
		{"decay", AdamWOptions{WeightDecay: 0.1}, 1},
		{"decay, other betas, scaled", AdamWOptions{Beta1: 0.8, Beta2: 0.95, Epsilon: 1e-6, WeightDecay: 0.3}, 0.25},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			set := newSet(t)
			adam, err := NewAdamW(set, c.options)
			if err != nil {
				t.Fatal(err)
			}
			type weight struct{ w, m, v float64 }
			want := map[string][]weight{}
			for _, p := range set.List {
				for i := range p.Value {
					p.Value[i] = float32(math.Sin(float64(p.Offset + i)))
					want[p.Name] = append(want[p.Name], weight{w: float64(p.Value[i])})
				}
			}
			o := c.options.WithDefaults()
			for step := 1; step <= 30; step++ {
				lr := 0.01 * float64(step)
				for _, p := range set.List {
					for i := range p.Grad {
						p.Grad[i] = float32(math.Cos(float64(step*31+p.Offset*7+i)) * math.Pow(10, float64(i%5-3)))
						g, x := float64(p.Grad[i])*c.scale, &want[p.Name][i]
						if p.Decay {
							x.w -= lr * o.WeightDecay * x.w
						}
						x.m = o.Beta1*x.m + (1-o.Beta1)*g
						x.v = o.Beta2*x.v + (1-o.Beta2)*g*g
						mHat, vHat := x.m/(1-math.Pow(o.Beta1, float64(step))), x.v/(1-math.Pow(o.Beta2, float64(step)))
						x.w -= lr * mHat / (math.Sqrt(vHat) + o.Epsilon)
					}
				}
				update(t, adam, lr, c.scale)
			}
			for _, p := range set.List {
				for i, got := range p.Value {
					if w := want[p.Name][i].w; math.Abs(float64(got)-w) > 1e-5*(1+math.Abs(w)) {
						t.Errorf("%s[%d] = %v, want %v", p.Name, i, got, w)
					}
				}
			}
			checkPadding(t, set, adam)
		})
	}
}

func checkPadding(t *testing.T, set *params.Set, adam *AdamW) {
	t.Helper()
	used := make([]bool, len(set.Values))
	for _, p := range set.List {
		for i := range p.Value {
			used[p.Offset+i] = true
		}
	}
	for i := range used {
		if !used[i] && (set.Values[i] != 0 || adam.M[i] != 0 || adam.V[i] != 0) {
			t.Errorf("padding at %d is %v, %v, %v, want zeros", i, set.Values[i], adam.M[i], adam.V[i])
		}
	}
}

func TestAdamWLeavesBiasesUndecayed(t *testing.T) {
	set := newSet(t)
	for i := range set.Values {
		set.Values[i] = 1
	}
	adam, err := NewAdamW(set, AdamWOptions{WeightDecay: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	update(t, adam, 0.1, 1) // zero gradients: only decay changes a weight
	for _, p := range set.List {
		want := float32(1)
		if p.Decay {
			want = 0.95
		}
		if p.Value[0] != want {
			t.Errorf("%s = %v, want %v", p.Name, p.Value[0], want)
		}
	}
}

func TestAdamWRefuses(t *testing.T) {
	cases := []struct {
		options AdamWOptions
		want    string
	}{
		{AdamWOptions{Beta1: 1}, "beta1"},
		{AdamWOptions{Beta2: -0.1}, "beta2"},
		{AdamWOptions{Epsilon: math.Inf(1)}, "epsilon"},
		{AdamWOptions{WeightDecay: math.NaN()}, "weight decay"},
	}
	for _, c := range cases {
		if _, err := NewAdamW(newSet(t), c.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one about %s", c.options, err, c.want)
		}
	}
}

func TestNormAndClip(t *testing.T) {
	pool := kernels.NewPool(2)
	defer pool.Close()
	if got, err := Norm(pool, []float32{3, 0, -4}); got != 5 || err != nil {
		t.Errorf("Norm = %v, %v, want 5", got, err)
	}
	if got, err := Norm(pool, []float32{1, float32(math.NaN())}); !math.IsNaN(got) || err != nil {
		t.Errorf("Norm with NaN = %v, %v", got, err)
	}
	cases := []struct{ norm, maxNorm, want float64 }{
		{5, 1, 1 / (5 + 1e-6)},
		{0.5, 1, 1},
		{5, 0, 1},
		{0, 1, 1},
	}
	for _, c := range cases {
		if got := ClipScale(c.norm, c.maxNorm); got != c.want {
			t.Errorf("ClipScale(%v, %v) = %v, want %v", c.norm, c.maxNorm, got, c.want)
		}
	}
}

func TestScheduleValues(t *testing.T) {
	cases := []struct {
		name     string
		schedule Schedule
		want     map[int64]float64
	}{
		{"linear", Schedule{Linear, 2, 0, 4, 0, 12}, map[int64]float64{0: 0, 1: 0.5, 2: 1, 4: 2, 5: 2, 9: 1, 12: 0.25, 13: 0, 99: 0}},
		{"linear to a floor", Schedule{Linear, 2, 1, 0, 0, 4}, map[int64]float64{1: 2, 3: 1.5, 5: 1, 9: 1}},
		{"cosine", Schedule{Cosine, 2, 0, 2, 0, 6}, map[int64]float64{1: 1, 2: 2, 3: 2, 5: 1, 7: 0}},
		{"constant", Schedule{Constant, 2, 0, 4, 0, 10}, map[int64]float64{1: 0.5, 4: 2, 10: 2, 11: 2}},
		{"wsd", Schedule{WSD, 2, 1, 2, 4, 10}, map[int64]float64{1: 1, 2: 2, 3: 2, 7: 2, 9: 1.5, 10: 1.25, 11: 1, 20: 1}},
		{"all warm-up", Schedule{Linear, 2, 0, 4, 0, 4}, map[int64]float64{4: 2}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.schedule.Validate(); err != nil {
				t.Fatal(err)
			}
			for step, want := range c.want {
				if got := c.schedule.At(step); math.Abs(got-want) > 1e-12 {
					t.Errorf("At(%d) = %v, want %v", step, got, want)
				}
			}
		})
	}
}

func TestScheduleRefuses(t *testing.T) {
	cases := []struct {
		schedule Schedule
		want     string
	}{
		{Schedule{"exponential", 1, 0, 0, 0, 1}, `"exponential"`},
		{Schedule{Linear, 0, 0, 0, 0, 1}, "peak"},
		{Schedule{Linear, math.NaN(), 0, 0, 0, 1}, "peak"},
		{Schedule{Linear, 1, 2, 0, 0, 1}, "lowest"},
		{Schedule{Linear, 1, 0, 0, 0, 0}, "0 steps"},
		{Schedule{Linear, 1, 0, 3, 0, 2}, "3 warm-up"},
		{Schedule{Linear, 1, 0, 0, 3, 9}, "for wsd alone"},
		{Schedule{WSD, 1, 0, 2, 0, 9}, "0 decay steps"},
		{Schedule{WSD, 1, 0, 2, 8, 9}, "8 decay steps are outside 1..7"},
	}
	for _, c := range cases {
		if err := c.schedule.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one about %s", c.schedule, err, c.want)
		}
	}
}
