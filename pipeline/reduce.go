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
	"strings"

	"github.com/shardmill/shardmill/schemas"
)

// VerdictsPath is the path of the verdicts of one part of the reduction that follows a pass.
func VerdictsPath(plan *schemas.Plan, pass, part int) string {
	return path.Join("run", plan.Passes[pass].Name, fmt.Sprintf("part-%05d.verdicts", part))
}

// Reduce runs one part of the reduction that follows a pass, once all lanes of the pass are closed. A part whose verdicts are there is
// left alone.
func Reduce(ctx context.Context, job *Job, part int, opt Options) (err error) {
	defer recoverAs(&err, "reduce")
	name := VerdictsPath(job.Plan, job.Pass, part)
	if f, err := job.Store.Open(name); err == nil {
		return f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	files, err := keyFiles(job)
	if err != nil {
		return err
	}
	out, err := Create(job.Store, name)
	if err != nil {
		return err
	}
	keys := mergeKeys(job.Store, files, part, job.Plan.Passes[job.Pass].Parts)
	if err := job.Reduction.Reduce(ctx, part, keys, out); err != nil {
		return errors.Join(fmt.Errorf("reduce part %d of pass %s: %w", part, job.Plan.Passes[job.Pass].Name, err), out.Discard())
	}
	if _, err := out.Publish(); err != nil {
		return err
	}
	if opt.Events != nil {
		opt.Events(Event{Kind: Reduced, Pass: job.Pass, Path: name})
	}
	return nil
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
func mergeKeys(store Store, files []string, part, parts int) iter.Seq2[[]byte, error] {
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
	lanes := make([]int, len(plan.Lanes))
	for i := range lanes {
		lanes[i] = i
	}
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
		if err := RunLanes(ctx, j, lanes, opt); err != nil {
			return err
		}
		for part := range plan.Passes[pass].Parts {
			if err := Reduce(ctx, j, part, opt); err != nil {
				return err
			}
		}
		emit(Event{Kind: PassFinished, Pass: pass})
	}
	return nil
}
