package tokenizers

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/shardmill/shardmill/tokenizers/internal/scan"
	"github.com/shardmill/shardmill/tokenizers/internal/wordcount"
)

const (
	progressTexts   = 256     // texts between two calls of Progress
	trainBatchBytes = 1 << 20 // of texts that a worker takes at once
	wordsAtOnce     = 512     // places of words that are found before the words are counted
)

// wordSource cuts texts into words for one goroutine. Where there is a fast way, texts are cut into pieces that are alike wherever they stand; these are counted,
// and each distinct one is made words of once.
type wordSource struct {
	next   func(text []byte) (skip, n int)                             // how much of a text to skip, and how long the piece behind it is, 0 for none
	words  func(piece []byte, do func(text []byte, n int) error) error // of a piece; nil where pieces are words
	scan   scan.Cutter                                                 // does what next does, where it skips nothing, faster; nil where there is none
	state  scan.State
	ends   []uint32           // scratch: of words
	before []byte             // goes before a text that does not begin with it
	prefix []byte             // scratch: a text with before
	pieces *wordcount.Counter // nil where texts are not cut into pieces
	counts *wordcount.Counter // words
}

// newWordSource returns a source that counts within maxBytes; 0 means no bound.
func (t *training) newWordSource(maxBytes int64, store *wordcount.Store) *wordSource {
	s := &wordSource{}
	defer func() {
		if s.next != nil && s.words != nil {
			maxBytes = (maxBytes + 1) / 2
			s.pieces = wordcount.NewCounter(maxBytes, store)
		}
		s.counts = wordcount.NewCounter(maxBytes, store)
	}()
	normalizer, pre := t.template.normalizer, t.template.preTokenizer
	if t.bytes {
		cutter := bytesCutter(pre)
		s.next = func(text []byte) (skip, n int) { return 0, cutter.word(text) }
		s.scan, s.ends = scannerFor(cutter), make([]uint32, wordsAtOnce)
		if level, ok := pre.(*byteLevel); ok && level.addPrefixSpace {
			s.before = []byte{' '}
		}
		return s
	}
	if n, ok := normalizer.(*bertNormalizer); ok {
		if _, ok := pre.(bertPreTokenizer); ok {
			plan := newBertPlan(n, nil)
			var scratch Encoder
			s.next = plan.piece
			s.words = func(piece []byte, do func([]byte, int) error) (err error) {
				plan.eachWord(&scratch, piece, func(word []byte) { err = errors.Join(err, do(word, len(word))) })
				return err
			}
			return s
		}
	}
	s.words = t.wordsByParts
	m, ok := pre.(*metaspace)
	if ok {
		if plan, ok := newMetaspacePlan(normalizer, m, nil).(*metaspacePlan); ok && !plan.wholeText {
			s.next = func(text []byte) (skip, n int) { return 0, nextCut(plan, text) }
		}
	}
	return s
}

// nextCut returns where a text may first be cut before a space, or its length.
func nextCut(plan cuttable, text []byte) int {
	for i := 1; i < len(text); i++ {
		n := bytes.IndexByte(text[i:], ' ')
		if n < 0 {
			break
		}
		if i += n; plan.cutsAt(text, i) {
			return i
		}
	}
	return len(text)
}

// bytesCutter returns the cutter of a pre-tokenizer that shows the bytes of words, or nil where there is none.
func bytesCutter(pre preTokenizer) wordCutter {
	switch pre := pre.(type) {
	case *byteLevel:
		if pre.useRegex {
			return newGPT2Cutter()
		}
	case preTokenizerSequence:
		return cutterBeforeBytes(pre)
	}
	return nil
}

// wordsByParts runs a piece through normalizer and pre-tokenizer.
func (t *training) wordsByParts(piece []byte, do func(text []byte, n int) error) error {
	normalizer, pre := t.template.normalizer, t.template.preTokenizer
	for len(piece) > 0 {
		part := newText(string(piece[:min(len(piece), maxTextBytes)]), normalizer != nil || !makesBytes(pre))
		piece = piece[min(len(piece), maxTextBytes):]
		if normalizer != nil {
			part = normalizer.normalize(part)
		}
		if len(part.bytes) == 0 {
			continue
		}
		words := []text{part}
		if pre != nil {
			words = pre.split(words[:0:0], part)
		}
		for _, w := range words {
			if err := do(w.bytes, len(w.bytes)); err != nil {
				return err
			}
		}
	}
	return nil
}

// count counts the words of a text, or its pieces.
func (s *wordSource) count(text []byte) error {
	if len(s.before) > 0 && len(text) > 0 && text[0] != s.before[0] {
		s.prefix = append(append(s.prefix[:0], s.before...), text...)
		text = s.prefix
	}
	if s.next == nil {
		return s.words(text, func(word []byte, n int) error { return s.counts.Add(word, n, 1) })
	}
	if s.scan != nil && len(text) <= maxTextBytes {
		return s.countScanned(text)
	}
	into := s.counts
	if s.pieces != nil {
		into = s.pieces
	}
	for len(text) > 0 {
		skip, n := s.next(text)
		text = text[skip:]
		if n == 0 {
			continue
		}
		if err := into.Add(text, n, 1); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// countScanned counts the words of a text whose places are found many at once.
func (s *wordSource) countScanned(text []byte) error {
	s.scan.Reset(&s.state, text)
	start := uint32(0)
	for {
		n := s.scan.Cut(&s.state, s.ends)
		if n == 0 {
			s.state = scan.State{}
			return nil
		}
		if err := s.counts.AddWords(text, start, s.ends[:n]); err != nil {
			return err
		}
		start = s.ends[n-1]
	}
}

// finish makes words of the pieces.
func (s *wordSource) finish() error {
	if s.pieces == nil {
		return nil
	}
	pieces, err := wordcount.Merge(s.pieces)
	if err != nil {
		return err
	}
	s.pieces = nil
	return pieces.Each(func(piece []byte, count int64) error {
		return s.words(piece, func(word []byte, n int) error { return s.counts.Add(word, n, count) })
	})
}

// countWords counts the words of all texts.
func (t *training) countWords(store *wordcount.Store, texts iter.Seq2[[]byte, error]) (*wordcount.Sorted, error) {
	workers := int64(t.o.Workers)
	sources := make([]*wordSource, workers)
	for i := range sources {
		sources[i] = t.newWordSource((t.o.MemoryBytes+workers-1)/workers, store)
	}
	count := t.countAlone
	if len(sources) > 1 {
		count = t.countTogether
	}
	if err := count(sources, texts); err != nil {
		return nil, err
	}
	counters := make([]*wordcount.Counter, len(sources))
	for i, s := range sources {
		counters[i] = s.counts
	}
	return wordcount.Merge(counters...)
}

func (t *training) countAlone(sources []*wordSource, texts iter.Seq2[[]byte, error]) error {
	s := sources[0]
	for text, err := range texts {
		if err == nil {
			err = s.count(text)
		}
		if err != nil {
			return t.inText(err)
		}
		if err := t.read(text, int64(s.inMemory())); err != nil {
			return err
		}
	}
	if err := t.o.Progress(t.progress); err != nil {
		return err
	}
	return s.finish()
}

func (t *training) inText(err error) error {
	return fmt.Errorf("read text %d: %w", t.progress.Texts, err)
}

// inMemory returns the number of distinct words or pieces.
func (s *wordSource) inMemory() int {
	if s.pieces != nil {
		return s.pieces.Words()
	}
	return s.counts.Words()
}

// read notes a text.
func (t *training) read(text []byte, words int64) error {
	p := &t.progress
	p.Texts++
	p.Bytes += int64(len(text))
	p.Words = words
	if p.Texts%progressTexts == 0 {
		return t.o.Progress(*p)
	}
	return nil
}

// textBatch is texts one after another.
type textBatch struct {
	bytes []byte
	ends  []int
}

// countTogether gives batches of texts to one goroutine for each source.
func (t *training) countTogether(sources []*wordSource, texts iter.Seq2[[]byte, error]) error {
	full, free := make(chan *textBatch), make(chan *textBatch, 2*len(sources))
	for range cap(free) {
		free <- &textBatch{}
	}
	var words atomic.Int64
	var failed atomic.Bool
	errs := make([]error, len(sources))
	var all sync.WaitGroup
	for i, s := range sources {
		all.Go(func() {
			before := 0
			for b := range full {
				start := 0
				for _, end := range b.ends {
					if errs[i] == nil {
						errs[i] = s.count(b.bytes[start:end])
					}
					start = end
				}
				if errs[i] != nil {
					failed.Store(true)
				}
				words.Add(int64(s.inMemory() - before))
				before = s.inMemory()
				free <- b
			}
			if errs[i] == nil && !failed.Load() {
				errs[i] = s.finish()
			}
		})
	}
	batch := <-free
	send := func() {
		full <- batch
		batch = <-free
		batch.bytes, batch.ends = batch.bytes[:0], batch.ends[:0]
	}
	var err error
	for text, textErr := range texts {
		if textErr != nil {
			err = t.inText(textErr)
		}
		if err != nil || failed.Load() {
			failed.Store(true)
			break
		}
		batch.bytes = append(batch.bytes, text...)
		if batch.ends = append(batch.ends, len(batch.bytes)); len(batch.bytes) >= trainBatchBytes {
			send()
		}
		err = t.read(text, words.Load())
	}
	failed.CompareAndSwap(false, err != nil)
	send()
	close(full)
	all.Wait()
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	t.progress.Words = words.Load()
	return t.o.Progress(t.progress)
}
