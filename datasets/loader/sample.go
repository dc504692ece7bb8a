package loader

import (
	"fmt"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/stages/mask"
)

// appendSample adds global sample g to m.
func (l *Loader) appendSample(m *schemas.Minibatch, g int64) error {
	epoch, sample := l.locate(g)
	from := sample * l.stride
	base := len(m.IDs)
	if l.opts.Objective == Causal {
		if err := l.appendTokens(m, from, from+l.stride+1); err != nil {
			return err
		}
		m.Labels = mask.AppendNext(m.Labels, m.IDs[base:])
		m.IDs = m.IDs[:len(m.IDs)-1]
		return l.appendBorders(m, base, 0, from)
	}
	m.IDs = append(m.IDs, l.opts.Template.CLS)
	if err := l.appendTokens(m, from, from+l.stride); err != nil {
		return err
	}
	m.IDs = append(m.IDs, l.opts.Template.SEP)
	l.appendMasks(m, base, mask.NewKey(l.opts.Seed, epoch, uint64(sample)))
	return l.appendBorders(m, base, 1, from)
}

// appendTokens adds the tokens [from, to) of the stream.
func (l *Loader) appendTokens(m *schemas.Minibatch, from, to int64) (err error) {
	base := len(m.IDs)
	if m.IDs, err = l.stream.Append(m.IDs, from, to); err != nil {
		return err
	}
	return l.checkIDs(m.IDs[base:], from)
}

// checkIDs keeps ids that the model has no row for away from it. The first of ids is token at of the stream.
func (l *Loader) checkIDs(ids []uint32, at int64) error {
	highest := uint32(0)
	for _, id := range ids {
		highest = max(highest, id)
	}
	if int64(highest) < int64(l.vocab) {
		return nil
	}
	for i, id := range ids {
		if id == highest {
			at += int64(i)
			break
		}
	}
	return fmt.Errorf("token %d of the %ssplit has id %d, outside the vocabulary of %d tokens: the shards are damaged or not of this manifest; verify the dataset",
		at, splitWord(l.opts.Split), highest, l.vocab)
}

// appendMasks masks the ids from base on and adds their labels.
func (l *Loader) appendMasks(m *schemas.Minibatch, base int, key mask.Key) {
	ids := m.IDs[base:]
	if l.starts == nil {
		m.Labels = l.masker.Append(m.Labels, ids, key)
		return
	}
	l.positions = l.positions[:0]
	for i, id := range ids {
		if i%64 == 0 {
			l.positions = append(l.positions, 0)
		}
		l.positions[i/64] |= l.starts[id/64] >> (id % 64) & 1 << (i % 64)
	}
	m.Labels, l.words = l.masker.AppendWords(m.Labels, ids, l.positions, key, l.words)
}

// appendBorders adds positions and borders for the ids from base on. The first lead of them are not of the stream, the others begin at
// its token from.
func (l *Loader) appendBorders(m *schemas.Minibatch, base, lead int, from int64) (err error) {
	start := base
	if l.opts.Boundaries {
		if l.ends, err = l.stream.AppendEnds(l.ends[:0], from, from+l.stride); err != nil {
			return err
		}
		for _, end := range l.ends {
			border := base + lead + int(end)
			if l.opts.Objective == Causal {
				m.Labels[border-1] = schemas.IgnoreLabel
			}
			if int64(end) == l.stride { // the sequence ends here in any case, but for its [SEP]
				break
			}
			m.Positions = appendPositions(m.Positions, border-start)
			m.CuSeqlens = append(m.CuSeqlens, int32(border))
			start = border
		}
	}
	m.Positions = appendPositions(m.Positions, len(m.IDs)-start)
	m.CuSeqlens = append(m.CuSeqlens, int32(len(m.IDs)))
	return nil
}

// appendPositions appends 0, …, n-1.
func appendPositions(dst []int32, n int) []int32 {
	for i := range int32(n) {
		dst = append(dst, i)
	}
	return dst
}

// wordStartIDs asks begins about each id of the vocabulary once.
func wordStartIDs(begins func(id uint32) bool, vocabSize int) []uint64 {
	if begins == nil {
		return nil
	}
	set := make([]uint64, (vocabSize+63)/64)
	for id := range uint32(vocabSize) {
		if begins(id) {
			set[id/64] |= 1 << (id % 64)
		}
	}
	return set
}
