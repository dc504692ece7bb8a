package metrics

import (
	"math"
	"testing"
)

func confusion(t *testing.T, classes int, targets, predictions []int) *Confusion {
	t.Helper()
	c, err := NewConfusion(classes)
	if err != nil {
		t.Fatal(err)
	}
	for i := range targets {
		if err := c.Add(targets[i], predictions[i]); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestAgainstScikitLearn holds values of scikit-learn 1.x: accuracy_score, f1_score with average None, macro and micro, matthews_corrcoef.
func TestAgainstScikitLearn(t *testing.T) {
	for _, c := range []struct {
		name                             string
		targets, predictions             []int
		accuracy, macro, micro, matthews float64
		f1                               []float64
	}{
		{"three classes", []int{0, 1, 2, 0, 1, 2}, []int{0, 2, 1, 0, 0, 1},
			1. / 3, 0.26666666666666666, 1. / 3, 0, []float64{0.8, 0, 0}},
		{"worse than chance", []int{1, 1, 1, 0}, []int{1, 0, 1, 1},
			0.5, 1. / 3, 0.5, -0.3333333333333333, []float64{0, 0.6666666666666666}},
		{"binary", []int{0, 1, 1, 0, 1, 0, 1, 1, 0, 0}, []int{0, 1, 0, 0, 1, 1, 1, 1, 0, 1},
			0.7, 0.696969696969697, 0.7, 0.408248290463863, []float64{0.6666666666666666, 0.7272727272727273}},
		{"one answer", []int{0, 0, 0, 1}, []int{0, 0, 0, 0},
			0.75, 0.42857142857142855, 0.75, 0, []float64{0.8571428571428571, 0}},
		{"four classes", []int{2, 2, 1, 0, 3, 3, 3, 1, 0, 2, 1}, []int{2, 1, 1, 0, 3, 3, 2, 1, 0, 2, 3},
			0.7272727272727273, 0.7499999999999999, 0.7272727272727273, 0.6333333333333333, []float64{1, 2. / 3, 2. / 3, 2. / 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// A class that occurs nowhere changes nothing but the length of a table.
			for _, classes := range []int{len(c.f1), len(c.f1) + 1} {
				table := confusion(t, classes, c.targets, c.predictions)
				scores, err := table.Scores()
				if err != nil {
					t.Fatal(err)
				}
				want := map[string]float64{Accuracy: c.accuracy, MacroF1: c.macro, MicroF1: c.micro, Matthews: c.matthews}
				if classes == 2 {
					want[F1] = c.f1[1]
				}
				if len(scores) != len(want) {
					t.Errorf("scores %v, want %v", scores, want)
				}
				for name, w := range want {
					if math.Abs(scores[name]-w) > 1e-12 {
						t.Errorf("%s is %v, want %v", name, scores[name], w)
					}
				}
				for class, w := range c.f1 {
					if got := table.F1(class); math.Abs(got-w) > 1e-12 {
						t.Errorf("F1 of class %d is %v, want %v", class, got, w)
					}
				}
			}
		})
	}
}

func TestBounds(t *testing.T) {
	for _, classes := range []int{-1, 0, maxClasses + 1} {
		if _, err := NewConfusion(classes); err == nil {
			t.Errorf("a table of %d classes was made", classes)
		}
	}
	c := confusion(t, 2, []int{1, 1}, []int{0, 1})
	for _, pair := range [][2]int{{-1, 0}, {0, -1}, {2, 0}, {0, 2}} {
		if c.Add(pair[0], pair[1]) == nil {
			t.Errorf("%v was counted", pair)
		}
	}
	if c.Total() != 2 || c.Count(1, 0) != 1 || c.Count(1, 1) != 1 || c.Classes() != 2 {
		t.Errorf("counts are %+v", c)
	}
	if _, err := confusion(t, 2, nil, nil).Scores(); err == nil {
		t.Error("an empty table has scores")
	}
}
