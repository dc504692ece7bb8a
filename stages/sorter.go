package stages

import (
	"bufio"
	"container/heap"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// sorter sorts any number of positions in bounded memory: full buffers are sorted and spilled to one temporary file as runs, which are merged
// in the end.
type sorter struct {
	dir   string
	limit int // positions held in memory
	count int64
	held  []position
	file  *os.File
	runs  []int64 // where each run ends in the file, in bytes
}

// mergeBuffer is the memory of each run while runs are merged, in bytes.
const mergeBuffer = 16 << 10

func newSorter(memoryBytes int64, dir string) *sorter {
	return &sorter{dir: dir, limit: int(max(memoryBytes/positionBytes, dropsBlock))}
}

func (s *sorter) add(p position) error {
	if len(s.held) == s.limit {
		if err := s.spill(); err != nil {
			return fmt.Errorf("sort positions: %w", err)
		}
	}
	s.held = append(s.held, p)
	s.count++
	return nil
}

func (s *sorter) spill() error {
	if s.file == nil {
		file, err := os.CreateTemp(s.dir, "shardmill-sort-*")
		if err != nil {
			return err
		}
		s.file = file
		// Nobody else needs its name, and nothing is left if the process dies.
		if err := os.Remove(file.Name()); err != nil {
			return err
		}
	}
	slices.SortFunc(s.held, position.compare)
	w := bufio.NewWriterSize(s.file, mergeBuffer)
	for _, p := range s.held {
		if _, err := w.Write(p[:]); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	end := int64(len(s.held)) * positionBytes
	if n := len(s.runs); n > 0 {
		end += s.runs[n-1]
	}
	s.runs = append(s.runs, end)
	s.held = s.held[:0]
	return nil
}

// sorted iterates over all positions in ascending order. Nothing can be added afterwards.
func (s *sorter) sorted(ctx context.Context) iter.Seq2[position, error] {
	return func(yield func(position, error) bool) {
		slices.SortFunc(s.held, position.compare)
		m := merge{{next: s.held}}
		var from int64
		for _, end := range s.runs {
			section := io.NewSectionReader(s.file, from, end-from)
			m = append(m, &run{file: bufio.NewReaderSize(section, mergeBuffer)})
			from = end
		}
		for i := len(m) - 1; i >= 0; i-- {
			if more, err := m[i].advance(); err != nil {
				yield(position{}, err)
				return
			} else if !more {
				m = slices.Delete(m, i, i+1)
			}
		}
		heap.Init(&m)
		for len(m) > 0 {
			if err := ctx.Err(); err != nil {
				yield(position{}, err)
				return
			}
			if !yield(m[0].head, nil) {
				return
			}
			more, err := m[0].advance()
			if err != nil {
				yield(position{}, err)
				return
			}
			if more {
				heap.Fix(&m, 0)
			} else {
				heap.Pop(&m)
			}
		}
	}
}

// close gives up the temporary file.
func (s *sorter) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// run is a sorted sequence, in memory or in the file.
type run struct {
	head position
	next []position
	file *bufio.Reader
}

func (r *run) advance() (more bool, err error) {
	if r.file == nil {
		if len(r.next) == 0 {
			return false, nil
		}
		r.head, r.next = r.next[0], r.next[1:]
		return true, nil
	}
	switch _, err := io.ReadFull(r.file, r.head[:]); err {
	case nil:
		return true, nil
	case io.EOF:
		return false, nil
	default:
		return false, fmt.Errorf("read a sorted run: %w", err)
	}
}

// merge is a heap of runs by their heads.
type merge []*run

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].head.compare(m[j].head) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*run)) }
func (m *merge) Pop() any {
	last := len(*m) - 1
	r := (*m)[last]
	*m = (*m)[:last]
	return r
}
