package tasks

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

func TestWords(t *testing.T) {
	const no = schemas.IgnoreLabel
	pieces, tags := [][]uint32{{1, 2}, {}, {3}, {4, 5}}, []int32{7, 8, 9, 6}
	for _, c := range []struct {
		max    int
		tags   []int32
		ids    []uint32
		labels []int32
		first  []int
	}{
		{7, tags, []uint32{90, 1, 2, 3, 4, 5, 91}, []int32{no, 7, no, 9, 6, no, no}, []int{1, -1, 3, 4}},
		{6, tags, []uint32{90, 1, 2, 3, 91}, []int32{no, 7, no, 9, no}, []int{1, -1, 3}},
		{5, tags, []uint32{90, 1, 2, 3, 91}, []int32{no, 7, no, 9, no}, []int{1, -1, 3}},
		{4, tags, []uint32{90, 1, 2, 91}, []int32{no, 7, no, no}, []int{1, -1}},
		{3, nil, []uint32{90, 1, 91}, []int32{no, no, no}, []int{1, -1}},
	} {
		tmpl := Template{CLS: 90, SEP: 91, MaxTokens: c.max}
		s, first := tmpl.Words(pieces, c.tags)
		if !slices.Equal(s.IDs, c.ids) || !slices.Equal(s.Labels, c.labels) || !slices.Equal(first, c.first) || s.First != len(s.IDs) {
			t.Errorf("%d tokens: %+v, first %v", c.max, s, first)
		}
	}
}

// TestWordsOfLongSentences puts what is left into further sequences until every word has its place, once.
func TestWordsOfLongSentences(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		tmpl := Template{CLS: 90, SEP: 91, MaxTokens: 3 + rng.IntN(6)}
		pieces := make([][]uint32, 1+rng.IntN(20))
		for w := range pieces {
			pieces[w] = slices.Repeat([]uint32{uint32(w)}, rng.IntN(4))
		}
		for from := 0; from < len(pieces); {
			s, first := tmpl.Words(pieces[from:], nil)
			if len(first) == 0 || len(s.IDs) > tmpl.MaxTokens || len(s.Labels) != len(s.IDs) {
				t.Fatalf("%d words in %+v", len(first), s)
			}
			for i, at := range first {
				if w := from + i; (at < 0) != (len(pieces[w]) == 0) || at >= 0 && s.IDs[at] != uint32(w) {
					t.Fatalf("word %d is at %d of %v", w, at, s.IDs)
				}
			}
			from += len(first)
		}
	}
}

// offsetsOf gives n tokens of two bytes and a space.
func offsetsOf(n int) (ids []uint32, offsets [][2]int) {
	for i := range n {
		ids, offsets = append(ids, uint32(i)), append(offsets, [2]int{3 * i, 3*i + 2})
	}
	return ids, offsets
}

func TestWindows(t *testing.T) {
	context, offsets := offsetsOf(7)
	tmpl := Template{CLS: 90, SEP: 91, MaxTokens: 9}
	windows, err := tmpl.Windows([]uint32{80, 81, 82}, context, offsets, &[2]int{12, 16}, WindowOptions{OverlapTokens: 2, MaxQuestionTokens: 2})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range windows {
		got = append(got, fmt.Sprint(w.IDs, w.First, w.Context, w.Offsets[0], w.Span))
	}
	// The answer touches the tokens 4 and 5: the first window ends with 3, the second has both, the third begins with 4.
	want := []string{"[90 80 81 91 0 1 2 3 91] 4 4 [0 2] [0 0]", "[90 80 81 91 2 3 4 5 91] 4 4 [6 8] [6 7]", "[90 80 81 91 4 5 6 91] 4 4 [12 14] [4 5]"}
	if !slices.Equal(got, want) {
		t.Errorf("windows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if windows, err = tmpl.Windows([]uint32{80}, context[:5], offsets[:5], nil, WindowOptions{MaxQuestionTokens: 9}); err != nil || len(windows) != 1 || windows[0].Span != [2]int32{} {
		t.Errorf("no answer: %+v, %v", windows, err)
	}
	for _, c := range []struct {
		question, context []uint32
		overlap           int
		want              string
	}{
		{[]uint32{80}, context, 5, "5 tokens of it are in a sequence of 9, and 5 would be shared"},
		{[]uint32{80}, context, -1, "would be shared"},
		{nil, context, 0, "no token"},
		{[]uint32{80}, nil, 0, "0 tokens with 7 offsets"},
	} {
		if _, err := tmpl.Windows(c.question, c.context, offsets, nil, WindowOptions{OverlapTokens: c.overlap, MaxQuestionTokens: 9}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

// TestWindowsFindTheirAnswer gives the answer that stands at the span of a window perfect logits: it comes back from all windows together.
func TestWindowsFindTheirAnswer(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		context, offsets := offsetsOf(1 + rng.IntN(40))
		from := rng.IntN(len(context))
		to := min(from+rng.IntN(3), len(context)-1)
		answer := [2]int{offsets[from][0], offsets[to][1]}
		tmpl := Template{CLS: 90, SEP: 91, MaxTokens: 12, OneSegment: rng.IntN(2) == 0, TwoSEP: rng.IntN(2) == 0}
		windows, err := tmpl.Windows([]uint32{80}, context, offsets, &answer, WindowOptions{OverlapTokens: 3, MaxQuestionTokens: 4})
		if err != nil {
			t.Fatal(err)
		}
		var starts, ends [][]float32
		for _, w := range windows {
			if len(w.IDs) > 12 || wrongSegment(&w, tmpl) {
				t.Fatalf("window %+v", w)
			}
			s, e := make([]float32, len(w.IDs)), make([]float32, len(w.IDs))
			s[w.Span[0]], e[w.Span[1]] = 1, 1
			starts, ends = append(starts, s), append(ends, e)
		}
		found, err := BestAnswer(windows, starts, ends, 3)
		if err != nil || found.Start != answer[0] || found.End != answer[1] || found.Score != 2 || found.None != 0 {
			t.Fatalf("found %+v, error %v, want %v", found, err, answer)
		}
	}
}

// wrongSegment tells that the first segment is not what the template says.
func wrongSegment(w *Window, t Template) bool {
	if t.OneSegment {
		return w.First != len(w.IDs)
	}
	return w.IDs[w.First-1] != t.SEP
}

func TestBestAnswer(t *testing.T) {
	w := []Window{{Sequence: Sequence{IDs: make([]uint32, 5)}, Context: 2, Offsets: [][2]int{{0, 1}, {2, 3}}}}
	starts, ends := [][]float32{{1, 9, 0, 5, 9}}, [][]float32{{2, 9, 4, 1, 9}}
	// The end of the second token before its start does not count, nor do question and special tokens.
	if got, err := BestAnswer(w, starts, ends, 1); err != nil || got != (Found{2, 3, 6, 3}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := BestAnswer(w, starts, ends, 0); err == nil {
		t.Error("an answer of no token was sought")
	}
	if _, err := BestAnswer(w, starts, [][]float32{{1}}, 1); err == nil {
		t.Error("logits are missing")
	}
	if _, err := BestAnswer(w, nil, nil, 1); err == nil {
		t.Error("windows have no logits")
	}
	nan := float32(math.NaN())
	if _, err := BestAnswer(w, [][]float32{{nan, nan, nan, nan, nan}}, ends, 1); err == nil {
		t.Error("no span has a score")
	}
}

func TestPairOfRoBERTa(t *testing.T) {
	tmpl := Template{CLS: 90, SEP: 91, MaxTokens: 7, TwoSEP: true, OneSegment: true}
	if s := tmpl.Pair([]uint32{1, 2}, []uint32{3, 4, 5}, 0); !slices.Equal(s.IDs, []uint32{90, 1, 91, 91, 3, 4, 91}) && !slices.Equal(s.IDs, []uint32{90, 1, 2, 91, 91, 3, 91}) || s.First != 7 {
		t.Errorf("%+v", s)
	}
	if tmpl.MaxTokens = 5; tmpl.Validate(true) == nil {
		t.Error("a limit without room for a token was taken")
	}
}

// TestKinds makes a minibatch of each kind.
func TestKinds(t *testing.T) {
	nan := float32(math.NaN())
	sequences := []Sequence{
		{IDs: []uint32{1, 2}, First: 2, Target: 1, Labels: []int32{5, -100}, Span: [2]int32{0, 1}, Value: 0.5},
		{IDs: []uint32{3}, First: 1, Target: -100, Labels: []int32{6}, Span: schemas.NoSpan, Value: 7},
		{IDs: []uint32{4, 5}, First: 1, Target: 0, Labels: []int32{-100, 7}, Span: [2]int32{1, 1}, Value: nan},
		{IDs: []uint32{6}, First: 1, Labels: []int32{8}},
	}
	type learned struct {
		labels, targets []int32
		spans           [][2]int32
		values          string
		choices         int
	}
	prints := map[string]bool{}
	for _, c := range []struct {
		options Options
		want    learned
	}{
		{Options{BatchSequences: 3}, learned{targets: []int32{1, -100, 0}, values: "[]"}},
		{Options{Kind: Tags, BatchSequences: 3}, learned{labels: []int32{5, -100, 6, -100, 7}, values: "[]"}},
		{Options{Kind: Spans, BatchSequences: 3}, learned{spans: [][2]int32{{0, 1}, schemas.NoSpan, {4, 4}}, values: "[]"}},
		{Options{Kind: Choices, Group: 2, BatchSequences: 2}, learned{targets: []int32{1, 0}, choices: 2, values: "[]"}},
		{Options{Kind: Values, BatchSequences: 3}, learned{values: "[0.5 7 NaN]"}},
		{Options{Kind: Values, Group: 2, BatchSequences: 2}, learned{values: "[0.5 NaN]"}},
	} {
		b, err := NewBatches(sequences, c.options)
		if err != nil {
			t.Fatal(err)
		}
		m := schemas.Minibatch{Labels: []int32{1}, Targets: []int32{1}, Values: []float32{1}, Spans: [][2]int32{{1, 1}}, Choices: 9}
		if err := b.Next(t.Context(), &m); err != nil {
			t.Fatal(err)
		}
		got := learned{m.Labels, m.Targets, m.Spans, fmt.Sprint(m.Values), m.Choices}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%+v: %+v, want %+v", c.options, got, c.want)
		}
		if prints[b.Fingerprint()] {
			t.Errorf("%+v has the fingerprint of another", c.options)
		}
		prints[b.Fingerprint()] = true
		if want := (int64(4/max(1, c.options.Group)) + int64(c.options.BatchSequences) - 1) / int64(c.options.BatchSequences); b.PerEpoch() != want {
			t.Errorf("%+v: %d minibatches, want %d", c.options, b.PerEpoch(), want)
		}
	}
	for _, o := range []Options{{Kind: Choices, Group: 3, BatchSequences: 1}, {Kind: Tags, Group: 2, BatchSequences: 1}} {
		if _, err := NewBatches(sequences, o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	if _, err := NewBatches(testSequences(2), Options{Kind: Tags, BatchSequences: 1}); err == nil {
		t.Error("tags without labels were taken")
	}
}

// TestFingerprintFollowsWhatIsLearned changes one thing at a time.
func TestFingerprintFollowsWhatIsLearned(t *testing.T) {
	for kind, change := range map[Kind]func(*Sequence){
		Classes: func(s *Sequence) { s.Target = 3 }, Tags: func(s *Sequence) { s.Labels[1] = 3 },
		Spans: func(s *Sequence) { s.Span[1] = 3 }, Choices: func(s *Sequence) { s.Target = 3 }, Values: func(s *Sequence) { s.Value = 3 },
	} {
		print := func(s Sequence) string {
			b, err := NewBatches([]Sequence{s}, Options{Kind: kind, BatchSequences: 1})
			if err != nil {
				t.Fatal(err)
			}
			return b.Fingerprint()
		}
		s := Sequence{IDs: []uint32{1, 2}, Labels: []int32{0, 0}}
		before := print(s)
		if change(&s); print(s) == before {
			t.Errorf("kind %d: the fingerprint does not follow", kind)
		}
	}
}

func TestFewShot(t *testing.T) {
	var all []Example
	for i := range 100 {
		all = append(all, Example{Line: i + 1, Label: fmt.Sprint(i % 7 / 3)})
	}
	class := func(e Example) string { return e.Label }
	small, err := FewShot(all, class, 3, 1)
	if err != nil || len(small) != 9 {
		t.Fatalf("%d examples, error %v", len(small), err)
	}
	large, err := FewShot(all, class, 5, 1)
	if err != nil {
		t.Fatal(err)
	}
	line, counts := 0, map[string]int{}
	for _, e := range small {
		if !slices.Contains(large, e) || e.Line <= line {
			t.Errorf("line %d is not in the larger choice, or out of order", e.Line)
		}
		line = e.Line
		counts[e.Label]++
	}
	if counts["0"] != 3 || counts["1"] != 3 || counts["2"] != 3 {
		t.Errorf("%v", counts)
	}
	if other, _ := FewShot(all, class, 3, 2); slices.Equal(other, small) {
		t.Error("the seed does not decide")
	}
	if _, err := FewShot(all, class, 15, 1); err == nil || !strings.Contains(err.Error(), `"2" has only 14`) {
		t.Error(err)
	}
	if _, err := FewShot(all, class, 0, 1); err == nil {
		t.Error("nothing was chosen")
	}
}

func TestBalancedWeights(t *testing.T) {
	classes := []Sequence{{Target: 0}, {Target: 0}, {Target: 0}, {Target: 2}, {Target: schemas.IgnoreLabel}}
	if got := BalancedWeights(classes, 3); !slices.Equal(got, []float32{4. / 6, 0, 2}) {
		t.Error(got)
	}
	tags := []Sequence{{Labels: []int32{-100, 1, 1, 0}}, {Labels: []int32{1, -100}}}
	if got := BalancedWeights(tags, 2); !slices.Equal(got, []float32{4. / 2, 4. / 6}) {
		t.Error(got)
	}
}
