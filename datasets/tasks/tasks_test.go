package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/schemas"
)

var single = Fields{Text: "text", Label: "label"}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, file, content string
		fields              Fields
		want                []Example
	}{
		{"tsv", "a.tsv", "\ufefflabel\ttext\r\n1\the said \"no\r\n0\t a\n", single, []Example{{"he said \"no", "", "1", 2}, {" a", "", "0", 3}}},
		{"tsv pair", "a.TSV", "a\tb\tlabel\nx\ty\tz", Fields{Text: "b", Pair: "a", Label: "label"}, []Example{{"y", "x", "z", 2}}},
		{"tsv without header", "a.tsv", "gj04\t1\t\tIt rains.\n", Fields{Text: "4", Label: "2", NoHeader: true}, []Example{{"It rains.", "", "1", 1}}},
		{"no label", "a.tsv", "text\nx\n", Fields{Text: "text"}, []Example{{"x", "", "", 2}}},
		{"csv", "a.csv", "text,label\n\"a, \"\"b\"\"\nc\", yes \n\nd,no\n", single, []Example{{"a, \"b\"\nc", "", "yes", 2}, {"d", "", "no", 5}}},
		{"csv without header", "a.csv", "x,y\n", Fields{Text: "1", Label: "2", NoHeader: true}, []Example{{"x", "", "y", 1}}},
		{"jsonl", "a.jsonl", "{\"text\":\"a\\u00e9\",\"label\":3,\"other\":[]}\n\n{\"label\":true,\"text\":\"b\"}\n{\"label\":\"x\",\"text\":\"c\"}", single,
			[]Example{{"aé", "", "3", 1}, {"b", "", "true", 3}, {"c", "", "x", 4}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := read(strings.NewReader(c.content), c.file, c.fields)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("read %+v, error %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		name, file, content, want string
		fields                    Fields
	}{
		{"suffix", "a.txt", "", `a.txt ends in ".txt"`, single},
		{"empty file", "a.tsv", "", "has no example", single},
		{"header alone", "a.tsv", "text\tlabel\n", "has no example", single},
		{"field", "a.tsv", "sentence\tlabel\nx\t1\n", `a.tsv:1: field "text": the header does not name it; it has ["sentence" "label"]`, single},
		{"field twice", "a.csv", "text,label,text\n", `a.csv:1: field "text": the header names it twice`, single},
		{"number", "a.tsv", "x\t1\n", `a.tsv:1: field "3": without a header, fields are called 1 to 2`, Fields{Text: "3", Label: "2", NoHeader: true}},
		{"fewer cells", "a.tsv", "text\tlabel\nx\t1\ny\n", "a.tsv:3: it has 1 fields, the first line has 2", single},
		{"more cells", "a.csv", "text,label\nx,1,2\n", "a.csv:2: it has 3 fields, the first line has 2", single},
		{"empty text", "a.tsv", "text\tlabel\n \t1\n", `a.tsv:2: field "text": it is empty`, single},
		{"empty label", "a.jsonl", `{"text":"x","label":""}`, `a.jsonl:1: field "label": it is empty`, single},
		{"no pair", "a.jsonl", `{"text":"x","label":"1"}`, `a.jsonl:1: field "b": the line does not have it`, Fields{Text: "text", Pair: "b", Label: "label"}},
		{"utf-8", "a.tsv", "text\tlabel\n\xff\t1\n", `a.tsv:2: field "text": it is not UTF-8`, single},
		{"utf-8 in json", "a.jsonl", "{\"text\":\"\xff\",\"label\":1}", "a.jsonl:1: it is not UTF-8", single},
		{"json", "a.jsonl", "{\"text\":\"x\",\"label\":1}\n{", "a.jsonl:2: unexpected end", single},
		{"text is a number", "a.jsonl", `{"text":7,"label":1}`, `a.jsonl:1: field "text": a text must be a string`, single},
		{"label is a fraction", "a.jsonl", `{"text":"x","label":0.5}`, `field "label": a label must be`, single},
		{"label is null", "a.jsonl", `{"text":"x","label":null}`, `field "label": a label must be`, single},
		{"header of json", "a.jsonl", `{}`, "no header", Fields{Text: "text", NoHeader: true}},
		{"quote", "a.csv", "text,label\n\"x,1\n", "a.csv:", single},
		{"line", "a.tsv", "text\tlabel\n" + strings.Repeat("x", maxLineBytes+1), "a.tsv:2: it is longer than", single},
		{"record", "a.csv", "text,label\n\"" + strings.Repeat("x\n", maxLineBytes/2+4096), "a.csv: a record is longer than", single},
		{"no field", "a.tsv", "text\n", "no field for the text", Fields{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := read(strings.NewReader(c.content), c.file, c.fields)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("read %+v, error %v, want %s", got, err, c.want)
			}
		})
	}
	if _, err := Read("testdata/none.tsv", single); err == nil {
		t.Error("a file that is not there was read")
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a.tsv", "text\tlabel\nx\t1\n")
	f.Add("a.csv", "text,label\n\"x\ny\",1\n")
	f.Add("a.jsonl", "{\"text\":\"x\",\"label\":1}\n")
	f.Fuzz(func(t *testing.T, name, content string) {
		examples, err := read(strings.NewReader(content), name, single)
		if (err == nil) != (len(examples) > 0) {
			t.Fatalf("%d examples with error %v", len(examples), err)
		}
		line := 0
		for _, e := range examples {
			if strings.TrimSpace(e.Text) == "" || e.Label == "" || e.Line <= line {
				t.Fatalf("example %+v after line %d", e, line)
			}
			line = e.Line
		}
	})
}

func TestLabels(t *testing.T) {
	set := func(labels ...string) (out []Example) {
		for i, l := range labels {
			out = append(out, Example{Label: l, Line: i + 1})
		}
		return out
	}
	for _, c := range []struct {
		labels []Example
		want   []string
	}{
		{set("10", "9", "-1", "9"), []string{"-1", "9", "10"}},
		{set("10", "9", "b"), []string{"10", "9", "b"}},
		{set("not_entailment", "entailment"), []string{"entailment", "not_entailment"}},
	} {
		l, err := FindLabels(c.labels[:1], c.labels[1:])
		if err != nil || !slices.Equal(l.Names, c.want) {
			t.Errorf("labels %+v, error %v, want %v", l, err, c.want)
		}
	}
	if _, err := FindLabels(set("a", "a")); err == nil {
		t.Error("one label is enough")
	}
	var many []string
	for i := range maxClasses + 1 {
		many = append(many, fmt.Sprint(i))
	}
	if _, err := FindLabels(set(many...)); err == nil || !strings.Contains(err.Error(), "right field") {
		t.Errorf("%d labels: %v", len(many), err)
	}
	if _, err := NewLabels([]string{"a", "a"}); err == nil {
		t.Error("one name for two classes was taken")
	}
	l, err := NewLabels([]string{"LABEL_0", "LABEL_1"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Targets("f.tsv", set("1", "LABEL_0")); err != nil || !slices.Equal(got, []int32{1, 0}) {
		t.Errorf("targets %v, error %v", got, err)
	}
	var at *Error
	if _, err := l.Targets("f.tsv", set("1", "2")); !errors.As(err, &at) || at.Line != 2 || !strings.Contains(err.Error(), `"2" is none of those`) {
		t.Errorf("a label out of range: %v", err)
	}
}

func TestTemplate(t *testing.T) {
	a, b := []uint32{1, 2, 3, 4, 5}, []uint32{11, 12, 13, 14, 15, 16, 17}
	for _, c := range []struct {
		max   int
		pair  bool
		want  []uint32
		first int
	}{
		{7, false, []uint32{90, 1, 2, 3, 4, 5, 91}, 7},
		{6, false, []uint32{90, 1, 2, 3, 4, 91}, 6},
		{3, false, []uint32{90, 1, 91}, 3},
		{15, true, []uint32{90, 1, 2, 3, 4, 5, 91, 11, 12, 13, 14, 15, 16, 17, 91}, 7},
		{14, true, []uint32{90, 1, 2, 3, 4, 5, 91, 11, 12, 13, 14, 15, 16, 91}, 7},
		{12, true, []uint32{90, 1, 2, 3, 4, 91, 11, 12, 13, 14, 15, 91}, 6},
		{5, true, []uint32{90, 1, 91, 11, 91}, 3},
	} {
		tmpl := Template{CLS: 90, SEP: 91, MaxTokens: c.max}
		s := tmpl.Single(a, 3)
		if c.pair {
			s = tmpl.Pair(a, b, 3)
		}
		if err := tmpl.Validate(c.pair); err != nil || !slices.Equal(s.IDs, c.want) || s.First != c.first || s.Target != 3 {
			t.Errorf("%d tokens: %+v, want %v with %d first, error %v", c.max, s, c.want, c.first, err)
		}
	}
	if (&Template{MaxTokens: 2}).Validate(false) == nil || (&Template{MaxTokens: 4}).Validate(true) == nil {
		t.Error("a limit without room for a token was taken")
	}
}

// TestLongestFirst holds what Hugging Face tokenizers keeps of pairs with the strategy longest_first.
func TestLongestFirst(t *testing.T) {
	for _, c := range longestFirstRecorded {
		if a, b := longestFirst(c[0], c[1], c[2]); a != c[3] || b != c[4] {
			t.Errorf("%d and %d tokens in %d: kept %d and %d, want %d and %d", c[0], c[1], c[2], a, b, c[3], c[4])
		}
	}
}

func testSequences(n int) []Sequence {
	tmpl := Template{CLS: 90, SEP: 91, MaxTokens: 20}
	var out []Sequence
	for i := range n {
		a := make([]uint32, 1+i%4)
		for j := range a {
			a[j] = uint32(i)
		}
		out = append(out, tmpl.Pair(a, []uint32{uint32(i)}, int32(i)))
	}
	return out
}

func drain(t *testing.T, b *Batches, n int) (targets [][]int32) {
	t.Helper()
	var m schemas.Minibatch
	for range n {
		if err := b.Next(t.Context(), &m); err != nil {
			t.Fatal(err)
		}
		targets = append(targets, slices.Clone(m.Targets))
	}
	return targets
}

func TestBatches(t *testing.T) {
	sequences := testSequences(10)
	b, err := NewBatches(sequences, Options{BatchSequences: 4})
	if err != nil {
		t.Fatal(err)
	}
	var m schemas.Minibatch
	for range 3 {
		if err := b.Next(t.Context(), &m); err != nil {
			t.Fatal(err)
		}
	}
	want := schemas.Minibatch{Step: 2, IDs: []uint32{90, 8, 91, 8, 91, 90, 9, 9, 91, 9, 91}, Positions: []int32{0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5},
		Segments: []uint8{0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1}, CuSeqlens: []int32{0, 5, 11}, Targets: []int32{8, 9}}
	if fmt.Sprint(m) != fmt.Sprint(want) {
		t.Errorf("the last minibatch is %+v, want %+v", m, want)
	}
	if err := b.Next(t.Context(), &m); err != io.EOF {
		t.Errorf("after the last minibatch: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Next(ctx, &m); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run read on: %v", err)
	}
	if _, err := NewBatches(nil, Options{BatchSequences: 4}); err == nil {
		t.Error("minibatches of nothing were made")
	}
	if _, err := NewBatches(sequences, Options{}); err == nil {
		t.Error("empty minibatches were made")
	}
	if b.SeekBatch(-1) == nil {
		t.Error("there is a minibatch before the first")
	}
}

func TestOrder(t *testing.T) {
	open := func(seed uint64) *Batches {
		b, err := NewBatches(testSequences(10), Options{BatchSequences: 4, Shuffle: true, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := open(1)
	all := drain(t, b, 9)
	var epochs [][]int32
	for i := range 3 {
		epoch := slices.Concat(all[3*i : 3*i+3]...)
		epochs = append(epochs, slices.Clone(epoch))
		slices.Sort(epoch)
		if !slices.Equal(epoch, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("epoch %d has %v", i, epoch)
		}
	}
	if slices.Equal(epochs[0], epochs[1]) || slices.Equal(epochs[1], epochs[2]) {
		t.Error("two epochs have the same order")
	}
	for n := range all {
		if err := b.SeekBatch(int64(n)); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, b, 1)[0]; !slices.Equal(got, all[n]) {
			t.Errorf("minibatch %d is %v after a seek, was %v", n, got, all[n])
		}
	}
	// Recorded: the order is part of what a seed promises.
	if got := fmt.Sprint(epochs[0]); got != recordedOrder {
		t.Errorf("the order of seed 1 is %s, was %s", got, recordedOrder)
	}
	if open(1).Fingerprint() != b.Fingerprint() || open(2).Fingerprint() == b.Fingerprint() {
		t.Error("the fingerprint does not follow the order")
	}
}

func TestSubset(t *testing.T) {
	var all []Example
	for i := range 100 {
		all = append(all, Example{Line: i + 1})
	}
	small, err := Subset(all, 10, 3)
	if err != nil {
		t.Fatal(err)
	}
	large, err := Subset(all, 30, 3)
	if err != nil {
		t.Fatal(err)
	}
	line := 0
	for _, e := range small {
		if !slices.Contains(large, e) || e.Line <= line {
			t.Errorf("line %d is not in the larger subset, or out of order", e.Line)
		}
		line = e.Line
	}
	if other, _ := Subset(all, 10, 4); len(small) != 10 || slices.Equal(other, small) {
		t.Error("the seed does not decide")
	}
	for _, n := range []int{0, 100} {
		if got, err := Subset(all, n, 3); err != nil || len(got) != 100 {
			t.Errorf("subset of %d: %d, %v", n, len(got), err)
		}
	}
	if _, err := Subset(all, 101, 3); err == nil {
		t.Error("more than all were chosen")
	}
}

// TestRealSets reads sets of GLUE whole.
func TestRealSets(t *testing.T) {
	for _, c := range []struct {
		path   string
		fields Fields
		want   int
		labels string
	}{
		{"tasks/sst2/test.tsv", Fields{Text: "sentence", Label: "label"}, 872, "0 1"},
		{"tasks/mrpc/train.tsv", Fields{Text: "#1 String", Pair: "#2 String", Label: "Quality"}, 3668, "0 1"},
		{"tasks/rte/dev.tsv", Fields{Text: "sentence1", Pair: "sentence2", Label: "label"}, 277, "entailment not_entailment"},
		{"tasks/cola/in_domain_dev.tsv", Fields{Text: "4", Label: "2", NoHeader: true}, 527, "0 1"},
	} {
		t.Run(c.path, func(t *testing.T) {
			examples, err := Read(realdata.Path(t, c.path), c.fields)
			if err != nil {
				t.Fatal(err)
			}
			labels, err := FindLabels(examples)
			if err != nil {
				t.Fatal(err)
			}
			if len(examples) != c.want || strings.Join(labels.Names, " ") != c.labels {
				t.Errorf("%d examples of %v, want %d of %s", len(examples), labels.Names, c.want, c.labels)
			}
		})
	}
}
