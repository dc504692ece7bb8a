package report

import (
	"fmt"
	"html/template"
	"io"

	"github.com/shardmill/shardmill/internal/chart"
	"github.com/shardmill/shardmill/trainer"
)

// HTML writes a page about runs, with everything that it needs inside: tables, curves, and the settings, all of those of one run, of several those that
// differ.
func HTML(w io.Writer, title string, runs []Run) error {
	p := pageData{Title: title, Style: chart.Style, Scores: scoreNames(runs), Single: len(runs) == 1, Settings: settingsOf(runs)}
	for i := range runs {
		p.Rows = append(p.Rows, p.row(i, &runs[i]))
	}
	for _, c := range charts(runs, p.Scores) {
		if svg := c.SVG(); svg != "" {
			p.Charts = append(p.Charts, figure{c.Title, template.HTML(svg)}) //nolint:gosec // drawn by package chart, which escapes names
		}
	}
	return page.Execute(w, p)
}

type pageData struct {
	Title    string
	Style    template.CSS
	Single   bool
	Scores   []string
	Rows     []row
	Charts   []figure
	Settings []setting
}

type row struct {
	Summary
	Color  int
	Loss   string
	Best   string
	Scores []string
}

type figure struct {
	Title   string
	Picture template.HTML
}

func (p *pageData) row(i int, r *Run) row {
	s := r.Summary()
	shown := row{Summary: s, Color: i % chart.Colors, Loss: number(s.Loss), Best: number(s.Best)}
	for _, name := range p.Scores {
		v, ok := s.Scores[name]
		shown.Scores = append(shown.Scores, number(pointer(v, ok)))
	}
	return shown
}

// charts are the curves of all runs: over updates for one run; over tokens for several, whose updates may be of different size.
func charts(runs []Run, scores []string) []chart.Chart {
	x, name := func(r *Run) []float64 { return updates(r.Steps) }, "updates"
	if len(runs) > 1 {
		x, name = func(r *Run) []float64 { return tokens(r.Steps) }, "tokens"
	}
	all := []chart.Chart{
		{Title: "Training loss", XName: name, YName: "nats"}, {Title: "Held-out loss", XName: name, YName: "nats"},
	}
	for _, score := range scores {
		all = append(all, chart.Chart{Title: score, XName: name})
	}
	rate, norm := chart.Chart{Title: "Learning rate", XName: name}, chart.Chart{Title: "Norm of the gradients", XName: name}
	for i := range runs {
		r := &runs[i]
		at := x(r)
		add := func(c *chart.Chart, faint bool, value func(k int, m trainer.StepMetrics) float64) {
			s := chart.Series{Name: r.Name, Color: i, Faint: faint}
			for k, m := range r.Steps {
				s.Points = append(s.Points, chart.Point{X: at[k], Y: value(k, m)})
			}
			c.Series = append(c.Series, s)
		}
		smooth := r.smoothed()
		add(&all[0], true, func(_ int, m trainer.StepMetrics) float64 { return m.Loss })
		add(&all[0], false, func(k int, _ trainer.StepMetrics) float64 { return smooth[k] })
		add(&rate, false, func(_ int, m trainer.StepMetrics) float64 { return m.LearningRate })
		add(&norm, false, func(_ int, m trainer.StepMetrics) float64 { return m.GradNorm })
		where := map[int64]float64{}
		for k, m := range r.Steps {
			where[m.Step] = at[k]
		}
		all[1].Series = append(all[1].Series, evaluations(r, i, where, func(e trainer.EvalMetrics) (float64, bool) { return e.EvalLoss, true }))
		for k, score := range scores {
			all[2+k].Series = append(all[2+k].Series, evaluations(r, i, where, func(e trainer.EvalMetrics) (float64, bool) {
				v, ok := e.Scores[score]
				return v, ok
			}))
		}
	}
	return append(all, rate, norm)
}

func evaluations(r *Run, color int, where map[int64]float64, value func(trainer.EvalMetrics) (float64, bool)) chart.Series {
	s := chart.Series{Name: r.Name, Color: color, Dots: true}
	for _, e := range r.Evals {
		at, known := where[e.Step]
		if v, ok := value(e); ok && known {
			s.Points = append(s.Points, chart.Point{X: at, Y: v})
		}
	}
	return s
}

func updates(steps []trainer.StepMetrics) []float64 {
	x := make([]float64, len(steps))
	for i, m := range steps {
		x[i] = float64(m.Step)
	}
	return x
}

func tokens(steps []trainer.StepMetrics) []float64 {
	x := make([]float64, len(steps))
	var sum int64
	for i, m := range steps {
		sum += m.Tokens
		x[i] = float64(sum)
	}
	return x
}

var page = template.Must(template.New("page").Funcs(template.FuncMap{"count": count}).Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
:root{color-scheme:light dark;--line:#d8dde2;--soft:#57606a}
@media(prefers-color-scheme:dark){:root{--line:#2c333a;--soft:#9aa4ae}}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2.5rem auto;padding:0 1.2rem}
h1{font-size:1.5rem;font-weight:600;margin:0 0 1.5rem}
h2{font-size:.95rem;font-weight:600;margin:0 0 .3rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th:first-child,td:first-child{text-align:left;padding-left:0}
th{font-weight:500;color:var(--soft)}
td.run{font-weight:600}td.run b{color:var(--c)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(26rem,1fr));gap:1.6rem 2rem;margin:2.2rem 0}
figure{margin:0}svg{width:100%;height:auto;display:block}
.settings td{text-align:left}.settings td:first-child{white-space:nowrap}.settings pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8rem;max-height:14rem;overflow:auto}
{{.Style}}
</style>
<h1>{{.Title}}</h1>
<table><thead><tr><th>run</th><th>updates</th><th>tokens</th><th>loss</th><th>best held-out loss</th><th>at update</th>{{range .Scores}}<th>best {{.}}</th>{{end}}</tr></thead>
<tbody>{{range .Rows}}<tr><td class="run k{{.Color}}"><b>{{.Run}}</b></td><td>{{.Steps}}</td><td>{{count .Tokens}}</td><td>{{.Loss}}</td><td>{{.Best}}</td><td>{{if .BestAt}}{{.BestAt}}{{else}}–{{end}}</td>{{range .Scores}}<td>{{.}}</td>{{end}}</tr>
{{end}}</tbody></table>
<div class="charts">{{range .Charts}}<figure><h2>{{.Title}}</h2>{{.Picture}}</figure>
{{end}}</div>
{{if .Settings}}<h2>{{if .Single}}Settings{{else}}What differs{{end}}</h2>
<table class="settings"><tbody>{{range .Settings}}<tr><td>{{.Name}}</td>{{range .Values}}<td><pre>{{.}}</pre></td>{{end}}</tr>
{{end}}</tbody></table>{{end}}
</html>
`))

// count writes a large number in groups of three digits.
func count(n int64) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "\u202f" + digits[at:]
	}
	return digits
}
