package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// live draws a bar that is renewed in its place, for people at a terminal. Notes scroll by above it.
type live struct {
	bars *mpb.Progress
	bar  *mpb.Bar

	mu   sync.Mutex // text is read by the goroutine that draws
	text string
}

func newLive(out io.Writer, steps, done int64) *live {
	l := &live{bars: mpb.New(mpb.WithOutput(out), mpb.WithWidth(28))}
	l.bar = l.bars.New(steps, mpb.BarStyle().Lbound("").Filler("━").Tip("━").Padding("─").Rbound(""),
		mpb.PrependDecorators(decor.CountersNoUnit("step %d/%d ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			l.mu.Lock()
			defer l.mu.Unlock()
			return " " + l.text
		})))
	l.bar.SetCurrent(done)
	return l
}

func (l *live) show(step int64, text string) {
	l.mu.Lock()
	l.text = text
	l.mu.Unlock()
	l.bar.SetCurrent(step)
}

func (l *live) note(line string) { fmt.Fprintln(l.bars, line) }

// end leaves the bar as it stands.
func (l *live) end() {
	l.bar.Abort(false)
	l.bars.Wait()
}

// isTerminal tells whether somebody watches.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// residentBytes is the memory that the process takes of the machine, or 0 where that is not told.
func residentBytes() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
