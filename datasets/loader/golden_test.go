package loader

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// goldenRun is one entry of testdata/batches.json: readers in other languages must come to the same batches from the same stream.
type goldenRun struct {
	Name     string        `json:"name"`
	Settings []Setting     `json:"settings"`
	Batches  []goldenBatch `json:"batches"`
}

type goldenBatch struct {
	Step      int64    `json:"step"`
	IDs       []uint32 `json:"ids"`
	Labels    []int32  `json:"labels"`
	CuSeqlens []int32  `json:"cu_seqlens"`
}

func TestGoldenBatches(t *testing.T) {
	const path = "testdata/batches.json"
	s := newMemory(500)
	var runs []goldenRun
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"causal", Options{Objective: Causal, SequenceTokens: 12, BatchSequences: 4, Seed: 7}},
		{"mlm", Options{Objective: MLM, SequenceTokens: 32, BatchSequences: 3, Seed: 7}},
		{"causal with boundaries", Options{Objective: Causal, SequenceTokens: 40, BatchSequences: 2, Seed: 11, Boundaries: true}},
	} {
		l := open(t, s, c.o)
		run := goldenRun{Name: c.name, Settings: l.State().Settings}
		for _, m := range read(t, l, 12) {
			if m.Step%4 == 3 { // from all three epochs
				run.Batches = append(run.Batches, goldenBatch{m.Step, m.IDs, m.Labels, m.CuSeqlens})
			}
		}
		runs = append(runs, run)
	}
	got, err := json.Marshal(map[string]any{"ids": s.ids, "document_ends": s.ends, "runs": runs})
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
		t.Errorf("batches changed: a run would not go on as it began. Got\n%s", got)
	}
}
