package fused

import (
	"fmt"
	"math"
	"sync/atomic"

	G "gorgonia.org/gorgonia"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// Attention is multi-head scaled dot-product attention (Vaswani et al., 2017) inside each sequence.
type Attention struct {
	Heads int
	// KVHeads is the number of heads of keys and values, each of which serves Heads/KVHeads neighbouring queries (Ainslie et al., 2023); 0 means Heads.
	KVHeads int
	Causal  bool    // a token sees itself and those before it, instead of all of its sequence
	Dropout float32 // of the probabilities
}

// queryTile is the number of queries of one head whose scores exist at a time.
const queryTile = 128

// maxSequence and maxHeads bound sizes so that each score has a dropout index of its own, and the distance between two rows of them fits 31 bits.
const (
	maxSequence = 1 << 20
	maxHeads    = 1 << 10
)

// scratch is the memory of one worker.
type scratch struct {
	gemm          kernels.Scratch
	scores, probs []float32
}

// tile returns n floats of s.
func tile(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	return (*s)[:n]
}

// attention is the state of one Attention in a graph.
type attention struct {
	Attention
	graph  *Graph
	size   int // of a head
	width  int // of the output: heads × head size
	kv     int // of keys, and of values
	scale  float32
	drop   int
	qkv    *buffer
	lse    *buffer // heads × log of the sum of exponentials, for each token
	out    *buffer
	dqkv   *buffer
	cache  cache // of a graph for decoding
	failed atomic.Pointer[error]
}

// Attention takes rows of query, key and value side by side, each of them one head beside the other, and gives the weighted values, Heads × head
// size wide. The probabilities are not kept: the backward operation computes them again, tile by tile, from the log of the sum of exponentials.
func (g *Graph) Attention(qkv *Tensor, a Attention) *Tensor {
	const kind = "Attention"
	if !g.use(kind, qkv, 0) {
		return nil
	}
	if a.KVHeads == 0 {
		a.KVHeads = a.Heads
	}
	if a.Heads < 1 || a.Heads > maxHeads || a.KVHeads < 1 || a.Heads%a.KVHeads != 0 || qkv.Width%(a.Heads+2*a.KVHeads) != 0 || qkv.Axis != Tokens {
		g.fail("%s: %d heads, with %d of key and value, do not divide a width of %d, or are more than %d", kind, a.Heads, a.KVHeads, qkv.Width, maxHeads)
		return nil
	}
	if g.decoding && !a.Causal {
		g.fail("%s: it is not causal, so what a token gives is not known before the tokens after it", kind)
		return nil
	}
	size := qkv.Width / (a.Heads + 2*a.KVHeads)
	spare := g.inherit(qkv)
	t := &attention{
		Attention: a, graph: g, size: size, width: size * a.Heads, kv: size * a.KVHeads, scale: float32(1 / math.Sqrt(float64(size))),
		drop: g.newDropout(kind, a.Dropout), qkv: qkv.buf, out: g.bufferFrom(&spare, Tokens, size*a.Heads), lse: g.newBuffer(Tokens, a.Heads),
	}
	forward := func([]G.Value) error {
		if err := t.remember(); err != nil {
			return err
		}
		return t.run(t.Heads, t.forwardHead)
	}
	return g.emit(kind, t.out, g.retire(spare, qkv), G.Nodes{qkv.node}, trues(1), forward, func(output, grad *G.Node) (G.Nodes, error) {
		up := g.grads[grad]
		t.dqkv = g.bufferFrom(&up.spare, Tokens, qkv.Width)
		out := gradient{t.dqkv, up.spare.with(up.buf).with(qkv.branch.memory())}
		return g.backward(kind, output, grad, qkv.Width, out, nil, func(grad G.Value) (G.Value, error) {
			dout := floats(grad)
			err := t.run(t.KVHeads, func(s span, w *scratch) error { return t.backwardGroup(s, dout, w) })
			if err != nil {
				return nil, err
			}
			return t.dqkv.value, qkv.branch.merge(g, t.dqkv.data, g.rows(Tokens)*qkv.Width)
		})
	})
}

// span is one head of one sequence.
type span struct{ first, length, head int }

// run calls fn on the pool for each head below heads of each sequence. Whatever adds up does so inside one call, so threads do not change results.
func (t *attention) run(heads int, fn func(span, *scratch) error) error {
	g := t.graph
	borders := g.batch.CuSeqlens
	if err := checkBorders(borders, g.rows(Tokens)); err != nil {
		return err
	}
	t.failed.Store(nil)
	err := g.pool.Run((len(borders)-1)*heads, func(chunk, worker int) {
		if t.failed.Load() != nil {
			return
		}
		first, end := int(borders[chunk/heads]), int(borders[chunk/heads+1])
		if err := fn(span{first, end - first, chunk % heads}, &g.workers[worker]); err != nil {
			t.failed.CompareAndSwap(nil, &err)
		}
	})
	if failed := t.failed.Load(); failed != nil {
		return *failed
	}
	return err
}

// checkBorders returns an error unless borders cut the tokens into sequences.
func checkBorders(borders []int32, tokens int) error {
	if len(borders) == 0 || borders[0] != 0 || int(borders[len(borders)-1]) != tokens {
		return fmt.Errorf("the borders of the sequences do not run from 0 to %d", tokens)
	}
	for i, end := range borders[1:] {
		if length := int(end) - int(borders[i]); length < 0 || length > maxSequence {
			return fmt.Errorf("sequence %d has %d tokens, want 0 to %d", i, length, maxSequence)
		}
	}
	return nil
}

// past is the number of keys before the first of the batch.
func (t *attention) past() int {
	if t.graph.decoding {
		return int(t.graph.batch.Past)
	}
	return 0
}

// keys is the number of keys that queries below end see.
func (t *attention) keys(s span, end int) int {
	if t.Causal {
		return t.past() + end
	}
	return s.length
}

// visible is the number of keys that the first query of a tile sees, in the sense of kernels.SoftmaxTile.
func (t *attention) visible(s span, query int) int {
	if t.Causal {
		return t.past() + query + 1
	}
	return s.length
}

// index is the number in the dropout mask of the first score of a query.
func (t *attention) index(s span, query int) uint64 {
	return (uint64(s.first+query)*uint64(t.Heads) + uint64(s.head)) * maxSequence
}

// sources returns key and value from the first that a query head of a sequence sees on, and the distance between rows.
func (t *attention) sources(s span) (key, value []float32, ld int) {
	at := s.head / (t.Heads / t.KVHeads) * t.size
	if t.graph.decoding {
		return t.cache.data[at:], t.cache.data[t.kv+at:], 2 * t.kv
	}
	ld = t.qkv.width
	key = t.qkv.data[s.first*ld+t.width+at:]
	return key, key[t.kv:], ld
}

func (t *attention) forwardHead(s span, w *scratch) error {
	size, ld := t.size, t.qkv.width
	query := t.qkv.data[s.first*ld+s.head*size:]
	key, value, kld := t.sources(s)
	out := t.out.data[s.first*t.width+s.head*size:]
	mask := t.graph.mask(t.drop, t.Dropout)
	for q := 0; q < s.length; q += queryTile {
		n := min(queryTile, s.length-q)
		keys := t.keys(s, q+n)
		p := tile(&w.scores, n*keys)
		if err := kernels.GemmSerial(false, true, n, keys, size, query[q*ld:], ld, key, kld, 0, p, keys, &w.gemm); err != nil {
			return err
		}
		lse := t.lseTile(s, q, n)
		if err := kernels.SoftmaxTile(n, keys, keys, p, t.scale, t.visible(s, q), lse); err != nil {
			return err
		}
		if err := t.dropTile(s, q, n, keys, p, mask); err != nil {
			return err
		}
		if err := kernels.GemmSerial(false, false, n, size, keys, p, keys, value, kld, 0, out[q*t.width:], t.width, &w.gemm); err != nil {
			return err
		}
	}
	return nil
}

// lseTile is where the logs of the sums of n queries lie: head by head over the capacity.
func (t *attention) lseTile(s span, query, n int) []float32 {
	at := s.head*t.graph.rows(Tokens) + s.first + query
	return t.lse.data[at : at+n]
}

// dropTile applies the dropout mask to a tile of probabilities, or of their gradients.
func (t *attention) dropTile(s span, query, n, keys int, p []float32, mask kernels.Mask) error {
	if mask.Rate == 0 {
		return nil
	}
	return kernels.DropoutTile(n, keys, keys, p, mask, t.index(s, query), t.Heads*maxSequence)
}

// backwardGroup computes the gradients of one head of key and value, and of the queries that it serves.
func (t *attention) backwardGroup(s span, dout []float32, w *scratch) error {
	size, ld, group := t.size, t.qkv.width, t.Heads/t.KVHeads
	dkey := t.dqkv.data[s.first*ld+t.width+s.head*size:]
	dvalue := dkey[t.kv:]
	for i := range s.length {
		clear(dkey[i*ld : i*ld+size])
		clear(dvalue[i*ld : i*ld+size])
	}
	for head := s.head * group; head < (s.head+1)*group; head++ {
		if err := t.backwardHead(span{s.first, s.length, head}, dout, dkey, dvalue, w); err != nil {
			return err
		}
	}
	return nil
}

// backwardHead computes the gradient of the queries of a head and adds to those of its keys and values.
func (t *attention) backwardHead(s span, dout, dkey, dvalue []float32, w *scratch) error {
	size, ld := t.size, t.qkv.width
	at := s.first*ld + s.head*size
	query, dquery := t.qkv.data[at:], t.dqkv.data[at:]
	key, value, _ := t.sources(s)
	dout = dout[s.first*t.width+s.head*size:]
	mask := t.graph.mask(t.drop, t.Dropout)
	for q := 0; q < s.length; q += queryTile {
		n := min(queryTile, s.length-q)
		keys := t.keys(s, q+n)
		p, dp := tile(&w.scores, n*keys), tile(&w.probs, n*keys)
		if err := t.backwardTile(s, q, n, keys, p, dp, mask, query, key, value, dout, dvalue, w); err != nil {
			return err
		}
		// dp is now the gradient of the scores
		if err := kernels.GemmSerial(false, false, n, size, keys, dp, keys, key, ld, 0, dquery[q*ld:], ld, &w.gemm); err != nil {
			return err
		}
		if err := kernels.GemmSerial(true, false, keys, size, n, dp, keys, query[q*ld:], ld, 1, dkey, ld, &w.gemm); err != nil {
			return err
		}
	}
	return nil
}

// backwardTile computes the probabilities of a tile again in p, adds to dvalue, and leaves the gradient of the scores in dp.
func (t *attention) backwardTile(s span, q, n, keys int, p, dp []float32, mask kernels.Mask, query, key, value, dout, dvalue []float32, w *scratch) error {
	size, ld := t.size, t.qkv.width
	if err := kernels.GemmSerial(false, true, n, keys, size, query[q*ld:], ld, key, ld, 0, p, keys, &w.gemm); err != nil {
		return err
	}
	if err := kernels.SoftmaxAgainTile(n, keys, keys, p, t.scale, t.visible(s, q), t.lseTile(s, q, n)); err != nil {
		return err
	}
	dropped := p
	if mask.Rate > 0 { // what the values were weighted with is dropout(p); dp serves as memory for it
		dropped = dp
		copy(dropped, p)
		if err := t.dropTile(s, q, n, keys, dropped, mask); err != nil {
			return err
		}
	}
	if err := kernels.GemmSerial(true, false, keys, size, n, dropped, keys, dout[q*t.width:], t.width, 1, dvalue, ld, &w.gemm); err != nil {
		return err
	}
	if err := kernels.GemmSerial(false, true, n, keys, size, dout[q*t.width:], t.width, value, ld, 0, dp, keys, &w.gemm); err != nil {
		return err
	}
	if err := t.dropTile(s, q, n, keys, dp, mask); err != nil {
		return err
	}
	return kernels.SoftmaxBackwardTile(n, keys, keys, p, dp, t.scale)
}
