package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// sparks are the heights of the curves in a terminal.
var sparks = []rune("▁▂▃▄▅▆▇█")

const sparkWidth = 24

// Text writes a table of runs, a curve of the training loss with each, and the settings that differ.
func Text(w io.Writer, runs []Run) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	scores := scoreNames(runs)
	fmt.Fprint(t, "run\tsteps\ttokens\tloss\tbest held-out\tat step")
	for _, name := range scores {
		fmt.Fprintf(t, "\tbest %s", name)
	}
	fmt.Fprintln(t, "\tloss over the run")
	for i := range runs {
		s := runs[i].Summary()
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s", s.Run, s.Steps, s.Tokens, number(s.Loss), number(s.Best), at(s))
		for _, name := range scores {
			value, ok := s.Scores[name]
			fmt.Fprintf(t, "\t%s", number(pointer(value, ok)))
		}
		fmt.Fprintf(t, "\t%s\n", spark(runs[i].smoothed()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	differ := settingsOf(runs)
	if len(runs) == 1 || len(differ) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nWhat differs:")
	for _, s := range differ {
		fmt.Fprintf(t, "  %s\t%s\n", s.Name, strings.Join(quoteEmpty(s.Values), "\t"))
	}
	return t.Flush()
}

func pointer(v float64, ok bool) *float64 {
	if !ok {
		return nil
	}
	return &v
}

func number(v *float64) string {
	if v == nil {
		return "–"
	}
	return strconv.FormatFloat(*v, 'f', 4, 64)
}

func at(s Summary) string {
	if s.Best == nil {
		return "–"
	}
	return strconv.FormatInt(s.BestAt, 10)
}

// quoteEmpty shows what is not there, and cuts what is very long.
func quoteEmpty(values []string) []string {
	const most = 60
	shown := make([]string, len(values))
	for i, v := range values {
		if runes := []rune(v); len(runes) > most {
			v = string(runes[:most-1]) + "…"
		}
		if shown[i] = v; v == "" {
			shown[i] = "–"
		}
	}
	return shown
}

// spark draws values in one line.
func spark(values []float64) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if !(high >= low) {
		return ""
	}
	width := min(sparkWidth, len(values))
	var b strings.Builder
	for i := range width {
		v := values[(i+1)*len(values)/width-1]
		level := 0
		if high > low {
			level = int(math.Round((v - low) / (high - low) * float64(len(sparks)-1)))
		}
		b.WriteRune(sparks[level])
	}
	return b.String()
}
