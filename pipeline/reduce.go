package pipeline

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/shardmill/shardmill/schemas"
)

// VerdictsPath is the path of the verdicts of one part of the reduction that follows a pass.
func VerdictsPath(plan *schemas.Plan, pass, part int) string {
	return path.Join("run", plan.Passes[pass].Name, fmt.Sprintf("part-%05d.verdicts", part))
}

// mergeWays is how many keys files are merged at once; each takes the memory of one block.
const mergeWays = 1024

// Reduce runs one part of the reduction that follows a pass, once all lanes of the pass are closed. A part whose verdicts are there is
// left alone.
func Reduce(ctx context.Context, job *Job, part int, opt Options) error {
	return reduceParts(ctx, job, []int{part}, opt)
}

// reduceParts runs parts one after another.
func reduceParts(ctx context.Context, job *Job, parts []int, opt Options) (err error) {
	defer recoverAs(&err, "reduce")
	var files []string
	for _, part := range parts {
		name := VerdictsPath(job.Plan, job.Pass, part)
		there, err := exists(job.Store, name)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if files == nil {
			if files, err = keyFiles(job); err != nil {
				return err
			}
		}
		runs, err := fewRuns(ctx, job, files, part, mergeWays)
		if err == nil {
			err = reduceRuns(ctx, job, part, runs)
		}
		if err != nil {
			return fmt.Errorf("reduce part %d of pass %s: %w", part, job.Plan.Passes[job.Pass].Name, err)
		}
		if opt.Events != nil {
			opt.Events(Event{Kind: Reduced, Pass: job.Pass, Path: name})
		}
	}
	return nil
}

// reduceRuns makes the verdicts of a part from keys files.
func reduceRuns(ctx context.Context, job *Job, part int, runs []string) error {
	out, err := Create(job.Store, VerdictsPath(job.Plan, job.Pass, part))
	if err != nil {
		return err
	}
	keys := mergeKeys(ctx, job.Store, runs, part, job.Plan.Passes[job.Pass].Parts)
	if err := job.Reduction.Reduce(ctx, part, keys, out); err != nil {
		return errors.Join(err, out.Discard())
	}
	_, err = out.Publish()
	return err
}

// fewRuns merges the keys of a part from groups of files into one file for each group, until there are at most ways of them. Groups depend on
// the commits alone, so what was merged before an interruption is found again.
func fewRuns(ctx context.Context, job *Job, files []string, part, ways int) ([]string, error) {
	for level := 1; len(files) > ways; level++ {
		var merged []string
		for group := range slices.Chunk(files, ways) {
			name := path.Join("run", job.Plan.Passes[job.Pass].Name, fmt.Sprintf("part-%05d-%d-%06d.keys", part, level, len(merged)))
			if err := mergeGroup(ctx, job, group, part, name); err != nil {
				return nil, err
			}
			merged = append(merged, name)
		}
		files = merged
	}
	return files, nil
}

// mergeGroup merges the keys of a part into a file, if it is not there yet.
func mergeGroup(ctx context.Context, job *Job, files []string, part int, name string) error {
	if there, err := exists(job.Store, name); err != nil || there {
		return err
	}
	out, err := Create(job.Store, name)
	if err != nil {
		return err
	}
	parts := job.Plan.Passes[job.Pass].Parts
	w := newKeysWriter(out)
	for i := range parts {
		if i == part {
			for key, err := range mergeKeys(ctx, job.Store, files, part, parts) {
				if err != nil {
					return errors.Join(err, out.Discard())
				}
				w.add(key)
			}
		}
		w.endPart()
	}
	if err := w.finish(); err != nil {
		return errors.Join(err, out.Discard())
	}
	_, err = out.Publish()
	return err
}

// exists says whether a published file is there.
func exists(store Store, name string) (bool, error) {
	f, err := store.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// keyFiles lists the keys files of a pass in order.
func keyFiles(job *Job) ([]string, error) {
	var files []string
	for lane := range job.Plan.Lanes {
		closed, err := EachCommit(job.Store, job.Plan, job.Pass, lane, func(c *schemas.Commit) error {
			for _, a := range c.Files {
				if strings.HasSuffix(a.Path, ".keys") {
					files = append(files, a.Path)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if !closed {
			return nil, fmt.Errorf("reduce pass %s: lane %d is not finished", job.Plan.Passes[job.Pass].Name, lane)
		}
	}
	return files, nil
}

// mergeKeys merges the keys of one part from all files.
func mergeKeys(ctx context.Context, store Store, files []string, part, parts int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		runs := make(keyHeap, 0, len(files))
		for _, name := range files {
			run, err := openKeyRun(store, name, part, parts)
			if err == nil {
				err = run.next()
			}
			if err == io.EOF {
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			runs = append(runs, run)
		}
		heap.Init(&runs)
		for len(runs) > 0 {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(runs[0].key, nil) {
				return
			}
			switch err := runs[0].next(); err {
			case nil:
				heap.Fix(&runs, 0)
			case io.EOF:
				heap.Pop(&runs)
			default:
				yield(nil, err)
				return
			}
		}
	}
}

// Run runs all passes of a plan in this process. Job makes the job of a pass when all before it is done.
func Run(ctx context.Context, plan *schemas.Plan, job func(pass int) (*Job, error), opt Options) error {
	emit := func(e Event) {
		if opt.Events != nil {
			opt.Events(e)
		}
	}
	for pass := range plan.Passes {
		j, err := job(pass)
		if err != nil {
			return err
		}
		emit(Event{Kind: PassStarted, Pass: pass})
		if err := RunLanes(ctx, j, upTo(len(plan.Lanes)), opt); err != nil {
			return err
		}
		if err := reduceParts(ctx, j, upTo(plan.Passes[pass].Parts), opt); err != nil {
			return err
		}
		emit(Event{Kind: PassFinished, Pass: pass})
	}
	return nil
}

// upTo returns 0, 1, …, n-1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
