package fused

import "fmt"

// cache holds the keys and values of the sequence that a graph for decoding is in: for each token a row of all keys, then all values.
type cache struct {
	data   []float32
	tokens int // valid rows
}

// remember puts keys and values of the batch behind those of the tokens before it, in a graph for decoding.
func (t *attention) remember() error {
	g, c := t.graph, &t.cache
	if !g.decoding {
		return nil
	}
	past, n, width := int(g.batch.Past), g.rows(Tokens), 2*t.kv
	switch {
	case len(g.batch.CuSeqlens) != 2:
		return fmt.Errorf("decoding takes one sequence, not %d", len(g.batch.CuSeqlens)-1)
	case past < 0 || past > c.tokens:
		return fmt.Errorf("%d tokens are said to stand before these, but %d are kept", past, c.tokens)
	case past+n > maxSequence:
		return fmt.Errorf("the sequence has %d tokens, want at most %d", past+n, maxSequence)
	}
	if need := (past + n) * width; need > len(c.data) {
		grown := make([]float32, max(need, 2*len(c.data), rowBlock*width))
		copy(grown, c.data[:past*width])
		c.data = grown
	}
	for i := range n {
		copy(c.data[(past+i)*width:(past+i+1)*width], t.qkv.data[i*t.qkv.width+t.width:])
	}
	c.tokens = past + n
	return nil
}
