package fused

import (
	"math"
	"testing"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// reference computes in float64, plainly, what the operations of a Graph compute, dropout masks included.
type reference struct {
	t        *testing.T
	values   map[string][]float64
	batch    *Batch
	training bool
	drops    int
}

// matrix is rows × cols.
type matrix struct {
	rows, cols int
	data       []float64
}

func newMatrix(rows, cols int) matrix { return matrix{rows, cols, make([]float64, rows*cols)} }

func (m matrix) row(i int) []float64 { return m.data[i*m.cols : (i+1)*m.cols] }

func (m matrix) clone() matrix {
	return matrix{m.rows, m.cols, append([]float64(nil), m.data...)}
}

// maskRow is the factors of n elements of a dropout mask, from first on.
func (r *reference) maskRow(op int, rate float32, first uint64, n int) []float64 {
	ones, out := make([]float32, n), make([]float64, n)
	for i := range ones {
		ones[i] = 1
	}
	if r.training {
		m := kernels.Mask{Seed: r.batch.Seed, Step: uint64(r.batch.Step), Op: uint64(op), Rate: rate}
		if err := kernels.DropoutTile(1, n, n, ones, m, first, n); err != nil {
			r.t.Fatal(err)
		}
	}
	for i, v := range ones {
		out[i] = float64(v)
	}
	return out
}

func (r *reference) dropout(x matrix, rate float32) matrix {
	r.drops++
	y := x.clone()
	for i, m := range r.maskRow(r.drops, rate, 0, len(y.data)) {
		y.data[i] *= m
	}
	return y
}

func (r *reference) embed(token, position, segment string, width int, rate float32) matrix {
	y := newMatrix(len(r.batch.IDs), width)
	for i, id := range r.batch.IDs {
		for j := range y.row(i) {
			y.row(i)[j] = r.values[token][int(id)*width+j]
			if position != "" {
				y.row(i)[j] += r.values[position][int(r.batch.Positions[i])*width+j]
			}
			if segment != "" {
				s := 0
				if r.batch.Segments != nil {
					s = int(r.batch.Segments[i])
				}
				y.row(i)[j] += r.values[segment][s*width+j]
			}
		}
	}
	return r.dropout(y, rate)
}

func (r *reference) linear(x matrix, weight, bias string, cols int, inOut bool, act func(float64) float64) matrix {
	y := newMatrix(x.rows, cols)
	w := r.values[weight]
	for i := range x.rows {
		for j := range cols {
			var sum float64
			for k, v := range x.row(i) {
				if inOut {
					sum += v * w[k*cols+j]
				} else {
					sum += v * w[j*x.cols+k]
				}
			}
			if bias != "" {
				sum += r.values[bias][j]
			}
			if act != nil {
				sum = act(sum)
			}
			y.row(i)[j] = sum
		}
	}
	return y
}

// beside puts matrices side by side.
func beside(ms ...matrix) matrix {
	cols := 0
	for _, m := range ms {
		cols += m.cols
	}
	out := newMatrix(ms[0].rows, cols)
	for i := range out.rows {
		at := 0
		for _, m := range ms {
			at += copy(out.row(i)[at:], m.row(i))
		}
	}
	return out
}

func (r *reference) attention(qkv matrix, heads int, causal bool, rate float32) matrix {
	return r.groupedAttention(qkv, heads, heads, causal, rate)
}

func (r *reference) groupedAttention(qkv matrix, heads, kvHeads int, causal bool, rate float32) matrix {
	r.drops++
	size := qkv.cols / (heads + 2*kvHeads)
	width, kv := size*heads, size*kvHeads
	out := newMatrix(qkv.rows, width)
	for s := range len(r.batch.CuSeqlens) - 1 {
		lo, hi := int(r.batch.CuSeqlens[s]), int(r.batch.CuSeqlens[s+1])
		for h := range heads {
			from := width + h*kvHeads/heads*size
			for i := lo; i < hi; i++ {
				end := hi
				if causal {
					end = i + 1
				}
				p := make([]float64, end-lo)
				var sum float64
				for j := lo; j < end; j++ {
					var dot float64
					for d := range size {
						dot += qkv.row(i)[h*size+d] * qkv.row(j)[from+d]
					}
					p[j-lo] = math.Exp(dot / math.Sqrt(float64(size)))
					sum += p[j-lo]
				}
				mask := r.maskRow(r.drops, rate, (uint64(i)*uint64(heads)+uint64(h))*maxSequence, end-lo)
				for j := range p {
					for d := range size {
						out.row(i)[h*size+d] += p[j] / sum * mask[j] * qkv.row(lo + j)[from+kv+d]
					}
				}
			}
		}
	}
	return out
}

func (r *reference) norm(x matrix, gamma, beta string, eps float64) matrix {
	y := newMatrix(x.rows, x.cols)
	for i := range x.rows {
		var mean, variance float64
		for _, v := range x.row(i) {
			mean += v / float64(x.cols)
		}
		for _, v := range x.row(i) {
			variance += (v - mean) * (v - mean) / float64(x.cols)
		}
		for j, v := range x.row(i) {
			y.row(i)[j] = (v-mean)/math.Sqrt(variance+eps)*r.values[gamma][j] + r.values[beta][j]
		}
	}
	return y
}

func (r *reference) rmsNorm(x matrix, gamma string, eps float64) matrix {
	y := newMatrix(x.rows, x.cols)
	for i := range x.rows {
		var square float64
		for _, v := range x.row(i) {
			square += v * v / float64(x.cols)
		}
		for j, v := range x.row(i) {
			y.row(i)[j] = v / math.Sqrt(square+eps) * r.values[gamma][j]
		}
	}
	return y
}

func (r *reference) swiGLU(x matrix) matrix {
	y := newMatrix(x.rows, x.cols/2)
	for i := range x.rows {
		for j := range y.row(i) {
			gate := x.row(i)[j]
			y.row(i)[j] = gate / (1 + math.Exp(-gate)) * x.row(i)[y.cols+j]
		}
	}
	return y
}

func (r *reference) rotate(x matrix, heads, size int, theta float64) matrix {
	y := x.clone()
	for i := range x.rows {
		for h := range heads {
			for k := range size / 2 {
				angle := float64(r.batch.Positions[i]) * math.Pow(theta, -float64(2*k)/float64(size))
				a, b := h*size+k, h*size+size/2+k
				y.row(i)[a] = x.row(i)[a]*math.Cos(angle) - x.row(i)[b]*math.Sin(angle)
				y.row(i)[b] = x.row(i)[b]*math.Cos(angle) + x.row(i)[a]*math.Sin(angle)
			}
		}
	}
	return y
}

// addDropout is x + dropout(sub + bias).
func (r *reference) addDropout(x, sub matrix, bias string, rate float32) matrix {
	sub = sub.clone()
	for i := range sub.rows {
		for j := range sub.row(i) {
			if bias != "" {
				sub.row(i)[j] += r.values[bias][j]
			}
		}
	}
	y := r.dropout(sub, rate)
	for i, v := range x.data {
		y.data[i] += v
	}
	return y
}

func (r *reference) gather(x matrix) matrix {
	y := newMatrix(len(r.batch.Rows), x.cols)
	for i, row := range r.batch.Rows {
		copy(y.row(i), x.row(int(row)))
	}
	return y
}

// crossEntropy is the sum of the losses.
func (r *reference) crossEntropy(x matrix, table, bias string) float64 {
	classes := len(r.values[table]) / x.cols
	logits := r.linear(x, table, bias, classes, false, nil)
	var total float64
	for i, label := range r.batch.Labels {
		if label == kernels.IgnoreLabel {
			continue
		}
		var sum float64
		for _, v := range logits.row(i) {
			sum += math.Exp(v)
		}
		total += math.Log(sum) - logits.row(i)[label]
	}
	return total
}

func geluErf(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }

func geluTanh(x float64) float64 {
	return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}
