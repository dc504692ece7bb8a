package kernels

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// rowShapes have odd widths, and rows enough for several chunks of a reduction.
var rowShapes = [][2]int{{1, 1}, {3, 2}, {2, 15}, {5, 16}, {7, 17}, {130, 31}, {300, 33}, {129, 100}, {600, 260}}

func eachShape(t *testing.T, test func(t *testing.T, rows, cols int)) {
	eachTier(t, func(t *testing.T) {
		for _, s := range rowShapes {
			t.Run(fmt.Sprintf("%dx%d", s[0], s[1]), func(t *testing.T) { test(t, s[0], s[1]) })
		}
	})
}

func TestAddAndBias(t *testing.T) {
	eachShape(t, func(t *testing.T, rows, cols int) {
		rng := newRand(1)
		n := rows * cols
		x, y, bias, dbias := random(rng, n, 1), random(rng, n, 1), random(rng, cols, 1), random(rng, cols, 1)
		got := eachThreads(t, func(p *Pool, v [][]float32) error {
			if err := Add(p, n, v[0], v[0], y); err != nil {
				return err
			}
			if err := AddBias(p, rows, cols, v[0], bias); err != nil {
				return err
			}
			return BiasGrad(p, rows, cols, v[0], v[1])
		}, x, dbias)
		sum, grad := make([]float64, n), make([]float64, cols)
		for j := range grad {
			grad[j] = float64(dbias[j])
		}
		for i := range sum {
			sum[i] = float64(x[i]) + float64(y[i]) + float64(bias[i%cols])
			grad[i%cols] += sum[i]
		}
		near(t, "sum", got[0], sum, 1e-6)
		near(t, "dbias", got[1], grad, 1e-4)
	})
}

// refActivation is the function and its derivative in float64.
func refActivation(act Activation, x float64) (y, dy float64) {
	switch act {
	case GELUErf:
		cdf := 0.5 * math.Erfc(-x/math.Sqrt2)
		return x * cdf, cdf + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case GELUTanh:
		c := math.Sqrt(2 / math.Pi)
		th := math.Tanh(c * (x + 0.044715*x*x*x))
		return 0.5 * x * (1 + th), 0.5*(1+th) + 0.5*x*(1-th*th)*c*(1+3*0.044715*x*x)
	}
	if act == ReLU {
		return max(x, 0), math.Ceil(max(0, min(x, 1)))
	}
	th := math.Tanh(x)
	return th, 1 - th*th
}

func TestActivations(t *testing.T) {
	for _, act := range []Activation{GELUErf, GELUTanh, Tanh, ReLU} {
		eachShape(t, func(t *testing.T, rows, cols int) {
			rng := newRand(2)
			n := rows * cols
			x, bias, dy, dbias := random(rng, n, 3), random(rng, cols, 1), random(rng, n, 1), random(rng, cols, 1)
			got := eachThreads(t, func(p *Pool, v [][]float32) error {
				if err := Activate(p, act, rows, cols, v[0], bias, v[1]); err != nil {
					return err
				}
				return ActivateBackward(p, act, rows, cols, v[0], v[2], v[2], v[3])
			}, x, make([]float32, n), dy, dbias)
			y, dx, grad := make([]float64, n), make([]float64, n), make([]float64, cols)
			for j := range grad {
				grad[j] = float64(dbias[j])
			}
			for i := range y {
				f, d := refActivation(act, float64(x[i]+bias[i%cols]))
				y[i], dx[i] = f, d*float64(dy[i])
				grad[i%cols] += dx[i]
			}
			near(t, "y", got[1], y, 5e-7)
			near(t, "dx", got[2], dx, 2e-6)
			near(t, "dbias", got[3], grad, 1e-4)
		})
	}
}

func TestActivationExtremes(t *testing.T) {
	inf := float32(math.Inf(1))
	x := []float32{0, -1e-20, 1e-20, 20, -20, 1e4, -1e4, 1e30, -1e30, inf}
	eachTier(t, func(t *testing.T) {
		for _, act := range []Activation{GELUErf, GELUTanh} {
			work, y := append([]float32(nil), x...), make([]float32, len(x))
			if err := Activate(NewPool(1), act, 1, len(x), work, nil, y); err != nil {
				t.Fatal(err)
			}
			for i, v := range x {
				want := max(v, 0)
				if v > -10 && v < 10 {
					want = v / 2
				}
				if math.Abs(float64(y[i]-want)) > 1e-6 && y[i] != want {
					t.Errorf("activation %d of %v is %v, want %v", act, v, y[i], want)
				}
			}
		}
	})
}

func TestExp(t *testing.T) {
	for x := float32(-90); x < 90; x += 0.0137 {
		got, want := float64(expFloat(x)), math.Exp(float64(x))
		if want > math.MaxFloat32 {
			want = math.Inf(1)
		}
		if want < 0x1p-126 && got == 0 {
			continue
		}
		if got != want && math.Abs(got-want) > 2e-7*want {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
	}
	if nan := float32(math.NaN()); expFloat(nan) == expFloat(nan) {
		t.Error("exp(NaN) is a number")
	}
}

func TestWrongSizesNameTheOperand(t *testing.T) {
	p := NewPool(2)
	x, short := make([]float32, 12), make([]float32, 2)
	var keep Mask
	one := []AdamWGroup{{Rate: 1}}
	tests := []struct {
		err  error
		want string
	}{
		{Add(p, 12, x, x, short), "Add: b has 2 elements, want 12"},
		{Add(p, -1, x, x, x), "Add: n is -1"},
		{AddBias(p, 3, 4, x, short), "AddBias: bias has 2 elements, want 4"},
		{BiasGrad(p, 4, 4, x, x), "BiasGrad: dy has 12 elements, want 16"},
		{Activate(p, GELUErf, 3, 4, x, short, x), "Activate: bias has 2"},
		{Activate(p, 9, 3, 4, x, nil, x), "unknown activation 9"},
		{ActivateBackward(p, Tanh, 3, 4, x, x, short, nil), "ActivateBackward: dx has 2"},
		{LayerNorm(p, 3, 4, x, x, x, 0, x, short, x), "LayerNorm: mean has 2 elements, want 3"},
		{LayerNormBackward(p, 3, 4, x, x, x, x, x, x, short, x), "LayerNormBackward: dgamma has 2"},
		{Softmax(p, 4, 4, x), "Softmax: x has 12 elements, want 16"},
		{LogSumExp(p, 3, 4, x, short), "LogSumExp: out has 2"},
		{CrossEntropy(p, 1, 4, x, nil, 1, x), "CrossEntropy: labels has 0"},
		{CrossEntropy(p, 2, 4, x, []int32{1, 4}, 1, x), "label 4 of row 1 is outside the 4 classes"},
		{SoftmaxTile(3, 4, 4, x, 1, 4, short), "SoftmaxTile: lse has 2"},
		{SoftmaxTile(3, 4, 4, x, 1, 0, x), "visible is 0"},
		{SoftmaxAgainTile(3, 4, 3, x, 1, 4, x), "x has row stride 3"},
		{SoftmaxBackwardTile(3, 4, 4, x, short, 1), "dprob has 2"},
		{Dropout(p, 12, x, short, keep), "Dropout: src has 2"},
		{Dropout(p, 12, x, x, Mask{Rate: 1}), "dropout rate is 1"},
		{Dropout(p, 12, x, x, Mask{Rate: float32(math.NaN())}), "dropout rate is NaN"},
		{DropoutTile(3, 4, 5, x, keep, 0, 4), "x has 12 elements, want 14"},
		{BiasDropoutAdd(p, 3, 4, x, x, nil, short, keep), "residual has 2"},
		{Gather(p, 2, 4, x, 3, []int32{1, -1}, x, false), "ids[1] is -1, outside the 3 rows"},
		{Gather(p, 2, 4, x, 3, []uint32{1, 1 << 31}, x, false), "ids[1] is 2147483648"},
		{Gather(p, 2, 4, x, 4, []uint32{1, 1}, x, false), "table has 12 elements, want 16"},
		{ScatterAdd(p, 2, 4, x, 3, []uint8{1, 3}, x), "ids[1] is 3"},
		{AdamWStep(p, AdamW{Step: 1}, x, x, x, short, []uint8{0}, one), "moment2 has 2"},
		{AdamWStep(p, AdamW{Step: 1}, x, x, x, x, nil, one), "group has 0 elements, want 1"},
		{AdamWStep(p, AdamW{Step: 1}, x, x, x, x, []uint8{1}, one), "block 0 is of group 1, of 1"},
		{AdamWStep(p, AdamW{}, x, x, x, x, []uint8{0}, one), "step is 0"},
	}
	for _, test := range tests {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("error is %v, want %q", test.err, test.want)
		}
	}
}

// TestNaNIsNotHidden: what guards training against NaN looks at losses and gradients, so every kernel must let it through.
func TestNaNIsNotHidden(t *testing.T) {
	const n, at = 37, 35
	eachTier(t, func(t *testing.T) {
		p := NewPool(1)
		fresh := func() []float32 {
			x := random(newRand(9), n, 1)
			x[at] = float32(math.NaN())
			return x
		}
		finite, out := random(newRand(10), n, 1), make([]float32, 2*n)
		sums := make([]float32, 2*n)
		tests := []struct {
			name string
			run  func(x []float32) error
			got  *float32
		}{
			{"GELUErf", func(x []float32) error { return Activate(p, GELUErf, 1, n, x, nil, out) }, &out[at]},
			{"GELUTanh", func(x []float32) error { return Activate(p, GELUTanh, 1, n, x, nil, out) }, &out[at]},
			{"GELUErf backward", func(x []float32) error { return ActivateBackward(p, GELUErf, 1, n, x, finite, out, nil) }, &out[at]},
			{"GELUTanh backward", func(x []float32) error { return ActivateBackward(p, GELUTanh, 1, n, x, finite, out, nil) }, &out[at]},
			{"LayerNorm", func(x []float32) error { return LayerNorm(p, 1, n, x, finite, finite, 1e-5, out, sums, sums) }, &out[0]},
			{"LogSumExp", func(x []float32) error { return LogSumExp(p, 1, n, x, out) }, &out[0]},
			{"CrossEntropy", func(x []float32) error { return CrossEntropy(p, 1, n, x, []int32{1}, 1, out) }, &out[0]},
			{"SoftmaxTile", func(x []float32) error { return SoftmaxTile(1, n, n, x, 1, n, out) }, &out[0]},
		}
		for _, test := range tests {
			clear(out)
			if err := test.run(fresh()); err != nil {
				t.Fatal(err)
			}
			if *test.got == *test.got {
				t.Errorf("%s of NaN is %v", test.name, *test.got)
			}
		}
	})
}

// go test ./trainer/kernels -run '^$' -bench Rows
func BenchmarkRows(b *testing.B) {
	const rows, cols, n = 1024, 256, 1024 * 256
	rng := newRand(11)
	x, y, z, g := random(rng, n, 1), random(rng, n, 1), make([]float32, n), make([]float32, n)
	gamma, sums := random(rng, cols, 1), make([]float32, 2*cols)
	mean, rstd := make([]float32, rows), make([]float32, rows)
	group := make([]uint8, n/AdamWBlock)
	for i := range rstd {
		rstd[i] = 1
	}
	p := NewPool(1)
	ops := []struct {
		name string
		run  func() error
	}{
		{"Add", func() error { return Add(p, n, z, x, y) }},
		{"BiasGrad", func() error { return BiasGrad(p, rows, cols, x, sums) }},
		{"GELUErf", func() error { return Activate(p, GELUErf, rows, cols, x, nil, z) }},
		{"GELUErfBackward", func() error { return ActivateBackward(p, GELUErf, rows, cols, x, y, z, sums) }},
		{"GELUTanh", func() error { return Activate(p, GELUTanh, rows, cols, x, nil, z) }},
		{"GELUTanhBackward", func() error { return ActivateBackward(p, GELUTanh, rows, cols, x, y, z, sums) }},
		{"LayerNorm", func() error { return LayerNorm(p, rows, cols, x, gamma, gamma, 1e-5, z, mean, rstd) }},
		{"LayerNormBackward", func() error {
			return LayerNormBackward(p, rows, cols, x, gamma, mean, rstd, y, z, sums, sums[cols:])
		}},
		{"SoftmaxTile", func() error { copy(z, x); return SoftmaxTile(rows, cols, cols, z, 1, cols, mean) }},
		{"SoftmaxBackwardTile", func() error { copy(z, y); return SoftmaxBackwardTile(rows, cols, cols, x, z, 1) }},
		{"Dropout", func() error { return Dropout(p, n, z, x, Mask{Rate: 0.1}) }},
		{"BiasDropoutAdd", func() error { return BiasDropoutAdd(p, rows, cols, z, x, gamma, y, Mask{Rate: 0.1}) }},
		{"SumSquares", func() error { _, err := SumSquares(p, x); return err }},
		{"AdamW", func() error {
			return AdamWStep(p, AdamW{Step: 1, Beta1: 0.9, Beta2: 0.99}, z, y, g, g, group, []AdamWGroup{{Rate: 1}})
		}},
	}
	for _, op := range ops {
		for _, tier := range tiers {
			b.Run(fmt.Sprintf("op=%s/tier=%s", op.name, tier.name), func(b *testing.B) {
				useTier(b, tier)
				for b.Loop() {
					if err := op.run(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/n, "ns/element")
			})
		}
	}
}
