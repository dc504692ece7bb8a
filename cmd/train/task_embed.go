package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/schemas"
)

// pairs are texts to encode apart, two by two, with the cosine of their vectors; or single texts to encode.
type pairs struct {
	list[tasks.Example]
	pair    bool
	targets []float32
}

func readPairs(l *labelledFlags, file string, learn bool) (examples, error) {
	if learn && l.fields.Pair == "" {
		return nil, usagef("--pair-field is missing: pairs of texts and how alike they are, from -1 to 1, are what is learned from")
	}
	texts, err := readTexts(l, file, learn, true)
	return &pairs{list: texts, pair: l.fields.Pair != ""}, err
}

func (p *pairs) sequences(e *encoder, _ []string) (all []tasks.Sequence, group, cut int, err error) {
	if p.learn {
		if p.targets, err = tasks.Numbers(p.file, p.all); err != nil {
			return nil, 0, 0, err
		}
	}
	if group = 1; p.pair {
		group = 2
	}
	for i, x := range p.all {
		if p.learn && math.Abs(float64(p.targets[i])) > 1 {
			return nil, 0, 0, &tasks.Error{File: p.file, Line: x.Line, Err: fmt.Errorf("the label is %v, want how alike the texts are, from -1 to 1: divide by the largest", p.targets[i])}
		}
		whole := true
		for _, text := range []string{x.Text, x.Pair}[:group] {
			ids := e.encoder.AppendIDs(nil, []byte(text))
			if len(ids) == 0 {
				return nil, 0, 0, &tasks.Error{File: p.file, Line: x.Line, Err: errors.New("the example is empty: its text has no token")}
			}
			s := e.template.Single(ids, schemas.IgnoreLabel)
			if s.Value = float32(math.NaN()); p.learn {
				s.Value = p.targets[i]
			}
			whole = whole && len(s.IDs) == len(ids)+2
			all = append(all, s)
		}
		if !whole {
			cut++
		}
	}
	return all, group, cut, nil
}

// embedded is what predict --json reports of one example: a vector of length 1 for each text, and the cosine between those of a pair.
type embedded struct {
	Line    int         `json:"line"`
	Vectors [][]float64 `json:"vectors"`
	Cosine  *float64    `json:"cosine,omitempty"`
}

func (p *pairs) judge(outputs [][]float32, _ []string) (*judgement, error) {
	j := &judgement{}
	var targets, predictions []float64
	for i, x := range p.all {
		if !p.pair {
			vector := unit(outputs[i])
			j.verdicts = append(j.verdicts, verdict{Line: x.Line, Input: x.Text, text: numbersText(vector), object: embedded{x.Line, [][]float64{vector}, nil}})
			continue
		}
		a, b := unit(outputs[2*i]), unit(outputs[2*i+1])
		var cosine float64
		for k := range a {
			cosine += float64(a[k] * b[k])
		}
		v := verdict{Line: x.Line, Input: input(x), Predicted: strconv.FormatFloat(cosine, 'f', 4, 64), text: fmt.Sprintf("%.6f\n", cosine),
			object: embedded{x.Line, [][]float64{a, b}, &cosine}}
		if p.learn {
			target := float64(p.targets[i])
			v.Target, v.Loss, v.terms = x.Label, float64((cosine-target)*(cosine-target)), 1
			targets, predictions = append(targets, target), append(predictions, cosine)
		}
		j.verdicts = append(j.verdicts, v)
	}
	if !p.learn {
		return j, nil
	}
	var err error
	j.scores, err = correlations(targets, predictions)
	return j, err
}

// unit is v at length 1; a vector without length stays as it is.
func unit(v []float32) []float64 {
	var square float64
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	length := math.Sqrt(square)
	if length == 0 {
		length = 1
	}
	all := make([]float64, len(v))
	for i, x := range v {
		all[i] = float64(x) / length
	}
	return all
}

// numbersText is a line of numbers with tabs between them.
func numbersText(v []float64) string {
	var line []byte
	for i, x := range v {
		if i > 0 {
			line = append(line, '\t')
		}
		line = strconv.AppendFloat(line, x, 'f', 6, 64)
	}
	return string(append(line, '\n'))
}
