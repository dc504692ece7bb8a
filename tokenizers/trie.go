package tokenizers

// trie finds the longest token at a place, byte by byte. Its edges lie in one hash table, so that a step is one probe in most cases and a
// vocabulary of 30,000 tokens takes a few megabytes.
type trie struct {
	edges []trieEdge // open addressing, at most half full
	shift int
	used  int
	value []uint32 // by node: what ends there, or noID
}

type trieEdge struct {
	key  uint64 // 1 + node<<8 + byte, or 0
	node uint32
}

const trieRoot = 0

func newTrie() *trie {
	return &trie{edges: make([]trieEdge, 64), shift: 64 - 6, value: []uint32{noID}}
}

func (t *trie) slot(key uint64) int {
	i := int(key * 0x9E3779B97F4A7C15 >> t.shift)
	for t.edges[i].key != key && t.edges[i].key != 0 {
		i = (i + 1) & (len(t.edges) - 1)
	}
	return i
}

// step returns the node that b leads to.
func (t *trie) step(node uint32, b byte) (uint32, bool) {
	e := t.edges[t.slot(1+uint64(node)<<8+uint64(b))]
	return e.node, e.key != 0
}

// path returns the node that s leads to, and makes it where it is not there.
func (t *trie) path(node uint32, s string) uint32 {
	for i := range len(s) {
		key := 1 + uint64(node)<<8 + uint64(s[i])
		e := &t.edges[t.slot(key)]
		if e.key == 0 {
			*e = trieEdge{key, uint32(len(t.value))}
			t.value = append(t.value, noID)
			node = uint32(len(t.value) - 1)
			if t.used++; t.used > len(t.edges)/2 {
				t.grow()
			}
			continue
		}
		node = e.node
	}
	return node
}

func (t *trie) grow() {
	old := t.edges
	t.edges, t.shift = make([]trieEdge, 2*len(old)), t.shift-1
	for _, e := range old {
		if e.key != 0 {
			t.edges[t.slot(e.key)] = e
		}
	}
}

func (t *trie) insert(s string, value uint32) {
	t.value[t.path(trieRoot, s)] = value
}

// longest returns the value of the longest entry that text begins with, read from node on, and its length; the length is 0 where there is none.
func (t *trie) longest(node uint32, text []byte) (value uint32, length int) {
	for i, b := range text {
		next, ok := t.step(node, b)
		if !ok {
			break
		}
		if node = next; t.value[node] != noID {
			value, length = t.value[node], i+1
		}
	}
	return value, length
}
