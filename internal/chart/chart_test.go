package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// count parses a picture and counts its elements.
func count(t *testing.T, svg string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return counts
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok {
			counts[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s %s=%q", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestSVG(t *testing.T) {
	c := Chart{Title: `A < "B"`, XName: "x & y", LogX: true, Ticks: []float64{10, 100}, Series: []Series{
		{Name: "<one>", Dots: true, Points: []Point{{10, .5, .1}, {100, .7, 0}}},
		{Name: "two", Dots: true, Color: 1, Points: []Point{{0, 1, 0}, {10, math.NaN(), 0}, {10, .4, 0}, {100, math.Inf(1), 0}}}, // of these one can be drawn
		{Name: "faint", Faint: true, Points: []Point{{10, .5, 0}, {50, .6, 0}}},
	}}
	got := count(t, c.Standalone())
	if got["circle"] != 3 || got["polyline"] != 3 || got["path"] != 1 || got["style"] != 1 {
		t.Errorf("the picture has %v", got)
	}
}

func TestSVGOfOddData(t *testing.T) {
	for name, points := range map[string][]Point{
		"one point": {{3, 2, 0}}, "level": {{1, 0, 0}, {2, 0, 0}}, "tiny": {{1, 1e-9, 0}, {2, 1.1e-9, 0}}, "huge": {{1, -1e300, 0}, {2, 1e300, 0}},
	} {
		if got := count(t, (&Chart{Series: []Series{{Name: name, Points: points}}}).SVG()); got["polyline"] != 1 || got["line"] > 3*maxTicks {
			t.Errorf("%s: the picture has %v", name, got)
		}
	}
	if svg := (&Chart{Series: []Series{{Points: []Point{{1, math.NaN(), 0}}}}}).SVG(); svg != "" {
		t.Errorf("nothing to draw gives %s", svg)
	}
}

func TestThinning(t *testing.T) {
	var points []Point
	for i := range 10 * maxPoints {
		points = append(points, Point{X: float64(i), Y: float64(i % 2)})
	}
	c := Chart{Series: []Series{{Points: points}}}
	thin := c.drawable(&c.Series[0])
	if len(thin) != maxPoints || thin[0].Y != .5 || thin[maxPoints-1].X != float64(len(points)-1) {
		t.Errorf("%d points, the first %v, the last %v", len(thin), thin[0], thin[len(thin)-1])
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 250: "250", 9999: "9999", 12000: "12k", 24.5e6: "24.5M", 3e9: "3G"} {
		if got := short(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
	c := Chart{Percent: true}
	if got := c.value(.725, .005); got != "72.5 %" {
		t.Errorf("0.725 is written %q", got)
	}
	if got := (&Chart{}).value(6.25, .05); got != "6.25" {
		t.Errorf("6.25 is written %q", got)
	}
}
