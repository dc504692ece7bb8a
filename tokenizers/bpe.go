package tokenizers

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// bpe starts from characters and merges the neighbours of lowest rank, the leftmost first, until no pair has a rank (Sennrich et al. 2016).
type bpe struct {
	vocabulary
	merges       pairTable
	unknown      uint32       // noID where unknown characters are dropped
	fuseUnknown  bool         // a run of unknown characters is one token
	ignoreMerges bool         // a word of the vocabulary is taken whole, unless merges are dropped
	dropout      float64      // the rate at which merges are dropped where that is asked for
	prefix       string       // of characters that don't begin a word
	suffix       string       // of the character that ends a word
	byteTokens   *[256]uint32 // tokens such as <0x0A>, for characters the vocabulary lacks; nil where these are not used
	missing      error        // why unknown characters can't be encoded
}

func loadBPE(f *fields) (model, error) {
	b := &bpe{unknown: noID}
	unknown := f.str("unk_token", false)
	b.fuseUnknown = f.boolean("fuse_unk", false)
	b.ignoreMerges = f.boolean("ignore_merges", false)
	b.dropout = readDropout(f)
	b.prefix = f.str("continuing_subword_prefix", false)
	b.suffix = f.str("end_of_word_suffix", false)
	byteFallback := f.boolean("byte_fallback", false)
	if byteFallback && b.prefix+b.suffix != "" {
		return nil, inField("byte_fallback", errors.New("is not supported together with a prefix or suffix of subwords"))
	}
	f.get("vocab", true, func(r *jsonReader) (err error) { b.vocabulary, err = readVocabulary(r); return err })
	f.get("merges", true, b.readMerges)
	if f.err != nil {
		return nil, f.err
	}
	if byteFallback {
		b.byteTokens = b.readByteTokens()
	}
	if unknown != "" {
		var ok bool
		if b.unknown, ok = b.tokenID(unknown); !ok {
			b.unknown = noID
			b.missing = inField("unk_token", fmt.Errorf("%q is not in vocab", unknown))
		}
	}
	return b, nil
}

// readByteTokens returns the ids of <0x00> to <0xFF>, noID for those that the vocabulary lacks.
func (b *bpe) readByteTokens() *[256]uint32 {
	var ids [256]uint32
	for c := range ids {
		id, ok := b.tokenID(fmt.Sprintf("<0x%02X>", c))
		if !ok {
			id = noID
		}
		ids[c] = id
	}
	return &ids
}

// hasAlphabet tells whether every byte has a token.
func (b *bpe) hasAlphabet() bool {
	for _, c := range byteChars {
		if _, ok := b.tokenID(string(c)); !ok {
			return false
		}
	}
	return true
}

func (b *bpe) name() string { return "BPE" }

func (b *bpe) tokenize(dst []token, word []byte, m *merger) []token {
	if b.ignoreMerges && m.dropper == nil {
		if id, ok := b.find(word); ok {
			return append(dst, token{id, 0, int32(len(word))})
		}
	}
	b.addCharacters(word, m)
	m.mergeAll(&b.merges)
	at := int32(0)
	for _, s := range m.symbols {
		if s.length > 0 {
			dst = append(dst, token{s.id, at, at + s.length})
			at += s.length
		}
	}
	return dst
}

// addCharacters fills m with the characters of a word. An unknown character stays pending until a known one follows, which matters where only some
// have byte tokens: these come first, as in the reference.
func (b *bpe) addCharacters(word []byte, m *merger) {
	m.symbols = m.symbols[:0]
	pending := int32(0) // bytes of the unknown token to come
	flush := func() {
		if pending > 0 {
			m.add(b.unknown, pending)
			pending = 0
		}
	}
	for i := 0; i < len(word); {
		_, size := utf8.DecodeRune(word[i:])
		id, ok := b.characterID(word, i, i+size)
		char := word[i : i+size]
		i += size
		switch {
		case ok:
			flush()
			m.add(id, int32(size))
		case b.hasByteTokens(char):
			for _, c := range char {
				m.add(b.byteTokens[c], 1)
			}
		case b.unknown == noID: // dropped
		default:
			if !b.fuseUnknown {
				flush()
			}
			pending += int32(size)
		}
	}
	flush()
}

// characterID returns the token of one character of a word, with the prefix and suffix that its place asks for.
func (b *bpe) characterID(word []byte, start, end int) (uint32, bool) {
	prefixed, suffixed := start > 0 && b.prefix != "", end == len(word) && b.suffix != ""
	if !prefixed && !suffixed {
		id, ok := b.find(word[start:end])
		return id, ok
	}
	var room [64]byte
	token := room[:0]
	if prefixed {
		token = append(token, b.prefix...)
	}
	token = append(token, word[start:end]...)
	if suffixed {
		token = append(token, b.suffix...)
	}
	id, ok := b.find(token)
	return id, ok
}

func (b *bpe) hasByteTokens(char []byte) bool {
	if b.byteTokens == nil {
		return false
	}
	for _, c := range char {
		if b.byteTokens[c] == noID {
			return false
		}
	}
	return true
}

// merge is what a pair becomes, and when: lower ranks go first.
type merge struct{ rank, id uint32 }

// pairTable maps pairs of ids to merges: open addressing, at most half full.
type pairTable struct {
	slots []pairSlot
	used  int
	shift int
}

type pairSlot struct {
	key uint64 // 1 + left<<32 + right, or 0
	merge
}

// newPairTable makes room for about as many pairs.
func newPairTable(pairs int) pairTable {
	bits := 10
	for pairs > 1<<bits/2 {
		bits++
	}
	return pairTable{slots: make([]pairSlot, 1<<bits), shift: 64 - bits}
}

func pairKey(left, right uint32) uint64 { return 1 + uint64(left)<<32 + uint64(right) }

// home returns where a key is, if no other has taken its place.
func (t *pairTable) home(key uint64) int { return int(key * 0x9E3779B97F4A7C15 >> t.shift) }

func (t *pairTable) slot(key uint64) *pairSlot {
	i := t.home(key)
	for t.slots[i].key != key && t.slots[i].key != 0 {
		i = (i + 1) & (len(t.slots) - 1)
	}
	return &t.slots[i]
}

func (t *pairTable) set(left, right uint32, m merge) {
	key := pairKey(left, right)
	s := t.slot(key)
	if s.key == 0 {
		t.used++
	}
	*s = pairSlot{key, m}
	if 2*t.used > len(t.slots) {
		old := t.slots
		t.slots, t.shift = make([]pairSlot, 2*len(old)), t.shift-1
		for _, s := range old {
			if s.key != 0 {
				*t.slot(s.key) = s
			}
		}
	}
}

func (t *pairTable) get(left, right uint32) (merge, bool) {
	s := t.slot(pairKey(left, right))
	return s.merge, s.key != 0
}

// merger merges the symbols of one word with a heap, so that a word of n characters takes n log n steps, whatever it is. It is the scratch memory of
// one goroutine.
type merger struct {
	symbols []symbol
	heap    []candidate
	ahead   aheadWords // of byteBPE and spacedBPE
	lattice lattice    // of Unigram
	dropper *dropper   // nil: all merges are done
}

// symbol is a node of a doubly linked list over an array; -1 ends the list, and a length of 0 marks what was merged into its left neighbour.
type symbol struct {
	id         uint32
	length     int32
	prev, next int32
}

// candidate is a pair that may be merged when it comes up, in order of rank, then place.
type candidate struct {
	order uint64 // rank<<32 + place of the left symbol
	id    uint32
}

func (m *merger) add(id uint32, length int32) {
	n := int32(len(m.symbols))
	if n > 0 {
		m.symbols[n-1].next = n
	}
	m.symbols = append(m.symbols, symbol{id, length, n - 1, -1})
}

func (m *merger) mergeAll(merges *pairTable) {
	m.heap = m.heap[:0]
	if m.dropper != nil {
		m.dropper.skipped = m.dropper.skipped[:0]
	}
	for i := range max(0, len(m.symbols)-1) {
		m.consider(int32(i), merges)
	}
	for len(m.heap) > 0 {
		top := m.pop()
		if m.dropper != nil && m.dropper.passesOver(top, m) {
			continue
		}
		place := int32(uint32(top.order))
		left := &m.symbols[place]
		if left.length == 0 || left.next < 0 {
			continue
		}
		right := &m.symbols[left.next]
		if now, ok := merges.get(left.id, right.id); !ok || now.id != top.id {
			continue // the pair has changed since
		}
		left.id = top.id
		left.length += right.length
		right.length = 0
		if left.next = right.next; left.next >= 0 {
			m.symbols[left.next].prev = place
			m.consider(place, merges)
		}
		if left.prev >= 0 {
			m.consider(left.prev, merges)
		}
	}
}

// consider puts the pair that begins at place on the heap if it has a rank.
func (m *merger) consider(place int32, merges *pairTable) {
	s := m.symbols[place]
	if found, ok := merges.get(s.id, m.symbols[s.next].id); ok {
		m.push(candidate{uint64(found.rank)<<32 + uint64(place), found.id})
	}
}

func (m *merger) push(c candidate) {
	m.heap = append(m.heap, c)
	i := len(m.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if m.heap[parent].order <= c.order {
			break
		}
		m.heap[i] = m.heap[parent]
		i = parent
	}
	m.heap[i] = c
}

func (m *merger) pop() candidate {
	top := m.heap[0]
	last := m.heap[len(m.heap)-1]
	m.heap = m.heap[:len(m.heap)-1]
	n := len(m.heap)
	for i := 0; n > 0; {
		child := 2*i + 1
		if child+1 < n && m.heap[child+1].order < m.heap[child].order {
			child++
		}
		if child >= n || m.heap[child].order >= last.order {
			m.heap[i] = last
			break
		}
		m.heap[i] = m.heap[child]
		i = child
	}
	return top
}
