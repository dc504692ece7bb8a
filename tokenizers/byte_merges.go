package tokenizers

import (
	"math/bits"
	"slices"
)

// byteMerges are the merges of a byte-level model in tables small enough for the caches of a processor: what takes time is the way to memory. Only words
// of up to maxShortWord bytes are merged with them: all pairs of such a word are looked at again after each merge, which for so few is faster than
// a heap. What would be branches that a processor guesses wrong is arithmetic here: a pair can lie in one slot alone, and words stand between symbols
// that merge with nothing.
type byteMerges struct {
	alphabet [256]uint32 // ids of the bytes
	first    []uint32    // ranks of pairs of bytes, the left one in the high bits
	slots    []uint64    // left 22 bits, right 22 bits, rank 20 bits; noPair where empty
	shift    int
	moves    []uint16 // what is added to the hashes of a group of pairs, so that each has a slot of its own
	groups   int      // shift of a hash, to its group
	ids      []uint32 // by rank; nil where all are the rank and offset
	offset   uint32
}

const (
	maxShortWord = 63
	idBits       = 22 // see maxID
	rankBits     = 20
	noRank       = 1<<rankBits - 1
	noPair       = 1<<64 - 1
	noOrder      = 1<<32 - 1
	placeBits    = 6 // of maxShortWord
	noSymbol     = maxID
	maxGroup     = 64 // pairs; by chance there are no more than twenty
)

// newByteMerges returns nil where the vocabulary lacks bytes, or has more tokens or merges than fit.
func newByteMerges(merges *pairTable, alphabet [256]uint32) *byteMerges {
	m := &byteMerges{alphabet: alphabet, first: make([]uint32, 1<<16)}
	pairs := make([]uint64, 0, merges.used)
	m.ids = make([]uint32, 0, merges.used)
	for _, s := range merges.slots {
		if s.key == 0 {
			continue
		}
		left, right := (s.key-1)>>32, (s.key-1)&noID
		if s.rank >= noRank || left >= noSymbol || right >= noSymbol {
			return nil
		}
		for len(m.ids) <= int(s.rank) {
			m.ids = append(m.ids, noID)
		}
		m.ids[s.rank] = s.id
		pairs = append(pairs, (left<<idBits|right)<<rankBits|uint64(s.rank))
	}
	size := bits.Len(uint(len(pairs)) * 5 / 4)
	for most := size + 2; !m.fill(pairs, size); size++ {
		if size == most { // pairs made to be alike
			return nil
		}
	}
	for i := range m.first {
		left, right := alphabet[i>>8], alphabet[i&0xFF]
		if left == noID || right == noID {
			return nil
		}
		m.first[i] = m.rank(left, right)
	}
	if m.inOrder() {
		m.ids, m.offset = nil, m.ids[0]
	}
	return m
}

// inOrder tells whether the ids that merges make follow one another.
func (m *byteMerges) inOrder() bool {
	for rank, id := range m.ids {
		if id != m.ids[0]+uint32(rank) {
			return false
		}
	}
	return len(m.ids) > 0
}

// fill puts pairs into 1<<size slots by hashing and displacing: groups of pairs get one number each, the large groups first, which sends all of a
// group to free slots (Pagh 1999). It tells whether that was found.
func (m *byteMerges) fill(pairs []uint64, size int) bool {
	m.slots, m.shift = make([]uint64, 1<<size), 64-size
	m.moves, m.groups = make([]uint16, 1<<max(size-2, 0)), 64-max(size-2, 0)
	for i := range m.slots {
		m.slots[i] = noPair
	}
	groupOf := func(pair uint64) uint64 { return pair >> rankBits * hashFactor >> m.groups }
	ends := make([]uint32, len(m.moves)+1) // of the groups in sorted, after the groups before them
	for _, pair := range pairs {
		ends[groupOf(pair)+1]++
	}
	var larger [maxGroup + 2]uint32 // groups of more pairs than the index
	for _, size := range ends[1:] {
		if size > maxGroup {
			return false
		}
		larger[size]++
	}
	for size, sum := maxGroup, uint32(0); size >= 0; size-- {
		larger[size], sum = sum, sum+larger[size]
	}
	order := make([]uint32, len(m.moves)) // of the groups, large ones first
	for group := range m.moves {
		size := ends[group+1]
		order[larger[size]] = uint32(group)
		larger[size]++
		ends[group+1] += ends[group]
	}
	sorted, next := make([]uint64, len(pairs)), slices.Clone(ends)
	for _, pair := range pairs {
		group := groupOf(pair)
		sorted[next[group]] = pair
		next[group]++
	}
	for _, group := range order {
		if !m.place(sorted[ends[group]:ends[group+1]], &m.moves[group]) {
			return false
		}
	}
	return true
}

// place finds the first number that sends all pairs of a group to free slots.
func (m *byteMerges) place(group []uint64, move *uint16) bool {
	for n := range 1 << 16 {
		*move = uint16(n)
		done := 0
		for _, pair := range group {
			slot := &m.slots[m.home(pair>>rankBits)]
			if *slot != noPair {
				break
			}
			*slot = pair
			done++
		}
		if done == len(group) {
			return true
		}
		for _, pair := range group[:done] {
			m.slots[m.home(pair>>rankBits)] = noPair
		}
	}
	return false
}

const hashFactor = 0x9E3779B97F4A7C15

// home returns the slot that a pair lies in if it has a rank.
func (m *byteMerges) home(key uint64) uint64 {
	hash := key * hashFactor
	return (hash ^ uint64(m.moves[hash>>m.groups])) * hashFactor >> m.shift
}

// rank returns the rank of a pair of ids, or noRank.
func (m *byteMerges) rank(left, right uint32) uint32 {
	key := uint64(left)<<idBits | uint64(right)
	slot := m.slots[m.home(key)]
	rank := uint32(noRank)
	if slot>>rankBits == key {
		rank = uint32(slot) & noRank
	}
	return rank
}

// shortWord is a word on the way. Places count from 1: noSymbol stands before the word and behind it.
type shortWord struct {
	ids    [maxShortWord + 2]uint32 // of the symbol that begins at a byte
	orders [maxShortWord + 1]uint32 // of the pair that it begins: rank, then place; where there is none, noRank or noOrder
	room   int                      // of orders that are in use, in sixteens
	begins uint64                   // places that a symbol begins at, and 0
}

// begin sets w to the bytes of a word of up to maxShortWord.
func (m *byteMerges) begin(w *shortWord, word []byte) {
	n := len(word)
	w.room = (n + 16) &^ 15
	w.begins = uint64(2)<<n - 1
	for i := range w.orders[:w.room] {
		w.orders[i] = noOrder
	}
	last := word[0]
	w.ids[0], w.ids[1], w.ids[maxShortWord+1] = noSymbol, m.alphabet[last], noSymbol
	for i, b := range word[1:] {
		w.ids[i+2] = m.alphabet[b]
		w.orders[i+1] = m.first[int(last)<<8|int(b)]<<placeBits | uint32(i+1)
		last = b
	}
}

// step merges the first pair of a word, and returns false where none is left.
func (m *byteMerges) step(w *shortWord) bool {
	order := leastOrder(w.orders[:w.room])
	if order >= noRank<<placeBits {
		return false
	}
	at := order & maxShortWord
	id := order>>placeBits + m.offset
	if m.ids != nil {
		id = m.ids[order>>placeBits]
	}
	behind := w.begins & (^uint64(1) << at)
	w.orders[bits.TrailingZeros64(behind)&maxShortWord] = noOrder
	w.begins &^= behind & -behind
	w.ids[at] = id
	right := bits.TrailingZeros64(behind & (behind - 1))
	left := bits.Len64(w.begins&(1<<at-1)) - 1
	w.orders[at] = m.rank(id, w.ids[right])<<placeBits | at
	w.orders[left&maxShortWord] = m.rank(w.ids[left&maxShortWord], id)<<placeBits | uint32(left)
	return true
}

// merge merges words in turn, so that the ways to memory of one are those of the others too.
func (m *byteMerges) merge(words []*shortWord) {
	for len(words) > 0 {
		left := 0
		for _, w := range words {
			if words[left] = w; m.step(w) {
				left++
			}
		}
		words = words[:left]
	}
}

// appendTo appends the ids of the word.
func (w *shortWord) appendTo(dst []uint32) []uint32 {
	for begins := w.begins &^ 1; begins != 0; begins &= begins - 1 {
		dst = append(dst, w.ids[bits.TrailingZeros64(begins)])
	}
	return dst
}

// appendShort appends the ids of a word of up to maxShortWord bytes, w being scratch memory.
func (m *byteMerges) appendShort(dst []uint32, word []byte, w *shortWord) []uint32 {
	m.begin(w, word)
	for m.step(w) {
	}
	return w.appendTo(dst)
}

// leastOrder returns the least of the orders, which come in sixteens.
func leastOrder(orders []uint32) uint32 {
	least := uint32(noOrder)
	for ; len(orders) >= 16; orders = orders[16:] {
		o := (*[16]uint32)(orders)
		a := min(min(o[0], o[1]), min(o[2], o[3]))
		b := min(min(o[4], o[5]), min(o[6], o[7]))
		c := min(min(o[8], o[9]), min(o[10], o[11]))
		d := min(min(o[12], o[13]), min(o[14], o[15]))
		least = min(least, min(min(a, b), min(c, d)))
	}
	return least
}
