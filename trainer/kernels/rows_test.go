package kernels

import (
	"math"
	"testing"
)

func TestLayerNorm(t *testing.T) {
	const eps = 1e-5
	eachShape(t, func(t *testing.T, rows, cols int) {
		if cols == 1 {
			t.Skip("a row of one element has no variance to compare")
		}
		rng := newRand(3)
		n := rows * cols
		x, dy := random(rng, n, 2), random(rng, n, 1)
		gamma, beta, dgamma, dbeta := random(rng, cols, 1), random(rng, cols, 1), random(rng, cols, 1), random(rng, cols, 1)
		for i := range x {
			x[i] += 5
		}
		got := eachThreads(t, func(p *Pool, v [][]float32) error {
			if err := LayerNorm(p, rows, cols, x, gamma, beta, eps, v[0], v[1], v[2]); err != nil {
				return err
			}
			return LayerNormBackward(p, rows, cols, x, gamma, v[1], v[2], v[3], v[3], v[4], v[5])
		}, make([]float32, n), make([]float32, rows), make([]float32, rows), dy, dgamma, dbeta)
		y, dx, dg, db := make([]float64, n), make([]float64, n), make([]float64, cols), make([]float64, cols)
		for j := range dg {
			dg[j], db[j] = float64(dgamma[j]), float64(dbeta[j])
		}
		for i := range rows {
			var mean, variance, sum, dot float64
			for _, v := range x[i*cols : (i+1)*cols] {
				mean += float64(v) / float64(cols)
			}
			for _, v := range x[i*cols : (i+1)*cols] {
				variance += (float64(v) - mean) * (float64(v) - mean) / float64(cols)
			}
			rstd := 1 / math.Sqrt(variance+eps)
			for j := range cols {
				at := i*cols + j
				z := (float64(x[at]) - mean) * rstd
				y[at] = z*float64(gamma[j]) + float64(beta[j])
				d := float64(dy[at])
				dg[j] += d * z
				db[j] += d
				sum += d * float64(gamma[j]) / float64(cols)
				dot += d * float64(gamma[j]) * z / float64(cols)
			}
			for j := range cols {
				at := i*cols + j
				dx[at] = rstd * (float64(dy[at])*float64(gamma[j]) - sum - (float64(x[at])-mean)*rstd*dot)
			}
		}
		near(t, "y", got[0], y, 1e-4)
		near(t, "dx", got[3], dx, 1e-3)
		near(t, "dgamma", got[4], dg, 1e-3)
		near(t, "dbeta", got[5], db, 1e-4)
	})
}

// refSoftmax is softmax(scale·x) and the log of its denominator in float64.
func refSoftmax(x []float32, scale float64) ([]float64, float64) {
	top, sum := math.Inf(-1), 0.0
	for _, v := range x {
		top = max(top, float64(v)*scale)
	}
	prob := make([]float64, len(x))
	for i, v := range x {
		prob[i] = math.Exp(float64(v)*scale - top)
		sum += prob[i]
	}
	for i := range prob {
		prob[i] /= sum
	}
	return prob, top + math.Log(sum)
}

func TestSoftmaxAndCrossEntropy(t *testing.T) {
	const scale = 0.25
	eachShape(t, func(t *testing.T, rows, cols int) {
		rng := newRand(4)
		n := rows * cols
		x := random(rng, n, 4)
		labels := make([]int32, rows)
		for i := range labels {
			labels[i] = int32(rng.IntN(cols))
			if rng.IntN(4) == 0 {
				labels[i] = IgnoreLabel
			}
		}
		got := eachThreads(t, func(p *Pool, v [][]float32) error {
			if err := LogSumExp(p, rows, cols, v[0], v[1]); err != nil {
				return err
			}
			if err := CrossEntropy(p, rows, cols, v[0], labels, 0, v[2]); err != nil {
				return err
			}
			if err := Softmax(p, rows, cols, v[0]); err != nil {
				return err
			}
			return CrossEntropy(p, rows, cols, v[3], labels, scale, v[4])
		}, x, make([]float32, rows), make([]float32, rows), x, make([]float32, rows))
		for i := range rows {
			prob, lse := refSoftmax(x[i*cols:(i+1)*cols], 1)
			loss, grad := 0.0, make([]float64, cols)
			if labels[i] != IgnoreLabel {
				loss = lse - float64(x[i*cols+int(labels[i])])
				for j := range grad {
					grad[j] = scale * prob[j]
				}
				grad[labels[i]] -= scale
			}
			near(t, "softmax", got[0][i*cols:], prob, 1e-6)
			near(t, "lse", got[1][i:], []float64{lse}, 1e-6)
			near(t, "loss alone", got[2][i:], []float64{loss}, 2e-6)
			near(t, "gradient", got[3][i*cols:], grad, 1e-6)
			near(t, "loss", got[4][i:], []float64{loss}, 2e-6)
		}
	})
}

func TestSoftmaxTiles(t *testing.T) {
	const scale = 0.3
	eachShape(t, func(t *testing.T, rows, cols int) {
		rng := newRand(5)
		for _, visible := range []int{cols, 1, cols/2 + 1} {
			ld := cols + 3
			scores, dprob := random(rng, rows*ld, 5), random(rng, rows*ld, 1)
			prob, again, lse := append([]float32(nil), scores...), append([]float32(nil), scores...), make([]float32, rows)
			dscore := append([]float32(nil), dprob...)
			if err := SoftmaxTile(rows, cols, ld, prob, scale, visible, lse); err != nil {
				t.Fatal(err)
			}
			if err := SoftmaxAgainTile(rows, cols, ld, again, scale, visible, lse); err != nil {
				t.Fatal(err)
			}
			if err := SoftmaxBackwardTile(rows, cols, ld, prob, dscore, scale); err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				seen := min(visible+i, cols)
				at := i * ld
				want, wantLSE := refSoftmax(scores[at:at+seen], scale)
				want = append(want, make([]float64, cols-seen)...)
				near(t, "prob", prob[at:], want, 1e-6)
				near(t, "prob again", again[at:], want, 3e-6)
				near(t, "lse", lse[i:], []float64{wantLSE}, 1e-6)
				dot := 0.0
				for j, v := range want {
					dot += v * float64(dprob[at+j])
				}
				for j, v := range want {
					want[j] = scale * v * (float64(dprob[at+j]) - dot)
				}
				near(t, "dscore", dscore[at:], want, 2e-6)
				for j := cols; j < ld; j++ {
					if prob[at+j] != scores[at+j] || again[at+j] != scores[at+j] || dscore[at+j] != dprob[at+j] {
						t.Fatalf("row %d: wrote behind its end", i)
					}
				}
			}
		}
	})
}

func TestDropout(t *testing.T) {
	eachShape(t, func(t *testing.T, rows, cols int) {
		rng := newRand(6)
		n := rows * cols
		mask := Mask{Seed: 1, Step: 2, Op: 3, Rate: 0.3}
		key := mask.key()
		x, bias, residual := random(rng, n, 1), random(rng, cols, 1), random(rng, n, 1)
		got := eachThreads(t, func(p *Pool, v [][]float32) error {
			if err := Dropout(p, n, v[0], x, mask); err != nil {
				return err
			}
			if err := BiasDropoutAdd(p, rows, cols, v[1], x, bias, residual, mask); err != nil {
				return err
			}
			if err := BiasDropoutAdd(p, rows, cols, v[2], x, nil, residual, Mask{}); err != nil {
				return err
			}
			return DropoutTile(rows, cols, cols, v[3], mask, 0, cols)
		}, make([]float32, n), make([]float32, n), make([]float32, n), x)
		dropped, fused, plain := make([]float64, n), make([]float64, n), make([]float64, n)
		for i, v := range x {
			keep := 1 / 0.7
			if float64(maskHash(uint32(i), key.k0, key.k1)) < 0.3*(1<<32) {
				keep = 0
			}
			dropped[i] = float64(v) * keep
			fused[i] = float64(residual[i]) + float64(v+bias[i%cols])*keep
			plain[i] = float64(residual[i]) + float64(v)
		}
		near(t, "dropout", got[0], dropped, 1e-6)
		near(t, "bias, dropout, add", got[1], fused, 1e-6)
		near(t, "bias, add", got[2], plain, 1e-6)
		near(t, "tile", got[3], dropped, 1e-6)
	})
}

// TestDropoutStatistics: the rate is met, masks of neighbouring steps and ops are independent, and so are neighbours within one.
func TestDropoutStatistics(t *testing.T) {
	const n, rate = 1 << 18, 0.1
	ones := make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	draw := func(m Mask) []bool {
		x := make([]float32, n)
		if err := Dropout(NewPool(1), n, x, ones, m); err != nil {
			t.Fatal(err)
		}
		dropped := make([]bool, n)
		for i, v := range x {
			dropped[i] = v == 0
		}
		return dropped
	}
	base := draw(Mask{Seed: 7, Rate: rate})
	others := map[string][]bool{
		"next step":    draw(Mask{Seed: 7, Step: 1, Rate: rate}),
		"next op":      draw(Mask{Seed: 7, Op: 1, Rate: rate}),
		"next seed":    draw(Mask{Seed: 8, Rate: rate}),
		"next element": append(base[1:], base[0]),
		"256 later":    append(base[256:], base[:256]...),
	}
	count := func(a, b []bool) (both int) {
		for i := range a {
			if a[i] && b[i] {
				both++
			}
		}
		return both
	}
	within := func(what string, got int, probability float64) {
		if sigma := math.Sqrt(n * probability); math.Abs(float64(got)-n*probability) > 5*sigma {
			t.Errorf("%s: %d of %d elements, want %.0f ± %.0f", what, got, n, n*probability, sigma)
		}
	}
	within("dropped", count(base, base), rate)
	for what, other := range others {
		within("dropped here and in "+what, count(base, other), rate*rate)
	}
}

// TestDropoutTileWhereTheIndexOutgrows32Bits: a tile that crosses the border is masked as its two halves.
func TestDropoutTileWhereTheIndexOutgrows32Bits(t *testing.T) {
	mask := Mask{Seed: 1, Rate: 0.5}
	whole := make([]float32, 40)
	for i := range whole {
		whole[i] = 1
	}
	halves := append([]float32(nil), whole...)
	const first = 1<<32 - 23
	if err := DropoutTile(1, 40, 40, whole, mask, first, 40); err != nil {
		t.Fatal(err)
	}
	for _, cut := range [][2]int{{0, 23}, {23, 40}} {
		if err := DropoutTile(1, cut[1]-cut[0], 40, halves[cut[0]:cut[1]], mask, uint64(first+cut[0]), 40); err != nil {
			t.Fatal(err)
		}
	}
	for i := range whole {
		if whole[i] != halves[i] {
			t.Fatalf("element %d differs", i)
		}
	}
}

func TestGatherAndScatterAdd(t *testing.T) {
	eachShape(t, func(t *testing.T, rows, cols int) {
		const tableRows = 37
		rng := newRand(8)
		ids := make([]uint32, rows)
		for i := range ids {
			ids[i] = uint32(rng.IntN(tableRows))
		}
		table, out, dout := random(rng, tableRows*cols, 1), random(rng, rows*cols, 1), random(rng, rows*cols, 1)
		got := eachThreads(t, func(p *Pool, v [][]float32) error {
			if err := Gather(p, rows, cols, table, tableRows, ids, v[0], false); err != nil {
				return err
			}
			if err := Gather(p, rows, cols, table, tableRows, ids, v[0], true); err != nil {
				return err
			}
			return ScatterAdd(p, rows, cols, v[1], tableRows, ids, dout)
		}, out, table)
		want, grad := make([]float64, rows*cols), make([]float64, tableRows*cols)
		for i, v := range table {
			grad[i] = float64(v)
		}
		for i := range want {
			at := int(ids[i/cols])*cols + i%cols
			want[i] = 2 * float64(table[at])
			grad[at] += float64(dout[i])
		}
		near(t, "rows", got[0], want, 1e-6)
		near(t, "table", got[1], grad, 1e-5)
	})
}

func TestSumSquares(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for _, n := range append([]int{0, chunkFloats, 3*chunkFloats + 5}, oddSizes...) {
			x := random(newRand(n), n, 1)
			want := 0.0
			for _, v := range x {
				want += float64(v) * float64(v)
			}
			for threads := 1; threads <= 3; threads++ {
				got, err := SumSquares(NewPool(threads), x)
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(got-want) > 1e-12*want {
					t.Errorf("%d elements: %v, want %v", n, got, want)
				}
			}
		}
	})
}

// TestAdamW follows the algorithm as torch.optim.AdamW documents it, in float64, over five steps.
func TestAdamW(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for _, n := range append([]int{chunkFloats + 40}, oddSizes...) {
			rng := newRand(n)
			o := AdamW{LearningRate: 1e-2, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8, WeightDecay: 0.1, GradScale: 0.5}
			groups := []AdamWGroup{{Rate: 1}, {Rate: 1, Decay: true}, {Rate: 0.25, Decay: true}, {Decay: true}}
			group := make([]uint8, ceilDiv(n, AdamWBlock))
			for i := range group {
				group[i] = uint8(rng.IntN(len(groups)))
			}
			steps := make([][]float32, 5)
			for i := range steps {
				steps[i] = random(rng, n, 1)
			}
			start := random(rng, n, 1)
			got := eachThreads(t, func(p *Pool, v [][]float32) error {
				o := o
				for i, grads := range steps {
					copy(v[1], grads)
					o.Step = int64(i + 1)
					if err := AdamWStep(p, o, v[0], v[1], v[2], v[3], group, groups); err != nil {
						return err
					}
				}
				return nil
			}, start, make([]float32, n), make([]float32, n), make([]float32, n))
			want := make([]float64, n)
			for i := range want {
				x, m, v := float64(start[i]), 0.0, 0.0
				for s, grads := range steps {
					g := float64(grads[i]) * o.GradScale
					of := groups[group[i/AdamWBlock]]
					if of.Decay {
						x -= o.LearningRate * of.Rate * o.WeightDecay * x
					}
					m += (1 - o.Beta1) * (g - m)
					v = o.Beta2*v + (1-o.Beta2)*g*g
					step := float64(s + 1)
					x -= o.LearningRate * of.Rate / (1 - math.Pow(o.Beta1, step)) * m / (math.Sqrt(v/(1-math.Pow(o.Beta2, step))) + o.Epsilon)
				}
				want[i] = x
			}
			near(t, "value", got[0], want, 1e-6)
			near(t, "gradient left", got[1], make([]float64, n), 0)
		}
	})
}
