package mask

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

var update = flag.Bool("update", false, "write testdata/golden.json anew")

// The first outputs that are published for SplitMix64 with the seed 1234567.
func TestKeyIsSplitMix64(t *testing.T) {
	want := []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821}
	for i, w := range want {
		if got := Key(1234567).At(uint64(i)); got != w {
			t.Errorf("At(%d) = %d, want %d", i, got, w)
		}
	}
}

func TestNewKeyTellsPartsApart(t *testing.T) {
	seen := map[Key][]uint64{}
	for _, parts := range [][]uint64{{}, {0}, {0, 0}, {0, 0, 0}, {1}, {1, 0}, {0, 1}, {1, 1}, {1, 2, 3}, {3, 2, 1}, {2, 1, 3}, {math.MaxUint64}} {
		k := NewKey(parts...)
		if other, ok := seen[k]; ok {
			t.Errorf("%v and %v have the same key", parts, other)
		}
		seen[k] = parts
	}
}

func TestBelow(t *testing.T) {
	var counts [10]int
	const draws = 100_000
	for i := range uint64(draws) {
		counts[Below(NewKey(7).At(i), 10)]++
	}
	for v, n := range counts {
		checkShare(t, "value", v, n, draws, 0.1)
	}
	if got := Below(math.MaxUint64, 3); got != 2 {
		t.Errorf("Below(max, 3) = %d, want 2", got)
	}
}

const (
	testVocab = 1000
	testCLS   = 1
	testSEP   = 2
	testMask  = 3
)

func newTest(t *testing.T, ratePPM uint32) *MLM {
	t.Helper()
	m, err := New(Options{RatePPM: ratePPM, MaskID: testMask, VocabSize: testVocab, Special: []uint32{0, testCLS, testSEP}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sample is [CLS] tokens [SEP], with tokens that are not special.
func sample(tokens int, seed uint64) []uint32 {
	ids := []uint32{testCLS}
	for i := range tokens {
		ids = append(ids, 4+uint32(Below(NewKey(99, seed).At(uint64(i)), testVocab-4)))
	}
	return append(ids, testSEP)
}

func TestAppendRules(t *testing.T) {
	for _, rate := range []uint32{DefaultRatePPM, 300_000, 1_000_000} {
		m := newTest(t, rate)
		var tokens, chosen, masked, same, random int
		randomIDs := make([]int, testVocab)
		for s := range uint64(2000) {
			plain := sample(126, s)
			ids := slices.Clone(plain)
			labels := m.Append(nil, ids, NewKey(5, 0, s))
			if len(labels) != len(ids) {
				t.Fatalf("%d labels for %d ids", len(labels), len(ids))
			}
			for i, label := range labels {
				if label == schemas.IgnoreLabel {
					if ids[i] != plain[i] {
						t.Fatalf("id %d changed without a label", i)
					}
				} else if i == 0 || i == len(ids)-1 || label != int32(plain[i]) {
					t.Fatalf("label %d at %d of %v", label, i, plain)
				}
				if i == 0 || i == len(ids)-1 {
					continue
				}
				tokens++
				switch {
				case label == schemas.IgnoreLabel:
					continue
				case ids[i] == testMask:
					masked++
				case ids[i] == plain[i]:
					same++
				default:
					random++
					randomIDs[ids[i]]++
				}
				chosen++
			}
		}
		checkShare(t, "chosen at rate", int(rate), chosen, tokens, float64(rate)/1e6)
		// A random token is the mask token, or the one that stood there, once in a vocabulary.
		checkShare(t, "masked at rate", int(rate), masked, chosen, 0.8+0.1/testVocab)
		checkShare(t, "same at rate", int(rate), same, chosen, 0.1+0.1/testVocab)
		checkShare(t, "random at rate", int(rate), random, chosen, 0.1-0.2/testVocab)
		if rate == 1_000_000 {
			for _, id := range []int{0, testCLS, testSEP, testVocab - 1} {
				if randomIDs[id] == 0 {
					t.Errorf("random tokens never were %d: they must cover the whole vocabulary", id)
				}
			}
		}
	}
}

// checkShare fails where a count lies 5 standard deviations or more from its expectation.
func checkShare(t *testing.T, what string, of, got, n int, p float64) {
	t.Helper()
	mean, dev := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	if math.Abs(float64(got)-mean) > 5*dev {
		t.Errorf("%s %d: %d of %d, want about %.0f ± %.0f", what, of, got, n, mean, dev)
	}
}

func TestSpecialTokensStay(t *testing.T) {
	m := newTest(t, 1_000_000)
	ids := []uint32{testCLS, 0, testMask, testSEP, 0}
	want := slices.Clone(ids)
	for _, label := range m.Append(nil, ids, NewKey(1)) {
		if label != schemas.IgnoreLabel {
			t.Errorf("special token has label %d", label)
		}
	}
	labels, _ := m.AppendWords(nil, ids, []uint64{math.MaxUint64}, NewKey(1), nil)
	for _, label := range labels {
		if label != schemas.IgnoreLabel {
			t.Errorf("special token has label %d with whole words", label)
		}
	}
	if !slices.Equal(ids, want) {
		t.Errorf("special tokens became %v", ids)
	}
}

func TestMaskDependsOnKeyAlone(t *testing.T) {
	m := newTest(t, DefaultRatePPM)
	plain := sample(200, 0)
	run := func(key Key) []int32 { return m.Append(nil, slices.Clone(plain), key) }
	if !slices.Equal(run(NewKey(1, 2, 3)), run(NewKey(1, 2, 3))) {
		t.Error("the same key gave two masks")
	}
	for _, other := range []Key{NewKey(2, 2, 3), NewKey(1, 3, 3), NewKey(1, 2, 4)} {
		if slices.Equal(run(NewKey(1, 2, 3)), run(other)) {
			t.Errorf("another key %x gave the same mask", other)
		}
	}
	// Labels are appended, and those before are left alone.
	if got := m.Append([]int32{42}, sample(3, 0), NewKey(1)); len(got) != 6 || got[0] != 42 {
		t.Errorf("appending to [42] gave %v", got)
	}
}

// wordStarts marks words of the lengths 1, 2, 3, 4, 1, 2, … in a sample of [CLS], n tokens, [SEP].
func wordStarts(n int) []uint64 {
	starts := make([]uint64, (n+2+63)/64)
	for i, length := 1, 1; i <= n; i, length = i+length, length%4+1 {
		starts[i/64] |= 1 << (i % 64)
	}
	return starts
}

func TestWholeWords(t *testing.T) {
	m := newTest(t, DefaultRatePPM)
	starts := wordStarts(126)
	var words []int32
	var chosen, masked, byPosition = 0, 0, make([]int, 128)
	const samples = 3000
	for s := range uint64(samples) {
		plain := sample(126, s)
		ids := slices.Clone(plain)
		var labels []int32
		labels, words = m.AppendWords(nil, ids, starts, NewKey(5, 0, s), words)
		n := 0
		for i, label := range labels {
			if label == schemas.IgnoreLabel {
				if ids[i] != plain[i] {
					t.Fatalf("id %d changed without a label", i)
				}
			} else if label != int32(plain[i]) {
				t.Fatalf("label %d at %d, want %d", label, i, plain[i])
			} else {
				n++
				byPosition[i]++
				if ids[i] == testMask {
					masked++
				}
			}
			if i > 1 && i < 127 && !isStart(starts, i) && (label == schemas.IgnoreLabel) != (labels[i-1] == schemas.IgnoreLabel) {
				t.Fatalf("sample %d: word cut at %d", s, i)
			}
		}
		if n != 19 { // round(128 · 0.15); words of one token always fill it up here
			t.Fatalf("sample %d: %d tokens chosen, want 19", s, n)
		}
		chosen += n
	}
	checkShare(t, "masked", 0, masked, chosen, 0.8+0.1/testVocab)
	// All words of one length are equally likely.
	var ones []int
	for i := 1; i <= 126; i += 10 {
		ones = append(ones, byPosition[i])
	}
	mean := 0
	for _, n := range ones {
		mean += n
	}
	for _, n := range ones {
		checkShare(t, "word of one token chosen", n, n, samples, float64(mean)/float64(len(ones))/samples)
	}
}

func TestWordsEdges(t *testing.T) {
	m := newTest(t, DefaultRatePPM)
	count := func(labels []int32) (n int) {
		for _, l := range labels {
			if l != schemas.IgnoreLabel {
				n++
			}
		}
		return n
	}
	if labels, _ := m.AppendWords(nil, nil, nil, 1, nil); len(labels) != 0 {
		t.Errorf("no ids gave labels %v", labels)
	}
	// A word longer than the share is never cut.
	if labels, _ := m.AppendWords(nil, sample(8, 0), nil, 1, nil); count(labels) != 0 {
		t.Errorf("a word of 8 tokens was chosen with a share of 2: %v", labels)
	}
	// A special token ends a word even without a start behind it.
	ids := []uint32{testCLS, 10, testSEP, 11, testSEP}
	if labels, _ := m.AppendWords(nil, ids, nil, 1, nil); count(labels) != 1 {
		t.Errorf("%v: want one token chosen", labels)
	}
	// The cap.
	all := []uint64{}
	for range 100 {
		all = append(all, math.MaxUint64)
	}
	if labels, _ := m.AppendWords(nil, sample(6000, 0), all, 1, nil); count(labels) != MaxWordPredictions {
		t.Errorf("%d tokens chosen, want %d", count(labels), MaxWordPredictions)
	}
}

func TestWordBudgetRoundsAsPython(t *testing.T) {
	m := newTest(t, DefaultRatePPM)
	for tokens, want := range map[int]int{0: 1, 1: 1, 10: 2, 30: 4, 50: 8, 70: 10, 128: 19, 512: 77, 100_000: 512} {
		if got := m.wordBudget(tokens); got != want {
			t.Errorf("%d tokens: share of %d, want %d", tokens, got, want)
		}
	}
}

func TestAppendNext(t *testing.T) {
	if got := AppendNext([]int32{9}, []uint32{1, 2, 3}); !slices.Equal(got, []int32{9, 2, 3}) {
		t.Errorf("got %v", got)
	}
	if got := AppendNext(nil, nil); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"rate":       {RatePPM: 1_000_001, VocabSize: 10},
		"no vocab":   {},
		"vocab":      {VocabSize: math.MaxInt32 + 1},
		"mask":       {MaskID: 10, VocabSize: 10},
		"special":    {VocabSize: 10, Special: []uint32{10}},
		"huge":       {VocabSize: 10, Special: []uint32{math.MaxUint32}},
		"negative":   {VocabSize: -1},
		"mask of -1": {MaskID: math.MaxUint32, VocabSize: 10},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzAppend(f *testing.F) {
	f.Add([]byte{1, 9, 8, 7, 2}, []byte{2}, uint64(1))
	f.Add([]byte{255, 255, 0, 3}, []byte{}, uint64(0))
	m, err := New(Options{RatePPM: 500_000, MaskID: 3, VocabSize: 100, Special: []uint32{0, 1, 2}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw, bits []byte, key uint64) {
		ids := make([]uint32, len(raw))
		for i, b := range raw {
			ids[i] = uint32(b) << (b % 20) // also outside the vocabulary
		}
		starts := make([]uint64, 0, len(bits))
		for _, b := range bits {
			starts = append(starts, uint64(b)*0x0101010101010101)
		}
		plain := slices.Clone(ids)
		check := func(labels []int32) {
			if len(labels) != len(plain) {
				t.Fatalf("%d labels for %d ids", len(labels), len(plain))
			}
			for i, l := range labels {
				if l == schemas.IgnoreLabel && ids[i] != plain[i] || l != schemas.IgnoreLabel && l != int32(plain[i]) {
					t.Fatalf("label %d, id %d, was %d", l, ids[i], plain[i])
				}
			}
		}
		check(m.Append(nil, ids, Key(key)))
		copy(ids, plain)
		labels, _ := m.AppendWords(nil, ids, starts, Key(key), nil)
		check(labels)
	})
}

// golden is what testdata/golden.json holds: masks that readers in other languages must repeat.
type golden struct {
	Options Options    `json:"options"`
	Key     []uint64   `json:"key"` // parts
	IDs     []uint32   `json:"ids"`
	Starts  []int      `json:"starts"` // positions where words begin
	Tokens  goldenMask `json:"tokens"`
	Words   goldenMask `json:"words"`
}

type goldenMask struct {
	IDs    []uint32 `json:"ids"`
	Labels []int32  `json:"labels"`
}

func TestGolden(t *testing.T) {
	const path = "testdata/golden.json"
	g := golden{
		Options: Options{RatePPM: DefaultRatePPM, MaskID: testMask, VocabSize: testVocab, Special: []uint32{0, testCLS, testSEP}},
		Key:     []uint64{2026, 1, 12345678901},
		IDs:     sample(126, 17),
	}
	starts := wordStarts(126)
	for i := range g.IDs {
		if isStart(starts, i) {
			g.Starts = append(g.Starts, i)
		}
	}
	m, err := New(g.Options)
	if err != nil {
		t.Fatal(err)
	}
	g.Tokens.IDs, g.Words.IDs = slices.Clone(g.IDs), slices.Clone(g.IDs)
	g.Tokens.Labels = m.Append(nil, g.Tokens.IDs, NewKey(g.Key...))
	g.Words.Labels, _ = m.AppendWords(nil, g.Words.IDs, starts, NewKey(g.Key...), nil)
	got, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("masks changed: every dataset in training would see others. Got\n%s", got)
	}
}

// go test -bench . ./stages/mask
func BenchmarkAppend(b *testing.B) {
	m, err := New(Options{MaskID: testMask, VocabSize: testVocab, Special: []uint32{0, testCLS, testSEP}})
	if err != nil {
		b.Fatal(err)
	}
	plain, starts := sample(510, 0), wordStarts(510)
	ids, labels, words := slices.Clone(plain), make([]int32, 0, len(plain)), []int32(nil)
	b.Run("of=tokens", func(b *testing.B) {
		b.ReportAllocs()
		for i := uint64(0); b.Loop(); i++ {
			copy(ids, plain)
			labels = m.Append(labels[:0], ids, NewKey(1, 0, i))
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(plain)), "ns/token")
	})
	b.Run("of=words", func(b *testing.B) {
		b.ReportAllocs()
		for i := uint64(0); b.Loop(); i++ {
			copy(ids, plain)
			labels, words = m.AppendWords(labels[:0], ids, starts, NewKey(1, 0, i), words)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(plain)), "ns/token")
	})
}
