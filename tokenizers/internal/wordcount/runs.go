package wordcount

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// writeRun writes the words that each gives and returns the path.
func writeRun(store *Store, each func(func(word []byte, count int64) error) error) (path string, err error) {
	f, err := store.create()
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("write counted words: %w", err)
		}
	}()
	w := bufio.NewWriterSize(f, runBuffer)
	var number []byte
	err = each(func(word []byte, count int64) error {
		number = binary.AppendUvarint(number[:0], uint64(len(word)))
		if _, err := w.Write(number); err != nil {
			return err
		}
		if _, err := w.Write(word); err != nil {
			return err
		}
		number = binary.AppendUvarint(number[:0], uint64(count))
		_, err := w.Write(number)
		return err
	})
	if err != nil {
		return "", err
	}
	if err := w.WriteByte(0); err != nil {
		return "", err
	}
	return f.Name(), w.Flush()
}

// source gives words in order. next returns io.EOF when there are no more.
type source interface {
	next() error
	current() (word []byte, count int64) // valid until next is called
	close() error
}

// tableReader is the source of a table.
type tableReader struct {
	table   *table
	entries []entry
	buffer  [16]byte
	word    []byte
	count   int64
}

func (r *tableReader) next() error {
	if len(r.entries) == 0 {
		return io.EOF
	}
	e := &r.entries[0]
	r.word, r.count = r.table.word(e, &r.buffer), e.slot.count
	r.entries = r.entries[1:]
	return nil
}

func (r *tableReader) current() ([]byte, int64) { return r.word, r.count }

func (r *tableReader) close() error { return nil }

// runReader is the source of a run.
type runReader struct {
	file  *os.File
	in    *bufio.Reader
	word  []byte
	count int64
}

func openRun(path string) (*runReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read counted words: %w", err)
	}
	return &runReader{file: f, in: bufio.NewReaderSize(f, runBuffer)}, nil
}

func (r *runReader) next() error {
	n, err := binary.ReadUvarint(r.in)
	if err == nil && n == 0 {
		return io.EOF
	}
	if err == nil {
		r.word = slices.Grow(r.word[:0], int(n))[:n]
		_, err = io.ReadFull(r.in, r.word)
	}
	var count uint64
	if err == nil {
		count, err = binary.ReadUvarint(r.in)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read counted words: %w", err)
	}
	r.count = int64(count)
	return nil
}

func (r *runReader) current() ([]byte, int64) { return r.word, r.count }

func (r *runReader) close() error { return r.file.Close() }

// merger joins sources: a heap by their current words.
type merger struct {
	heap []source
	all  []source
}

// add takes a source, which is closed with the merger.
func (m *merger) add(s source) error {
	m.all = append(m.all, s)
	if err := s.next(); err == io.EOF {
		return nil
	} else if err != nil {
		return err
	}
	m.heap = append(m.heap, s)
	for i := len(m.heap) - 1; i > 0 && m.before(i, (i-1)/2); i = (i - 1) / 2 {
		m.heap[i], m.heap[(i-1)/2] = m.heap[(i-1)/2], m.heap[i]
	}
	return nil
}

func (m *merger) close() error {
	var err error
	for _, s := range m.all {
		err = errors.Join(err, s.close())
	}
	return err
}

func (m *merger) before(i, k int) bool {
	a, _ := m.heap[i].current()
	b, _ := m.heap[k].current()
	return bytes.Compare(a, b) < 0
}

// each calls do with each word of all sources and the sum of its counts.
func (m *merger) each(do func(word []byte, count int64) error) error {
	var word []byte
	var sum int64
	for len(m.heap) > 0 {
		w, count := m.heap[0].current()
		if sum > 0 && !bytes.Equal(w, word) {
			if err := do(word, sum); err != nil {
				return err
			}
			sum = 0
		}
		word = append(word[:0], w...)
		sum += count
		if err := m.advance(); err != nil {
			return err
		}
	}
	if sum > 0 {
		return do(word, sum)
	}
	return nil
}

// advance moves the first source on and puts it in its place.
func (m *merger) advance() error {
	if err := m.heap[0].next(); err == io.EOF {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	} else if err != nil {
		return err
	}
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < len(m.heap) && m.before(child+1, child) {
			child++
		}
		if child >= len(m.heap) || !m.before(child, i) {
			return nil
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}
