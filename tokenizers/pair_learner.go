package tokenizers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	unknownToken    = "[UNK]"
	followingPrefix = "##" // of WordPiece tokens that don't begin a word
)

// pairLearner makes a vocabulary by merging, again and again, the most frequent pair of neighbouring tokens; of equally frequent ones the pair with the
// lowest ids (Sennrich et al. 2016). It follows the reference where that matters for the result: the count of a merged pair stays, and a queued pair is
// merged in the words that it was queued with.
type pairLearner struct {
	o       TrainOptions
	prefix  string // taken from the second token of a pair
	tokens  []string
	ids     map[string]uint32
	symbols []uint32 // of all words
	words   []learnerWord
	counts  map[uint64]int64   // of each pair, left<<32 + right
	places  map[uint64][]int32 // words in which a pair arose and that are not queued yet, ascending
	queue   []queuedPair       // a heap
	merges  []uint64
}

// learnerWord is a distinct word: its symbols and how often it occurs.
type learnerWord struct {
	start, length int
	count         int64
}

// queuedPair is a pair with its count when it was queued, and words in which it arose.
type queuedPair struct {
	count int64
	pair  uint64
	words []int32
}

func newPairLearner(o TrainOptions) *pairLearner {
	l := &pairLearner{o: o, ids: map[string]uint32{}, counts: map[uint64]int64{}, places: map[uint64][]int32{}}
	for _, s := range o.SpecialTokens {
		l.token(s)
	}
	return l
}

// token returns the id of a token, and makes it if need be.
func (l *pairLearner) token(s string) uint32 {
	id, ok := l.ids[s]
	if !ok {
		id = uint32(len(l.tokens))
		l.ids[s] = id
		l.tokens = append(l.tokens, s)
	}
	return id
}

// checkSize is called when the alphabet is in.
func (l *pairLearner) checkSize() error {
	if len(l.tokens) > l.o.VocabSize {
		return fmt.Errorf("VocabSize is %d, but special tokens and alphabet alone are %d tokens: raise it%s", l.o.VocabSize, len(l.tokens),
			map[string]string{TrainWordPiece: ", or lower LimitAlphabet"}[l.o.Model])
	}
	return nil
}

// addByteWords takes words as bytes. All bytes are in the alphabet.
func (l *pairLearner) addByteWords(words map[string]int64) error {
	for _, c := range alphabet() {
		l.token(c)
	}
	var ids [256]uint32
	for b, c := range byteChars {
		ids[b] = l.ids[string(c)]
	}
	for _, word := range sortedKeys(words) {
		start := len(l.symbols)
		for i := range len(word) {
			l.symbols = append(l.symbols, ids[word[i]])
		}
		l.words = append(l.words, learnerWord{start, len(word), words[word]})
	}
	return l.checkSize()
}

// addCharWords takes words as characters, with a prefix on all but the first. Characters that are not in the alphabet are left out.
func (l *pairLearner) addCharWords(words map[string]int64) error {
	l.prefix = followingPrefix
	for _, c := range keptAlphabet(words, l.o.LimitAlphabet) {
		l.token(string(c))
	}
	following := map[rune]bool{}
	for word := range words {
		for i, c := range word {
			if _, ok := l.ids[string(c)]; ok && i > 0 {
				following[c] = true
			}
		}
	}
	chars := make([]rune, 0, len(following))
	for c := range following {
		chars = append(chars, c)
	}
	slices.Sort(chars)
	for _, c := range chars {
		l.token(l.prefix + string(c))
	}
	for _, word := range sortedKeys(words) {
		start := len(l.symbols)
		for i, c := range word {
			token := string(c)
			if _, ok := l.ids[token]; !ok {
				continue
			}
			if i > 0 {
				token = l.prefix + token
			}
			l.symbols = append(l.symbols, l.ids[token])
		}
		l.words = append(l.words, learnerWord{start, len(l.symbols) - start, words[word]})
	}
	return l.checkSize()
}

// keptAlphabet returns the limit most frequent characters of words in order; of equally frequent ones the lowest.
func keptAlphabet(words map[string]int64, limit int) []rune {
	counts := map[rune]int64{}
	for word, n := range words {
		for _, c := range word {
			counts[c] += n
		}
	}
	chars := make([]rune, 0, len(counts))
	for c := range counts {
		chars = append(chars, c)
	}
	slices.SortFunc(chars, func(a, b rune) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	chars = chars[:min(limit, len(chars))]
	slices.Sort(chars)
	return chars
}

// learn merges until the vocabulary is full or no pair is frequent enough.
func (l *pairLearner) learn() {
	for i, w := range l.words {
		s := l.symbols[w.start : w.start+w.length]
		for k := range max(0, len(s)-1) {
			l.change(s[k], s[k+1], w.count, int32(i))
		}
	}
	l.enqueue()
	for len(l.tokens) < l.o.VocabSize && len(l.queue) > 0 {
		top := l.pop()
		if now := l.counts[top.pair]; top.count != now {
			top.count = now
			l.push(top)
			continue
		}
		if top.count < 1 || top.count < l.o.MinFrequency {
			break
		}
		left, right := uint32(top.pair>>32), uint32(top.pair)
		merged := l.token(l.tokens[left] + strings.TrimPrefix(l.tokens[right], l.prefix))
		l.merges = append(l.merges, top.pair)
		for _, i := range top.words {
			l.mergeIn(i, left, right, merged)
		}
		l.enqueue()
		if len(l.merges)%progressMerges == 0 {
			l.o.Progress(TrainProgress{Words: len(l.words), Tokens: len(l.tokens)})
		}
	}
	l.o.Progress(TrainProgress{Words: len(l.words), Tokens: len(l.tokens)})
}

// change adds to the count of a pair; where that makes it more frequent, the word is one to queue it with.
func (l *pairLearner) change(left, right uint32, by int64, word int32) {
	pair := uint64(left)<<32 | uint64(right)
	l.counts[pair] += by
	if by > 0 {
		if at := l.places[pair]; len(at) == 0 || at[len(at)-1] != word {
			l.places[pair] = append(at, word)
		}
	}
}

// mergeIn replaces a pair in one word, from left to right.
func (l *pairLearner) mergeIn(word int32, left, right, merged uint32) {
	w := &l.words[word]
	s := l.symbols[w.start : w.start+w.length]
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] != left || i+1 == len(s) || s[i+1] != right {
			s[n] = s[i]
			n++
			continue
		}
		if n > 0 {
			l.change(s[n-1], left, -w.count, word)
			l.change(s[n-1], merged, w.count, word)
		}
		i++
		if i+1 < len(s) {
			l.change(right, s[i+1], -w.count, word)
			l.change(merged, s[i+1], w.count, word)
		}
		s[n] = merged
		n++
	}
	w.length = n
}

// enqueue queues the pairs that became more frequent.
func (l *pairLearner) enqueue() {
	for pair, words := range l.places {
		if count := l.counts[pair]; count > 0 {
			l.push(queuedPair{count, pair, words})
		}
	}
	clear(l.places)
}

// before is a total order, so that the heap gives pairs in one order, however they came in.
func (a *queuedPair) before(b *queuedPair) bool {
	if a.count != b.count {
		return a.count > b.count
	}
	if a.pair != b.pair {
		return a.pair < b.pair
	}
	return slices.Compare(a.words, b.words) < 0
}

func (l *pairLearner) push(p queuedPair) {
	l.queue = append(l.queue, p)
	i := len(l.queue) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !p.before(&l.queue[parent]) {
			break
		}
		l.queue[i] = l.queue[parent]
		i = parent
	}
	l.queue[i] = p
}

func (l *pairLearner) pop() queuedPair {
	q := l.queue
	top, last := q[0], q[len(q)-1]
	q[len(q)-1] = queuedPair{}
	q = q[:len(q)-1]
	for i := 0; len(q) > 0; {
		child := 2*i + 1
		if child+1 < len(q) && q[child+1].before(&q[child]) {
			child++
		}
		if child >= len(q) || !q[child].before(&last) {
			q[i] = last
			break
		}
		q[i] = q[child]
		i = child
	}
	l.queue = q
	return top
}
