// Package wordcount counts words. Memory follows the number of distinct words and is bounded: what does not fit is written to a temporary folder in sorted
// runs, which are merged in the end. What comes out, words in the order of their bytes with their counts, does not depend on how many counters shared
// the work or how much memory they had.
//
// A run is a file of words in order, each as its length, its bytes and its count; the numbers are unsigned varints. A length of 0 ends it.
package wordcount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"unicode/utf8"
)

// Store keeps runs of words that memory has no room for. Its temporary folder is made when the first run is written.
type Store struct {
	parent string
	mu     sync.Mutex
	folder string
	files  int
}

// NewStore returns a store that makes its folder in parent; "" stands for the system's folder for temporary files.
func NewStore(parent string) *Store { return &Store{parent: parent} }

// Close removes everything that was written.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folder == "" {
		return nil
	}
	err := os.RemoveAll(s.folder)
	s.folder = ""
	if err != nil {
		return fmt.Errorf("remove the temporary folder: %w", err)
	}
	return nil
}

// create returns a new file.
func (s *Store) create() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folder == "" {
		folder, err := os.MkdirTemp(s.parent, "word-counts-*")
		if err != nil {
			return nil, fmt.Errorf("make a temporary folder for words that memory has no room for: %w", err)
		}
		s.folder = folder
	}
	s.files++
	return os.Create(filepath.Join(s.folder, fmt.Sprintf("%06d", s.files)))
}

// Counter counts words for one goroutine.
type Counter struct {
	table    table
	maxBytes int64 // 0: no bound
	store    *Store
	runs     []string // paths
	touched  int64    // keeps the loads of AddWords from being left out
}

const (
	minTableBytes = 1 << 17 // less could not hold a table
	maxRuns       = 64      // merged at once, each with a buffer of runBuffer
	runBuffer     = 1 << 15
)

// NewCounter returns a counter whose table takes up to maxBytes, but never less than 128 KiB and one word; 0 means no bound.
func NewCounter(maxBytes int64, store *Store) *Counter {
	if maxBytes != 0 {
		maxBytes = max(maxBytes, minTableBytes+firstSlots*slotBytes)
	}
	return &Counter{table: newTable(), maxBytes: maxBytes, store: store}
}

// MaxWordBytes is the longest word that is counted whole; a longer one is counted in parts of about this length, between characters.
const MaxWordBytes = 1 << 20

// Add counts the word that is the first n bytes of text, n > 0, some times more. The bytes behind it are only looked at.
func (c *Counter) Add(text []byte, n int, count int64) error {
	for n > MaxWordBytes {
		part := MaxWordBytes
		for part > MaxWordBytes-utf8.UTFMax && !utf8.RuneStart(text[part]) {
			part--
		}
		if err := c.add(keyOf(text, part), text[:part], count); err != nil {
			return err
		}
		text, n = text[part:], n-part
	}
	return c.add(keyOf(text, n), text[:n], count)
}

// together is how many words are looked up at once, so that the processor waits for their places in memory together.
const together = 32

// AddWords counts the words of a text that end at ends, once each. The first begins at start, each of the others where the one before it ends.
func (c *Counter) AddWords(text []byte, start uint32, ends []uint32) error {
	var keys [together]key
	touched := int64(0)
	for len(ends) > 0 {
		batch := ends[:min(len(ends), together)]
		from := start
		for i, end := range batch {
			k := &keys[i]
			if n := int(end - from); n <= shortBytes {
				*k = keyOf(text[from:], n)
				touched += c.table.slots[k.hash>>c.table.shift].count
			} else {
				k.high = 0
			}
			from = end
		}
		for i, end := range batch {
			var err error
			if k := keys[i]; k.high == 0 {
				err = c.Add(text[start:], int(end-start), 1)
			} else if s := c.table.find(k, nil); s.high != 0 {
				s.count++
			} else {
				err = c.add(k, text[start:end], 1)
			}
			if err != nil {
				return err
			}
			start = end
		}
		ends = ends[len(batch):]
	}
	c.touched = touched
	return nil
}

// add counts a word by its key.
func (c *Counter) add(k key, word []byte, count int64) error {
	s := c.table.find(k, word)
	if s.high != 0 {
		s.count += count
		return nil
	}
	if c.maxBytes > 0 && c.table.used > 0 && c.table.memoryWith(len(word)) > c.maxBytes {
		if err := c.spill(); err != nil {
			return err
		}
		s = c.table.find(k, word)
	}
	c.table.insert(s, k, word, count)
	return nil
}

// Words returns the number of distinct words that are in memory.
func (c *Counter) Words() int { return c.table.used }

// spill writes the table as a run and empties it.
func (c *Counter) spill() error {
	path, err := writeRun(c.store, c.table.each)
	if err != nil {
		return err
	}
	c.table = newTable()
	if c.runs = append(c.runs, path); len(c.runs) < maxRuns {
		return nil
	}
	path, err = writeRun(c.store, (&Sorted{runs: c.runs}).Each)
	if err != nil {
		return err
	}
	for _, run := range c.runs {
		err = errors.Join(err, os.Remove(run))
	}
	c.runs = append(c.runs[:0], path)
	return err
}

// each calls do with all words in order.
func (t *table) each(do func(word []byte, count int64) error) error {
	var buffer [16]byte
	entries := t.sorted()
	for i := range entries {
		if err := do(t.word(&entries[i], &buffer), entries[i].slot.count); err != nil {
			return err
		}
	}
	return nil
}

// Sorted holds counted words in the order of their bytes. It can be read any number of times until the store is closed.
type Sorted struct {
	tables []*table
	lists  [][]entry // of the tables, sorted
	runs   []string
}

// Merge returns the words of all counters, which must not be used any more.
func Merge(counters ...*Counter) (*Sorted, error) {
	s := &Sorted{}
	for _, c := range counters {
		s.tables = append(s.tables, &c.table)
		s.lists = append(s.lists, c.table.sorted())
		s.runs = append(s.runs, c.runs...)
	}
	for len(s.runs) > maxRuns {
		path, err := writeRun(counters[0].store, (&Sorted{runs: s.runs[:maxRuns]}).Each)
		if err != nil {
			return nil, err
		}
		s.runs = append(s.runs[maxRuns:], path)
	}
	return s, nil
}

// Each calls do with each distinct word and its count; word is valid during the call. The first error of do, or of reading what was written, is returned.
func (s *Sorted) Each(do func(word []byte, count int64) error) (err error) {
	if len(s.tables) == 1 && len(s.runs) == 0 {
		var buffer [16]byte
		for i := range s.lists[0] {
			e := &s.lists[0][i]
			if err := do(s.tables[0].word(e, &buffer), e.slot.count); err != nil {
				return err
			}
		}
		return nil
	}
	m := &merger{}
	defer func() { err = errors.Join(err, m.close()) }()
	for i, t := range s.tables {
		if err := m.add(&tableReader{table: t, entries: s.lists[i]}); err != nil {
			return err
		}
	}
	for _, path := range s.runs {
		r, err := openRun(path)
		if err != nil {
			return err
		}
		if err := m.add(r); err != nil {
			return err
		}
	}
	return m.each(do)
}
