package recipe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

// Manifest ends a run: it folds the commits of all lanes in their order, balances the ledger of each file, holds the number of bad
// records against on_error, and writes ledger.jsonl, quarantine/, and last manifest.json. It is the same whoever did the work.
func Manifest(ctx context.Context, env *Env, plan *schemas.Plan) error {
	r, err := fromPlan(plan)
	if err != nil {
		return err
	}
	tok, err := env.tokenizer(r)
	if err != nil {
		return err
	}
	canonical, err := r.Canonical()
	if err != nil {
		return err
	}
	f := newFold(env.Store, plan, r.OnError.quarantinable())
	for lane := range plan.Lanes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.lane(lane); err != nil {
			return err
		}
	}
	if err := f.balance(); err != nil {
		return err
	}
	if err := f.writeLedger(); err != nil {
		return err
	}
	width := shards.TokenBytes(tok.VocabSize())
	m := &schemas.Manifest{Version: schemas.ManifestVersion, Fingerprint: plan.Fingerprint, Recipe: string(canonical),
		Tokenizer: describe(tok), Columns: shards.Columns(width), Shards: f.shards, Totals: f.totals()}
	content, err := shards.EncodeManifest(m)
	if err != nil {
		return err
	}
	return pipeline.Publish(env.Store, shards.ManifestFile, content)
}

func describe(tok *tokenizer) schemas.ManifestTokenizer {
	t := schemas.ManifestTokenizer{File: tokenizerFile, Digest: digest(tok.Raw()), Model: tok.Model(), VocabSize: tok.VocabSize(), EndOfDocument: tok.end}
	for _, s := range tok.SpecialTokens() {
		t.SpecialIDs = append(t.SpecialIDs, schemas.SpecialToken{ID: s.ID, Content: s.Content})
	}
	return t
}

// fold adds up the commits of a run in the order of lanes.
type fold struct {
	store   pipeline.Store
	plan    *schemas.Plan
	limit   int64 // bad records that are allowed; negative: any number
	bad     int64
	files   []schemas.FileLedger
	reasons []map[[2]uint16]int64 // of quarantined records, by file
	shards  []schemas.Shard
	rows    int64
	tokens  int64
}

func newFold(store pipeline.Store, plan *schemas.Plan, limit int64) *fold {
	f := &fold{store: store, plan: plan, limit: limit, files: make([]schemas.FileLedger, len(plan.Files)),
		reasons: make([]map[[2]uint16]int64, len(plan.Files)), shards: []schemas.Shard{}}
	for i := range f.files {
		f.files[i].File = int32(i)
	}
	return f
}

// lane adds the commits of all passes of a lane and writes what they quarantined.
func (f *fold) lane(lane int) error {
	q := &quarantine{fold: f, name: fmt.Sprintf("quarantine/%05d.jsonl", lane)}
	for pass := range f.plan.Passes {
		closed, err := pipeline.EachCommit(f.store, f.plan, pass, lane, func(c *schemas.Commit) error {
			f.ledger(c)
			if pass == len(f.plan.Passes)-1 {
				if err := f.shard(c); err != nil {
					return err
				}
			}
			return q.write(c.Quarantined)
		})
		if err == nil && !closed {
			err = fmt.Errorf("lane %d of pass %s is not finished", lane, f.plan.Passes[pass].Name)
		}
		if err != nil {
			return errors.Join(err, q.discard())
		}
	}
	return q.publish()
}

func (f *fold) ledger(c *schemas.Commit) {
	for i := range c.Ledger {
		f.files[c.Ledger[i].File].Add(&c.Ledger[i])
	}
}

func (f *fold) shard(c *schemas.Commit) error {
	f.rows += c.Rows
	f.tokens += c.Tokens
	if c.Rows == 0 {
		return nil
	}
	s := schemas.Shard{Path: schemas.ShardPath(c.Lane, c.N), Rows: c.Rows, Tokens: c.Tokens}
	for _, a := range c.Files {
		switch a.Path {
		case s.Path:
			s.Bytes, s.Digest = a.Bytes, a.Digest
		case shards.IndexPath(s.Path):
			s.IndexBytes, s.IndexDigest = a.Bytes, a.Digest
		}
	}
	if s.Digest == "" || s.IndexDigest == "" {
		return fmt.Errorf("commit %d of lane %d has %d rows, but no shard with an index", c.N, c.Lane, c.Rows)
	}
	f.shards = append(f.shards, s)
	return nil
}

// quarantined counts a bad record, which may be one too many.
func (f *fold) quarantined(q *schemas.Quarantined) error {
	if f.bad++; f.limit >= 0 && f.bad > f.limit {
		return &pipeline.TooManyQuarantined{Limit: f.limit, Record: *q, Plan: f.plan}
	}
	if f.reasons[q.File] == nil {
		f.reasons[q.File] = map[[2]uint16]int64{}
	}
	f.reasons[q.File][[2]uint16{q.Stage, q.Reason}]++
	return nil
}

// balance holds both sides of each file's ledger against each other.
func (f *fold) balance() error {
	var errs []error
	for i := range f.files {
		if err := f.files[i].Balance(); err != nil {
			errs = append(errs, fmt.Errorf("the ledger of %s does not balance: %w", f.plan.SourcePath(int32(i)), err))
		}
	}
	return errors.Join(errs...)
}

// sums lists the reasons of some files in the order of the plan's stages.
func (f *fold) sums(files []schemas.FileLedger) []schemas.ReasonSum {
	dropped, quarantined := map[[2]uint16]int64{}, map[[2]uint16]int64{}
	for i := range files {
		for _, d := range files[i].Dropped {
			dropped[[2]uint16{d.Stage, d.Reason}] += d.Count
		}
		for key, n := range f.reasons[files[i].File] {
			quarantined[key] += n
		}
	}
	var out []schemas.ReasonSum
	for s := range f.plan.Stages {
		stage := &f.plan.Stages[s]
		for r, reason := range stage.Reasons {
			key := [2]uint16{uint16(s), uint16(r)}
			if n := dropped[key]; n > 0 {
				out = append(out, schemas.ReasonSum{Stage: stage.Name, Reason: reason, Kind: "drop", Count: n})
			}
			if n := quarantined[key]; n > 0 {
				out = append(out, schemas.ReasonSum{Stage: stage.Name, Reason: reason, Kind: "quarantine", Count: n})
			}
		}
	}
	return out
}

func (f *fold) totals() schemas.Totals {
	t := schemas.Totals{Documents: f.rows, Tokens: f.tokens, Reasons: f.sums(f.files)}
	for i := range f.files {
		l := &f.files[i]
		t.Read += l.Read
		t.Kept += l.Kept
		t.Dropped += l.DroppedTotal()
		t.Quarantined += l.Quarantined
	}
	return t
}

// ledgerLine is the ledger of one input file, with names for people.
type ledgerLine struct {
	Source string `json:"source"`
	schemas.FileLedger
	Reasons []schemas.ReasonSum `json:"reasons,omitempty"`
}

func (f *fold) writeLedger() error {
	return publishLines(f.store, shards.LedgerFile, func(write func(v any) error) error {
		for i := range f.files {
			line := ledgerLine{f.plan.SourcePath(int32(i)), f.files[i], f.sums(f.files[i : i+1])}
			if err := write(line); err != nil {
				return err
			}
		}
		return nil
	})
}

// quarantine writes the bad records of one lane, if there are any.
type quarantine struct {
	*fold
	name  string
	lines *lines
}

// quarantinedLine is one bad record, with names for people.
type quarantinedLine struct {
	Source string `json:"source"` // as in the source column of the shards
	Offset int64  `json:"offset"` // in the decompressed file
	Record int64  `json:"record"` // number in its split
	Bytes  int64  `json:"bytes"`
	Stage  string `json:"stage"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

func (q *quarantine) write(records []schemas.Quarantined) error {
	for i := range records {
		r := &records[i]
		if err := q.quarantined(r); err != nil {
			return err
		}
		if q.lines == nil {
			var err error
			if q.lines, err = createLines(q.store, q.name); err != nil {
				return err
			}
		}
		stage := &q.plan.Stages[r.Stage]
		line := quarantinedLine{q.plan.SourcePath(r.File), r.Offset, r.Record, r.Bytes, stage.Name, stage.Reasons[r.Reason], r.Detail}
		if err := q.lines.write(line); err != nil {
			return err
		}
	}
	return nil
}

func (q *quarantine) publish() error {
	if q.lines == nil {
		return nil
	}
	return q.lines.publish()
}

func (q *quarantine) discard() error {
	if q.lines == nil {
		return nil
	}
	return q.lines.file.Discard()
}

// lines writes JSON lines to a new file of the store.
type lines struct {
	file *pipeline.Artifact
	buf  *bufio.Writer
}

func createLines(store pipeline.Store, name string) (*lines, error) {
	file, err := pipeline.Create(store, name)
	if err != nil {
		return nil, err
	}
	return &lines{file: file, buf: bufio.NewWriter(file)}, nil
}

func (l *lines) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = l.buf.Write(append(line, '\n'))
	return err
}

func (l *lines) publish() error {
	if err := l.buf.Flush(); err != nil {
		return errors.Join(err, l.file.Discard())
	}
	_, err := l.file.Publish()
	return err
}

func publishLines(store pipeline.Store, name string, fill func(write func(v any) error) error) error {
	l, err := createLines(store, name)
	if err != nil {
		return err
	}
	if err := fill(l.write); err != nil {
		return errors.Join(err, l.file.Discard())
	}
	return l.publish()
}
