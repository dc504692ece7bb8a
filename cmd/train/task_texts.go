package main

import (
	"fmt"
	"strconv"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/metrics"
)

// textFlags are the flags of labelled texts.
var textFlags = []string{"text-field", "pair-field", "label-field", "no-header"}

// classes are texts, or pairs of them, with a label each.
type classes struct {
	list[tasks.Example]
	pair    bool
	targets []int32
}

// readTexts reads labelled texts.
func readTexts(l *labelledFlags, file string, learn, numbers bool) (list[tasks.Example], error) {
	fields := l.fields
	fields.Numbers = numbers
	if !learn {
		fields.Label = ""
	}
	all, err := tasks.Read(file, fields)
	return list[tasks.Example]{file, all, learn}, err
}

func readClasses(l *labelledFlags, file string, learn bool) (examples, error) {
	texts, err := readTexts(l, file, learn, false)
	return &classes{list: texts, pair: l.fields.Pair != ""}, err
}

func (c *classes) fewShot(n int, seed uint64) (err error) {
	c.all, err = tasks.FewShot(c.all, func(e tasks.Example) string { return e.Label }, n, seed)
	return err
}

func (c *classes) labels() ([]string, error) {
	l, err := tasks.FindLabels(c.all)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.file, err)
	}
	return l.Names, nil
}

func (c *classes) sequences(e *encoder, names []string) ([]tasks.Sequence, int, int, error) {
	c.targets = make([]int32, len(c.all))
	if c.learn {
		labels, err := tasks.NewLabels(names)
		if err != nil {
			return nil, 0, 0, err
		}
		if c.targets, err = labels.Targets(c.file, c.all); err != nil {
			return nil, 0, 0, err
		}
	}
	all, cut, err := e.texts(c.file, c.all, c.pair)
	for i := range all {
		if all[i].Target = schemas.IgnoreLabel; c.learn {
			all[i].Target = c.targets[i]
		}
	}
	return all, 1, cut, err
}

// input is a text, or a pair, in one line.
func input(e tasks.Example) string {
	if e.Pair == "" {
		return e.Text
	}
	return e.Text + " | " + e.Pair
}

// labelled is what predict --json reports of one text.
type labelled struct {
	Line          int                `json:"line"`
	Label         string             `json:"label"`
	Probabilities map[string]float64 `json:"probabilities"`
}

func (c *classes) judge(outputs [][]float32, names []string) (*judgement, error) {
	table, err := metrics.NewConfusion(len(names))
	if err != nil {
		return nil, err
	}
	j := &judgement{table: table}
	for i, e := range c.all {
		p := softmax(outputs[i])
		best := trainer.Likeliest(p)
		object := labelled{e.Line, names[best], make(map[string]float64, len(p))}
		for class, v := range p {
			object.Probabilities[names[class]] = v
		}
		v := verdict{Line: e.Line, Input: input(e), Predicted: names[best], text: fmt.Sprintf("%s\t%.6f\n", names[best], p[best]), object: object}
		if c.learn {
			target := int(c.targets[i])
			v.Target, v.Loss, v.terms = names[target], crossEntropy(p, target), 1
			if err := table.Add(target, best); err != nil {
				return nil, err
			}
		}
		j.verdicts = append(j.verdicts, v)
	}
	if c.learn {
		j.scores, err = table.Scores()
	}
	return j, err
}

// numbers are texts, or pairs of them, with a number each.
type numbers struct {
	list[tasks.Example]
	pair    bool
	targets []float32
}

func readNumbers(l *labelledFlags, file string, learn bool) (examples, error) {
	texts, err := readTexts(l, file, learn, true)
	return &numbers{list: texts, pair: l.fields.Pair != ""}, err
}

func (n *numbers) sequences(e *encoder, _ []string) ([]tasks.Sequence, int, int, error) {
	if n.learn {
		var err error
		if n.targets, err = tasks.Numbers(n.file, n.all); err != nil {
			return nil, 0, 0, err
		}
	}
	all, cut, err := e.texts(n.file, n.all, n.pair)
	for i := range all {
		if n.learn {
			all[i].Value = n.targets[i]
		}
	}
	return all, 1, cut, err
}

func (n *numbers) judge(outputs [][]float32, _ []string) (*judgement, error) {
	j := &judgement{}
	var targets, predictions []float64
	for i, e := range n.all {
		value := float64(outputs[i][0])
		v := verdict{Line: e.Line, Input: input(e), Predicted: strconv.FormatFloat(value, 'f', 4, 64), text: fmt.Sprintf("%.6f\n", value)}
		v.object = struct {
			Line  int     `json:"line"`
			Value float64 `json:"value"`
		}{e.Line, value}
		if n.learn {
			target := float64(n.targets[i])
			v.Target, v.Loss, v.terms = e.Label, float64((value-target)*(value-target)), 1
			targets, predictions = append(targets, target), append(predictions, value)
		}
		j.verdicts = append(j.verdicts, v)
	}
	if !n.learn {
		return j, nil
	}
	var err error
	j.scores, err = correlations(targets, predictions)
	return j, err
}

// correlations compares numbers with those that were predicted.
func correlations(targets, predictions []float64) (map[string]float64, error) {
	scores := map[string]float64{}
	for name, measure := range map[string]func(targets, predictions []float64) (float64, error){
		pearson: metrics.Pearson, spearman: metrics.Spearman, meanSquaredError: metrics.MeanSquaredError,
	} {
		score, err := measure(targets, predictions)
		if err != nil {
			return nil, err
		}
		scores[name] = score
	}
	return scores, nil
}
