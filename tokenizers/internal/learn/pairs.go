package learn

import (
	"fmt"
	"math"
	"strings"
)

// PairOptions says how pairs are merged.
type PairOptions struct {
	VocabSize      int                    // tokens to reach
	MinFrequency   int64                  // a pair that occurs less often is not merged; less than 1 counts as 1
	Prefix         string                 // taken from the second token of a pair, as ## of WordPiece
	MaxTokenLength uint32                 // a merged token has fewer symbols, but for the first merges; 0: no bound
	Progress       func(tokens int) error // called now and then, and at the end; an error ends the learning; nil: not called
}

// Pair is two neighbouring tokens.
type Pair struct{ Left, Right uint32 }

// Pairs makes a vocabulary by merging, again and again, the most frequent pair of neighbouring tokens; of equally frequent ones the pair with the lowest
// ids (Sennrich et al. 2016). It follows Hugging Face tokenizers where that matters for the result: the count of a merged pair stays, a pair that arises
// anew is queued anew, and a token that comes about in two ways is one token.
//
// All words lie one after another in one slice of cells. A token stands in the cell of its first symbol and its length in the first and the last, so that its
// neighbours are found at once: a merge costs as much as the places where it happens, however long the words are.
type Pairs struct {
	o      PairOptions
	tokens []string
	ids    map[string]uint32
	merges []Pair

	cells  []cell  // of all words, with an empty one before, between and behind them
	counts []int64 // of words

	pairs   []pairState
	index   pairIndex
	touched []uint32 // pairs with new places
	places  []place  // these
	slab    []uint32 // room for the places of queued pairs
	queue   pairQueue
}

// cell is a symbol of a word.
type cell struct {
	token  uint32 // that begins here; noToken inside of one and between words
	length uint32 // of a token in symbols, where it begins and where it ends; 0 between words
	word   uint32 // that the symbol is of
}

const (
	noToken     = math.MaxUint32
	maxSymbols  = math.MaxUint32 - 16 // places are 32 bits wide
	slabPlaces  = 1 << 16
	mergesAtOne = 64 // merges between two calls of Progress
)

// pairState is what is known of a pair.
type pairState struct {
	pair  Pair
	count int64
	fresh uint32 // new places since it was queued
	at    uint32 // where the next of these goes
}

// place is where a pair begins.
type place struct{ pair, at uint32 }

// NewPairs begins with a vocabulary of symbols: special tokens, and what words are made of. A token that is given twice has the first id.
func NewPairs(o PairOptions, tokens []string) *Pairs {
	l := &Pairs{o: o, ids: make(map[string]uint32, o.VocabSize), cells: []cell{{token: noToken}}}
	l.o.MinFrequency = max(o.MinFrequency, 1)
	if o.MaxTokenLength == 0 {
		l.o.MaxTokenLength = math.MaxUint32
	}
	if o.Progress == nil {
		l.o.Progress = func(int) error { return nil }
	}
	for _, token := range tokens {
		l.token(token)
	}
	return l
}

// token returns the id of a token, and makes it if need be.
func (l *Pairs) token(s string) uint32 {
	id, ok := l.ids[s]
	if !ok {
		id = uint32(len(l.tokens))
		l.ids[s] = id
		l.tokens = append(l.tokens, s)
	}
	return id
}

// ID returns the id of a token.
func (l *Pairs) ID(token string) (uint32, bool) {
	id, ok := l.ids[token]
	return id, ok
}

// Tokens returns the number of tokens so far.
func (l *Pairs) Tokens() int { return len(l.tokens) }

// Add takes a word, as ids of the first tokens, that occurs count times. Words must come in an order that does not depend on chance.
func (l *Pairs) Add(word []uint32, count int64) error {
	if len(word) < 2 {
		return nil
	}
	if len(l.cells)+len(word)+1 > maxSymbols {
		return fmt.Errorf("distinct words have more than %d symbols together: train on less text", maxSymbols)
	}
	for _, token := range word {
		l.cells = append(l.cells, cell{token, 1, uint32(len(l.counts))})
	}
	l.cells = append(l.cells, cell{token: noToken})
	l.counts = append(l.counts, count)
	return nil
}

// Learn merges until the vocabulary is full or no pair is frequent enough. It returns the tokens by id and the merges in order, or the error of Progress.
func (l *Pairs) Learn() (tokens []string, merges []Pair, err error) {
	for i := range len(l.cells) - 1 {
		if c, next := &l.cells[i], &l.cells[i+1]; c.token != noToken && next.token != noToken {
			l.more(Pair{c.token, next.token}, l.counts[c.word], uint32(i))
		}
	}
	l.enqueue()
	for len(l.tokens) < l.o.VocabSize && len(l.queue) > 0 {
		top := l.queue.pop()
		if now := l.pairs[top.state].count; top.count != now {
			top.count = now
			l.queue.push(top)
			continue
		}
		if top.count < l.o.MinFrequency {
			break
		}
		l.merge(top.pair, top.places)
		l.enqueue()
		if len(l.merges)%mergesAtOne == 0 {
			if err := l.o.Progress(len(l.tokens)); err != nil {
				return nil, nil, err
			}
		}
	}
	return l.tokens, l.merges, l.o.Progress(len(l.tokens))
}

// merge makes one token of a pair wherever it still is.
func (l *Pairs) merge(p Pair, places []uint32) {
	merged := l.token(l.tokens[p.Left] + strings.TrimPrefix(l.tokens[p.Right], l.o.Prefix))
	l.merges = append(l.merges, p)
	for _, at := range places {
		left := &l.cells[at]
		if left.token != p.Left {
			continue
		}
		right := &l.cells[at+left.length]
		if right.token != p.Right {
			continue
		}
		length := left.length + right.length
		end := at + length
		count := l.counts[left.word]
		right.token = noToken
		left.token, left.length, l.cells[end-1].length = merged, length, length
		if n := l.cells[at-1].length; n > 0 {
			before := l.cells[at-n].token
			l.less(Pair{before, p.Left}, count)
			if n+length < l.o.MaxTokenLength {
				l.more(Pair{before, merged}, count, at-n)
			}
		}
		if behind := &l.cells[end]; behind.length > 0 {
			l.less(Pair{p.Right, behind.token}, count)
			if behind.length+length < l.o.MaxTokenLength {
				l.more(Pair{merged, behind.token}, count, at)
			}
		}
	}
}

// more adds to the count of a pair, which arose at a place.
func (l *Pairs) more(p Pair, count int64, at uint32) {
	i := l.state(p)
	s := &l.pairs[i]
	s.count += count
	if s.fresh == 0 {
		l.touched = append(l.touched, i)
	}
	s.fresh++
	l.places = append(l.places, place{i, at})
}

// less takes from the count of a pair.
func (l *Pairs) less(p Pair, count int64) { l.pairs[l.state(p)].count -= count }

// state returns the place of a pair in l.pairs.
func (l *Pairs) state(p Pair) uint32 {
	i := l.index.find(p, l.pairs)
	if i == len(l.pairs) {
		l.pairs = append(l.pairs, pairState{pair: p})
	}
	return uint32(i)
}

// enqueue queues the pairs that became more frequent, each with its new places in the order of the text.
func (l *Pairs) enqueue() {
	if len(l.places) > cap(l.slab)-len(l.slab) {
		l.slab = make([]uint32, 0, max(slabPlaces, len(l.places)))
	}
	for _, i := range l.touched {
		s := &l.pairs[i]
		s.at = uint32(len(l.slab))
		l.slab = l.slab[:len(l.slab)+int(s.fresh)]
	}
	for _, p := range l.places {
		s := &l.pairs[p.pair]
		l.slab[s.at] = p.at
		s.at++
	}
	for _, i := range l.touched {
		s := &l.pairs[i]
		if s.count > 0 {
			l.queue.push(queuedPair{s.count, s.pair, i, l.slab[s.at-s.fresh : s.at : s.at]})
		}
		s.fresh = 0
	}
	l.touched, l.places = l.touched[:0], l.places[:0]
}
