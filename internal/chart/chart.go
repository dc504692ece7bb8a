// Package chart draws curves as SVG, for pages without scripts: what a run did, how runs compare. Colours follow the light or dark of the reader's
// system. The same curves give the same bytes.
package chart

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Point is one measurement. Error is drawn as a bar on both sides of Y, if it is above 0.
type Point struct{ X, Y, Error float64 }

// Series is one curve. Points are in the order of X; those that are not finite are left out.
type Series struct {
	Name   string
	Points []Point
	Color  int  // number of the colour, the same for the same thing in all charts of a page
	Faint  bool // behind the others and without a name, as the unsmoothed form of another series
	Dots   bool // marks each point
}

// Chart is one picture.
type Chart struct {
	Title, XName, YName string
	LogX                bool
	Percent             bool      // Y values are shares
	Ticks               []float64 // of the X axis; nil chooses round ones
	Series              []Series
}

// Colors is the number of different colours.
const Colors = 8

const (
	width, height                  = 640.0, 300.0
	left, right, top, bottom       = 64.0, 140.0, 14.0, 44.0
	maxPoints                      = 500 // of a series; more can't be told apart
	maxTicks                       = 6
	labelHeight                    = 15.0
	tickLength, labelGap, textDrop = 8.0, 12.0, 4.0
)

// Style is what SVG needs in the page, or inside of it where it stands alone.
const Style = `.chart text{font:12px system-ui,sans-serif;fill:#57606a}.chart .grid{stroke:#e3e6ea;stroke-width:1}.chart polyline,.chart .bar{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}` +
	`.chart .bar{stroke-width:1.2}.chart .faint polyline{opacity:.28;stroke-width:1}.chart circle{fill:var(--c)}.chart .label{fill:var(--c);font-weight:600}` +
	`.k0{--c:#1f6f8b}.k1{--c:#c2571a}.k2{--c:#3f7d3a}.k3{--c:#8a4fa3}.k4{--c:#a8323e}.k5{--c:#7a6a1a}.k6{--c:#2b59c3}.k7{--c:#5c6670}` +
	`@media(prefers-color-scheme:dark){.chart text{fill:#9aa4ae}.chart .grid{stroke:#2c333a}.k0{--c:#6cc3de}.k1{--c:#f0a06a}.k2{--c:#8fd08a}.k3{--c:#cfa0e0}.k4{--c:#f08a94}.k5{--c:#d8c870}.k6{--c:#94b4f8}.k7{--c:#b4bec8}}`

// axis maps values to places.
type axis struct {
	low, high, from, to float64
	log                 bool
}

func (a *axis) include(v float64) {
	if a.log {
		v = math.Log10(v)
	}
	a.low, a.high = min(a.low, v), max(a.high, v)
}

func (a *axis) at(v float64) float64 {
	if a.log {
		v = math.Log10(v)
	}
	return a.from + (v-a.low)/(a.high-a.low)*(a.to-a.from)
}

// finite tells whether v can be drawn: beyond this, differences could overflow.
func finite(v float64) bool { return math.Abs(v) <= 1e300 }

// drawable returns the points that can be drawn, thinned where they are too many: the mean of each of the stretches of equal length.
func (c *Chart) drawable(s *Series) []Point {
	points := make([]Point, 0, len(s.Points))
	for _, p := range s.Points {
		if finite(p.X) && finite(p.Y) && finite(p.Error) && (!c.LogX || p.X > 0) {
			points = append(points, p)
		}
	}
	if len(points) <= maxPoints {
		return points
	}
	thin := make([]Point, 0, maxPoints)
	for i := range maxPoints {
		part := points[i*len(points)/maxPoints : (i+1)*len(points)/maxPoints]
		var sum float64
		for _, p := range part {
			sum += p.Y
		}
		thin = append(thin, Point{X: part[len(part)-1].X, Y: sum / float64(len(part))})
	}
	return thin
}

// axes finds what both axes span.
func (c *Chart) axes(drawn [][]Point) (x, y axis, ok bool) {
	x = axis{math.Inf(1), math.Inf(-1), left, width - right, c.LogX}
	y = axis{math.Inf(1), math.Inf(-1), height - bottom, top, false}
	for _, points := range drawn {
		for _, p := range points {
			x.include(p.X)
			y.include(p.Y - p.Error)
			y.include(p.Y + p.Error)
			ok = true
		}
	}
	if !ok {
		return x, y, false
	}
	if x.low == x.high {
		x.low, x.high = x.low-1, x.high+1
	}
	step := tickStep(y.high - y.low)
	if y.low == y.high {
		step = tickStep(math.Abs(y.low))
		y.high += step
	}
	y.low, y.high = math.Floor(y.low/step)*step, math.Ceil(y.high/step)*step
	return x, y, true
}

// tickStep is a round distance between grid lines for a range of values.
func tickStep(span float64) float64 {
	if !(span > 0) || math.IsInf(span, 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(span/maxTicks)))
	for _, m := range []float64{1, 2, 5, 10} {
		if span/(m*power) <= maxTicks {
			return m * power
		}
	}
	return 10 * power
}

// SVG draws the chart, as an element of a page that has Style. Without a point that can be drawn it is empty.
func (c *Chart) SVG() string {
	drawn := make([][]Point, len(c.Series))
	for i := range c.Series {
		drawn[i] = c.drawable(&c.Series[i])
	}
	x, y, ok := c.axes(drawn)
	if !ok {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, width, height, html.EscapeString(c.Title))
	c.grid(&b, x, y)
	for _, faint := range []bool{true, false} {
		for i, s := range c.Series {
			if s.Faint == faint {
				c.curve(&b, s, drawn[i], x, y)
			}
		}
	}
	c.names(&b, drawn, y)
	b.WriteString("</svg>")
	return b.String()
}

// Standalone draws the chart as a file of its own.
func (c *Chart) Standalone() string {
	return strings.Replace(c.SVG(), ">", "><style>"+Style+"</style>", 1)
}

func (c *Chart) grid(b *strings.Builder, x, y axis) {
	step := tickStep(y.high - y.low)
	for i := range 3 * maxTicks { // far more than there are
		v := y.low + float64(i)*step
		if v > y.high+step/2 {
			break
		}
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
			left, width-right, y.at(v), y.at(v), left-tickLength, y.at(v)+textDrop, c.value(v, step))
	}
	ticks := c.Ticks
	if ticks == nil {
		step := tickStep(x.high - x.low)
		for v := math.Ceil(x.low/step) * step; v <= x.high && !c.LogX; v += step {
			ticks = append(ticks, v)
		}
	}
	for _, v := range ticks {
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x.at(v), height-bottom+labelHeight+2, short(v))
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, (left+width-right)/2, height-6, html.EscapeString(c.XName))
	fmt.Fprintf(b, `<text transform="translate(13 %.1f) rotate(-90)" text-anchor="middle">%s</text>`, (top+height-bottom)/2, html.EscapeString(c.YName))
}

// value writes a value of the Y axis with the digits that tell neighbours apart.
func (c *Chart) value(v, step float64) string {
	if c.Percent {
		v, step = 100*v, 100*step
	}
	digits := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if digits > 5 {
		text = strconv.FormatFloat(v, 'g', 3, 64)
	}
	if c.Percent {
		text += " %"
	}
	return text
}

// short writes a count in few characters.
func short(v float64) string {
	size, unit := 1.0, ""
	switch a := math.Abs(v); {
	case a >= 1e9:
		size, unit = 1e9, "G"
	case a >= 1e6:
		size, unit = 1e6, "M"
	case a >= 1e4:
		size, unit = 1e3, "k"
	}
	return strconv.FormatFloat(v/size, 'g', 5, 64) + unit
}

func (c *Chart) curve(b *strings.Builder, s Series, points []Point, x, y axis) {
	class := "k" + strconv.Itoa(s.Color%Colors)
	if s.Faint {
		class += " faint"
	}
	fmt.Fprintf(b, `<g class="%s"><polyline points="`, class)
	for i, p := range points {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%.1f,%.1f", x.at(p.X), y.at(p.Y))
	}
	b.WriteString(`"/>`)
	for _, p := range points {
		if p.Error > 0 {
			fmt.Fprintf(b, `<path class="bar" d="M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f %.1fh8"/>`,
				x.at(p.X), y.at(p.Y-p.Error), y.at(p.Y+p.Error), x.at(p.X)-4, y.at(p.Y-p.Error), x.at(p.X)-4, y.at(p.Y+p.Error))
		}
		if s.Dots {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3"><title>%s: %s, %s</title></circle>`, x.at(p.X), y.at(p.Y), html.EscapeString(s.Name), short(p.X), strconv.FormatFloat(p.Y, 'g', 5, 64))
		}
	}
	b.WriteString("</g>")
}

// names writes the name of each series beside its end, apart from one another.
func (c *Chart) names(b *strings.Builder, drawn [][]Point, y axis) {
	type name struct {
		at     float64
		series *Series
	}
	var all []name
	for i := range c.Series {
		if s := &c.Series[i]; !s.Faint && len(drawn[i]) > 0 && s.Name != "" {
			all = append(all, name{y.at(drawn[i][len(drawn[i])-1].Y), s})
		}
	}
	slices.SortStableFunc(all, func(a, b name) int { return cmp.Compare(a.at, b.at) })
	for i := range all { // pushed down past the one above
		if i > 0 {
			all[i].at = max(all[i].at, all[i-1].at+labelHeight)
		}
	}
	for i := len(all) - 1; i >= 0; i-- { // and up, where they reach the end
		limit := height - bottom
		if i+1 < len(all) {
			limit = all[i+1].at - labelHeight
		}
		all[i].at = min(all[i].at, limit)
	}
	for _, n := range all {
		fmt.Fprintf(b, `<text class="label k%d" x="%.1f" y="%.1f">%s</text>`, n.series.Color%Colors, width-right+labelGap, n.at+textDrop, html.EscapeString(clip(n.series.Name)))
	}
}

// clip shortens a name to the room beside the curves.
func clip(name string) string {
	const most = 18
	if runes := []rune(name); len(runes) > most {
		return "…" + string(runes[len(runes)-most+1:])
	}
	return name
}
