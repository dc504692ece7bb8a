package kernels

import (
	"fmt"
	"math"
)

// IgnoreLabel is the label of rows that have no part in the loss.
const IgnoreLabel = -100

// Softmax replaces each row of x (rows × cols) by its softmax.
func Softmax(p *Pool, rows, cols int, x []float32) error {
	check := checker{op: "Softmax"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), rows*cols)
	if check.err != nil {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			softmaxRow(x[i*cols:(i+1)*cols], 1)
		}
	})
}

// LogSumExp writes log Σ e^x of each row of x (rows × cols) to out (rows).
func LogSumExp(p *Pool, rows, cols int, x, out []float32) error {
	check := checker{op: "LogSumExp"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), rows*cols)
	check.need("out", len(out), rows)
	if check.err != nil {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			out[i] = logSumExpRow(x[i*cols : (i+1)*cols])
		}
	})
}

// CrossEntropy writes loss[i] = log Σ e^logits - logits[label] for each row of logits (rows × cols) and replaces the row by its gradient
// scale·(softmax - onehot). Rows whose label is IgnoreLabel get loss 0 and gradient 0. With scale 0 the logits stay as they are
// and only the loss is computed.
func CrossEntropy(p *Pool, rows, cols int, logits []float32, labels []int32, scale float32, loss []float32) error {
	check := checker{op: "CrossEntropy"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("logits", len(logits), rows*cols)
	check.need("labels", len(labels), rows)
	check.need("loss", len(loss), rows)
	if check.err != nil {
		return check.err
	}
	for i, label := range labels[:rows] {
		if label != IgnoreLabel && (label < 0 || int(label) >= cols) {
			return fmt.Errorf("CrossEntropy: label %d of row %d is outside the %d classes", label, i, cols)
		}
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			loss[i] = crossEntropyRow(logits[i*cols:(i+1)*cols], int(labels[i]), scale)
		}
	})
}

func crossEntropyRow(x []float32, label int, scale float32) float32 {
	if label == IgnoreLabel {
		if scale != 0 {
			clear(x)
		}
		return 0
	}
	target := x[label]
	if scale == 0 {
		return logSumExpRow(x) - target
	}
	lse := softmaxRow(x, 1)
	active.scale(x, scale)
	x[label] -= scale
	return lse - target
}

// SoftmaxTile replaces each row of a tile of scores by softmax(scale·x) and writes the log of the sum of exponentials to lse (rows). x has rows × cols,
// its rows ld apart. Row i sees its first visible+i columns, at least one and at most cols; the rest becomes 0. visible = cols makes all visible; a
// causal tile whose first row is query q over keys from 0 has visible = q+1.
func SoftmaxTile(rows, cols, ld int, x []float32, scale float32, visible int, lse []float32) error {
	check := checker{op: "SoftmaxTile"}
	check.tile(rows, cols, ld, len(x), visible)
	check.need("lse", len(lse), rows)
	if check.err != nil || cols == 0 {
		return check.err
	}
	for i := range rows {
		row := x[i*ld : i*ld+cols]
		seen := min(visible+i, cols)
		lse[i] = softmaxRow(row[:seen], scale)
		clear(row[seen:])
	}
	return nil
}

// SoftmaxAgainTile computes the probabilities of SoftmaxTile again from the scores and lse.
func SoftmaxAgainTile(rows, cols, ld int, x []float32, scale float32, visible int, lse []float32) error {
	check := checker{op: "SoftmaxAgainTile"}
	check.tile(rows, cols, ld, len(x), visible)
	check.need("lse", len(lse), rows)
	if check.err != nil || cols == 0 {
		return check.err
	}
	for i := range rows {
		row := x[i*ld : i*ld+cols]
		seen := min(visible+i, cols)
		active.expSum(row[:seen], row, scale, lse[i])
		clear(row[seen:])
	}
	return nil
}

// SoftmaxBackwardTile replaces dprob, the gradient by the probabilities prob, by that by the scores: scale·prob·(dprob - Σ prob·dprob).
// Both have rows × cols, their rows ld apart; where prob is 0, so is the result.
func SoftmaxBackwardTile(rows, cols, ld int, prob, dprob []float32, scale float32) error {
	check := checker{op: "SoftmaxBackwardTile"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.matrix("prob", len(prob), rows, cols, ld)
	check.matrix("dprob", len(dprob), rows, cols, ld)
	if check.err != nil || cols == 0 {
		return check.err
	}
	for i := range rows {
		active.softmaxBackward(prob[i*ld:i*ld+cols], dprob[i*ld:], scale)
	}
	return nil
}

func (c *checker) tile(rows, cols, ld, length, visible int) {
	c.dim("rows", rows)
	c.dim("cols", cols)
	c.matrix("x", length, rows, cols, ld)
	if c.err == nil && cols > 0 && (visible < 1 || visible > maxDim) {
		c.err = fmt.Errorf("%s: visible is %d, want at least 1", c.op, visible)
	}
}

// softmaxRow replaces x by softmax(scale·x), scale > 0, and returns the log of the sum of exponentials.
func softmaxRow(x []float32, scale float32) float32 {
	top := active.max(x) * scale
	sum := active.expSum(x, x, scale, top)
	active.scale(x, 1/sum)
	return top + float32(math.Log(float64(sum)))
}

func logSumExpRow(x []float32) float32 {
	top := active.max(x)
	return top + float32(math.Log(float64(active.sumExp(x, 1, top))))
}
