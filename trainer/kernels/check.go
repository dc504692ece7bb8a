package kernels

import (
	"fmt"
	"math"
)

// maxDim bounds every dimension, so that a product of two does not overflow an int of 64 bits.
const maxDim = math.MaxInt32

// checker collects the first wrong size of a call.
type checker struct {
	op  string
	err error
}

// dim checks that a dimension is neither negative nor absurd.
func (c *checker) dim(name string, v int) {
	if c.err == nil && (v < 0 || v > maxDim) {
		c.err = fmt.Errorf("%s: %s is %d, want 0 to %d", c.op, name, v, maxDim)
	}
}

// need checks that an operand has at least want elements.
func (c *checker) need(operand string, got, want int) {
	if c.err == nil && got < want {
		c.err = fmt.Errorf("%s: %s has %d elements, want %d", c.op, operand, got, want)
	}
}

// matrix checks an operand of rows × cols whose rows start ld elements apart.
func (c *checker) matrix(operand string, got, rows, cols, ld int) {
	if c.err != nil || rows == 0 || cols == 0 {
		return
	}
	if ld < cols || ld > maxDim {
		c.err = fmt.Errorf("%s: %s has row stride %d, want at least its %d columns", c.op, operand, ld, cols)
		return
	}
	c.need(operand, got, (rows-1)*ld+cols)
}
