package learn

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// UnigramOptions says how a Unigram model is fitted.
type UnigramOptions struct {
	VocabSize       int                    // pieces to reach, Reserved ones included
	Reserved        []string               // of these, pieces that are not made here, such as special tokens
	Alphabet        []rune                 // characters that become pieces even if no word has them
	MaxPieceLength  int                    // characters of a piece, at most
	SeedSize        int                    // pieces to begin with, at most
	ShrinkingFactor float64                // share of the pieces that stay when the others are pruned, above 0 and below 1
	SubIterations   int                    // rounds of expectation and maximization before each pruning
	Workers         int                    // goroutines; they change nothing
	Progress        func(pieces int) error // called before each pass over the words; an error ends the learning; nil: not called
}

// Piece is an entry of a vocabulary with the logarithm of its probability.
type Piece struct {
	Text  string
	Score float64
}

// Unigram fits a model in which a text is a run of independent pieces (Kudo 2018): it begins with all repeated strings, estimates their probabilities by
// expectation maximization with a sparse prior (Liang and Klein 2007), and prunes those whose loss would cost the least, until the vocabulary has its size.
// It follows the trainer of Hugging Face tokenizers, whose results vary in the last bits from run to run, and with them what lies at a threshold.
//
// Sums are made in one order, whatever the number of workers.
type Unigram struct {
	o      UnigramOptions
	text   []rune   // all words, a boundary behind each
	starts []uint32 // of words in text
	counts []int64  // of words

	pieces        []piece
	probabilities []float64 // of pieces
	unknownScore  float64   // of a character that is no piece
	unknown       float64   // its probability
	first         []uint32  // of the pieces that begin at a place: matches[first[at]:first[at+1]]
	matches       []uint32
}

const (
	parts            = 8    // of the words, summed up apart: the most workers of use
	unknownPenalty   = 10   // what an unknown character scores below the worst piece
	leastExpectation = 0.5  // a piece that is expected less often in all of the text is dropped
	requiredStep     = 1e-4 // between the scores of characters that were dropped
)

// NewUnigram returns a learner without words.
func NewUnigram(o UnigramOptions) *Unigram {
	if o.Progress == nil {
		o.Progress = func(int) error { return nil }
	}
	return &Unigram{o: o}
}

// Add takes a word, which is well-formed UTF-8 and occurs count times. Words must come in an order that does not depend on chance.
func (u *Unigram) Add(word []byte, count int64) error {
	if len(u.text)+utf8.RuneCount(word)+1 > math.MaxUint32 {
		return fmt.Errorf("distinct words have more than %d characters together: train on less text", math.MaxUint32)
	}
	u.starts = append(u.starts, uint32(len(u.text)))
	for _, c := range string(word) {
		u.text = append(u.text, c)
	}
	u.text = append(u.text, boundary)
	u.counts = append(u.counts, count)
	return nil
}

// at returns the pieces that begin at a place, the shortest first.
func (u *Unigram) at(place uint32) []uint32 { return u.matches[u.first[place]:u.first[place+1]] }

// Learn returns the pieces, the best first.
func (u *Unigram) Learn() ([]Piece, error) {
	required := u.required()
	if len(required) > u.o.VocabSize-len(u.o.Reserved) {
		return nil, fmt.Errorf("%d characters must be pieces, but there is room for %d: raise the size of the vocabulary, or normalize the text",
			len(required), max(0, u.o.VocabSize-len(u.o.Reserved)))
	}
	if err := u.seeds(); err != nil {
		return nil, err
	}
	u.setScores()
	desired := u.o.VocabSize * 11 / 10 // room for characters that were dropped
	for {
		for range u.o.SubIterations {
			if err := u.o.Progress(len(u.pieces)); err != nil {
				return nil, err
			}
			u.maximize(u.expectations())
		}
		if len(u.pieces)+1 <= desired {
			break
		}
		before := len(u.pieces)
		if u.prune(desired); len(u.pieces) == before {
			break
		}
	}
	return u.finish(required), u.o.Progress(len(u.pieces))
}

// required returns the characters that must be pieces.
func (u *Unigram) required() []rune {
	all := slices.Clone(u.o.Alphabet)
	for c := range u.characters() {
		all = append(all, c)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// setScores is called when the scores of pieces have changed.
func (u *Unigram) setScores() {
	worst := math.Inf(1)
	u.probabilities = u.probabilities[:0]
	for i := range u.pieces {
		worst = min(worst, u.pieces[i].score)
		u.probabilities = append(u.probabilities, exp(u.pieces[i].score))
	}
	if len(u.pieces) == 0 {
		worst = 0
	}
	u.unknownScore = worst - unknownPenalty
	u.unknown = exp(u.unknownScore)
}

// eachPart calls do for parts of the words, several at once if there are workers.
func (u *Unigram) eachPart(do func(l *lattice, part, from, to int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(max(1, u.o.Workers), parts) {
		all.Go(func() {
			l := &lattice{u: u}
			for part := int(next.Add(1)) - 1; part < parts; part = int(next.Add(1)) - 1 {
				do(l, part, len(u.starts)*part/parts, len(u.starts)*(part+1)/parts)
			}
		})
	}
	all.Wait()
}

// span returns where a word begins and ends.
func (u *Unigram) span(word int) (start, end uint32) {
	end = uint32(len(u.text))
	if word+1 < len(u.starts) {
		end = u.starts[word+1]
	}
	return u.starts[word], end - 1
}

// expectations returns how often each piece is to be expected in the text.
func (u *Unigram) expectations() []float64 {
	var sums [parts][]float64
	u.eachPart(func(l *lattice, part, from, to int) {
		sums[part] = make([]float64, len(u.pieces))
		for word := from; word < to; word++ {
			start, end := u.span(word)
			l.expect(start, end, float64(u.counts[word]), sums[part])
		}
	})
	for _, sum := range sums[1:] {
		for id, x := range sum {
			sums[0][id] += x
		}
	}
	return sums[0]
}

// maximize sets scores from expectations and drops what is hardly expected.
func (u *Unigram) maximize(expected []float64) {
	var kept []uint32
	sum := 0.0
	for id, x := range expected {
		if x >= leastExpectation {
			kept = append(kept, uint32(id))
			sum += x
		}
	}
	total := digamma(max(sum, leastExpectation))
	for _, id := range kept {
		u.pieces[id].score = digamma(expected[id]) - total
	}
	u.keep(kept)
}

// keep leaves only some pieces, in the order given.
func (u *Unigram) keep(kept []uint32) {
	renamed := make([]uint32, len(u.pieces))
	for id := range renamed {
		renamed[id] = noToken
	}
	pieces := make([]piece, len(kept))
	for id, old := range kept {
		renamed[old] = uint32(id)
		pieces[id] = u.pieces[old]
	}
	u.pieces = pieces
	n := uint32(0)
	for at := range u.text {
		matches := u.at(uint32(at))
		u.first[at] = n
		for _, old := range matches {
			if id := renamed[old]; id != noToken {
				u.matches[n] = id
				n++
			}
		}
	}
	u.first[len(u.text)] = n
	u.setScores()
}

// prune drops pieces that are never in the best cut of a word, and those whose loss costs the least.
func (u *Unigram) prune(desired int) {
	used := u.used()
	var sum, words float64
	for _, n := range used {
		sum += float64(n)
	}
	for _, n := range u.counts {
		words += float64(n)
	}
	total := log(max(sum, 1))
	type candidate struct {
		id   uint32
		loss float64
	}
	var kept []uint32
	var candidates []candidate
	l := &lattice{u: u}
	for i := range u.pieces {
		id, p := uint32(i), &u.pieces[i]
		best := p.length == 1 || l.cut(p.at, p.at+p.length, false) <= p.score
		switch {
		case used[id] == 0 && !best:
		case p.length == 1 || !best:
			kept = append(kept, id)
		case used[id] > 0:
			// Its occurrences fall to the pieces of the second best cut. The reference, as SentencePiece, adds to the sum what all pieces would get.
			n := float64(used[id])
			totalThen := log(sum + float64(n*float64(len(u.pieces))))
			then := 0.0
			l.eachPiece(p.length, func(other uint32) {
				then += log(n+float64(used[min(int(other), len(u.pieces))])) - totalThen
			})
			candidates = append(candidates, candidate{id, float64(n / words * (log(n) - total - then))})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.loss, a.loss) })
	size := max(desired, int(float64(float64(len(u.pieces)+1)*u.o.ShrinkingFactor))) - 1
	for _, c := range candidates[:min(len(candidates), max(0, size-len(kept)))] {
		kept = append(kept, c.id)
	}
	u.keep(kept)
}

// used returns how often each piece is in the best cuts of the words, and behind that, how often an unknown character.
func (u *Unigram) used() []int64 {
	var counts [parts][]int64
	u.eachPart(func(l *lattice, part, from, to int) {
		counts[part] = make([]int64, len(u.pieces)+1)
		for word := from; word < to; word++ {
			start, end := u.span(word)
			l.cut(start, end, true)
			l.eachPiece(end-start, func(id uint32) { counts[part][min(int(id), len(u.pieces))] += u.counts[word] })
		}
	})
	for _, more := range counts[1:] {
		for id, n := range more {
			counts[0][id] += n
		}
	}
	return counts[0]
}

// finish returns the required characters and as many of the other pieces, in their order, as there is room for.
func (u *Unigram) finish(required []rune) []Piece {
	room := u.o.VocabSize - len(u.o.Reserved)
	scores := map[rune]float64{}
	worst := 0.0
	for _, p := range u.pieces {
		if worst = min(worst, p.score); p.length == 1 {
			scores[u.text[p.at]] = p.score
		}
	}
	reserved := map[string]bool{}
	for _, s := range u.o.Reserved {
		reserved[s] = true
	}
	out := make([]Piece, 0, max(0, room))
	add := func(text string, score float64) {
		if !reserved[text] {
			out = append(out, Piece{text, score})
		}
	}
	for _, c := range required {
		score, known := scores[c]
		if !known {
			score = worst
			worst += requiredStep
		}
		add(string(c), score)
	}
	for _, p := range u.pieces {
		if len(out) == room {
			break
		}
		if p.length > 1 {
			add(string(u.text[p.at:p.at+p.length]), p.score)
		}
	}
	slices.SortStableFunc(out, func(a, b Piece) int { return cmp.Compare(b.Score, a.Score) })
	return out
}

// Check returns an error for options that make no sense.
func (o *UnigramOptions) Check() error {
	switch {
	case o.MaxPieceLength < 1 || o.MaxPieceLength > 1<<10:
		return fmt.Errorf("a piece of at most %d characters: want 1 to %d", o.MaxPieceLength, 1<<10)
	case o.SeedSize < 1:
		return errors.New("the number of pieces to begin with must be positive")
	case !(o.ShrinkingFactor > 0 && o.ShrinkingFactor < 1):
		return fmt.Errorf("shrinking factor %g: want one between 0 and 1", o.ShrinkingFactor)
	case o.SubIterations < 1:
		return errors.New("the number of rounds before each pruning must be positive")
	}
	return nil
}
