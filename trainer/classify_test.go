package trainer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

// fixedClassifier gives the logits of its table, by the first id of a sequence.
type fixedClassifier [][]float32

func (c fixedClassifier) Classify(_ context.Context, b *schemas.Minibatch) (logits []float32, err error) {
	for _, at := range b.CuSeqlens[:len(b.CuSeqlens)-1] {
		logits = append(logits, c[b.IDs[at]]...)
	}
	return logits, nil
}

// fixedBatches are sequences of one token.
type fixedBatches struct {
	targets [][]int32
	next    int
}

func (f *fixedBatches) Next(_ context.Context, b *schemas.Minibatch) error {
	if f.next == len(f.targets) {
		return io.EOF
	}
	*b = schemas.Minibatch{CuSeqlens: []int32{0}, Targets: f.targets[f.next]}
	for i := range b.Targets {
		b.IDs, b.Positions = append(b.IDs, uint32(i)), append(b.Positions, 0)
		b.CuSeqlens = append(b.CuSeqlens, int32(i+1))
	}
	f.next++
	return nil
}

func (f *fixedBatches) SeekBatch(n int64) error { f.next = int(n); return nil }
func (f *fixedBatches) Fingerprint() string     { return "" }

func TestEvaluateClassifier(t *testing.T) {
	m := fixedClassifier{{0, 0}, {-1, 1}, {1000, -1000}}
	b := &fixedBatches{targets: [][]int32{{0, 1, schemas.IgnoreLabel}, {1}}}
	for range 2 { // the second time from the start again
		got, table, err := EvaluateClassifier(t.Context(), m, b, 2)
		if err != nil {
			t.Fatal(err)
		}
		want := (2*math.Ln2 + math.Log(1+math.Exp(-2))) / 3
		if math.Abs(got.EvalLoss-want) > 1e-12 || got.Labels != 3 || table.Count(1, 0) != 1 || math.Abs(got.Scores["accuracy"]-2./3) > 1e-12 {
			t.Errorf("%+v, want the loss %v", got, want)
		}
	}
	for want, bad := range map[string]struct {
		m fixedClassifier
		b [][]int32
	}{
		"logit of class 1 is NaN": {fixedClassifier{{0, float32(math.NaN())}}, [][]int32{{0}}},
		"there are none":          {m, [][]int32{{schemas.IgnoreLabel}}},
		"target 2":                {m, [][]int32{{2}}},
	} {
		if _, _, err := EvaluateClassifier(t.Context(), bad.m, &fixedBatches{targets: bad.b}, 2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	stop := errors.New("stop")
	if err := Predict(t.Context(), m, b, func(int32, []float64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of emit became %v", err)
	}
}

// TestEvaluateInPlaceOfLoss trains with an evaluation of the caller and finds it in the metrics.
func TestEvaluateInPlaceOfLoss(t *testing.T) {
	o := options(t.TempDir(), 8)
	var want []EvalMetrics
	o.Evaluate = func(context.Context) (EvalMetrics, error) {
		return EvalMetrics{EvalLoss: 0, Labels: int64(len(want)), Scores: map[string]float64{"accuracy": float64(len(want)) / 3}}, nil
	}
	o.Hooks.OnEval = func(m EvalMetrics) { want = append(want, m) }
	if _, _, err := start(t, t.Context(), 1, o); err != nil {
		t.Fatal(err)
	}
	got, err := Evaluations(o.Dir)
	if err != nil || len(want) == 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("evaluations %+v, error %v, want %+v", got, err, want)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, MetricsFile), []byte("{}\n{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if got, err := Evaluations(o.Dir); err == nil {
		t.Errorf("half a line was read: %+v", got)
	}
	o = options(t.TempDir(), 8)
	o.Evaluate = func(context.Context) (EvalMetrics, error) { return EvalMetrics{}, fmt.Errorf("no data") }
	if _, _, err := start(t, t.Context(), 1, o); err == nil || !strings.Contains(err.Error(), "no data") {
		t.Errorf("an evaluation that failed: %v", err)
	}
}
