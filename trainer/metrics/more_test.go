package metrics

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// recorded is what conformance/trainer/metrics.py got from scipy, seqeval and the official SQuAD formulas on random data.
type recorded struct {
	Pairs []struct {
		Targets, Predictions []float64
		Pearson, Spearman    float64
	}
	Tags []struct {
		Targets, Predictions  [][]string
		Precision, Recall, F1 float64
		Types                 map[string]EntityScores
	}
	Answers []struct {
		Prediction string
		Answers    []string
		Exact, F1  float64
	}
}

func load(t *testing.T) (r recorded) {
	t.Helper()
	data, err := os.ReadFile("testdata/recorded.json")
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil || len(r.Pairs) == 0 || len(r.Tags) == 0 || len(r.Answers) == 0 {
		t.Fatal("testdata/recorded.json can't be used:", err)
	}
	return r
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12 }

func TestCorrelationsAsRecorded(t *testing.T) {
	for i, c := range load(t).Pairs {
		p, err := Pearson(c.Targets, c.Predictions)
		if err != nil || !near(p, c.Pearson) {
			t.Errorf("pairs %d: Pearson %v, want %v, error %v", i, p, c.Pearson, err)
		}
		s, err := Spearman(c.Targets, c.Predictions)
		if err != nil || !near(s, c.Spearman) {
			t.Errorf("pairs %d: Spearman %v, want %v, error %v", i, s, c.Spearman, err)
		}
	}
}

func TestEntitiesAsRecorded(t *testing.T) {
	for i, c := range load(t).Tags {
		var counts EntityCounts
		for k := range c.Targets {
			if err := counts.Add(c.Targets[k], c.Predictions[k]); err != nil {
				t.Fatal(err)
			}
		}
		if m := counts.Micro(); !near(m.Precision, c.Precision) || !near(m.Recall, c.Recall) || !near(m.F1, c.F1) {
			t.Errorf("tags %d: %+v, want %v %v %v", i, m, c.Precision, c.Recall, c.F1)
		}
		for kind, want := range c.Types {
			if got := counts.Of(kind); !near(got.Precision, want.Precision) || !near(got.Recall, want.Recall) || !near(got.F1, want.F1) || got.Targets != want.Targets {
				t.Errorf("tags %d: %s: %+v, want %+v", i, kind, got, want)
			}
		}
		if len(counts.Types()) != len(c.Types) {
			t.Errorf("tags %d: types %q, want %d", i, counts.Types(), len(c.Types))
		}
	}
}

func TestEntities(t *testing.T) {
	for tags, want := range map[string][]Entity{
		"":                        nil,
		"O O":                     nil,
		"B-PER I-PER O":           {{"PER", 0, 1}},
		"I-PER I-PER B-PER":       {{"PER", 0, 1}, {"PER", 2, 2}}, // IOB1
		"S-LOC B-PER I-PER E-PER": {{"LOC", 0, 0}, {"PER", 1, 3}},
		"I-PER I-LOC":             {{"PER", 0, 0}, {"LOC", 1, 1}},
		"B-a-b I-a-b":             {{"a-b", 0, 1}},
		"B I":                     {{"_", 0, 1}},
	} {
		if got := Entities(strings.Fields(tags)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tags, got, want)
		}
	}
	if err := new(EntityCounts).Add([]string{"O"}, nil); err == nil {
		t.Error("tags of different length are taken")
	}
}

func TestAnswersAsRecorded(t *testing.T) {
	for _, c := range load(t).Answers {
		if exact, f1 := Answer(c.Prediction, c.Answers); exact != c.Exact || !near(f1, c.F1) {
			t.Errorf("%q for %q: %v and %v, want %v and %v", c.Prediction, c.Answers, exact, f1, c.Exact, c.F1)
		}
	}
}

func TestOddNumbers(t *testing.T) {
	for _, c := range [][2][]float64{{{1}, {1, 2}}, {{}, {}}, {{math.NaN()}, {1}}, {{1}, {math.Inf(1)}}} {
		if _, err := Spearman(c[0], c[1]); err == nil {
			t.Errorf("%v with %v has a correlation", c[0], c[1])
		}
		if _, err := MeanSquaredError(c[0], c[1]); err == nil {
			t.Errorf("%v with %v has an error", c[0], c[1])
		}
	}
	if p, err := Pearson([]float64{1, 1}, []float64{0, 5}); p != 0 || err != nil {
		t.Errorf("Pearson of a constant is %v, %v", p, err)
	}
	if e, err := MeanSquaredError([]float64{1, 2}, []float64{2, 4}); e != 2.5 || err != nil {
		t.Errorf("squared error %v, %v", e, err)
	}
	if b := BitsPerByte(8*math.Ln2, 4); b != 2 {
		t.Errorf("%v bits per byte, want 2", b)
	}
}
