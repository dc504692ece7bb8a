package pipeline

import (
	"fmt"
	"sync"

	"github.com/shardmill/shardmill/schemas"
)

// TooManyQuarantined says that more records were quarantined than the recipe allows, and which one was the first too many in the order
// of lanes. That does not depend on the order in which lanes were run.
type TooManyQuarantined struct {
	Limit  int64
	Record schemas.Quarantined
	Plan   *schemas.Plan
}

func (e *TooManyQuarantined) Error() string {
	stage := e.Plan.Stages[e.Record.Stage]
	msg := fmt.Sprintf("%s: byte %d: %s: %s", e.Plan.SourcePath(e.Record.File), e.Record.Offset, stage.Name, stage.Reasons[e.Record.Reason])
	if e.Record.Detail != "" {
		msg += ": " + e.Record.Detail
	}
	if e.Limit > 0 {
		msg += fmt.Sprintf(" (record %d of those that can't be used, on_error allows %d)", e.Limit+1, e.Limit)
	}
	return msg
}

// Judge holds the number of quarantined records against a limit, in lane order. It is safe for use by many goroutines.
type Judge struct {
	mu     sync.Mutex
	plan   *schemas.Plan
	limit  int64 // negative: none
	lanes  []verdicts
	closed int   // lanes before this one are closed
	passed int64 // quarantined in closed lanes
}

type verdicts struct {
	count  int64
	first  []schemas.Quarantined // the first limit+1 at most
	closed bool
}

// NewJudge returns a judge for one pass. A negative limit allows any number.
func NewJudge(plan *schemas.Plan, limit int64) *Judge {
	return &Judge{plan: plan, limit: limit, lanes: make([]verdicts, len(plan.Lanes))}
}

// Add enters the next quarantined records of a lane, and whether the lane ends with them. It returns a TooManyQuarantined as soon as
// the limit is passed for certain.
func (j *Judge) Add(lane int, records []schemas.Quarantined, closes bool) error {
	if j.limit < 0 {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	l := &j.lanes[lane]
	l.count += int64(len(records))
	room := max(0, min(j.limit+1-int64(len(l.first)), int64(len(records))))
	l.first = append(l.first, records[:room]...)
	l.closed = l.closed || closes
	for j.closed < len(j.lanes) {
		l := &j.lanes[j.closed]
		if j.passed+l.count > j.limit {
			return &TooManyQuarantined{Limit: j.limit, Record: l.first[j.limit-j.passed], Plan: j.plan}
		}
		if !l.closed {
			return nil
		}
		j.passed += l.count
		l.first = nil
		j.closed++
	}
	return nil
}
