package learn

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// boundary lies behind words. In a word it is in no piece that is found here, as with the reference.
const boundary = 0

// piece is a candidate for the vocabulary.
type piece struct {
	at     uint32 // where it occurs in the text for the first time
	length uint32 // characters
	score  float64
}

// repeat is a string that occurs in order[low:high], places in the order of what follows.
type repeat struct {
	low, high uint32
	length    uint32
}

// seeds finds the strings to begin with: all characters, and those strings of 2 to MaxPieceLength characters that are followed by different ones, the
// inner nodes of a suffix tree. Of these the SeedSize with the most text in them are kept. It sets pieces, in order, with the logarithm of the share of each,
// and matches.
func (u *Unigram) seeds() error {
	s := &seeder{text: u.text, longest: u.o.MaxPieceLength}
	for i, c := range u.text {
		if c != boundary {
			s.order = append(s.order, uint32(i))
		}
	}
	s.group(0, len(s.order), 0)
	slices.SortFunc(s.repeats, func(a, b repeat) int {
		return cmp.Or(cmp.Compare(b.weight(), a.weight()), cmp.Compare(b.low, a.low), cmp.Compare(b.length, a.length))
	})
	counts := u.characters()
	slices.SortFunc(s.chars, func(a, b repeat) int {
		return cmp.Or(cmp.Compare(counts[u.text[s.order[b.low]]], counts[u.text[s.order[a.low]]]), cmp.Compare(b.low, a.low))
	})
	all := slices.Concat(s.chars, s.repeats[:min(len(s.repeats), max(1, u.o.SeedSize-len(s.chars)))])
	sum := 0.0
	for _, r := range all {
		weight := r.weight()
		if r.length == 1 {
			weight = counts[u.text[s.order[r.low]]]
		}
		u.pieces = append(u.pieces, piece{s.order[r.low], r.length, float64(weight)})
		sum += float64(weight)
	}
	sum = log(max(sum, 1))
	for i := range u.pieces {
		u.pieces[i].score = log(u.pieces[i].score) - sum
	}
	return u.setMatches(all, s.order)
}

// characters counts those of all words.
func (u *Unigram) characters() map[rune]int64 {
	counts := map[rune]int64{}
	for word, n := range u.counts {
		start, end := u.span(word)
		for _, c := range u.text[start:end] {
			counts[c] += n
		}
	}
	return counts
}

// weight is the number of characters that a string covers, words counted once each.
func (r repeat) weight() int64 { return int64(r.high-r.low) * int64(r.length) }

// setMatches notes at each place which pieces begin there, the shortest first.
func (u *Unigram) setMatches(all []repeat, order []uint32) error {
	byLength := make([][]uint32, u.o.MaxPieceLength+1)
	total := 0
	u.first = make([]uint32, len(u.text)+1)
	for id, r := range all {
		byLength[r.length] = append(byLength[r.length], uint32(id))
		total += int(r.high - r.low)
		for _, at := range order[r.low:r.high] {
			u.first[at+1]++
		}
	}
	if total > math.MaxUint32 {
		return fmt.Errorf("distinct words have %d pieces of up to %d characters in them, more than can be held: train on less text, or on text cut into words", total, u.o.MaxPieceLength)
	}
	for i := range len(u.text) {
		u.first[i+1] += u.first[i]
	}
	u.matches = make([]uint32, total)
	next := slices.Clone(u.first[:len(u.text)])
	for _, ids := range byLength {
		for _, id := range ids {
			for _, at := range order[all[id].low:all[id].high] {
				u.matches[next[at]] = id
				next[at]++
			}
		}
	}
	return nil
}

// seeder sorts the places of a text by what follows, as far as pieces reach.
type seeder struct {
	text    []rune
	order   []uint32
	longest int
	keys    []uint64
	chars   []repeat
	repeats []repeat
}

// group sorts order[low:high], places with the same first characters, as many as depth says, and takes down what is repeated there.
func (s *seeder) group(low, high, depth int) {
	s.keys = s.keys[:0]
	for _, at := range s.order[low:high] {
		s.keys = append(s.keys, uint64(s.text[at+uint32(depth)])<<32|uint64(at))
	}
	slices.Sort(s.keys)
	for i, key := range s.keys {
		s.order[low+i] = uint32(key)
	}
	follows := func(i int) rune { return s.text[s.order[i]+uint32(depth)] }
	if depth > 1 && follows(low) != follows(high-1) {
		s.repeats = append(s.repeats, repeat{uint32(low), uint32(high), uint32(depth)})
	}
	for start := low; start < high; {
		end := start + 1
		for end < high && follows(end) == follows(start) {
			end++
		}
		if depth == 0 {
			s.chars = append(s.chars, repeat{uint32(start), uint32(end), 1})
		}
		if depth < s.longest && end-start > 1 && follows(start) != boundary {
			s.group(start, end, depth+1)
		}
		start = end
	}
}
