package loader

import (
	"errors"
	"sort"

	"github.com/shardmill/shardmill/datasets/shards"
)

// documents is the stream of one split in mapped shards.
type documents struct {
	segments []segment // record batches of the split that hold tokens, in order
	length   int64
	check    bool // hold record batches against their checksums before the first use
}

type segment struct {
	start   int64 // of its tokens in the stream
	shard   *shards.Shard
	batch   int
	checked bool
}

// newDocuments lists the record batches of a split from the indexes of list; no Arrow data is touched.
func newDocuments(list []*shards.Shard, split string, check bool) *documents {
	d := &documents{check: check}
	for _, shard := range list {
		for i, b := range shard.Index().Batches {
			if b.Tokens > 0 && (split == All || split == b.Split.String()) {
				d.segments = append(d.segments, segment{start: d.length, shard: shard, batch: i})
				d.length += b.Tokens
			}
		}
	}
	return d
}

func (d *documents) Len() int64 { return d.length }

// Append copies tokens out of the mapping.
func (d *documents) Append(dst []uint32, from, to int64) ([]uint32, error) {
	err := d.each(from, to, func(b *shards.Batch, first, end int, _ int64) {
		dst = b.Tokens().AppendTo(dst, first, end)
	})
	return dst, err
}

// AppendEnds finds document ends by bisection in the list offsets of each record batch.
func (d *documents) AppendEnds(dst []int32, from, to int64) ([]int32, error) {
	err := d.each(from, to, func(b *shards.Batch, first, end int, start int64) {
		bounds := b.Bounds()
		i := sort.Search(len(bounds), func(i int) bool { return int(bounds[i]) > first })
		for ; i < len(bounds) && int(bounds[i]) <= end; i++ {
			if bounds[i] > bounds[i-1] { // a document without tokens has no end of its own
				dst = append(dst, int32(start+int64(bounds[i])-from))
			}
		}
	})
	return dst, err
}

// each calls visit for the record batches that hold the tokens [from, to): with their own range [first, end), and with the place of their
// first token in the stream.
func (d *documents) each(from, to int64, visit func(b *shards.Batch, first, end int, start int64)) error {
	if from >= to {
		return nil
	}
	next := sort.Search(len(d.segments), func(i int) bool { return d.segments[i].start > from })
	for i := next - 1; i < len(d.segments) && d.segments[i].start < to; i++ {
		s := &d.segments[i]
		b, err := d.use(s)
		if err != nil {
			return err
		}
		first, end := max(0, from-s.start), min(int64(b.Tokens().Len()), to-s.start)
		visit(b, int(first), int(end), s.start)
		if err := b.Release(); err != nil {
			return err
		}
	}
	return nil
}

// use takes a reference to the record batch of s.
func (d *documents) use(s *segment) (*shards.Batch, error) {
	if d.check && !s.checked {
		if err := s.shard.CheckBatch(s.batch); err != nil {
			return nil, err
		}
		s.checked = true
	}
	return s.shard.Batch(s.batch)
}

// mappings closes shards together.
type mappings []*shards.Shard

func (m mappings) Close() error {
	var all error
	for _, s := range m {
		all = errors.Join(all, s.Close())
	}
	return all
}
