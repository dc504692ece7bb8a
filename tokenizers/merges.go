package tokenizers

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// mergeReader reads merges by the batch. The tables that they are looked up in are bigger than the caches of a processor; a batch first reads all places
// of a table that it will need, one independent of another, so that it waits for memory once and not for each merge.
type mergeReader struct {
	*bpe
	first  int    // index of the first merge of the batch
	count  int    // merges in the batch
	text   []byte // their tokens, one behind another
	ends   [2 * batchMerges]int
	hashes [2 * batchMerges]uint32
	slots  [2 * batchMerges]tokenSlot
	found  [2 * batchMerges]string // what is in the slots
	ids    [2 * batchMerges]uint32
	merged [batchMerges]uint32
	last   uint32 // of merged
	short  []byte // a merge whose second token has lost its prefix
	seen   uint64 // what was read to have it near
}

const batchMerges = 256

// readMerges reads pairs in order of rank, written "a b" or ["a", "b"]; the pair becomes "ab" without the prefix of b. Of a pair given twice the
// later rank holds, as in the reference.
func (b *bpe) readMerges(r *jsonReader) error {
	const bytesPerMerge = 12 // at least, in most files
	b.merges = newPairTable(len(r.data) / bytesPerMerge)
	m := &mergeReader{bpe: b, last: noID}
	err := r.list('[', ']', "an array", func() error {
		if m.count == batchMerges {
			if err := m.add(); err != nil {
				return err
			}
		}
		i := m.first + m.count
		return atIndex(i, m.read(r))
	})
	if err != nil {
		return err
	}
	return m.add()
}

// read reads one merge into the batch.
func (m *mergeReader) read(r *jsonReader) error {
	if r.next() == '"' {
		s, err := r.bytes()
		if err != nil {
			return err
		}
		cut := bytes.IndexByte(s, ' ')
		if cut < 0 || bytes.IndexByte(s[cut+1:], ' ') >= 0 {
			return fmt.Errorf("%q is not two tokens with a space between them", s)
		}
		m.text = append(append(m.text, s[:cut]...), s[cut+1:]...)
		m.ends[2*m.count], m.ends[2*m.count+1] = len(m.text)-len(s)+cut+1, len(m.text)
		m.count++
		return nil
	}
	n := 0
	err := r.array(func(int) error {
		if n++; n > 2 {
			return errors.New("a merge has two tokens")
		}
		s, err := r.bytes()
		m.text = append(m.text, s...)
		m.ends[2*m.count+n-1] = len(m.text)
		return err
	})
	if err == nil && n != 2 {
		err = errors.New("a merge has two tokens")
	}
	m.count++
	return err
}

// add puts the merges of the batch into the table and empties it.
func (m *mergeReader) add() error {
	m.findTokens()
	start := 0
	for k := range m.count {
		cut, end := m.ends[2*k], m.ends[2*k+1]
		if err := m.findMerged(k, m.text[start:cut], m.text[cut:end], m.text[start:end]); err != nil {
			return atIndex(m.first+k, err)
		}
		start = end
	}
	for k := range m.count {
		m.seen += m.merges.slots[m.merges.home(pairKey(m.ids[2*k], m.ids[2*k+1]))].key
	}
	for k := range m.count {
		m.merges.set(m.ids[2*k], m.ids[2*k+1], merge{uint32(m.first + k), m.merged[k]})
	}
	m.first += m.count
	m.count, m.text = 0, m.text[:0]
	return nil
}

// findTokens finds the ids of all tokens of the batch; noID for those that the vocabulary lacks.
func (m *mergeReader) findTokens() {
	start := 0
	for k, end := range m.ends[:2*m.count] {
		m.hashes[k] = m.hash(m.text[start:end])
		start = end
	}
	if len(m.tokens) == 0 {
		clear(m.slots[:])
	} else {
		m.fetch()
	}
	start = 0
	for k, end := range m.ends[:2*m.count] {
		token, s := m.text[start:end], m.slots[k]
		start = end
		if s.hash == m.hashes[k] && s.next != 0 && m.found[k] == string(token) {
			m.ids[k] = s.next - 1
		} else if id, ok := probe(&m.vocabulary, m.hashes[k], token); ok {
			m.ids[k] = id
		} else {
			m.ids[k] = noID
		}
	}
}

// fetch reads the slots that the tokens of the batch should lie in, and the tokens that do. Nothing here waits for what was read just before.
func (m *mergeReader) fetch() {
	n := 2 * m.count
	mask := uint32(len(m.vocabulary.slots) - 1)
	for k, hash := range m.hashes[:n] {
		m.slots[k] = m.vocabulary.slots[hash&mask]
	}
	for k, s := range m.slots[:n] {
		m.found[k] = m.tokens[max(s.next, 1)-1]
	}
	for _, token := range m.found[:n] {
		if len(token) > 0 {
			m.seen += uint64(token[0])
		}
	}
}

// findMerged finds what the k-th merge of the batch makes of two tokens.
func (m *mergeReader) findMerged(k int, left, right, both []byte) error {
	switch {
	case !strings.HasPrefix(string(right), m.prefix):
		return fmt.Errorf("%q does not begin with continuing_subword_prefix %q", right, m.prefix)
	case m.ids[2*k] == noID:
		return fmt.Errorf("%q is not in vocab", left)
	case m.ids[2*k+1] == noID:
		return fmt.Errorf("%q is not in vocab", right)
	}
	if m.prefix != "" {
		m.short = append(append(m.short[:0], left...), right[len(m.prefix):]...)
		both = m.short
	}
	// Merges mostly make the same token as the one before, or that of the next id.
	for id := m.last; id-m.last < 2 && int(id) < len(m.tokens); id++ {
		if m.tokens[id] == string(both) && len(both) > 0 {
			m.last, m.merged[k] = id, id
			return nil
		}
	}
	id, ok := m.find(both)
	if !ok {
		return fmt.Errorf("%q is not in vocab", both)
	}
	m.last, m.merged[k] = id, id
	return nil
}
