package tokenizers

import "github.com/shardmill/shardmill/tokenizers/internal/wordcache"

// A pieceBatch is where a plan says how a text is cut, a batch of pieces at a time. The pieces are text[starts[i]:ends[i]]; where each ends as the next
// begins, one array does for both: appendPieces(…, ends[:n], ends[1:n+1]).
type pieceBatch struct {
	starts, ends [maxPieces + 64]uint32 // with room for what one step of a cutter adds to an almost full batch
	places       [wordcache.MaxBatch]wordcache.Place
}

// maxPieces is the number of pieces after which a plan hands over a batch. It may hand over more, or fewer.
const maxPieces = wordcache.MaxBatch

// appendPieces appends the ids of pieces of a text, which are encoded alike wherever they stand: those that the cache holds, and for others what
// plan.miss says, which it remembers. Pieces are not empty and in order. The ids keep the bits of e.keep.
func (e *Encoder) appendPieces(plan fusedPlan, dst []uint32, text []byte, starts, ends []uint32) []uint32 {
	for len(starts) > 0 {
		n := min(len(starts), wordcache.MaxBatch)
		dst = e.appendBatch(plan, dst, text, starts[:n], ends[:n])
		starts, ends = starts[n:], ends[n:]
	}
	return dst
}

func (e *Encoder) appendBatch(plan fusedPlan, dst []uint32, text []byte, starts, ends []uint32) []uint32 {
	b := pieces{text, e.batch.places[:len(starts)], starts, ends}
	ahead, hasAhead := plan.(aheadPlan)
	if e.cache != nil {
		e.cache.Locate(b.places, text, starts, ends)
	}
	for {
		if e.cache != nil {
			var found int
			dst, found = e.cache.Append(dst, b.places, text, b.starts, b.ends, e.keep)
			b.skip(found)
		}
		if len(b.starts) == 0 {
			return dst
		}
		start := len(dst)
		if hasAhead && e.cache != nil {
			dst = ahead.missAhead(e, dst, b)
		} else {
			dst = e.appendMiss(plan, dst, b)
		}
		e.unmark(dst[start:])
		b.skip(1)
	}
}

// pieces are the rest of a batch.
type pieces struct {
	text         []byte
	places       []wordcache.Place // where the cache may hold them
	starts, ends []uint32
}

func (b *pieces) skip(n int) {
	b.places, b.starts, b.ends = b.places[n:], b.starts[n:], b.ends[n:]
}

// aheadPlan is a plan that is faster where it can work on several pieces at once.
type aheadPlan interface {
	fusedPlan
	// missAhead appends the ids of the first of the pieces, which the cache does not hold, with startsWord on the first of each word. It may put it
	// and others into the cache.
	missAhead(e *Encoder, dst []uint32, b pieces) []uint32
}

// appendMiss appends the ids of the first piece, which the cache does not hold, and has it remember them.
func (e *Encoder) appendMiss(plan fusedPlan, dst []uint32, b pieces) []uint32 {
	piece, start := b.text[b.starts[0]:b.ends[0]], len(dst)
	dst = plan.miss(e, dst, piece)
	if e.cache != nil && len(piece) <= wordcache.MaxPieceBytes {
		e.cache.Put(b.places[0], piece, dst[start:])
	}
	return dst
}

// unmark takes the bits from ids that e.keep lacks.
func (e *Encoder) unmark(ids []uint32) {
	if e.keep == ^uint32(0) {
		return
	}
	for i := range ids {
		ids[i] &= e.keep
	}
}

// appendCached appends the ids of one piece, with their marks. Unlike appendPieces it may be called from plan.miss.
func (e *Encoder) appendCached(plan fusedPlan, dst []uint32, piece []byte) []uint32 {
	if e.cache == nil || len(piece) > wordcache.MaxPieceBytes {
		return plan.miss(e, dst, piece)
	}
	ids, place, ok := e.cache.Find(piece)
	if ok {
		return append(dst, ids...)
	}
	start := len(dst)
	dst = plan.miss(e, dst, piece)
	e.cache.Put(place, piece, dst[start:])
	return dst
}
