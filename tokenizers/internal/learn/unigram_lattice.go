package learn

import "math"

// A lattice is the graph of all ways to cut a word into pieces. It is not built: matches hold its edges.

// scaled is m times 2 to the power of scaleBits·k, for products too small for a float64.
type scaled struct {
	m float64
	k int32
}

const (
	scaleBits = 256
	scaleUp   = 1 << scaleBits
)

// add adds x·2^(scaleBits·k).
func (s *scaled) add(x float64, k int32) {
	switch {
	case s.k == k || s.m == 0:
		s.m, s.k = s.m+x, k
	case s.k < k:
		s.m, s.k = x+math.Ldexp(s.m, scaleBits*max(int(s.k-k), -8)), k
	default:
		s.m += math.Ldexp(x, scaleBits*max(int(k-s.k), -8))
	}
}

// normalize keeps m large enough to be multiplied with probabilities.
func (s *scaled) normalize() {
	for s.m > 0 && s.m < 1.0/scaleUp {
		s.m, s.k = s.m*scaleUp, s.k-1
	}
}

// lattice is the scratch of one goroutine.
type lattice struct {
	u               *Unigram
	forward, behind []scaled  // sums over all ways from the beginning to a place, and from there to the end
	best            []float64 // score of the best way to a place
	from            []uint32  // the last piece of that way: where it begins,
	id              []uint32  // and which it is, noToken for an unknown character
}

func (l *lattice) grow(n int) {
	if len(l.forward) < n+1 {
		l.forward, l.behind = make([]scaled, 2*n+1), make([]scaled, 2*n+1)
		l.best, l.from, l.id = make([]float64, 2*n+1), make([]uint32, 2*n+1), make([]uint32, 2*n+1)
	}
}

// expect adds to expected how often each piece is to be expected in a word that occurs count times: the forward-backward algorithm.
func (l *lattice) expect(start, end uint32, count float64, expected []float64) {
	u := l.u
	n := end - start
	l.grow(int(n))
	forward, behind := l.forward[:n+1], l.behind[:n+1]
	clear(forward)
	forward[0] = scaled{m: 1}
	for i := range n {
		from := &forward[i]
		from.normalize()
		single := false
		for _, id := range u.at(start + i) {
			length := u.pieces[id].length
			single = single || length == 1
			forward[i+length].add(float64(from.m*u.probabilities[id]), from.k)
		}
		if !single {
			forward[i+1].add(float64(from.m*u.unknown), from.k)
		}
	}
	total := forward[n]
	total.normalize()
	behind[n] = scaled{m: 1}
	for i := int(n) - 1; i >= 0; i-- {
		from, to := forward[i], scaled{}
		single := false
		for _, id := range u.at(start + uint32(i)) {
			length := int(u.pieces[id].length)
			single = single || length == 1
			rest := &behind[i+length]
			rests := float64(rest.m * u.probabilities[id])
			to.add(rests, rest.k)
			share := float64(from.m*rests) / total.m
			if k := from.k + rest.k - total.k; k != 0 {
				share = math.Ldexp(share, scaleBits*int(k))
			}
			expected[id] += float64(count * share)
		}
		if !single {
			rest := &behind[i+1]
			to.add(float64(rest.m*u.unknown), rest.k)
		}
		to.normalize()
		behind[i] = to
	}
}

// cut finds the best way to cut a stretch of text, without the piece that is the whole of it if whole is false, and returns its score. The pieces are then
// given by eachPiece.
func (l *lattice) cut(start, end uint32, whole bool) float64 {
	u := l.u
	n := end - start
	l.grow(int(n))
	best := l.best[:n+1]
	for i := range best {
		best[i] = math.Inf(-1)
	}
	best[0] = 0
	for i := range n {
		single := false
		for _, id := range u.at(start + i) {
			p := &u.pieces[id]
			if i+p.length > n {
				break
			}
			single = single || p.length == 1
			if whole || p.length < n {
				l.improve(i, i+p.length, id, best[i]+p.score)
			}
		}
		if !single {
			l.improve(i, i+1, noToken, best[i]+u.unknownScore)
		}
	}
	return best[n]
}

func (l *lattice) improve(from, to, id uint32, score float64) {
	if score > l.best[to] {
		l.best[to], l.from[to], l.id[to] = score, from, id
	}
}

// eachPiece calls do with the pieces of the last cut of n characters, the last first; noToken stands for unknown ones.
func (l *lattice) eachPiece(n uint32, do func(id uint32)) {
	for n > 0 {
		do(l.id[n])
		n = l.from[n]
	}
}
