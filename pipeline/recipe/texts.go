package recipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

// Texts yields the text of each document that the stages of r before the first dedup keep, one file after another in this goroutine, for
// training a tokenizer. A text is valid until the next. What can't be read is told to bad, which may be nil, with the file, the offset of
// the record in it and the reason.
func Texts(ctx context.Context, env *Env, r *Recipe, bad func(source string, offset int64, reason string)) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := eachText(ctx, env, r, bad, yield); err != nil {
			yield(nil, err)
		}
	}
}

func eachText(ctx context.Context, env *Env, r *Recipe, bad func(string, int64, string), yield func([]byte, error) bool) error {
	sources := r.corpora(env.Storage)
	plan := &schemas.Plan{Version: schemas.PlanVersion}
	var err error
	if plan.Sources, plan.Files, err = corpus.List(ctx, sources...); err != nil {
		return r.inputMistake(err)
	}
	if plan.Splits, plan.Lanes, err = corpus.Split(ctx, sources, plan.Sources, plan.Files, maxLimit); err != nil {
		return err
	}
	plan.Stages, plan.Passes = r.layout(plan)
	opener, err := env.reader(plan, r)
	if err != nil {
		return err
	}
	var chain []pipeline.Worker
	for i, s := range r.Stages {
		def, _ := findDefinition(s.name)
		if def.stage == nil {
			break
		}
		w, err := def.stage(s.options, plan, uint16(i+1)).NewWorker(env.split().worker)
		if err != nil {
			return err
		}
		chain = append(chain, w)
	}
	t := texts{plan: plan, chain: chain, bad: bad, yield: yield, batch: &schemas.Batch{}}
	for lane := range plan.Lanes {
		src, err := opener.Open(ctx, lane, plan.Start(lane))
		if err != nil {
			return err
		}
		more, err := t.lane(ctx, src)
		if err := errors.Join(err, src.Close()); err != nil || !more {
			return err
		}
	}
	return nil
}

type texts struct {
	plan  *schemas.Plan
	chain []pipeline.Worker
	bad   func(source string, offset int64, reason string)
	yield func([]byte, error) bool
	batch *schemas.Batch
}

// lane yields the texts of one lane and says whether more are wanted.
func (t *texts) lane(ctx context.Context, src pipeline.Source) (more bool, err error) {
	for {
		t.batch.Reset()
		t.batch.Limit = pipeline.DefaultBatchBytes
		if err := src.Read(ctx, t.batch); err == io.EOF {
			return true, nil
		} else if err != nil {
			return false, err
		}
		for _, w := range t.chain {
			if err := w.Process(ctx, t.batch); err != nil {
				return false, err
			}
		}
		for i := range t.batch.Rows {
			row := &t.batch.Rows[i]
			switch row.Verdict.Kind {
			case schemas.Keep:
				if !t.yield(row.Text, nil) {
					return false, nil
				}
			case schemas.Quarantine:
				if t.bad != nil {
					reason := t.plan.Stages[row.Verdict.Stage].Reasons[row.Verdict.Reason]
					t.bad(t.plan.SourcePath(row.Pos.File), row.Pos.Offset, fmt.Sprintf("%s: %s", reason, row.Detail))
				}
			}
		}
	}
}
