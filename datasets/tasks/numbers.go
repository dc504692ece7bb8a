package tasks

import (
	"fmt"
	"math"
	"strconv"
)

// Numbers are the labels of a set that was read from file as numbers. One that is none is an error that names the line.
func Numbers(file string, set []Example) ([]float32, error) {
	values := make([]float32, len(set))
	for i, e := range set {
		v, err := strconv.ParseFloat(e.Label, 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, &Error{File: file, Line: e.Line, Err: fmt.Errorf("the label %q is no finite number to predict", e.Label)}
		}
		values[i] = float32(v)
	}
	return values, nil
}
