package main

import (
	"fmt"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/metrics"
)

// choices are questions with options.
type choices struct {
	list[tasks.Choice]
}

func readChoices(l *labelledFlags, file string, learn bool) (examples, error) {
	fields := tasks.ChoiceFields{Text: l.fields.Text, Options: l.options, Answer: l.fields.Label}
	if !learn {
		fields.Answer = ""
	}
	all, err := tasks.ReadChoices(file, fields)
	return &choices{list[tasks.Choice]{file, all, learn}}, err
}

func (c *choices) sequences(e *encoder, _ []string) (all []tasks.Sequence, group, cut int, err error) {
	for _, one := range c.all {
		text := e.encoder.AppendIDs(nil, []byte(one.Text))
		whole := true
		for _, option := range one.Options {
			ids := e.encoder.AppendIDs(nil, []byte(option))
			if len(text) == 0 || len(ids) == 0 {
				return nil, 0, 0, &tasks.Error{File: c.file, Line: one.Line, Err: fmt.Errorf("the example is empty: its text %q or option %q has no token", one.Text, option)}
			}
			s := e.template.Pair(text, ids, int32(one.Right))
			if !c.learn {
				s.Target = schemas.IgnoreLabel
			}
			whole = whole && len(s.IDs) >= len(text)+len(ids)+3
			all = append(all, s)
		}
		if !whole {
			cut++
		}
	}
	return all, len(c.all[0].Options), cut, nil
}

// chosen is what predict --json reports of one question.
type chosen struct {
	Line          int       `json:"line"`
	Choice        int       `json:"choice"` // from 0
	Option        string    `json:"option"`
	Probabilities []float64 `json:"probabilities"`
}

func (c *choices) judge(outputs [][]float32, _ []string) (*judgement, error) {
	j := &judgement{}
	right := 0
	for i, one := range c.all {
		n := len(one.Options)
		scores := make([]float32, n)
		for k := range scores {
			scores[k] = outputs[i*n+k][0]
		}
		p := softmax(scores)
		best := trainer.Likeliest(p)
		v := verdict{Line: one.Line, Input: one.Text, Predicted: one.Options[best], text: fmt.Sprintf("%d\t%.6f\t%s\n", best, p[best], one.Options[best]),
			object: chosen{one.Line, best, one.Options[best], p}}
		if c.learn {
			v.Target, v.Loss, v.terms = one.Options[one.Right], crossEntropy(p, one.Right), 1
			if best == one.Right {
				right++
			}
		}
		j.verdicts = append(j.verdicts, v)
	}
	if c.learn {
		j.scores = map[string]float64{metrics.Accuracy: float64(right) / float64(len(c.all))}
	}
	return j, nil
}
