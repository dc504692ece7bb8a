package pipeline

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

func keysJob(t *testing.T) (*memFS, *Job) {
	t.Helper()
	fsys, plan := newMemFS(), testPlan(schemas.Pass{Name: "keys", Parts: 3}, schemas.Pass{Name: "write"})
	job := testJob(plan, fsys)
	job.Reduction = keepFirst{}
	if err := RunLanes(t.Context(), job, allLanes(plan), testOptions(2, 400)); err != nil {
		t.Fatal(err)
	}
	return fsys, job
}

func readKeys(t *testing.T, job *Job, files []string, part int) []string {
	t.Helper()
	var keys []string
	for key, err := range mergeKeys(t.Context(), job.Store, files, part, 3) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(key))
	}
	return keys
}

// However many keys files there are, a merge reads a few at once.
func TestManyKeysFilesAreMergedInSteps(t *testing.T) {
	fsys, job := keysJob(t)
	files, err := keyFiles(job)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) <= 3*3*3 {
		t.Fatalf("%d files: too few for three steps", len(files))
	}
	for part := range 3 {
		want := readKeys(t, job, files, part)
		runs, err := fewRuns(t.Context(), job, files, part, 3)
		if err != nil {
			t.Fatal(err)
		}
		if got := readKeys(t, job, runs, part); len(runs) > 3 || !slices.Equal(got, want) || !slices.IsSorted(got) || len(got) == 0 {
			t.Errorf("part %d: %d keys from %d files, want %d from 3", part, len(got), len(runs), len(want))
		}
	}
	before := fsys.tree()
	if _, err := fewRuns(t.Context(), job, files, 1, 3); err != nil {
		t.Fatal(err)
	}
	compareTrees(t, fsys.tree(), before)
}

// reduceFunc is a reduction without keys of its own.
type reduceFunc func(keys iter.Seq2[[]byte, error]) error

func (reduceFunc) Collect(*schemas.Row, func(int, []byte)) {}

func (f reduceFunc) Reduce(_ context.Context, _ int, keys iter.Seq2[[]byte, error], _ io.Writer) error {
	return f(keys)
}

func TestReduceEndsWithItsContext(t *testing.T) {
	fsys, job := keysJob(t)
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	job.Reduction = reduceFunc(func(keys iter.Seq2[[]byte, error]) error {
		for _, err := range keys {
			if err != nil {
				return err
			}
			seen++
			cancel()
		}
		return nil
	})
	if err := Reduce(ctx, job, 0, testOptions(1, 400)); !errors.Is(err, context.Canceled) || seen != 1 {
		t.Errorf("got %v after %d keys", err, seen)
	}
	for name := range fsys.names {
		if strings.Contains(name, "/tmp/") || strings.HasSuffix(name, ".verdicts") {
			t.Errorf("%s was left", name)
		}
	}
}
