package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/shardmill/shardmill/schemas"
)

// MaxQuarantinedPerCommit bounds the list of quarantined rows in one commit; a commit that reaches it is cut there.
const MaxQuarantinedPerCommit = 1 << 16

// MaxFilesPerCommit bounds the ledger of one commit, which is cut before the file that would be one too many.
const MaxFilesPerCommit = 1 << 17

const maxCommitBytes = 256 << 20

// CommitPath is the path of the record of a commit below the dataset folder.
func CommitPath(plan *schemas.Plan, pass, lane, n int) string {
	return path.Join("run", plan.Passes[pass].Name, schemas.CommitName(lane, n)+".json")
}

// ReadCommit reads one commit and checks that it belongs to the plan. The error matches fs.ErrNotExist if there is none.
func ReadCommit(store Store, plan *schemas.Plan, pass, lane, n int) (*schemas.Commit, error) {
	name := CommitPath(plan, pass, lane, n)
	data, err := ReadAll(store, name, maxCommitBytes)
	if err != nil {
		return nil, err
	}
	var c schemas.Commit
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return nil, fmt.Errorf("read commit %s: %w", name, err)
	}
	if c.Version != schemas.PlanVersion || c.Pass != pass || c.Lane != lane || c.N != n {
		return nil, fmt.Errorf("read commit %s: it says version %d, pass %d, lane %d, number %d", name, c.Version, c.Pass, c.Lane, c.N)
	}
	if c.Fingerprint != plan.Fingerprint.Digest {
		return nil, fmt.Errorf("read commit %s: it belongs to another run (fingerprint %.12s, this run has %.12s): use another output folder",
			name, c.Fingerprint, plan.Fingerprint.Digest)
	}
	if err := checkCommit(&c, plan); err != nil {
		return nil, fmt.Errorf("read commit %s: %w: the file is damaged", name, err)
	}
	return &c, nil
}

// checkCommit returns an error if c names what plan does not have.
func checkCommit(c *schemas.Commit, plan *schemas.Plan) error {
	if l := plan.Lanes[c.Lane]; c.Next.Split < l.First || c.Next.Split > l.End {
		return fmt.Errorf("its lane has splits %d to %d, and goes on in %d", l.First, l.End-1, c.Next.Split)
	}
	hasFile := func(file int32) bool { return file >= 0 && int(file) < len(plan.Files) }
	for i := range c.Ledger {
		if !hasFile(c.Ledger[i].File) {
			return fmt.Errorf("the plan has no file %d", c.Ledger[i].File)
		}
	}
	for i := range c.Quarantined {
		q := &c.Quarantined[i]
		if !hasFile(q.File) || int(q.Stage) >= len(plan.Stages) || int(q.Reason) >= len(plan.Stages[q.Stage].Reasons) {
			return fmt.Errorf("the plan has no file %d, stage %d with reason %d", q.File, q.Stage, q.Reason)
		}
	}
	return nil
}

// EachCommit calls f for the commits of a lane in order, up to the last one there is, and says whether that one closes the lane.
func EachCommit(store Store, plan *schemas.Plan, pass, lane int, f func(*schemas.Commit) error) (closed bool, err error) {
	for n := 0; !closed; n++ {
		c, err := ReadCommit(store, plan, pass, lane, n)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if err := f(c); err != nil {
			return false, err
		}
		closed = c.Closes
	}
	return true, nil
}

// laneWriter turns the rows of a lane, in order, into commits. Where it cuts depends on the rows alone.
type laneWriter struct {
	job   *Job
	lane  int
	judge *Judge

	commit    schemas.Commit // in the making
	part      Part
	artifacts []*Artifact
	keys      *keyCollector
	full      bool // the part is full; cut at the end of the record
	last      schemas.Pos
	started   bool // last is valid
	judged    int  // rows of commit.Quarantined that the judge knows
}

func newLaneWriter(job *Job, lane, n int, from schemas.Cursor, judge *Judge) *laneWriter {
	w := &laneWriter{job: job, lane: lane, judge: judge}
	if job.Reduction != nil {
		w.keys = newKeyCollector(job.Plan.Passes[job.Pass].Parts)
	}
	w.begin(n, from)
	return w
}

func (w *laneWriter) begin(n int, from schemas.Cursor) {
	w.commit = schemas.Commit{Version: schemas.PlanVersion, Fingerprint: w.job.Plan.Fingerprint.Digest,
		Pass: w.job.Pass, Lane: w.lane, N: n, Next: from}
	w.part, w.artifacts, w.full, w.judged = nil, w.artifacts[:0], false, 0
}

// write takes the rows of a batch. Each commit that becomes complete on the way is made durable and told to done.
func (w *laneWriter) write(rows []schemas.Row, done func(*schemas.Commit)) error {
	for i := 0; i < len(rows); {
		if w.mustCut(&rows[i]) {
			if err := w.cut(false, done); err != nil {
				return err
			}
		}
		if rows[i].Verdict.Kind != schemas.Keep {
			w.count(&rows[i])
			i++
			continue
		}
		end := i + 1
		for !w.full && end < len(rows) && rows[end].Verdict.Kind == schemas.Keep && rows[end].Pos.File == rows[i].Pos.File {
			end++
		}
		taken, err := w.append(rows[i:end])
		if err != nil {
			return err
		}
		for k := i; k < i+taken; k++ {
			w.count(&rows[k])
		}
		i += taken
	}
	return w.tell(false)
}

// tell lets the judge know of the rows quarantined since it was told last.
func (w *laneWriter) tell(closes bool) error {
	news := w.commit.Quarantined[w.judged:]
	w.judged += len(news)
	return w.judge.Add(w.lane, news, closes)
}

// mustCut says whether the commit ends before row r.
func (w *laneWriter) mustCut(r *schemas.Row) bool {
	if w.started && r.Verdict.Kind != schemas.End && r.Pos.Split == w.last.Split && r.Pos.Record == w.last.Record {
		return false
	}
	n := len(w.commit.Ledger)
	return w.full || len(w.commit.Quarantined) >= MaxQuarantinedPerCommit || n >= MaxFilesPerCommit && w.commit.Ledger[n-1].File != r.Pos.File
}

func (w *laneWriter) append(rows []schemas.Row) (taken int, err error) {
	if w.part == nil {
		w.part, err = w.job.Output.Create(w.lane, func(suffix string) (io.Writer, error) { return w.create(suffix) })
		if err != nil {
			return 0, fmt.Errorf("create %s: %w", w.name(""), err)
		}
	}
	taken, full, err := w.part.Append(rows)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", w.name(""), err)
	}
	if taken < 1 || taken > len(rows) {
		return 0, fmt.Errorf("write %s: the output took %d of %d rows", w.name(""), taken, len(rows))
	}
	w.full = full
	if w.keys != nil {
		for i := range rows[:taken] {
			if err := w.keys.add(w.job.Reduction, &rows[i]); err != nil {
				return 0, fmt.Errorf("collect keys for %s: %w", w.name(""), err)
			}
		}
	}
	return taken, nil
}

func (w *laneWriter) create(suffix string) (*Artifact, error) {
	a, err := Create(w.job.Store, w.name(suffix))
	if err != nil {
		return nil, err
	}
	w.artifacts = append(w.artifacts, a)
	return a, nil
}

// name is the path of a file of the current commit.
func (w *laneWriter) name(suffix string) string {
	folder := path.Join("run", w.job.Plan.Passes[w.job.Pass].Name)
	if w.job.last() {
		folder = "shards"
	}
	return path.Join(folder, schemas.CommitName(w.lane, w.commit.N)+suffix)
}

// count enters a row into the ledger of the commit and moves the cursor behind it.
func (w *laneWriter) count(r *schemas.Row) {
	l := w.ledger(r.Pos.File)
	l.RecordBytes += r.Bytes
	l.SeparatorBytes += r.Lead
	l.UnreadableBytes += r.Unreadable
	switch r.Verdict.Kind {
	case schemas.End:
		l.Read += r.Pos.Record
		l.LengthBytes += r.Pos.Offset - w.job.Plan.Splits[r.Pos.Split].Start
		w.commit.Next = w.after(r.Pos.Split)
		w.last, w.started = r.Pos, true
		return
	case schemas.Keep:
		if w.job.last() && r.Pos.Part == 0 {
			l.Kept++
		}
	case schemas.Drop:
		l.Drop(r.Verdict.Stage, r.Verdict.Reason, 1)
	case schemas.Quarantine:
		l.Quarantined++
		w.commit.Quarantined = append(w.commit.Quarantined, schemas.Quarantined{File: r.Pos.File, Offset: r.Pos.Offset, Record: r.Pos.Record,
			Split: r.Pos.Split, Bytes: r.Bytes + r.Unreadable, Stage: r.Verdict.Stage, Reason: r.Verdict.Reason, Detail: r.Detail})
	}
	w.last, w.started = r.Pos, true
	w.commit.Next = r.Next()
}

// after is the cursor behind a split.
func (w *laneWriter) after(split int32) schemas.Cursor {
	next := schemas.Cursor{Split: split + 1}
	if int(next.Split) < len(w.job.Plan.Splits) {
		next.Offset = w.job.Plan.Splits[next.Split].Start
	}
	return next
}

func (w *laneWriter) ledger(file int32) *schemas.FileLedger {
	n := len(w.commit.Ledger)
	if n == 0 || w.commit.Ledger[n-1].File != file {
		w.commit.Ledger = append(w.commit.Ledger, schemas.FileLedger{File: file})
		n++
	}
	return &w.commit.Ledger[n-1]
}

// cut makes the current commit durable and begins the next.
func (w *laneWriter) cut(closes bool, done func(*schemas.Commit)) error {
	if err := w.finishPart(); err != nil {
		return err
	}
	w.commit.Closes = closes
	if err := w.tell(closes); err != nil {
		return err
	}
	for _, a := range w.artifacts {
		made, err := a.Publish()
		if err != nil {
			return err
		}
		w.commit.Files = append(w.commit.Files, made)
	}
	record, err := json.Marshal(&w.commit)
	if err != nil {
		return err
	}
	if err := Publish(w.job.Store, CommitPath(w.job.Plan, w.job.Pass, w.lane, w.commit.N), append(record, '\n')); err != nil {
		return fmt.Errorf("commit %s: %w", w.name(""), err)
	}
	done(&w.commit)
	w.begin(w.commit.N+1, w.commit.Next)
	return nil
}

func (w *laneWriter) finishPart() error {
	if w.part == nil {
		return nil
	}
	rows, tokens, err := w.part.Finish()
	w.part = nil
	if err != nil {
		return fmt.Errorf("finish %s: %w", w.name(""), err)
	}
	w.commit.Rows, w.commit.Tokens = rows, tokens
	if w.keys == nil {
		return nil
	}
	a, err := w.create(".keys")
	if err != nil {
		return err
	}
	return w.keys.flush(a)
}

// discard gives up what is not committed.
func (w *laneWriter) discard() error {
	var errs []error
	if w.part != nil {
		_, _, _ = w.part.Finish() // its files go anyway
	}
	for _, a := range w.artifacts {
		errs = append(errs, a.Discard())
	}
	return errors.Join(errs...)
}
