package learn

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// slowPairs merges as Pairs does, word by word, and looks for the best pair in all that are queued.
type slowPairs struct {
	o      PairOptions
	tokens []string
	words  [][]slowSymbol
	counts []int64
	pairs  map[Pair]int64
	fresh  map[Pair][]int // words in which a pair arose and that are not queued yet
	queue  []slowEntry
}

type slowSymbol struct{ id, length uint32 }

type slowEntry struct {
	pair  Pair
	count int64
	words []int
}

func (l *slowPairs) token(s string) uint32 {
	if i := slices.Index(l.tokens, s); i >= 0 {
		return uint32(i)
	}
	l.tokens = append(l.tokens, s)
	return uint32(len(l.tokens) - 1)
}

func (l *slowPairs) arise(p Pair, word int) {
	l.pairs[p] += l.counts[word]
	if at := l.fresh[p]; !slices.Contains(at, word) {
		l.fresh[p] = append(at, word)
	}
}

func (l *slowPairs) enqueue() {
	for p, words := range l.fresh {
		if l.pairs[p] > 0 {
			l.queue = append(l.queue, slowEntry{p, l.pairs[p], words})
		}
	}
	clear(l.fresh)
}

func (l *slowPairs) learn() []Pair {
	var merges []Pair
	for i, word := range l.words {
		for k := range max(0, len(word)-1) {
			l.arise(Pair{word[k].id, word[k+1].id}, i)
		}
	}
	l.enqueue()
	for len(l.tokens) < l.o.VocabSize && len(l.queue) > 0 {
		best := slices.IndexFunc(l.queue, func(e slowEntry) bool {
			return !slices.ContainsFunc(l.queue, func(other slowEntry) bool {
				return cmp.Or(cmp.Compare(e.count, other.count), cmp.Compare(other.pair.Left, e.pair.Left), cmp.Compare(other.pair.Right, e.pair.Right), slices.Compare(other.words, e.words)) < 0
			})
		})
		e := l.queue[best]
		if now := l.pairs[e.pair]; now != e.count {
			l.queue[best].count = now
			continue
		}
		if e.count < max(1, l.o.MinFrequency) {
			break
		}
		l.queue = slices.Delete(l.queue, best, best+1)
		merged := l.token(l.tokens[e.pair.Left] + strings.TrimPrefix(l.tokens[e.pair.Right], l.o.Prefix))
		merges = append(merges, e.pair)
		for _, i := range e.words {
			l.merge(i, e.pair, merged)
		}
		l.enqueue()
	}
	return merges
}

func (l *slowPairs) merge(i int, p Pair, merged uint32) {
	word := l.words[i]
	for k := 0; k+1 < len(word); k++ {
		if word[k].id != p.Left || word[k+1].id != p.Right {
			continue
		}
		word[k] = slowSymbol{merged, word[k].length + word[k+1].length}
		word = slices.Delete(word, k+1, k+2)
		if k > 0 {
			l.pairs[Pair{word[k-1].id, p.Left}] -= l.counts[i]
			if word[k-1].length+word[k].length < l.o.MaxTokenLength || l.o.MaxTokenLength == 0 {
				l.arise(Pair{word[k-1].id, merged}, i)
			}
		}
		if k+1 < len(word) {
			l.pairs[Pair{p.Right, word[k+1].id}] -= l.counts[i]
			if word[k+1].length+word[k].length < l.o.MaxTokenLength || l.o.MaxTokenLength == 0 {
				l.arise(Pair{merged, word[k+1].id}, i)
			}
		}
	}
	l.words[i] = word
}

// checkPairs holds Pairs equal to slowPairs on the words of a text, which are made of its bytes.
func checkPairs(t testing.TB, o PairOptions, text string) {
	t.Helper()
	counts := map[string]int64{}
	for i, word := range strings.Fields(text) {
		counts[word] += int64(1 + i%3)
	}
	tokens := []string{"<s>", "ab"}
	for b := range 256 {
		tokens = append(tokens, string(rune(b)))
	}
	for b := range 256 {
		tokens = append(tokens, o.Prefix+string(rune(b)))
	}
	fast, slow := NewPairs(o, tokens), &slowPairs{o: o, pairs: map[Pair]int64{}, fresh: map[Pair][]int{}}
	for _, s := range tokens {
		slow.token(s)
	}
	words := make([]string, 0, len(counts))
	for word := range counts {
		words = append(words, word)
	}
	slices.Sort(words)
	for _, word := range words {
		var ids []uint32
		var symbols []slowSymbol
		for i := range len(word) {
			s := string(rune(word[i]))
			if i > 0 {
				s = o.Prefix + s
			}
			id, _ := fast.ID(s)
			ids = append(ids, id)
			symbols = append(symbols, slowSymbol{id, 1})
		}
		if err := fast.Add(ids, counts[word]); err != nil {
			t.Fatal(err)
		}
		slow.words, slow.counts = append(slow.words, symbols), append(slow.counts, counts[word])
	}
	want := slow.learn()
	gotTokens, got, err := fast.Learn()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) || !slices.Equal(gotTokens, slow.tokens) {
		t.Errorf("%+v %q: merges %v, want %v", o, text, got, want)
	}
}

func TestPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for round := range 25 {
		var text strings.Builder
		letters := 2 + round%5
		for range 50 + round*4 {
			if text.WriteByte("abc#de"[rng.IntN(letters)]); rng.IntN(6) == 0 {
				text.WriteByte(' ')
			}
		}
		size := 2 + 256 + 20 + rng.IntN(40)
		checkPairs(t, PairOptions{VocabSize: size}, text.String())
		checkPairs(t, PairOptions{VocabSize: size, MinFrequency: 4, MaxTokenLength: 4}, text.String())
		checkPairs(t, PairOptions{VocabSize: size + 256, Prefix: "##"}, text.String())
	}
}

func FuzzPairs(f *testing.F) {
	f.Add("aaaa aaa aa abab babab", uint8(40), uint8(0), true)
	f.Add("##a ### # ##", uint8(30), uint8(3), true)
	f.Fuzz(func(t *testing.T, text string, more, longest uint8, prefix bool) {
		if len(text) > 2000 {
			return
		}
		o := PairOptions{VocabSize: 520 + int(more), MaxTokenLength: uint32(longest)}
		if prefix {
			o.Prefix = "##"
		}
		checkPairs(t, o, text)
	})
}

// One long word costs no more than as many short ones: without that, this test takes minutes.
func TestLongWord(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	word := make([]uint32, 200_000)
	for i := range word {
		word[i] = uint32(rng.IntN(64))
	}
	var tokens []string
	for i := range 64 {
		tokens = append(tokens, fmt.Sprintf("%02d", i))
	}
	calls := 0
	l := NewPairs(PairOptions{VocabSize: 5000, MinFrequency: 2, Progress: func(int) error { calls++; return nil }}, tokens)
	if err := l.Add(word, 1); err != nil {
		t.Fatal(err)
	}
	if got, _, err := l.Learn(); err != nil || len(got) != 5000 || calls < 50 {
		t.Errorf("%d tokens, %d calls, %v", len(got), calls, err)
	}
}

func BenchmarkPairs(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 5))
	var words [][]uint32
	for range 30000 {
		word := make([]uint32, 2+rng.IntN(10))
		for i := range word {
			word[i] = uint32(rng.IntN(8) * rng.IntN(8))
		}
		words = append(words, word)
	}
	tokens := strings.Split(strings.Repeat("x", 64), "")
	for i := range tokens {
		tokens[i] = fmt.Sprintf("%02d", i)
	}
	for b.Loop() {
		l := NewPairs(PairOptions{VocabSize: 8000, MinFrequency: 2}, tokens)
		for i, word := range words {
			if err := l.Add(word, int64(1+i%7)); err != nil {
				b.Fatal(err)
			}
		}
		if _, _, err := l.Learn(); err != nil {
			b.Fatal(err)
		}
	}
}
