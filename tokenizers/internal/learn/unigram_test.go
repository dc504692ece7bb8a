package learn

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestNumbers(t *testing.T) {
	for x := -690.0; x < 690; x += 0.737 {
		if got, want := exp(x), math.Exp(x); math.Abs(got/want-1) > 2e-15 {
			t.Errorf("exp(%g) is %g, want %g", x, got, want)
		}
		y := math.Exp(x / 2)
		if got, want := log(y), math.Log(y); math.Abs(got-want) > 1e-15*max(1, math.Abs(want)) {
			t.Errorf("log(%g) is %g, want %g", y, got, want)
		}
	}
	// Abramowitz and Stegun, table 6.1; ψ(1) is minus Euler's constant, ψ(½) that less 2 ln 2.
	for x, want := range map[float64]float64{1: -0.5772156649015329, 0.5: -1.9635100260214235, 2: 0.42278433509846714, 10: 2.251752589066721} {
		if got := digamma(x); math.Abs(got-want) > 1e-10 {
			t.Errorf("digamma(%g) is %.16g, want %.16g", x, got, want)
		}
	}
}

// slowUnigram does what Unigram does by looking at all substrings, in logarithms.
type slowUnigram struct {
	o      UnigramOptions
	words  []string
	counts []int64
	pieces []Piece
}

func (u *slowUnigram) seeds() {
	followers, occurrences, chars := map[string]map[rune]bool{}, map[string]int{}, map[string]int64{}
	for i, word := range u.words {
		runes := append([]rune(word), boundary)
		for start := range len(runes) - 1 {
			chars[string(runes[start])] += u.counts[i]
			for end := start + 2; end < len(runes) && end-start <= u.o.MaxPieceLength; end++ {
				s := string(runes[start:end])
				occurrences[s]++
				if followers[s] == nil {
					followers[s] = map[rune]bool{}
				}
				followers[s][runes[end]] = true
			}
		}
	}
	var first, more []Piece
	for c, n := range chars {
		first = append(first, Piece{c, float64(n)})
	}
	for s, n := range occurrences {
		if len(followers[s]) > 1 {
			more = append(more, Piece{s, float64(n * len([]rune(s)))})
		}
	}
	for _, list := range [][]Piece{first, more} {
		slices.SortFunc(list, func(a, b Piece) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Text, a.Text)) })
	}
	u.pieces = slices.Concat(first, more[:min(len(more), max(1, u.o.SeedSize-len(first)))])
	sum := 0.0
	for _, p := range u.pieces {
		sum += p.Score
	}
	for i := range u.pieces {
		u.pieces[i].Score = math.Log(u.pieces[i].Score / sum)
	}
}

// edge is a piece in a word; -1 is an unknown character.
type edge struct {
	start, end, id int
	score          float64
}

func (u *slowUnigram) edges(word []rune) []edge {
	ids, worst := map[string]int{}, 0.0
	for i, p := range u.pieces {
		ids[p.Text], worst = i, min(worst, p.Score)
	}
	var edges []edge
	for start := range word {
		single := false
		for end := start + 1; end <= len(word); end++ {
			if id, ok := ids[string(word[start:end])]; ok {
				edges = append(edges, edge{start, end, id, u.pieces[id].Score})
				single = single || end == start+1
			}
		}
		if !single {
			edges = append(edges, edge{start, start + 1, -1, worst - unknownPenalty})
		}
	}
	return edges
}

func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

func (u *slowUnigram) maximize() {
	expected := make([]float64, len(u.pieces))
	for i, word := range u.words {
		runes := []rune(word)
		edges := u.edges(runes)
		forward, behind := make([]float64, len(runes)+1), make([]float64, len(runes)+1)
		for k := range runes {
			forward[k+1], behind[k] = math.Inf(-1), math.Inf(-1)
		}
		for _, e := range edges {
			forward[e.end] = logAdd(forward[e.end], forward[e.start]+e.score)
		}
		for _, e := range slices.Backward(edges) {
			behind[e.start] = logAdd(behind[e.start], behind[e.end]+e.score)
		}
		for _, e := range edges {
			if e.id >= 0 {
				expected[e.id] += float64(u.counts[i]) * math.Exp(forward[e.start]+e.score+behind[e.end]-forward[len(runes)])
			}
		}
	}
	var kept []Piece
	sum := 0.0
	for id, x := range expected {
		if x >= leastExpectation {
			kept = append(kept, Piece{u.pieces[id].Text, digamma(x)})
			sum += x
		}
	}
	for i := range kept {
		kept[i].Score -= digamma(sum)
	}
	u.pieces = kept
}

func (u *slowUnigram) best(word []rune, whole bool) (ids []int, score float64) {
	scores, last := make([]float64, len(word)+1), make([]edge, len(word)+1)
	for k := range word {
		scores[k+1] = math.Inf(-1)
	}
	for _, e := range u.edges(word) {
		if s := scores[e.start] + e.score; s > scores[e.end] && (whole || e.end-e.start < len(word)) {
			scores[e.end], last[e.end] = s, e
		}
	}
	for k := len(word); k > 0; k = last[k].start {
		ids = append(ids, last[k].id)
	}
	return ids, scores[len(word)]
}

func (u *slowUnigram) prune() {
	used, unknown, sum := make([]float64, len(u.pieces)), 0.0, 0.0
	for i, word := range u.words {
		ids, _ := u.best([]rune(word), true)
		for _, id := range ids {
			if sum += float64(u.counts[i]); id < 0 {
				unknown += float64(u.counts[i])
			} else {
				used[id] += float64(u.counts[i])
			}
		}
	}
	var kept, candidates []Piece
	losses := map[string]float64{}
	for id, p := range u.pieces {
		others, score := u.best([]rune(p.Text), false)
		single := len([]rune(p.Text)) == 1
		if n := used[id]; single || n > 0 && score > p.Score {
			kept = append(kept, p)
		} else if n > 0 {
			losses[p.Text] = math.Log(n / sum)
			for _, other := range others {
				m := unknown
				if other >= 0 {
					m = used[other]
				}
				losses[p.Text] -= math.Log((m + n) / (sum + n*float64(len(u.pieces))))
			}
			losses[p.Text] *= n
			candidates = append(candidates, p)
		}
	}
	slices.SortStableFunc(candidates, func(a, b Piece) int { return cmp.Compare(losses[b.Text], losses[a.Text]) })
	size := max(u.o.VocabSize*11/10, int(float64(len(u.pieces)+1)*u.o.ShrinkingFactor)) - 1
	u.pieces = append(kept, candidates[:min(len(candidates), max(0, size-len(kept)))]...)
}

func (u *slowUnigram) learn() {
	u.seeds()
	for {
		for range u.o.SubIterations {
			u.maximize()
		}
		before := len(u.pieces)
		if before+1 <= u.o.VocabSize*11/10 {
			return
		}
		if u.prune(); len(u.pieces) == before {
			return
		}
	}
}

func unigramOf(t testing.TB, o UnigramOptions, words []string, counts []int64) *Unigram {
	t.Helper()
	u := NewUnigram(o)
	for i, word := range words {
		if err := u.Add([]byte(word), counts[i]); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// someWords returns distinct words of a language with syllables, in order, and how often they occur.
func someWords(seed uint64, n int) (words []string, counts []int64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	syllables := strings.Fields("ta ke ru mi so nä 中 文 ing ed un re ta ke ru")
	seen := map[string]bool{}
	for range n {
		word := "▁"
		for range 1 + rng.IntN(4) {
			word += syllables[rng.IntN(len(syllables))]
		}
		if !seen[word] {
			seen[word] = true
			words = append(words, word)
			counts = append(counts, 1+int64(rng.ExpFloat64()*20))
		}
	}
	return words, counts
}

var unigramDefaults = UnigramOptions{VocabSize: 120, Reserved: []string{"<unk>", "<s>", "tata"}, MaxPieceLength: 8, SeedSize: 100_000, ShrinkingFactor: 0.75, SubIterations: 2}

func TestUnigramAgainstPlain(t *testing.T) {
	for seed := range uint64(6) {
		words, counts := someWords(seed, 250)
		o := unigramDefaults
		o.VocabSize += int(seed) * 17
		if seed == 5 {
			o.SeedSize, o.MaxPieceLength, o.SubIterations, o.ShrinkingFactor = 150, 3, 1, 0.5
		}
		u := unigramOf(t, o, words, counts)
		if _, err := u.Learn(); err != nil {
			t.Fatal(err)
		}
		slow := &slowUnigram{o: o, words: words, counts: counts}
		slow.learn()
		if len(u.pieces) != len(slow.pieces) {
			t.Fatalf("seed %d: %d pieces, want %d", seed, len(u.pieces), len(slow.pieces))
		}
		want := map[string]float64{}
		for _, p := range slow.pieces {
			want[p.Text] = p.Score
		}
		for _, p := range u.pieces {
			s := string(u.text[p.at : p.at+p.length])
			if math.Abs(want[s]-p.score) > 1e-9 {
				t.Errorf("seed %d: %q scores %g, want %g", seed, s, p.score, want[s])
			}
		}
	}
}

func TestUnigramWorkers(t *testing.T) {
	words, counts := someWords(9, 3000)
	o := unigramDefaults
	want, err := unigramOf(t, o, words, counts).Learn()
	if err != nil {
		t.Fatal(err)
	}
	for _, o.Workers = range []int{2, 3, 20} {
		if got, err := unigramOf(t, o, words, counts).Learn(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d workers make other pieces (%v)", o.Workers, err)
		}
	}
}

// All ways to cut a word together have the probability that a sum over them gives, however long the word and small the probability.
func TestLongWordsDoNotUnderflow(t *testing.T) {
	long := strings.Repeat("ab", 4000) + strings.Repeat("z", 500) + strings.Repeat("ba", 3000)
	u := unigramOf(t, unigramDefaults, []string{long, "zy"}, []int64{3, 1})
	if err := u.seeds(); err != nil {
		t.Fatal(err)
	}
	for i := range u.pieces { // z is unknown
		if u.text[u.pieces[i].at] == 'z' {
			u.pieces[i].length = uint32(len(long)) // reaches too far to be of use
		}
	}
	var kept []uint32
	for i, p := range u.pieces {
		if p.length < 9 {
			kept = append(kept, uint32(i))
		}
	}
	u.keep(kept)
	expected := make([]float64, len(u.pieces))
	(&lattice{u: u}).expect(0, uint32(len(long)), 3, expected)
	covered := 0.0
	for id, x := range expected {
		if math.IsNaN(x) || x < 0 {
			t.Fatalf("%d is expected %g times", id, x)
		}
		covered += x * float64(u.pieces[id].length)
	}
	if want := 3 * 14000.0; math.Abs(covered-want) > 1e-6*want {
		t.Errorf("pieces cover %g characters, want %g", covered, want)
	}
}

func TestUnigramEdges(t *testing.T) {
	tests := []struct {
		name  string
		o     func(*UnigramOptions)
		words []string
		want  string // texts of the pieces, or the error
	}{
		{"nothing", nil, nil, "[]"},
		{"an alphabet alone", func(o *UnigramOptions) { o.Alphabet = []rune("ba") }, nil, "[b a]"},
		{"one character", nil, []string{"x"}, "[x]"},
		{"one word", nil, []string{"xyz"}, "[x y z]"},
		{"no room", func(o *UnigramOptions) { o.VocabSize = 5 }, []string{"xyz"}, "3 characters must be pieces, but there is room for 2"},
		{"just room", func(o *UnigramOptions) { o.VocabSize = 6 }, []string{"xyz", "xyxy", "yzyz"}, "[x y z]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := unigramDefaults
			if test.o != nil {
				test.o(&o)
			}
			pieces, err := unigramOf(t, o, test.words, []int64{1, 1, 1}).Learn()
			var got string
			if err != nil {
				got = err.Error()
			} else {
				var texts []string
				for _, p := range pieces {
					texts = append(texts, p.Text)
				}
				if test.name == "just room" {
					slices.Sort(texts)
				}
				got = fmt.Sprint(texts)
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	for _, change := range []func(*UnigramOptions){
		func(o *UnigramOptions) { o.MaxPieceLength = 0 },
		func(o *UnigramOptions) { o.SeedSize = 0 },
		func(o *UnigramOptions) { o.ShrinkingFactor = 1 },
		func(o *UnigramOptions) { o.ShrinkingFactor = math.NaN() },
		func(o *UnigramOptions) { o.SubIterations = 0 },
	} {
		o := unigramDefaults
		if change(&o); o.Check() == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func FuzzUnigram(f *testing.F) {
	f.Add("aaaa abab ababab b", uint8(3))
	f.Add("中文中文 文中 \x00a", uint8(0))
	f.Fuzz(func(t *testing.T, text string, more uint8) {
		if len(text) > 300 {
			return
		}
		words := strings.Fields(strings.ToValidUTF8(text, "?"))
		slices.Sort(words)
		words = slices.Compact(words)
		counts := make([]int64, len(words))
		for i := range counts {
			counts[i] = int64(1 + i%3)
		}
		o := unigramDefaults
		o.VocabSize, o.MaxPieceLength = 3+len([]rune(text))+int(more), 1+int(more%9)
		pieces, err := unigramOf(t, o, words, counts).Learn()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pieces {
			if math.IsNaN(p.Score) || math.IsInf(p.Score, 0) || p.Score > 1 {
				t.Errorf("%q scores %g", p.Text, p.Score)
			}
		}
	})
}
