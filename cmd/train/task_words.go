package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/metrics"
)

// tagged are sentences with a tag for each word.
type tagged struct {
	list[tasks.Tagged]
	targets [][]int32
	places  [][]place
}

// place is where the first piece of a word stands.
type place struct{ sequence, token int } // token -1: the word has no piece

func readTags(l *labelledFlags, file string, learn bool) (examples, error) {
	columns := l.columns
	columns.NoTags = !learn
	all, err := tasks.ReadTagged(file, columns)
	return &tagged{list: list[tasks.Tagged]{file, all, learn}}, err
}

func (t *tagged) labels() ([]string, error) {
	l, err := tasks.FindTags(t.all)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.file, err)
	}
	return l.Names, nil
}

func (t *tagged) sequences(e *encoder, names []string) ([]tasks.Sequence, int, int, error) {
	labels, err := tasks.NewLabels(names)
	if err != nil {
		return nil, 0, 0, err
	}
	t.targets, t.places = make([][]int32, len(t.all)), make([][]place, len(t.all))
	var all []tasks.Sequence
	cut := 0
	for i, s := range t.all {
		if t.learn {
			if t.targets[i], err = labels.WordTargets(t.file, s); err != nil {
				return nil, 0, 0, err
			}
		}
		encoded, err := e.tokenizer.EncodeWords(s.Words, tokenizers.EncodeOptions{SpecialIsText: true})
		if err != nil {
			return nil, 0, 0, &tasks.Error{File: t.file, Line: s.Line, Err: err}
		}
		pieces := make([][]uint32, len(s.Words))
		for at, id := range encoded.IDs {
			if w := encoded.WordIDs[at]; w >= 0 {
				pieces[w] = append(pieces[w], id)
			}
		}
		before := len(all)
		for from := 0; from < len(pieces); from = len(t.places[i]) {
			var targets []int32
			if t.learn {
				targets = t.targets[i][from:]
			}
			s, first := e.template.Words(pieces[from:], targets)
			for _, token := range first {
				t.places[i] = append(t.places[i], place{len(all), token})
			}
			all = append(all, s)
		}
		if len(all) > before+1 {
			cut++
		}
	}
	return all, 1, cut, nil
}

// outside is the tag of words that are no part of an entity. Words get it too of which the tokenizer leaves nothing.
const outside = "O"

func (t *tagged) judge(outputs [][]float32, names []string) (*judgement, error) {
	table, err := metrics.NewConfusion(len(names))
	if err != nil {
		return nil, err
	}
	j := &judgement{table: table, entities: &metrics.EntityCounts{}}
	unseen := max(0, slices.Index(names, outside))
	for i, s := range t.all {
		v := verdict{Line: s.Line, Input: strings.Join(s.Words, " "), Target: strings.Join(s.Tags, " ")}
		tags := make([]string, len(s.Words))
		for w, at := range t.places[i] {
			best := unseen
			if at.token >= 0 {
				p := softmax(outputs[at.sequence][at.token*len(names) : (at.token+1)*len(names)])
				best = trainer.Likeliest(p)
				if t.learn {
					v.Loss += crossEntropy(p, int(t.targets[i][w]))
					v.terms++
				}
			}
			tags[w] = names[best]
			if t.learn {
				if err := table.Add(int(t.targets[i][w]), best); err != nil {
					return nil, err
				}
			}
		}
		v.Loss /= math.Max(1, float64(v.terms))
		v.Predicted, v.text = strings.Join(tags, " "), columnsText(s.Words, tags)
		v.object = struct {
			Line  int      `json:"line"`
			Words []string `json:"words"`
			Tags  []string `json:"tags"`
		}{s.Line, s.Words, tags}
		if t.learn {
			if err := j.entities.Add(s.Tags, tags); err != nil {
				return nil, err
			}
		}
		j.verdicts = append(j.verdicts, v)
	}
	if t.learn {
		j.scores = map[string]float64{metrics.Accuracy: table.Accuracy(), metrics.MacroF1: table.MacroF1()}
		if marksEntities(names) {
			all := j.entities.Micro()
			j.scores[entityF1], j.scores[entityPrecision], j.scores[entityRecall] = all.F1, all.Precision, all.Recall
		} else {
			j.entities = nil
		}
	}
	return j, nil
}

// columnsText is a sentence as ReadTagged reads it.
func columnsText(words, tags []string) string {
	var b strings.Builder
	for i, w := range words {
		fmt.Fprintf(&b, "%s\t%s\n", w, tags[i])
	}
	b.WriteByte('\n')
	return b.String()
}

// marksEntities tells tags such as B-PER from those that are classes of words, such as parts of speech.
func marksEntities(names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool {
		return n != outside && !(len(n) > 2 && n[1] == '-' && strings.ContainsRune("BIES", rune(n[0])))
	})
}
