package main

import (
	"fmt"
	"strings"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer/metrics"
)

// questions ask for spans of texts.
type questions struct {
	list[tasks.Question]
	flags   questionFlags
	windows []tasks.Window
	from    []int // the first window of each question, and their number at the end
}

// questionFlags say how questions are cut and answered.
type questionFlags struct {
	overlap, question, answer int
	noAnswer                  bool
}

func readQuestions(l *labelledFlags, file string, learn bool) (examples, error) {
	all, err := tasks.ReadQuestions(file)
	return &questions{list: list[tasks.Question]{file, all, learn}, flags: l.questions}, err
}

func (q *questions) sequences(e *encoder, _ []string) ([]tasks.Sequence, int, int, error) {
	q.windows, q.from = nil, nil
	var all []tasks.Sequence
	var context tokenizers.Encoding
	cut := 0
	for i, one := range q.all {
		wrong := func(err error) error { return fmt.Errorf("%s: question %q: %w", q.file, one.ID, err) }
		if i == 0 || one.Context != q.all[i-1].Context {
			var err error
			if context, err = e.tokenizer.Encode(one.Context, tokenizers.EncodeOptions{SpecialIsText: true}); err != nil {
				return nil, 0, 0, wrong(err)
			}
		}
		var answer *[2]int
		if len(one.Answers) > 0 {
			a := one.Answers[0]
			answer = &[2]int{a.Start, a.Start + len(a.Text)}
		}
		asked := e.encoder.AppendIDs(nil, []byte(strings.TrimSpace(one.Text)))
		windows, err := e.template.Windows(asked, context.IDs, context.Offsets, answer,
			tasks.WindowOptions{OverlapTokens: q.flags.overlapOf(e.template.MaxTokens), MaxQuestionTokens: q.flags.questionOf(e.template.MaxTokens)})
		if err != nil {
			return nil, 0, 0, wrong(err)
		}
		if len(windows) > 1 {
			cut++
		}
		q.from = append(q.from, len(q.windows))
		for _, w := range windows {
			all = append(all, w.Sequence)
		}
		q.windows = append(q.windows, windows...)
	}
	q.from = append(q.from, len(q.windows))
	return all, 1, cut, nil
}

// overlapOf is the tokens that windows share: a third of a sequence, if no flag says how many.
func (f *questionFlags) overlapOf(length int) int {
	if f.overlap >= 0 {
		return f.overlap
	}
	return length / 3
}

// questionOf is the tokens that a question may have in a sequence of so many, if no flag says how many.
func (f *questionFlags) questionOf(length int) int {
	const usual = 64
	if f.question > 0 {
		return f.question
	}
	return min(usual, length/3)
}

// answered is what predict --json reports of one question. Without an answer, answer is "".
type answered struct {
	ID       string  `json:"id"`
	Answer   string  `json:"answer"`
	Score    float64 `json:"score"`           // sum of the logits of both ends
	NoAnswer float64 `json:"no_answer_score"` // of there being none
}

func (q *questions) judge(outputs [][]float32, _ []string) (*judgement, error) {
	j := &judgement{}
	none := q.flags.noAnswer
	for _, one := range q.all {
		none = none || q.learn && len(one.Answers) == 0
	}
	var exact, f1 float64
	for i, one := range q.all {
		from, end := q.from[i], q.from[i+1]
		starts, ends := make([][]float32, end-from), make([][]float32, end-from)
		v := verdict{ID: one.ID, Input: one.Text, terms: end - from}
		for w := from; w < end; w++ {
			s, e := halves(outputs[w])
			starts[w-from], ends[w-from] = s, e
			span := q.windows[w].Span
			v.Loss += (crossEntropy(softmax(s), int(span[0])) + crossEntropy(softmax(e), int(span[1]))) / 2 / float64(end-from)
		}
		found, err := tasks.BestAnswer(q.windows[from:end], starts, ends, q.flags.answer)
		if err != nil {
			return nil, fmt.Errorf("%s: question %q: %w", q.file, one.ID, err)
		}
		answer := one.Context[found.Start:found.End]
		if none && found.None > found.Score {
			answer = ""
		}
		v.Predicted, v.text = answer, one.ID+"\t"+strings.Join(strings.Fields(answer), " ")+"\n"
		v.object = answered{one.ID, answer, found.Score, found.None}
		if q.learn {
			right := make([]string, len(one.Answers))
			for i, a := range one.Answers {
				right[i] = a.Text
			}
			v.Target = strings.Join(right, " | ")
			e, f := metrics.Answer(answer, right)
			exact, f1 = exact+e, f1+f
		}
		j.verdicts = append(j.verdicts, v)
	}
	if n := float64(len(q.all)); q.learn {
		j.scores = map[string]float64{exactMatch: exact / n, metrics.F1: f1 / n}
	}
	return j, nil
}

// halves parts the logits of starts from those of ends.
func halves(both []float32) (starts, ends []float32) {
	for i := 0; i+1 < len(both); i += 2 {
		starts, ends = append(starts, both[i]), append(ends, both[i+1])
	}
	return starts, ends
}
