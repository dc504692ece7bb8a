package main

import (
	"fmt"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// chart is one picture: the curves of the two arms over the size of the data.
type chart struct {
	Title, Note string
	XName       string
	YName       string
	Percent     bool // values are shares
	Curves      []curve
}

const (
	width, height           = 560.0, 340.0
	left, right, top, below = 62.0, 150.0, 18.0, 46.0
)

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

// scale maps values to places, by logarithm on the horizontal axis.
type scale struct{ low, high, from, to float64 }

func (s scale) at(v float64) float64 { return s.from + (v-s.low)/(s.high-s.low)*(s.to-s.from) }

func (c *chart) scales() (x, y scale) {
	x = scale{math.Inf(1), math.Inf(-1), left, width - right}
	y = scale{math.Inf(1), math.Inf(-1), height - below, top}
	for _, curve := range c.Curves {
		for _, p := range curve.Points {
			v := math.Log(float64(p.Size))
			x.low, x.high = min(x.low, v), max(x.high, v)
			mean, e := p.mean()
			y.low, y.high = min(y.low, mean-e), max(y.high, mean+e)
		}
	}
	step := niceStep(y.high - y.low)
	y.low, y.high = math.Floor(y.low/step)*step, math.Ceil(y.high/step)*step
	if x.low == x.high {
		x.high++
	}
	return x, y
}

// niceStep is a round distance of grid lines for a range.
func niceStep(span float64) float64 {
	if !(span > 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(span/4)))
	for _, m := range []float64{1, 2, 5} {
		if span/(m*power) <= 6 {
			return m * power
		}
	}
	return 10 * power
}

func (c *chart) value(v float64) string {
	if c.Percent {
		return fmt.Sprintf("%.0f %%", 100*v)
	}
	return fmt.Sprintf("%.1f", v)
}

// svg draws the chart. Colours come from the style of the page, which knows light and dark.
func (c *chart) svg() string {
	x, y := c.scales()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s"><style>%s</style>`, width, height, template.HTMLEscapeString(c.Title), style)
	for v := y.low; v <= y.high+1e-9; v += niceStep(y.high - y.low) {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text class="tick" x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
			left, width-right, y.at(v), y.at(v), left-8, y.at(v)+4, c.value(v))
	}
	for _, p := range c.Curves[0].Points {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%.1f" text-anchor="middle">%d</text>`, x.at(math.Log(float64(p.Size))), height-below+18, p.Size)
	}
	fmt.Fprintf(&b, `<text class="name" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, (left+width-right)/2, height-8, template.HTMLEscapeString(c.XName))
	fmt.Fprintf(&b, `<text class="name" transform="translate(14 %.1f) rotate(-90)" text-anchor="middle">%s</text>`, (top+height-below)/2, template.HTMLEscapeString(c.YName))
	for i, curve := range c.Curves {
		fmt.Fprintf(&b, `<g class="c%d">`, i)
		var line []string
		for _, p := range curve.Points {
			px := x.at(math.Log(float64(p.Size)))
			mean, e := p.mean()
			line = append(line, fmt.Sprintf("%.1f,%.1f", px, y.at(mean)))
			fmt.Fprintf(&b, `<path class="bar" d="M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f %.1fh8"/><circle cx="%.1f" cy="%.1f" r="3.5"/>`,
				px, y.at(mean-e), y.at(mean+e), px-4, y.at(mean-e), px-4, y.at(mean+e), px, y.at(mean))
		}
		fmt.Fprintf(&b, `<polyline points="%s"/>`, strings.Join(line, " "))
		last := curve.Points[len(curve.Points)-1]
		mean, _ := last.mean()
		fmt.Fprintf(&b, `<text class="label" x="%.1f" y="%.1f">%s</text></g>`, width-right+14, y.at(mean)+4, template.HTMLEscapeString(curve.Arm))
	}
	return b.String() + "</svg>"
}

const style = `text{font:12px system-ui,sans-serif;fill:#555}.grid{stroke:#ddd;stroke-width:1}` +
	`.c0{--c:#1f6f8b}.c1{--c:#c2571a}polyline,.bar{fill:none;stroke:var(--c);stroke-width:2}.bar{stroke-width:1.2}circle{fill:var(--c)}.label{fill:var(--c);font-weight:600}` +
	`@media(prefers-color-scheme:dark){text{fill:#aaa}.grid{stroke:#333}.c0{--c:#6cc3de}.c1{--c:#f0a06a}}`

// table is the chart in numbers.
func (c *chart) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |", c.XName)
	for _, curve := range c.Curves {
		fmt.Fprintf(&b, " %s | learning rate |", curve.Arm)
	}
	b.WriteString("\n|--:|" + strings.Repeat("--:|--:|", len(c.Curves)) + "\n")
	for i, p := range c.Curves[0].Points {
		fmt.Fprintf(&b, "| %d |", p.Size)
		for _, curve := range c.Curves {
			mean, e := curve.Points[i].mean()
			fmt.Fprintf(&b, " %.3f ± %.3f | %g |", mean, e, curve.Points[i].Rate)
		}
		b.WriteString("\n")
	}
	return b.String()
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>What pretraining is worth</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}svg{width:100%;height:auto}pre{overflow:auto;font-size:.8rem}figure{margin:2rem 0}figcaption{opacity:.75}</style>
<h1>What pretraining is worth</h1>
{{range .}}<figure><h2>{{.Title}}</h2>{{.Picture}}<figcaption>{{.Note}}</figcaption><pre>{{.Table}}</pre></figure>
{{end}}</html>
`))

// report prints both tables and writes the pictures, and a page with all of it.
func (s *study) report(sentiment, french []curve) error {
	charts := []chart{
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
		c := &charts[i]
		fmt.Printf("\n%s: %s\n\n%s", c.Title, c.Note, c.table())
		picture := c.svg()
		if err := os.WriteFile(filepath.Join(s.out, name), []byte(picture), 0o666); err != nil {
			return err
		}
		sections = append(sections, section{c.Title, c.Note, c.table(), template.HTML(picture)}) //nolint:gosec // made above, from numbers and fixed words
	}
	var b strings.Builder
	if err := page.Execute(&b, sections); err != nil {
		return err
	}
	file := filepath.Join(s.out, "transfer.html")
	fmt.Printf("\npictures: %s\n", file)
	return os.WriteFile(file, []byte(b.String()), 0o666)
}
