package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/stages/mask"
)

// memory is a stream for tests.
type memory struct {
	ids  []uint32
	ends []int64 // of the documents
}

func (s *memory) Len() int64 { return int64(len(s.ids)) }

func (s *memory) Append(dst []uint32, from, to int64) ([]uint32, error) {
	return append(dst, s.ids[from:to]...), nil
}

func (s *memory) AppendEnds(dst []int32, from, to int64) ([]int32, error) {
	for _, end := range s.ends {
		if end > from && end <= to {
			dst = append(dst, int32(end-from))
		}
	}
	return dst, nil
}

const (
	testVocab = 500
	testEOD   = 4
)

var testTemplate = &Template{CLS: 1, SEP: 2, Mask: 3}

// newMemory makes a stream of n tokens; token i is 5 + hash(i) mod 495, except that documents of 1, 2, 3, …, 40, 1, … tokens
// end in testEOD.
func newMemory(n int) *memory {
	s := &memory{}
	for length, left := 1, 1; len(s.ids) < n; {
		left--
		if left == 0 {
			s.ids = append(s.ids, testEOD)
			s.ends = append(s.ends, int64(len(s.ids)))
			length = length%40 + 1
			left = length
			continue
		}
		s.ids = append(s.ids, 5+uint32(mask.Below(mask.Key(77).At(uint64(len(s.ids))), testVocab-5)))
	}
	return s
}

func testIdentity(s stream) identity {
	return identity{fingerprint: "f", tokens: s.Len(), vocab: vocabulary{size: testVocab, special: []uint32{0, 1, 2, 3, testEOD}}}
}

func open(t testing.TB, s stream, o Options) *Loader {
	t.Helper()
	if o.Objective == MLM && o.Template == nil {
		o.Template = testTemplate
	}
	l, err := newLoader(s, nil, testIdentity(s), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

type batches interface {
	Next(context.Context, *schemas.Minibatch) error
}

// read returns copies of the next n batches, or of all until io.EOF if n is negative.
func read(t testing.TB, l batches, n int) []schemas.Minibatch {
	t.Helper()
	var all []schemas.Minibatch
	for n < 0 || len(all) < n {
		var m schemas.Minibatch
		err := l.Next(t.Context(), &m)
		if n < 0 && err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		checkShape(t, &m)
		all = append(all, m)
	}
	return all
}

func checkShape(t testing.TB, m *schemas.Minibatch) {
	t.Helper()
	if len(m.Labels) != len(m.IDs) || len(m.Positions) != len(m.IDs) {
		t.Fatalf("%d ids, %d labels, %d positions", len(m.IDs), len(m.Labels), len(m.Positions))
	}
	if m.CuSeqlens[0] != 0 || int(m.CuSeqlens[len(m.CuSeqlens)-1]) != len(m.IDs) {
		t.Fatalf("borders %v of %d ids", m.CuSeqlens, len(m.IDs))
	}
	for i := 1; i < len(m.CuSeqlens); i++ {
		first, end := m.CuSeqlens[i-1], m.CuSeqlens[i]
		if first >= end {
			t.Fatalf("borders %v don't ascend", m.CuSeqlens)
		}
		for p := first; p < end; p++ {
			if m.Positions[p] != p-first {
				t.Fatalf("position %d of the sequence from %d is %d", p, first, m.Positions[p])
			}
		}
	}
}

func TestCausalReadsEveryTokenOnce(t *testing.T) {
	for _, n := range []int{9, 16, 17, 1000, 1001, 1024} {
		s := newMemory(n)
		l := open(t, s, Options{Objective: Causal, SequenceTokens: 8, BatchSequences: 3, Sequential: true})
		var inputs []uint32
		for _, m := range read(t, l, -1) {
			for i, id := range m.IDs {
				if want := s.ids[len(inputs)+1]; m.Labels[i] != int32(want) {
					t.Fatalf("label %d, want %d", m.Labels[i], want)
				}
				inputs = append(inputs, id)
			}
		}
		if !slices.Equal(inputs, s.ids[:len(inputs)]) {
			t.Fatal("the inputs are not the stream")
		}
		size := l.Size()
		if lost := int64(n - len(inputs) - 1); lost != size.TailTokens || lost >= 8 {
			t.Errorf("n=%d: %d tokens are in no sample, Size says %+v", n, lost, size)
		}
		if int64(len(inputs)) != size.Samples*8 || size.Batches != (size.Samples+2)/3 {
			t.Errorf("n=%d: %d inputs, Size says %+v", n, len(inputs), size)
		}
	}
}

func TestMLMReadsEveryTokenOnce(t *testing.T) {
	for _, n := range []int{6, 11, 12, 1000} {
		s := newMemory(n)
		l := open(t, s, Options{Objective: MLM, SequenceTokens: 8, BatchSequences: 3, Sequential: true})
		var inputs []uint32
		for _, m := range read(t, l, -1) {
			for i := 0; i < len(m.IDs); i += 8 {
				row, labels := m.IDs[i:i+8], m.Labels[i:i+8]
				if row[0] != testTemplate.CLS || row[7] != testTemplate.SEP {
					t.Fatalf("sample %v has no [CLS] or [SEP]", row)
				}
				for j := 1; j < 7; j++ {
					id := row[j]
					if labels[j] != schemas.IgnoreLabel {
						id = uint32(labels[j])
					}
					if id == testEOD && labels[j] != schemas.IgnoreLabel {
						t.Fatal("the end of a document is to be predicted, but it is a special token")
					}
					inputs = append(inputs, id)
				}
			}
		}
		if !slices.Equal(inputs, s.ids[:len(inputs)]) {
			t.Fatal("the inputs are not the stream")
		}
		if lost := int64(n - len(inputs)); lost != l.Size().TailTokens || lost >= 6 {
			t.Errorf("n=%d: %d tokens are in no sample, Size says %+v", n, lost, l.Size())
		}
	}
}

// cut cuts the inputs of batches into sequences of n tokens.
func cut(all []schemas.Minibatch, n int) (rows []string) {
	for _, m := range all {
		for i := 0; i < len(m.IDs); i += n {
			rows = append(rows, fmt.Sprint(m.IDs[i:i+n]))
		}
	}
	return rows
}

func TestEveryEpochIsAPermutation(t *testing.T) {
	s := newMemory(1000)
	o := Options{Objective: Causal, SequenceTokens: 8, BatchSequences: 5, Seed: 3}
	shuffled := open(t, s, o)
	o.Sequential = true
	want := cut(read(t, open(t, s, o), -1), 8)
	samples := len(want)
	got := cut(read(t, shuffled, samples), 8) // 5 epochs in all: 5 · samples sequences, batches reach over epochs
	slices.Sort(want)
	for epoch := range 5 {
		part := slices.Clone(got[epoch*samples : (epoch+1)*samples])
		if epoch > 0 && slices.Equal(part, got[:samples]) {
			t.Errorf("epoch %d has the order of epoch 0", epoch)
		}
		slices.Sort(part)
		if !slices.Equal(part, want) {
			t.Errorf("epoch %d doesn't hold every sample once", epoch)
		}
	}
}

func TestWorldSizeChangesNoBatch(t *testing.T) {
	s := newMemory(3000)
	for _, split := range []string{Train, HeldOut} {
		o := Options{Split: split, Objective: MLM, SequenceTokens: 16, BatchSequences: 12, Seed: 9, Boundaries: true}
		count := 40
		if split == HeldOut {
			count = -1
		}
		want := read(t, open(t, s, o), count)
		for _, world := range []int{2, 3, 4, 6, 12} {
			got := make([]schemas.Minibatch, len(want))
			for rank := range world {
				o.Rank, o.World = rank, world
				part := read(t, open(t, s, o), count)
				if len(part) != len(want) {
					t.Fatalf("world %d: rank %d has %d batches, want %d", world, rank, len(part), len(want))
				}
				for i, m := range part {
					join(&got[i], &m)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("split %s: world %d gives other global batches", split, world)
			}
		}
	}
}

// join adds the sequences of m to those of all.
func join(all, m *schemas.Minibatch) {
	base := int32(len(all.IDs))
	if all.CuSeqlens == nil {
		all.CuSeqlens = []int32{0}
	}
	for _, border := range m.CuSeqlens[1:] {
		all.CuSeqlens = append(all.CuSeqlens, base+border)
	}
	all.Step = m.Step
	all.IDs = append(all.IDs, m.IDs...)
	all.Labels = append(all.Labels, m.Labels...)
	all.Positions = append(all.Positions, m.Positions...)
}

func TestBoundaries(t *testing.T) {
	s := newMemory(400)
	isEnd := map[int64]bool{}
	for _, end := range s.ends {
		isEnd[end] = true
	}
	for _, objective := range []Objective{Causal, MLM} {
		o := Options{Objective: objective, SequenceTokens: 16, BatchSequences: 1, Sequential: true, Boundaries: true}
		l := open(t, s, o)
		lead := int64(0)
		if objective == MLM {
			lead = 1
		}
		for i, m := range read(t, l, -1) {
			from := int64(i) * l.stride
			var want []int32
			for p := int64(0); p <= 16; p++ {
				if p == 0 || p == 16 || p > lead && p < lead+l.stride && isEnd[from+p-lead] {
					want = append(want, int32(p))
				}
			}
			if !slices.Equal(m.CuSeqlens, want) {
				t.Fatalf("%s sample %d: borders %v, want %v", objective, i, m.CuSeqlens, want)
			}
			if objective == MLM {
				continue
			}
			for p, label := range m.Labels {
				if isEnd[from+int64(p)+1] != (label == schemas.IgnoreLabel) {
					t.Fatalf("sample %d: label %d at %d", i, label, p)
				}
			}
		}
	}
}

func TestMaskIsAFunctionOfEpochAndSample(t *testing.T) {
	s := newMemory(642) // 8 tokens a sample and 107 of them: batches of 1 tell them apart
	o := Options{Objective: MLM, SequenceTokens: 8, BatchSequences: 1, Seed: 4}
	l := open(t, s, o)
	n := int(l.Size().Samples)
	all := read(t, l, 2*n)
	whole := func(m schemas.Minibatch) string { // the sample without its mask
		ids := slices.Clone(m.IDs)
		for i, label := range m.Labels {
			if label != schemas.IgnoreLabel {
				ids[i] = uint32(label)
			}
		}
		return fmt.Sprint(ids)
	}
	first := map[string][]int32{}
	for _, m := range all[:n] {
		first[whole(m)] = m.Labels
	}
	same := 0
	for _, m := range all[n:] {
		labels, ok := first[whole(m)]
		if !ok {
			t.Fatal("the second epoch holds another sample")
		}
		if slices.Equal(labels, m.Labels) {
			same++
		}
	}
	if same > n*6/10 { // samples without any label are alike: 0.85^6 = 0.38 of them
		t.Errorf("%d of %d masks are the same in the second epoch", same, n)
	}
	// Another batch size moves samples to other batches and keeps their masks.
	o.BatchSequences = 7
	var small, large []int32
	for _, m := range all[:14] {
		small = append(small, m.Labels...)
	}
	for _, m := range read(t, open(t, s, o), 2) {
		large = append(large, m.Labels...)
	}
	if !slices.Equal(small, large) {
		t.Error("masks depend on the batch size")
	}
}

func TestWholeWords(t *testing.T) {
	s := newMemory(5000)
	begins := func(id uint32) bool { return id%3 != 0 }
	l := open(t, s, Options{Objective: MLM, SequenceTokens: 64, BatchSequences: 4, WordStart: begins})
	words := 0
	for _, m := range read(t, l, 20) {
		for i := 1; i < len(m.IDs); i++ {
			original := m.IDs[i]
			if m.Labels[i] != schemas.IgnoreLabel {
				original = uint32(m.Labels[i])
				words++
			}
			if i%64 > 1 && !begins(original) && original > testEOD {
				before := m.IDs[i-1] // a special token before begins a word too
				if m.Labels[i-1] == schemas.IgnoreLabel && before <= testEOD {
					continue
				}
				if (m.Labels[i-1] == schemas.IgnoreLabel) != (m.Labels[i] == schemas.IgnoreLabel) {
					t.Fatalf("a word is cut at %d", i)
				}
			}
		}
	}
	if words == 0 {
		t.Error("nothing is masked")
	}
}

func TestHeldOutIsReadOnceInOrder(t *testing.T) {
	s := newMemory(101)
	l := open(t, s, Options{Split: HeldOut, Objective: Causal, SequenceTokens: 10, BatchSequences: 4, Seed: 8})
	got := read(t, l, -1)
	if len(got) != 3 || len(got[2].IDs) != 20 {
		t.Fatalf("%d batches, want 3 of 4, 4 and 2 sequences", len(got))
	}
	var m schemas.Minibatch
	if err := l.Next(t.Context(), &m); err != io.EOF {
		t.Errorf("behind the end: %v, want io.EOF", err)
	}
	if err := l.SeekBatch(0); err != nil {
		t.Fatal(err)
	}
	if again := read(t, l, -1); !reflect.DeepEqual(again, got) {
		t.Error("a second reading differs")
	}
	// 12 processes, 10 samples in the only batch: two of them have none, and all end alike.
	for rank := range 12 {
		l := open(t, s, Options{Split: HeldOut, Objective: Causal, SequenceTokens: 10, BatchSequences: 12, Rank: rank, World: 12})
		if part := read(t, l, -1); len(part) != 1 || len(part[0].IDs) != 10 && rank < 10 || len(part[0].IDs) != 0 && rank >= 10 {
			t.Errorf("rank %d got %v", rank, part)
		}
	}
}

func TestNextReusesMemory(t *testing.T) {
	s := newMemory(5000)
	for _, o := range []Options{
		{Objective: Causal, Boundaries: true},
		{Objective: MLM, Boundaries: true},
		{Objective: MLM, WordStart: func(id uint32) bool { return id%2 == 0 }},
	} {
		o.SequenceTokens, o.BatchSequences = 64, 4
		l := open(t, s, o)
		var m schemas.Minibatch
		next := func() {
			if err := l.Next(t.Context(), &m); err != nil {
				t.Fatal(err)
			}
		}
		for range 300 {
			next()
		}
		if allocs := testing.AllocsPerRun(300, next); allocs != 0 {
			t.Errorf("%+v: %.1f allocations in a batch", o, allocs)
		}
	}
}

func TestDamagedInput(t *testing.T) {
	s := newMemory(700)
	s.ids[15] = testVocab
	l := open(t, s, Options{Objective: Causal, SequenceTokens: 10, BatchSequences: 1, Sequential: true})
	read(t, l, 1)
	err := l.Next(t.Context(), new(schemas.Minibatch))
	if err == nil || !strings.Contains(err.Error(), "token 15 of the train split has id 500") {
		t.Errorf("got error %v", err)
	}
	if l.State().Step != 1 {
		t.Errorf("after an error the next batch is %d, want 1", l.State().Step)
	}
	data := testIdentity(s)
	data.vocab.special = append(data.vocab.special, testVocab)
	if _, err := newLoader(s, nil, data, Options{Objective: MLM, SequenceTokens: 10, BatchSequences: 1, Template: testTemplate}); err == nil {
		t.Error("a special token outside the vocabulary was accepted")
	}
	data.vocab.size = 0
	if _, err := newLoader(s, nil, data, Options{Objective: Causal, SequenceTokens: 10, BatchSequences: 1}); err == nil {
		t.Error("a dataset without a vocabulary was accepted")
	}
}

func TestCancelAndClose(t *testing.T) {
	l := open(t, newMemory(700), Options{Objective: Causal, SequenceTokens: 10, BatchSequences: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Next(ctx, new(schemas.Minibatch)); !errors.Is(err, context.Canceled) || l.State().Step != 0 {
		t.Errorf("cancelled: %v", err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Next(t.Context(), new(schemas.Minibatch)); !errors.Is(err, errClosed) {
		t.Errorf("closed: %v", err)
	}
}

// go test -bench Next ./datasets/loader
func BenchmarkNext(b *testing.B) {
	s := newMemory(4 << 20)
	for _, objective := range []Objective{Causal, MLM} {
		for _, length := range []int{128, 1024} {
			b.Run(fmt.Sprintf("objective=%s/sequence=%d", objective, length), func(b *testing.B) {
				l := open(b, s, Options{Objective: objective, SequenceTokens: length, BatchSequences: 32})
				var m schemas.Minibatch
				b.ReportAllocs()
				for b.Loop() {
					if err := l.Next(b.Context(), &m); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N*32)/b.Elapsed().Seconds(), "samples/s")
				b.ReportMetric(float64(b.N*32*length)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}
