package main

import (
	"fmt"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/shardmill/shardmill/internal/chart"
)

// figure is one picture: the curves of the two arms over the size of the data.
type figure struct {
	Title, Note  string
	XName, YName string
	Percent      bool // values are shares
	Curves       []curve
}

// mean and standard error of the results at a point.
func (p point) mean() (mean, standardError float64) {
	n := float64(len(p.Results))
	for _, r := range p.Results {
		mean += r / n
	}
	var squares float64
	for _, r := range p.Results {
		squares += (r - mean) * (r - mean)
	}
	return mean, math.Sqrt(squares/(n-1)) / math.Sqrt(n)
}

// chart draws the means with their standard errors.
func (f *figure) chart() *chart.Chart {
	c := &chart.Chart{Title: f.Title, XName: f.XName, YName: f.YName, LogX: true, Percent: f.Percent}
	for i, curve := range f.Curves {
		s := chart.Series{Name: curve.Arm, Color: i, Dots: true}
		for _, p := range curve.Points {
			mean, e := p.mean()
			s.Points = append(s.Points, chart.Point{X: float64(p.Size), Y: mean, Error: e})
			if i == 0 {
				c.Ticks = append(c.Ticks, float64(p.Size))
			}
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// table is the figure in numbers.
func (f *figure) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |", f.XName)
	for _, curve := range f.Curves {
		fmt.Fprintf(&b, " %s | learning rate |", curve.Arm)
	}
	b.WriteString("\n|--:|" + strings.Repeat("--:|--:|", len(f.Curves)) + "\n")
	for i, p := range f.Curves[0].Points {
		fmt.Fprintf(&b, "| %d |", p.Size)
		for _, curve := range f.Curves {
			mean, e := curve.Points[i].mean()
			fmt.Fprintf(&b, " %.3f ± %.3f | %g |", mean, e, curve.Points[i].Rate)
		}
		b.WriteString("\n")
	}
	return b.String()
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>What pretraining is worth</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}svg{width:100%;height:auto}{{.Style}}pre{overflow:auto;font-size:.8rem}figure{margin:2rem 0}figcaption{opacity:.75}</style>
<h1>What pretraining is worth</h1>
{{range .Sections}}<figure><h2>{{.Title}}</h2>{{.Picture}}<figcaption>{{.Note}}</figcaption><pre>{{.Table}}</pre></figure>
{{end}}</html>
`))

// report prints both tables and writes the pictures, and a page with all of it.
func (s *study) report(sentiment, french []curve) error {
	figures := []figure{
		{"Sentiment of sentences (SST-2)", fmt.Sprintf("Accuracy on 872 test sentences; mean and standard error of %d seeds.", s.seeds), "labelled sentences", "accuracy", true, sentiment},
		{"Masked words of French novels", fmt.Sprintf("Loss on %d pieces that were held out, after %d updates; mean and standard error of %d seeds. The encoder has read English only.", frenchTest, frenchSteps, s.seeds),
			"pieces of French novels", "loss, nats", false, french},
	}
	type section struct {
		Title, Note, Table string
		Picture            template.HTML
	}
	var sections []section
	for i, name := range []string{"sentiment.svg", "french.svg"} {
		f := &figures[i]
		fmt.Printf("\n%s: %s\n\n%s", f.Title, f.Note, f.table())
		if err := os.WriteFile(filepath.Join(s.out, name), []byte(f.chart().Standalone()), 0o666); err != nil {
			return err
		}
		sections = append(sections, section{f.Title, f.Note, f.table(), template.HTML(f.chart().SVG())}) //nolint:gosec // made here, from numbers and fixed words
	}
	var b strings.Builder
	err := page.Execute(&b, struct {
		Style    template.CSS
		Sections []section
	}{chart.Style, sections})
	if err != nil {
		return err
	}
	file := filepath.Join(s.out, "transfer.html")
	fmt.Printf("\npictures: %s\n", file)
	return os.WriteFile(file, []byte(b.String()), 0o666)
}
