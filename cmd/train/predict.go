package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/trainer/model"
)

// predict is the command with its flags.
type predict struct {
	model, data string
	labelled    labelledFlags
	threads     int
	json        bool
}

func newPredict() *cobra.Command {
	var p predict
	cmd := &cobra.Command{
		Use:   "predict --model DIR --data FILE",
		Short: "Label texts, tag words, answer questions, choose, give numbers",
		Long: `predict prints what a model that finetune adapted makes of each example of a file. With --json it prints an object for each, with more of
it.

  classify    the likeliest label and its probability, with a tab between them
  regress     a number
  embed       the vector of each text, at length 1; for pairs the cosine of theirs
  tag         each word and its tag, with a tab between them, and an empty line behind each sentence
  qa          the id of the question and the answer, with a tab between them
  choice      the number of the option from 0, its probability and its text
` + exitCodes,
		Example: `  train predict --model sst2 --data reviews.jsonl
  train predict --model rte --data pairs.tsv --text-field premise --pair-field hypothesis --json
  train predict --model ner --data words.conll`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "model", "data"); err != nil {
				return err
			}
			if err := validateThreads(p.threads); err != nil {
				return err
			}
			return p.run(cmd.Context(), cmd.OutOrStdout(), cmd)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&p.model, "model", "", "model folder")
	f.StringVar(&p.data, "data", "", "file of examples")
	p.labelled.flags(cmd)
	f.IntVar(&p.labelled.length, "seq-len", 0, "longest sequence in tokens, what is over is cut off; 0 means what the model takes, up to 128, or 384 for qa")
	f.IntVar(&p.threads, "threads", 0, "threads; 0 means all processors")
	f.BoolVar(&p.json, "json", false, "print one JSON object for each example")
	return cmd
}

func (p *predict) run(ctx context.Context, w io.Writer, cmd *cobra.Command) (err error) {
	m, err := openFolder(p.model, p.threads)
	if err != nil {
		return err
	}
	defer closing(&err, m)
	t := taskOf(m.Config())
	if t == nil {
		return fmt.Errorf("%s is a language model, and labels no texts: see finetune", p.model)
	}
	if err := p.labelled.validate(cmd, t); err != nil {
		return err
	}
	j, _, err := p.labelled.judge(ctx, m, t, p.data, false)
	if err != nil {
		return err
	}
	out := json.NewEncoder(w)
	for _, v := range j.verdicts {
		if p.json {
			err = out.Encode(v.object)
		} else {
			_, err = io.WriteString(w, v.text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// judge runs a model on the examples of a file, and measures it if they have what is to be learned. cut is how many were over the limit.
func (l *labelledFlags) judge(ctx context.Context, m *folder, t *task, file string, learn bool) (j *judgement, cut int, err error) {
	set, err := t.read(l, file, learn)
	if err != nil {
		return nil, 0, err
	}
	e, err := l.encoder(m.tokenizer, m.Config(), t.length, t.pairs(l))
	if err != nil {
		return nil, 0, err
	}
	names := m.Config().(*model.EncoderConfig).Labels
	sequences, group, cut, err := set.sequences(e, names)
	if err != nil {
		return nil, 0, err
	}
	outputs, err := infer(ctx, m.Network, t, sequences, group)
	if err != nil {
		return nil, 0, err
	}
	j, err = set.judge(outputs, names)
	return j, cut, err
}
