package tokenizers

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// symbolTrie cuts words into the longest tokens from the left, as wordPiece does. Its steps are characters, numbered by how often the vocabulary has
// them: a double array (Aoe 1989), in which a node's child by symbol s lies at the node's base plus s, so that a step is one load and one comparison.
type symbolTrie struct {
	nodes     []symbolNode
	values    []uint32 // by node: the token that ends there
	symbols   []int32  // by character, from 1 on; 0 is one that no token has, and so are those behind the last
	count     int      // of symbols
	following uint32   // the node behind the prefix of following tokens
	unknown   uint32
	maxChars  int
}

// symbolNode is one place of the double array.
type symbolNode struct {
	base  uint32 // with endsToken where a token ends
	check uint32 // one more than the parent; 0 in a free place
}

const (
	endsToken   = 1 << 31
	placesTried = 64 // for the children of one node before they go to the end of the array
	sparseTrie  = 8  // places for each node at most, beyond a few for each symbol
)

// newSymbolTrie returns the trie of a vocabulary, or nil where its characters lie so that the array would be mostly empty, as those of no language do.
func newSymbolTrie(w *wordPiece) *symbolTrie {
	t := &symbolTrie{unknown: w.unknown, maxChars: w.maxChars, following: trieRoot}
	b := trieBuilder{trie: t, entries: make([]symbolEntry, 0, w.entries())}
	bytes := 0
	for id, token := range w.tokens {
		if token != "" && utf8.ValidString(token) {
			b.entries = append(b.entries, symbolEntry{token: token, id: uint32(id)})
			bytes += len(token)
		}
	}
	slices.SortFunc(b.entries, func(a, b symbolEntry) int { return strings.Compare(a.token, b.token) })
	t.number(b.entries)
	all := make([]int32, 0, bytes)
	for i := range b.entries {
		start := len(all)
		all = t.word(all, b.entries[i].token)
		b.entries[i].word = all[start:]
	}
	if !b.build() {
		return nil
	}
	for _, r := range w.prefix {
		next, ok := t.step(t.following, t.symbol(r))
		if t.following = next; !ok {
			t.following = uint32(len(t.nodes) - 1) // which is free, and has no children
			break
		}
	}
	return t
}

// number numbers the characters of tokens, the most frequent first: near numbers make a dense array.
func (t *symbolTrie) number(entries []symbolEntry) {
	counts := make([]int, 0, utf8.RuneSelf)
	var order []rune
	for _, e := range entries {
		for _, r := range e.token {
			if int(r) >= len(counts) {
				counts = append(counts, make([]int, int(r)+1-len(counts))...)
			}
			if counts[r]++; counts[r] == 1 {
				order = append(order, r)
			}
		}
	}
	slices.SortFunc(order, func(a, b rune) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	t.symbols, t.count = make([]int32, len(counts)), len(order)
	for i, r := range order {
		t.symbols[r] = int32(i + 1)
	}
}

// symbol returns the symbol of a character.
func (t *symbolTrie) symbol(r rune) int32 {
	if int(r) < len(t.symbols) {
		return t.symbols[r]
	}
	return 0
}

// word appends the symbols of a word.
func (t *symbolTrie) word(dst []int32, word string) []int32 {
	for _, r := range word {
		dst = append(dst, t.symbol(r))
	}
	return dst
}

func (t *symbolTrie) step(node uint32, symbol int32) (uint32, bool) {
	next := t.nodes[node].base&^endsToken + uint32(symbol)
	return next, t.nodes[next].check == node+1
}

// appendWord appends the tokens of a word of at least one symbol, the first marked.
func (t *symbolTrie) appendWord(dst []uint32, word []int32) []uint32 {
	if len(word) > t.maxChars {
		return append(dst, t.unknown|startsWord)
	}
	start, first, nodes := len(dst), uint32(trieRoot), t.nodes
	for len(word) > 0 {
		node, last, n := first, uint32(0), 0
		base := nodes[node].base &^ endsToken
		for i, symbol := range word {
			next := base + uint32(symbol)
			place := nodes[next]
			if place.check != node+1 {
				break
			}
			node, base = next, place.base&^endsToken
			if place.base >= endsToken {
				last, n = next, i+1
			}
		}
		if n == 0 {
			return append(dst[:start], t.unknown|startsWord)
		}
		dst = append(dst, t.values[last])
		word, first = word[n:], t.following
	}
	dst[start] |= startsWord
	return dst
}

// letterSymbols are the symbols of bytes that are a character each; others are noLetter, a step by which leads out of every trie.
type letterSymbols [256]uint32

const noLetter = 1 << 31

// appendASCII is appendWord for the bytes of a word. ok is false where one of them is noLetter.
func (t *symbolTrie) appendASCII(dst []uint32, word []byte, letters *letterSymbols) (ids []uint32, ok bool) {
	if len(word) > t.maxChars {
		return dst, false
	}
	start, first, nodes := len(dst), uint32(trieRoot), t.nodes
	for len(word) > 0 {
		node, last, n := first, uint32(0), 0
		base := nodes[node].base &^ endsToken
		for i, b := range word {
			next := base + letters[b]
			if int64(next) >= int64(len(nodes)) {
				return dst[:start], false
			}
			place := nodes[next]
			if place.check != node+1 {
				break
			}
			node, base = next, place.base&^endsToken
			if place.base >= endsToken {
				last, n = next, i+1
			}
		}
		if n == 0 {
			return t.unknownASCII(dst[:start], word, letters)
		}
		dst = append(dst, t.values[last])
		word, first = word[n:], t.following
	}
	dst[start] |= startsWord
	return dst, true
}

// unknownASCII appends the unknown token if the rest of a word has no noLetter.
func (t *symbolTrie) unknownASCII(dst []uint32, rest []byte, letters *letterSymbols) (ids []uint32, ok bool) {
	for _, b := range rest {
		if letters[b] == noLetter {
			return dst, false
		}
	}
	return append(dst, t.unknown|startsWord), true
}

// symbolEntry is a token.
type symbolEntry struct {
	token string
	word  []int32 // its symbols
	id    uint32
}

// trieBuilder places the nodes of a trie, level by level.
type trieBuilder struct {
	trie    *symbolTrie
	entries []symbolEntry // sorted, so that those with a prefix in common lie together
	queue   []symbolRange
	skip    []uint32 // by place: itself while it is free, else a later place up to which none is free
	several int      // where the search for the places of several children begins
}

// symbolRange is a node: the entries that begin with the same depth symbols.
type symbolRange struct {
	node       uint32
	start, end int
	depth      int
}

// build reports false where the array would be too sparse.
func (b *trieBuilder) build() bool {
	t := b.trie
	b.grow(1)
	b.skip[trieRoot] = 1
	b.queue = append(b.queue, symbolRange{trieRoot, 0, len(b.entries), 0})
	limit, placed := 4*t.count+1024, 0
	var children []symbolRange
	for i := 0; i < len(b.queue); i++ {
		r := b.queue[i]
		if len(b.entries[r.start].word) == r.depth { // one entry ends here: tokens differ
			t.nodes[r.node].base = endsToken
			t.values[r.node] = b.entries[r.start].id
			r.start++
		}
		children = b.children(children[:0], r)
		if len(children) == 0 {
			continue
		}
		if placed += len(children); len(t.nodes) > limit+sparseTrie*placed {
			return false
		}
		base := b.place(children)
		t.nodes[r.node].base |= base
		for _, c := range children {
			c.node = base + uint32(b.symbol(c))
			t.nodes[c.node].check = r.node + 1
			b.skip[c.node] = c.node + 1
			b.queue = append(b.queue, c)
		}
	}
	b.grow(len(t.nodes) + t.count + 2) // so that a step from any node stays inside, and the last place is free
	return true
}

// children appends the children of a node; their nodes are not known yet.
func (b *trieBuilder) children(dst []symbolRange, r symbolRange) []symbolRange {
	for i := r.start; i < r.end; {
		start, symbol := i, b.entries[i].word[r.depth]
		for i < r.end && b.entries[i].word[r.depth] == symbol {
			i++
		}
		dst = append(dst, symbolRange{0, start, i, r.depth + 1})
	}
	return dst
}

// symbol returns the last symbol on the way to a node.
func (b *trieBuilder) symbol(r symbolRange) int32 { return b.entries[r.start].word[r.depth-1] }

// place returns a base at which the places of all children are free, and makes room for them.
func (b *trieBuilder) place(children []symbolRange) uint32 {
	first, last := b.trie.count, 0
	for _, c := range children {
		first, last = min(first, int(b.symbol(c))), max(last, int(b.symbol(c)))
	}
	at := b.nextFree(first)
	if len(children) > 1 {
		at = b.nextFree(max(first, b.several))
		for tried := 0; !b.fits(children, at-first); tried++ {
			if at = b.nextFree(at + 1); tried == placesTried {
				b.several, at = at, max(len(b.trie.nodes), first)
			}
		}
	}
	b.grow(at - first + last + 1)
	return uint32(at - first)
}

// nextFree returns the first free place from at on.
func (b *trieBuilder) nextFree(at int) int {
	for at < len(b.skip) && int(b.skip[at]) != at {
		if next := int(b.skip[at]); next < len(b.skip) {
			b.skip[at] = b.skip[next] // halves the way for the next time
		}
		at = int(b.skip[at])
	}
	return at
}

func (b *trieBuilder) fits(children []symbolRange, base int) bool {
	for _, c := range children {
		if at := base + int(b.symbol(c)); at < len(b.skip) && int(b.skip[at]) != at {
			return false
		}
	}
	return true
}

func (b *trieBuilder) grow(n int) {
	t := b.trie
	for len(t.nodes) < n {
		b.skip = append(b.skip, uint32(len(t.nodes)))
		t.nodes = append(t.nodes, symbolNode{})
		t.values = append(t.values, noID)
	}
}
