package pipeline

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shardmill/shardmill/schemas"
)

// The corpus of these tests: lanes of two splits each; record i of split s has a text that is a function of both.
const (
	testLanes   = 5
	testRecords = 200 // in each split
)

func testPlan(passes ...schemas.Pass) *schemas.Plan {
	plan := &schemas.Plan{
		Version:     schemas.PlanVersion,
		Fingerprint: schemas.Fingerprint{Digest: "0123456789abcdef"},
		Stages: []schemas.Stage{{Name: "read", Reasons: []string{"bad"}}, {Name: "filter", Reasons: []string{"odd"}},
			{Name: "dedup", Reasons: []string{"duplicate"}}},
		Sources: []schemas.Source{{Name: "made"}},
		Passes:  passes,
	}
	if len(passes) == 0 {
		plan.Passes = []schemas.Pass{{Name: "write"}}
	}
	for lane := range testLanes {
		plan.Files = append(plan.Files, schemas.File{Path: fmt.Sprintf("file-%d", lane)})
		for range 2 {
			plan.Splits = append(plan.Splits, schemas.Split{File: int32(lane), End: -1})
		}
		plan.Lanes = append(plan.Lanes, schemas.Lane{First: int32(2 * lane), End: int32(2*lane + 2)})
	}
	return plan
}

func testText(split int32, record int64) []byte {
	rng := rand.New(rand.NewPCG(uint64(split), uint64(record)))
	if record%7 == 3 {
		return fmt.Appendf(nil, "duplicate %d", rng.IntN(20)) // the same texts in all splits
	}
	n := rng.IntN(40)
	if record%83 == 5 {
		n = 600 // larger than a batch
	}
	return fmt.Appendf(nil, "%d/%d %s", split, record, strings.Repeat("x", n))
}

// testSource reads the made-up corpus: every 31st record is bad.
type testSource struct {
	plan   *schemas.Plan
	lane   int
	at     schemas.Cursor
	closed *atomic.Int64
}

func testOpener(plan *schemas.Plan) OpenerFunc {
	return func(_ context.Context, lane int, from schemas.Cursor) (Source, error) {
		return &testSource{plan: plan, lane: lane, at: from, closed: new(atomic.Int64)}, nil
	}
}

func (s *testSource) Read(_ context.Context, b *schemas.Batch) error {
	var size int64
	for size < b.Limit && s.at.Split < s.plan.Lanes[s.lane].End {
		file := s.plan.Splits[s.at.Split].File
		pos := schemas.Pos{File: file, Split: s.at.Split, Offset: s.at.Offset, Record: s.at.Record}
		if s.at.Record == testRecords {
			b.Rows = append(b.Rows, schemas.Row{Pos: pos, Verdict: schemas.Verdict{Kind: schemas.End}})
			s.at = schemas.Cursor{Split: s.at.Split + 1}
			continue
		}
		text := testText(s.at.Split, s.at.Record)
		if size+int64(len(text)) > b.Limit && b.Grow != nil {
			if err := b.Grow(size + int64(len(text))); err != nil {
				return err
			}
		}
		row := schemas.Row{Pos: pos, Bytes: int64(len(text)), Text: b.Arena.Copy(text)}
		if s.at.Record > 0 {
			row.Lead, row.Pos.Offset = 1, pos.Offset+1
		}
		if s.at.Record%31 == 30 {
			row.Verdict, row.Text = schemas.Verdict{Kind: schemas.Quarantine}, nil
		}
		b.Rows = append(b.Rows, row)
		b.RawBytes += row.Bytes
		size += int64(len(text))
		s.at = row.Next()
	}
	if len(b.Rows) == 0 {
		return io.EOF
	}
	return nil
}

func (s *testSource) Close() error {
	s.closed.Add(1)
	return nil
}

// workerFunc is a stage without state.
type workerFunc func(b *schemas.Batch) error

func (f workerFunc) Process(_ context.Context, b *schemas.Batch) error { return f(b) }

func (f workerFunc) NewWorker(int64) (Worker, error) { return f, nil }

// dropOdd drops texts of odd length, after a wait that shuffles the batches.
var dropOdd = workerFunc(func(b *schemas.Batch) error {
	if b.Seq%3 == 0 {
		time.Sleep(50 * time.Microsecond)
	}
	for i := range b.Rows {
		if row := &b.Rows[i]; row.Verdict.Kind == schemas.Keep && len(row.Text)%2 == 1 {
			row.Verdict = schemas.Verdict{Kind: schemas.Drop, Stage: 1}
		}
	}
	return nil
})

// lines writes a line for each row; a part is full after a number of rows.
type lines struct{ rows int }

func (l lines) Create(_ int, create func(string) (io.Writer, error)) (Part, error) {
	w, err := create(".txt")
	return &linesPart{w: w, rows: l.rows}, err
}

type linesPart struct {
	w       io.Writer
	rows, n int
}

func (p *linesPart) Append(rows []schemas.Row) (int, bool, error) {
	taken := 0
	for taken < len(rows) && (p.n < p.rows || taken == 0) {
		if _, err := fmt.Fprintf(p.w, "%d %d %s\n", rows[taken].Pos.Split, rows[taken].Pos.Record, rows[taken].Text); err != nil {
			return taken, false, err
		}
		taken++
		p.n++
	}
	return taken, p.n >= p.rows, nil
}

func (p *linesPart) Finish() (int64, int64, error) { return int64(p.n), 0, nil }

func testJob(plan *schemas.Plan, fsys FS) *Job {
	return &Job{Plan: plan, Store: NewDirStore(fsys, "out", "out/run/tmp/t"), Opener: testOpener(plan),
		Stages: []Stage{dropOdd}, Output: lines{rows: 20}}
}

func testOptions(workers int, batch int64) Options {
	return Options{Workers: workers, BatchBytes: batch, CreditBytes: 8 * batchFactor * batch, Limit: -1}
}

func allLanes(plan *schemas.Plan) []int {
	lanes := make([]int, len(plan.Lanes))
	for i := range lanes {
		lanes[i] = i
	}
	return lanes
}

// undisturbed is the tree of a run with one worker.
func undisturbed(t *testing.T) map[string]string {
	t.Helper()
	fsys, plan := newMemFS(), testPlan()
	if err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(1, 1000)); err != nil {
		t.Fatal(err)
	}
	return fsys.tree()
}

func compareTrees(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if g, ok := got[name]; !ok || g != want[name] {
			t.Fatalf("%s: there: %v, got\n%.300s\nwant\n%.300s", name, ok, g, want[name])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d files, want %d", len(got), len(want))
	}
}

func TestSameBytesForAnyWorkersAndBatches(t *testing.T) {
	want := undisturbed(t)
	if len(want) < 2*3*testLanes {
		t.Fatalf("only %d files: the test wants 3 commits for each lane", len(want))
	}
	for _, workers := range []int{1, 2, 8} {
		for _, batch := range []int64{1, 100, 1 << 20} {
			fsys, plan := newMemFS(), testPlan()
			if err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(workers, batch)); err != nil {
				t.Fatalf("%d workers, batches of %d: %v", workers, batch, err)
			}
			compareTrees(t, fsys.tree(), want)
		}
	}
}

func TestLedgerBalances(t *testing.T) {
	fsys, plan := newMemFS(), testPlan()
	job := testJob(plan, fsys)
	if err := RunLanes(t.Context(), job, allLanes(plan), testOptions(2, 500)); err != nil {
		t.Fatal(err)
	}
	for lane := range plan.Lanes {
		total := schemas.FileLedger{File: int32(lane)}
		closed, err := EachCommit(job.Store, plan, 0, lane, func(c *schemas.Commit) error {
			for i := range c.Ledger {
				total.Add(&c.Ledger[i])
			}
			return nil
		})
		if err != nil || !closed {
			t.Fatal(closed, err)
		}
		if err := total.Balance(); err != nil {
			t.Error(err)
		}
		if total.Read != 2*testRecords || total.Quarantined != 2*(testRecords/31) || total.DroppedTotal() == 0 || total.Kept == 0 {
			t.Errorf("unexpected totals %+v", total)
		}
	}
}

// A crash after any operation, also one that loses all that was not synced, leaves a folder from which the run ends with the same bytes.
func TestCrashAnywhereThenResume(t *testing.T) {
	want := undisturbed(t)
	probe, plan := newMemFS(), testPlan()
	if err := RunLanes(t.Context(), testJob(plan, probe), allLanes(plan), testOptions(2, 700)); err != nil {
		t.Fatal(err)
	}
	step := 29
	if os.Getenv("SHARDMILL_SOAK") == "1" {
		step = 1
	}
	for n := 0; n < probe.ops; n += step {
		fsys := newMemFS()
		fsys.crashAfter(n)
		err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(2, 700))
		if err != nil && !errors.Is(err, errCrashed) {
			t.Fatalf("crash after %d operations: %v", n, err)
		}
		committed := fsys.reboot().tree()
		fsys = fsys.reboot()
		if err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(2, 700)); err != nil {
			t.Fatalf("resume after %d operations: %v", n, err)
		}
		compareTrees(t, fsys.tree(), want)
		for name := range committed {
			if fsys.tree()[name] != committed[name] {
				t.Fatalf("%s changed", name)
			}
		}
	}
}

func TestNoSpaceThenResume(t *testing.T) {
	want := undisturbed(t)
	fsys, plan := newMemFS(), testPlan()
	written := 0
	fsys.fail = func(op, _ string) error {
		if op == "write" {
			if written++; written > 100 {
				return syscall.ENOSPC
			}
		}
		return nil
	}
	err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(2, 700))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "shards/") {
		t.Fatalf("got %v, want no space left, and for which file", err)
	}
	for name := range fsys.names {
		if strings.Contains(name, "/tmp/") {
			t.Errorf("%s was left", name)
		}
	}
	fsys.fail = nil
	if err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(2, 700)); err != nil {
		t.Fatal(err)
	}
	compareTrees(t, fsys.tree(), want)
}

func TestCancelThenResume(t *testing.T) {
	want := undisturbed(t)
	for after := 1; after < 40; after += 3 {
		fsys, plan := newMemFS(), testPlan()
		ctx, cancel := context.WithCancel(t.Context())
		opt, seen := testOptions(2, 300), 0
		opt.Events = func(Event) {
			if seen++; seen == after {
				cancel()
			}
		}
		if err := RunLanes(ctx, testJob(plan, fsys), allLanes(plan), opt); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
		if err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(3, 300)); err != nil {
			t.Fatal(err)
		}
		compareTrees(t, fsys.tree(), want)
	}
}

func TestChangedOutputIsNondeterminism(t *testing.T) {
	fsys, plan := newMemFS(), testPlan()
	if err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(1, 1000)); err != nil {
		t.Fatal(err)
	}
	delete(fsys.names, "out/"+CommitPath(plan, 0, 1, 0))
	fsys.names["out/shards/00001-000000.txt"].content[3] ^= 1
	err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(1, 1000))
	if !errors.Is(err, ErrNondeterminism) || !strings.Contains(err.Error(), "00001-000000.txt") {
		t.Fatalf("got %v", err)
	}
}

func TestMissingShardIsAnError(t *testing.T) {
	fsys, plan := newMemFS(), testPlan()
	if err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(1, 1000)); err != nil {
		t.Fatal(err)
	}
	delete(fsys.names, "out/shards/00002-000001.txt")
	err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(1, 1000))
	if err == nil || !strings.Contains(err.Error(), "00002-000001.txt") {
		t.Fatalf("got %v", err)
	}
}

// The record that is one too many is the same for any number of workers.
func TestLimitIsJudgedInLaneOrder(t *testing.T) {
	for _, limit := range []int64{0, 1, 5, 14, 20} {
		var want string
		for _, workers := range []int{1, 2, 8} {
			fsys, plan := newMemFS(), testPlan()
			opt := testOptions(workers, 300)
			opt.Limit = limit
			err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), opt)
			var many *TooManyQuarantined
			if !errors.As(err, &many) {
				t.Fatalf("limit %d: got %v", limit, err)
			}
			if want == "" {
				want = err.Error()
			}
			if err.Error() != want {
				t.Errorf("limit %d, %d workers: got %v, want %v", limit, workers, err, want)
			}
		}
	}
	fsys, plan := newMemFS(), testPlan()
	opt := testOptions(2, 300)
	opt.Limit = 2 * testLanes * (testRecords / 31)
	if err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), opt); err != nil {
		t.Errorf("a limit that is just met: %v", err)
	}
}

func TestPanicsAndErrorsEndTheRun(t *testing.T) {
	boom := workerFunc(func(b *schemas.Batch) error {
		if b.Lane == 2 {
			panic("boom")
		}
		return nil
	})
	wrong := errors.New("wrong")
	fails := workerFunc(func(b *schemas.Batch) error {
		if b.Lane == 2 {
			return wrong
		}
		return nil
	})
	for _, stage := range []Stage{boom, fails} {
		fsys, plan := newMemFS(), testPlan()
		job := testJob(plan, fsys)
		job.Stages = []Stage{stage}
		err := RunLanes(t.Context(), job, allLanes(plan), testOptions(2, 300))
		if err == nil || !errors.Is(err, wrong) && !strings.Contains(err.Error(), "panic: boom") {
			t.Errorf("got %v", err)
		}
	}
	fsys, plan := newMemFS(), testPlan()
	job := testJob(plan, fsys)
	job.Opener = OpenerFunc(func(context.Context, int, schemas.Cursor) (Source, error) { return nil, wrong })
	if err := RunLanes(t.Context(), job, allLanes(plan), testOptions(2, 300)); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
}

// keepFirst is a reduction that keeps the first of rows with equal texts.
type keepFirst struct{}

func (keepFirst) Collect(row *schemas.Row, emit func(int, []byte)) {
	key := append(slices.Clone(row.Text), 0)
	key = binary.BigEndian.AppendUint32(key, uint32(row.Pos.Split))
	emit(int(row.Text[0])%3, binary.BigEndian.AppendUint64(key, uint64(row.Pos.Record)))
}

func (keepFirst) Reduce(_ context.Context, _ int, keys iter.Seq2[[]byte, error], out io.Writer) error {
	var last []byte
	for key, err := range keys {
		if err != nil {
			return err
		}
		text := key[:len(key)-13]
		if last != nil && bytes.Equal(text, last) {
			if _, err := fmt.Fprintf(out, "%x\n", key[len(key)-12:]); err != nil {
				return err
			}
		}
		last = append(last[:0], text...)
	}
	return nil
}

func TestReductionSeesEachKeyOnceInOrder(t *testing.T) {
	var want map[string]string
	for _, workers := range []int{1, 4} {
		fsys, plan := newMemFS(), testPlan(schemas.Pass{Name: "keys", Parts: 3}, schemas.Pass{Name: "write"})
		job := testJob(plan, fsys)
		job.Reduction = keepFirst{}
		opt := testOptions(workers, 400)
		if err := Reduce(t.Context(), job, 0, opt); err == nil || !strings.Contains(err.Error(), "not finished") {
			t.Fatalf("a reduction before its pass: %v", err)
		}
		if err := RunLanes(t.Context(), job, allLanes(plan), opt); err != nil {
			t.Fatal(err)
		}
		duplicates, seen := 0, map[string]bool{}
		for lane := range plan.Lanes {
			for split := plan.Lanes[lane].First; split < plan.Lanes[lane].End; split++ {
				for record := range int64(testRecords) {
					text := string(testText(split, record))
					if record%31 == 30 || len(text)%2 == 1 {
						continue
					}
					if seen[text] {
						duplicates++
					}
					seen[text] = true
				}
			}
		}
		verdicts := 0
		for part := range 3 {
			if err := Reduce(t.Context(), job, part, opt); err != nil {
				t.Fatal(err)
			}
			if err := Reduce(t.Context(), job, part, opt); err != nil {
				t.Fatal("again:", err)
			}
			verdicts += strings.Count(string(fsys.names["out/"+VerdictsPath(plan, 0, part)].content), "\n")
		}
		if verdicts != duplicates || verdicts == 0 {
			t.Errorf("%d verdicts, want %d", verdicts, duplicates)
		}
		if want == nil {
			want = fsys.tree()
		}
		compareTrees(t, fsys.tree(), want)
	}
}

func TestDamagedKeysAreFound(t *testing.T) {
	fsys, plan := newMemFS(), testPlan(schemas.Pass{Name: "keys", Parts: 3}, schemas.Pass{Name: "write"})
	job := testJob(plan, fsys)
	job.Reduction = keepFirst{}
	if err := RunLanes(t.Context(), job, allLanes(plan), testOptions(2, 400)); err != nil {
		t.Fatal(err)
	}
	name := "out/run/keys/00001-000001.keys"
	for at := 0; at < len(fsys.names[name].content); at += 11 {
		fsys.names[name].content[at] ^= 0x10
		var errs []error
		for part := range 3 {
			errs = append(errs, Reduce(t.Context(), job, part, testOptions(1, 400)))
			delete(fsys.names, "out/"+VerdictsPath(plan, 0, part))
		}
		if err := errors.Join(errs...); err == nil || !strings.Contains(err.Error(), "00001-000001.keys") {
			t.Fatalf("byte %d: got %v", at, err)
		}
		fsys.names[name].content[at] ^= 0x10
	}
}

// fatSource makes every record larger than a batch.
type fatSource struct {
	testSource
	held *atomic.Int64 // largest memory of an empty batch
}

func (s *fatSource) Read(_ context.Context, b *schemas.Batch) error {
	s.held.Store(max(s.held.Load(), b.Arena.Size()))
	if s.at.Record == 100 {
		return io.EOF
	}
	const size = 3 << 20
	if err := b.Grow(size); err != nil {
		return err
	}
	b.Arena.Bytes(size)
	b.Arena.IDs(size)
	row := schemas.Row{Pos: schemas.Pos{File: int32(s.lane), Split: s.at.Split, Record: s.at.Record}}
	b.Rows = append(b.Rows, row)
	s.at = row.Next()
	return nil
}

// The memory of large records does not stay with batches, whose credit does not pay for it.
func TestBatchesDoNotKeepTheMemoryOfLargeRecords(t *testing.T) {
	plan := testPlan()
	job := testJob(plan, newMemFS())
	job.Stages = nil
	var held atomic.Int64
	job.Opener = OpenerFunc(func(_ context.Context, lane int, from schemas.Cursor) (Source, error) {
		return &fatSource{testSource{plan: plan, lane: lane, at: from, closed: new(atomic.Int64)}, &held}, nil
	})
	const batch = 100 << 10
	if err := RunLanes(t.Context(), job, allLanes(plan), testOptions(2, batch)); err != nil {
		t.Fatal(err)
	}
	if held.Load() > batchFactor*batch {
		t.Errorf("an empty batch holds %d bytes, %d times its text", held.Load(), held.Load()/batch)
	}
}

// openSource counts the sources that are open.
type openSource struct {
	testSource
	open *atomic.Int64
}

func (s *openSource) Close() error {
	s.open.Add(-1)
	return nil
}

func TestLanesBoundsWhatIsOpen(t *testing.T) {
	want := undisturbed(t)
	for lanes, most := range map[int]int64{0: 4, 1: 1, 2: 2, 9: 4} {
		fsys, plan := newMemFS(), testPlan()
		job := testJob(plan, fsys)
		var open, peak atomic.Int64
		job.Opener = OpenerFunc(func(_ context.Context, lane int, from schemas.Cursor) (Source, error) {
			peak.Store(max(peak.Load(), open.Add(1)))
			return &openSource{testSource{plan: plan, lane: lane, at: from, closed: new(atomic.Int64)}, &open}, nil
		})
		opt := testOptions(4, 300)
		opt.Lanes = lanes
		if err := RunLanes(t.Context(), job, allLanes(plan), opt); err != nil {
			t.Fatal(err)
		}
		if peak.Load() > most || open.Load() != 0 {
			t.Errorf("%d lanes: %d were open at once, %d are left", lanes, peak.Load(), open.Load())
		}
		compareTrees(t, fsys.tree(), want)
	}
}

// fileSource has a file for each split, and one row in each.
type fileSource struct{ at, end int32 }

func (s *fileSource) Read(_ context.Context, b *schemas.Batch) error {
	for ; s.at < s.end && int64(len(b.Rows)) < b.Limit; s.at++ {
		b.Rows = append(b.Rows, schemas.Row{Pos: schemas.Pos{File: s.at, Split: s.at}})
	}
	if len(b.Rows) == 0 {
		return io.EOF
	}
	return nil
}

func (*fileSource) Close() error { return nil }

// A lane of very many small files has commits of bounded size, cut in the same place whatever the batches.
func TestManyFilesAreCommittedInTime(t *testing.T) {
	const files = 2*MaxFilesPerCommit + 1
	plan := testPlan()
	plan.Files, plan.Splits = make([]schemas.File, files), make([]schemas.Split, files)
	plan.Lanes = []schemas.Lane{{First: 0, End: files}}
	var want map[string]string
	for _, batch := range []int64{999, 1 << 20} {
		fsys := newMemFS()
		job := testJob(plan, fsys)
		job.Stages, job.Output = nil, lines{rows: files}
		job.Opener = OpenerFunc(func(_ context.Context, _ int, from schemas.Cursor) (Source, error) {
			return &fileSource{from.Split, files}, nil
		})
		if err := RunLanes(t.Context(), job, []int{0}, testOptions(2, batch)); err != nil {
			t.Fatal(err)
		}
		var rows []int64
		if _, err := EachCommit(job.Store, plan, 0, 0, func(c *schemas.Commit) error {
			rows = append(rows, c.Rows)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(rows, []int64{MaxFilesPerCommit, MaxFilesPerCommit, 1}) {
			t.Errorf("commits of %v rows", rows)
		}
		if want == nil {
			want = fsys.tree()
		}
		compareTrees(t, fsys.tree(), want)
	}
}

// A commit record that names what the plan lacks is an error, whatever is asked of it.
func TestDamagedCommitsAreFound(t *testing.T) {
	for _, change := range [][2]string{
		{`"stage":0,"reason":0`, `"stage":9,"reason":0`},
		{`"stage":0,"reason":0`, `"stage":0,"reason":7`},
		{`"quarantined":[{"file":1,`, `"quarantined":[{"file":-1,`},
		{`"ledger":[{"file":1,`, `"ledger":[{"file":77,`},
		{`"next":{"split":2,`, `"next":{"split":-2,`},
		{`"next":{"split":2,`, `"next":{"split":7,`},
		{`"next":{"split":2,`, `"mext":{"split":7,`},
		{`}`, ``},
	} {
		fsys, plan := newMemFS(), testPlan()
		if err := RunLanes(t.Context(), testJob(plan, fsys), allLanes(plan), testOptions(1, 1000)); err != nil {
			t.Fatal(err)
		}
		name := ""
		for n := 0; name == ""; n++ {
			f := fsys.names["out/"+CommitPath(plan, 0, 1, n)]
			if f == nil {
				t.Fatalf("no commit has %s", change[0])
			}
			if text := string(f.content); strings.Contains(text, change[0]) && strings.Contains(text, `"split":2,`) {
				name = CommitPath(plan, 0, 1, n)
				f.content = []byte(strings.Replace(text, change[0], change[1], 1))
			}
		}
		opt := testOptions(1, 1000)
		opt.Limit = 0
		err := RunLane(t.Context(), testJob(plan, fsys), 1, opt)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", change[1], err)
		}
	}
}

// What a judge remembers does not grow with the lanes that it has passed.
func TestJudgeForgetsLanes(t *testing.T) {
	plan := testPlan()
	j := NewJudge(plan, 1000)
	for _, lane := range []int{3, 2, 0, 1} {
		if err := j.Add(lane, make([]schemas.Quarantined, 300), true); (err != nil) != (lane == 1) {
			t.Fatalf("lane %d: %v", lane, err)
		}
	}
	for lane := range 3 {
		if n := len(j.lanes[lane].first); n > 0 {
			t.Errorf("%d records of lane %d are still held", n, lane)
		}
	}
}
