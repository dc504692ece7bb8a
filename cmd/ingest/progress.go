package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

// interval is the time between two lines of progress.
const interval = 2 * time.Second

// progress adds events up and writes lines now and then.
type progress struct {
	w    io.Writer
	mode string

	plan   *schemas.Plan
	stored int64 // bytes of all input files
	pass   progressCounts
	before int64 // rows that the pass before kept
	from   time.Time
	next   time.Time
}

// progressCounts is a line of --progress json, and what plain lines are made from.
type progressCounts struct {
	Pass        string  `json:"pass"`
	Records     int64   `json:"records"`     // read in this pass, by this run and those before
	Bytes       int64   `json:"bytes"`       // of these, as read
	Kept        int64   `json:"kept"`        // written by this pass
	Dropped     int64   `json:"dropped"`     // by this pass
	Quarantined int64   `json:"quarantined"` // by this pass
	Tokens      int64   `json:"tokens"`
	Commits     int64   `json:"commits"`       // by this run
	Seconds     float64 `json:"seconds"`       // since the pass began in this run
	Rate        float64 `json:"records_per_s"` // of this run
	ByteRate    float64 `json:"bytes_per_s"`   // of this run
	TokenRate   float64 `json:"tokens_per_s"`  // of this run
	Done        float64 `json:"done"`          // estimated share of the pass, 0 to 1
	Left        float64 `json:"seconds_left"`  // estimated; -1 if unknown
	resumed     int64   // records that runs before have done
	resumedSize int64   // bytes that runs before have done
	resumedIDs  int64
	raw         int64 // stored bytes consumed
}

func newProgress(w io.Writer, mode string) (*progress, error) {
	if mode != "plain" && mode != "json" && mode != "none" {
		return nil, fmt.Errorf("--progress %s: want plain, json or none", mode)
	}
	return &progress{w: w, mode: mode}, nil
}

// compiling says why a run of much input is silent at first.
func (p *progress) compiling() {
	if p.mode == "plain" {
		fmt.Fprintln(p.w, "finding the input and reading it for its digests")
	}
}

// start says what the run will do.
func (p *progress) start(plan *schemas.Plan) {
	p.plan = plan
	for i := range plan.Files {
		p.stored += plan.Files[i].Size
	}
	if p.mode == "plain" {
		fmt.Fprintf(p.w, "%s, %s stored, %s, %s\n", count(len(plan.Files), "file"), bytesText(p.stored),
			count(len(plan.Lanes), "lane"), count(len(plan.Passes), "pass"))
	}
}

// event is called by one goroutine at a time.
func (p *progress) event(e pipeline.Event) {
	now := time.Now()
	c := &p.pass
	if e.Kind == pipeline.PassStarted {
		p.before = c.Kept
		*c = progressCounts{Pass: p.plan.Passes[e.Pass].Name}
		p.from, p.next = now, now.Add(interval)
		return
	}
	c.Records += e.Records
	c.Bytes += e.Bytes
	c.Kept += e.Kept
	c.Dropped += e.Dropped
	c.Quarantined += e.Quarantined
	c.Tokens += e.Tokens
	c.raw += e.RawBytes
	switch e.Kind {
	case pipeline.Resumed:
		c.resumed += e.Records
		c.resumedSize += e.Bytes
		c.resumedIDs += e.Tokens
	case pipeline.Committed:
		c.Commits++
	}
	if e.Kind == pipeline.PassFinished || now.After(p.next) {
		p.next = now.Add(interval)
		p.line(e.Pass, now, e.Kind == pipeline.PassFinished)
	}
}

// line writes the state of a pass.
func (p *progress) line(pass int, now time.Time, finished bool) {
	c := &p.pass
	c.Seconds = max(now.Sub(p.from).Seconds(), 1e-3)
	c.Rate = float64(c.Records-c.resumed) / c.Seconds
	c.ByteRate = float64(c.Bytes-c.resumedSize) / c.Seconds
	c.TokenRate = float64(c.Tokens-c.resumedIDs) / c.Seconds
	switch {
	case finished:
		c.Done = 1
	case pass == 0 && p.stored > 0:
		c.Done = float64(c.raw+c.resumedSize) / float64(p.stored)
	case p.before > 0:
		c.Done = float64(c.Records) / float64(p.before)
	}
	c.Done = min(c.Done, 1)
	c.Left = -1
	if c.Done > 0 {
		c.Left = c.Seconds * (1 - c.Done) / c.Done
	}
	switch p.mode {
	case "json":
		if line, err := json.Marshal(c); err == nil {
			fmt.Fprintf(p.w, "%s\n", line)
		}
	case "plain":
		fmt.Fprintf(p.w, "pass %d/%d %s: %.0f %%, %s%s%s, %d kept, %d dropped, %d quarantined; %.0f records/s%s; %s\n",
			pass+1, len(p.plan.Passes), c.Pass, 100*c.Done, count(c.Records, "record"), c.doneBefore(), c.volume(), c.Kept, c.Dropped, c.Quarantined, c.Rate, c.volumeRate(),
			timeText(c, finished))
	}
}

// doneBefore tells of the work of runs before, if there was any.
func (c *progressCounts) doneBefore() string {
	if c.resumed == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of them by a run before)", c.resumed)
}

// volume gives the bytes and tokens of a pass, if it has any: only the first pass reads the input, only the last makes tokens.
func (c *progressCounts) volume() string {
	var text string
	if c.Bytes > 0 {
		text += ", " + bytesText(c.Bytes)
	}
	if c.Tokens > 0 {
		text += fmt.Sprintf(", %d tokens", c.Tokens)
	}
	return text
}

func (c *progressCounts) volumeRate() string {
	var text string
	if c.Bytes > 0 {
		text += ", " + bytesText(int64(c.ByteRate)) + "/s"
	}
	if c.Tokens > 0 {
		text += fmt.Sprintf(", %.0f tokens/s", c.TokenRate)
	}
	return text
}

func timeText(c *progressCounts, finished bool) string {
	switch {
	case finished:
		return fmt.Sprintf("done in %s", seconds(c.Seconds))
	case c.Left < 0:
		return "time left unknown"
	default:
		return seconds(c.Left) + " left"
	}
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// failed tells of an error in the way of the other lines, if these are JSON, so that each line of standard error is.
func (p *progress) failed(err error) error {
	if err == nil || p.mode != "json" {
		return err
	}
	if writeLine(p.w, struct {
		Error string `json:"error"`
	}{err.Error()}) != nil {
		return err
	}
	return toldError{err}
}

// done says what became of everything.
func (p *progress) done(dir string, m *schemas.Manifest) {
	t := &m.Totals
	if p.mode == "json" {
		if line, err := json.Marshal(struct {
			Dataset string          `json:"dataset"`
			Totals  *schemas.Totals `json:"totals"`
		}{dir, t}); err == nil {
			fmt.Fprintf(p.w, "%s\n", line)
		}
		return
	}
	fmt.Fprintf(p.w, "%s: %s, %s, %s; %s read = %d kept + %d dropped + %d quarantined\n", dir, count(t.Documents, "document"),
		count(t.Tokens, "token"), count(len(m.Shards), "shard"), count(t.Read, "record"), t.Kept, t.Dropped, t.Quarantined)
	if p.mode == "plain" || t.Documents == 0 {
		printReasons(p.w, t)
	}
	if t.Documents == 0 {
		fmt.Fprintln(p.w, "Nothing was kept: there is nothing to train on. quarantine/ in the dataset has each bad record, ledger.jsonl the counts of each file.")
	}
}

// printReasons lists why records were not kept.
func printReasons(w io.Writer, t *schemas.Totals) {
	for _, r := range t.Reasons {
		fmt.Fprintf(w, "  %-11s%10d  %s: %s\n", r.Kind, r.Count, r.Stage, r.Reason)
	}
}

// count is n of something, in words.
func count[T int | int64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// bytesText gives a number of bytes in the largest unit that leaves digits before the point.
func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	x, i := float64(n), 0
	for x >= 1000 && i < len(units)-1 {
		x, i = x/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", x, units[i])
}
