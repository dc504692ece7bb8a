package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestPointMean(t *testing.T) {
	mean, e := point{Results: []float64{1, 2, 3}}.mean()
	if mean != 2 || math.Abs(e-1/math.Sqrt(3)) > 1e-12 {
		t.Errorf("mean %v, standard error %v", mean, e)
	}
}

func TestPointsTakesTheBestRate(t *testing.T) {
	s := study{seeds: 2}
	points, err := s.points([]int{7}, []float64{1, 2, 3}, lower, func(size int, rate float64, seed int) (trial, error) {
		return trial{Development: math.Abs(rate - 2), Test: rate + 10*float64(seed)}, nil
	})
	if err != nil || len(points) != 1 || points[0].Rate != 2 || len(points[0].Results) != 2 || points[0].Results[1] != 22 {
		t.Errorf("points %+v, error %v", points, err)
	}
}

func TestChart(t *testing.T) {
	c := chart{Title: "A < B", XName: "x", YName: "y", Curves: []curve{
		{"pretrained", []point{{10, 1, []float64{.5, .6}}, {100, 1, []float64{.7, .7}}}},
		{"from scratch", []point{{10, 1, []float64{.4, .4}}, {100, 2, []float64{.5, .52}}}},
	}}
	circles := 0
	d := xml.NewDecoder(strings.NewReader(c.svg()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
			circles++
		}
	}
	if circles != 4 {
		t.Errorf("%d points are drawn, want 4", circles)
	}
	if want := "| 100 | 0.700 ± 0.000 | 1 | 0.510 ± 0.010 | 2 |"; !strings.Contains(c.table(), want) {
		t.Errorf("table\n%s\nlacks %s", c.table(), want)
	}
}
