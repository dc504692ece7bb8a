package kernels

import (
	"fmt"
	"math"
)

// Activation is an elementwise function between two linear layers.
type Activation int

const (
	// GELUErf is x·Φ(x), "gelu" in configurations of BERT.
	GELUErf Activation = iota
	// GELUTanh is its approximation x/2·(1+tanh(√(2/π)(x+0.044715x³))), "gelu_new" in configurations of GPT-2.
	GELUTanh
	// Tanh is the hyperbolic tangent, as in BERT's pooler.
	Tanh
	// ReLU is max(x, 0), as before DistilBERT's classifier. Its derivative at 0 is 0.
	ReLU
)

// Activate adds bias (cols; nil for none) to the rows × cols of x in place, which backward needs, and writes act(x) to y. y may be x where there
// is no backward pass.
func Activate(p *Pool, act Activation, rows, cols int, x, bias, y []float32) error {
	check := checker{op: "Activate"}
	check.activation(act)
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), rows*cols)
	check.need("y", len(y), rows*cols)
	if bias != nil {
		check.need("bias", len(bias), cols)
	}
	if check.err != nil {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := x[i*cols : (i+1)*cols]
			if bias != nil {
				active.add(row, row, bias[:cols])
			}
			activate(act, row, y[i*cols:(i+1)*cols])
		}
	})
}

// ActivateBackward writes dx = dy·act'(x) for rows × cols, where x is what Activate left (bias included), and adds the sum of the rows of dx to
// dbias (cols; nil for none). dx may be dy.
func ActivateBackward(p *Pool, act Activation, rows, cols int, x, dy, dx, dbias []float32) error {
	check := checker{op: "ActivateBackward"}
	check.activation(act)
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("x", len(x), rows*cols)
	check.need("dy", len(dy), rows*cols)
	check.need("dx", len(dx), rows*cols)
	if dbias != nil {
		check.need("dbias", len(dbias), cols)
	}
	if check.err != nil {
		return check.err
	}
	if dbias == nil {
		return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
			activateBackward(act, x[lo*cols:hi*cols], dy[lo*cols:hi*cols], dx[lo*cols:hi*cols])
		})
	}
	return p.reduce(rows, cols, func(lo, hi int, sums []float32) {
		for i := lo; i < hi; i++ {
			row := dx[i*cols : (i+1)*cols]
			activateBackward(act, x[i*cols:(i+1)*cols], dy[i*cols:(i+1)*cols], row)
			active.add(sums, sums, row)
		}
	}, dbias[:cols])
}

func (c *checker) activation(act Activation) {
	if c.err == nil && (act < GELUErf || act > ReLU) {
		c.err = fmt.Errorf("%s: unknown activation %d", c.op, act)
	}
}

func activate(act Activation, x, y []float32) {
	switch act {
	case GELUErf:
		active.geluErf(x, y)
	case GELUTanh:
		active.geluTanh(x, y)
	case Tanh:
		for i, v := range x {
			y[i] = float32(math.Tanh(float64(v)))
		}
	case ReLU:
		for i, v := range x {
			y[i] = max(v, 0)
		}
	}
}

func activateBackward(act Activation, x, dy, dx []float32) {
	switch act {
	case GELUErf:
		active.geluErfBackward(x, dy, dx)
	case GELUTanh:
		active.geluTanhBackward(x, dy, dx)
	case Tanh:
		for i, v := range x {
			t := float32(math.Tanh(float64(v)))
			dx[i] = dy[i] * (1 - t*t)
		}
	case ReLU:
		for i, v := range x {
			if dx[i] = dy[i]; v <= 0 {
				dx[i] = 0
			}
		}
	}
}
