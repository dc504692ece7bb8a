package main

import (
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

func TestFigure(t *testing.T) {
	f := figure{Title: "title", XName: "x", YName: "y", Curves: []curve{
		{"pretrained", []point{{10, 1, []float64{.5, .6}}, {100, 1, []float64{.7, .7}}}},
		{"from scratch", []point{{10, 1, []float64{.4, .4}}, {100, 2, []float64{.5, .52}}}},
	}}
	if want := "| 100 | 0.700 ± 0.000 | 1 | 0.510 ± 0.010 | 2 |"; !strings.Contains(f.table(), want) {
		t.Errorf("table\n%s\nlacks %s", f.table(), want)
	}
	c := f.chart()
	if len(c.Series) != 2 || len(c.Ticks) != 2 || c.Series[1].Points[1].Y != .51 || c.Series[0].Points[1].Error != 0 {
		t.Errorf("chart %+v", c)
	}
}
