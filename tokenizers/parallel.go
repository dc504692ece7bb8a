package tokenizers

import (
	"slices"
	"sync"
)

// ParallelEncoder turns one large text into ids on several goroutines. It is for one caller at a time.
type ParallelEncoder struct {
	encoders []*Encoder
	tasks    []parallelTask
	free     [][]uint32
	finder   addedFinder
}

// parallelTask is a part of a text: an added token, or what may be encoded by itself.
type parallelTask struct {
	found
	ids []uint32
}

// parallelBytes is the size of the parts of a text: some milliseconds of work, so that goroutines wait little for one another.
const parallelBytes = 1 << 18

// NewParallelEncoder returns an encoder for as many goroutines as workers says, at least one, each with a cache of words of up to cacheBytes.
func (t *Tokenizer) NewParallelEncoder(workers, cacheBytes int) *ParallelEncoder {
	p := &ParallelEncoder{}
	for range max(1, workers) {
		p.encoders = append(p.encoders, t.NewEncoder(cacheBytes))
	}
	return p
}

// AppendIDs appends the ids of a document to dst, those of Encoder.AppendIDs whatever the number of workers. The text is cut at added tokens, and at
// spaces where the tokenizer is known to encode what is before and behind them alike by itself; what has no such place is encoded by one goroutine. The
// only error is a panic of a goroutine.
func (p *ParallelEncoder) AppendIDs(dst []uint32, text []byte) ([]uint32, error) {
	return p.appendIDs(dst, text, parallelBytes)
}

func (p *ParallelEncoder) appendIDs(dst []uint32, text []byte, bytes int) ([]uint32, error) {
	if t := p.encoders[0].tokenizer; len(text) <= bytes || t.added.inReplaced && !t.keepsBytes() {
		return p.encoders[0].AppendIDs(dst, text), nil
	}
	p.plan(text, bytes)
	dst = slices.Grow(dst, len(text)/averageToken)
	var mu sync.Mutex
	next := 0 // task whose ids come next
	err := share(len(p.encoders), len(p.tasks), func(worker, i int) {
		task := &p.tasks[i]
		mu.Lock()
		var ids []uint32
		if n := len(p.free); n > 0 {
			ids, p.free = p.free[n-1][:0], p.free[:n-1]
		}
		mu.Unlock()
		if ids == nil {
			ids = make([]uint32, 0, bytes/2)
		}
		ids = p.encoders[worker].appendTask(ids, text, task)
		mu.Lock()
		defer mu.Unlock()
		task.ids = ids
		for ; next < len(p.tasks) && p.tasks[next].ids != nil; next++ {
			dst = append(dst, p.tasks[next].ids...)
			p.free = append(p.free, p.tasks[next].ids)
			p.tasks[next].ids = nil
		}
	})
	return dst, err
}

// averageToken is a guess at the bytes of text for each token, to make room at once.
const averageToken = 4

// plan lists the tasks of a text, each of about so many bytes.
func (p *ParallelEncoder) plan(text []byte, bytes int) {
	t := p.encoders[0].tokenizer
	p.tasks = p.tasks[:0]
	for _, f := range p.finder.find(t.added, t.added.raw, text, true) {
		if f.token != nil || t.added.reaches && t.added.normal.wanted(true) && !t.added.absent(text[f.start:f.end], true) {
			p.tasks = append(p.tasks, parallelTask{found: f})
			continue
		}
		for start := f.start; start < f.end; {
			end := start + t.cutNear(text[start:f.end], bytes)
			p.tasks = append(p.tasks, parallelTask{found: found{start: start, end: end}})
			start = end
		}
	}
}

// appendTask appends the ids of a task.
func (e *Encoder) appendTask(dst []uint32, text []byte, t *parallelTask) []uint32 {
	e.keep = ^uint32(startsWord)
	e.locator.on = false
	part := text[t.start:t.end]
	if t.token != nil {
		return e.appendAdded(dst, t.token, part, t.start, t.end)
	}
	dst = e.appendPart(dst, part, t.start, true)
	e.release()
	return dst
}
