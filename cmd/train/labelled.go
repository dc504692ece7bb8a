package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer/model"
)

// labelledFlags say how examples stand in a file, and how long their sequences may get.
type labelledFlags struct {
	fields tasks.Fields
	length int
}

// labelledNames are the flags of fields.
var labelledNames = []string{"text-field", "pair-field", "label-field", "no-header"}

func (l *labelledFlags) flags(cmd *cobra.Command, label string) {
	f := cmd.Flags()
	f.StringVar(&l.fields.Text, "text-field", "text", "field of the text")
	f.StringVar(&l.fields.Pair, "pair-field", "", "field of the second text, for pairs")
	f.StringVar(&l.fields.Label, "label-field", label, "field of the label")
	f.BoolVar(&l.fields.NoHeader, "no-header", false, "the file has no header: fields are called 1, 2, …")
}

// validate finds what is wrong with the flags alone.
func (l *labelledFlags) validate() error {
	if l.fields.Text == "" {
		return usagef("--text-field is empty")
	}
	if l.length < 0 {
		return usagef("--seq-len %d: give at least 1, or 0 for what the model takes, up to %d", l.length, longestSequence)
	}
	return nil
}

// longestSequence is what --seq-len 0 stands for, at most.
const longestSequence = 128

// encoder turns examples into sequences of one model.
type encoder struct {
	template tasks.Template
	encoder  *tokenizers.Encoder
	pair     bool
}

func (l *labelledFlags) encoder(t *tokenizers.Tokenizer, limits model.Limits) (*encoder, error) {
	e := &encoder{encoder: t.NewEncoder(8 << 20), pair: l.fields.Pair != ""}
	if e.pair && limits.Segments < 2 {
		return nil, fmt.Errorf("the model has %d segments, and a pair needs 2", limits.Segments)
	}
	for _, s := range []struct {
		name string
		to   *uint32
	}{{"[CLS]", &e.template.CLS}, {"[SEP]", &e.template.SEP}} {
		id, ok := t.TokenID(s.name)
		if !ok {
			return nil, fmt.Errorf("the tokenizer has no %s, with which sequences are made", s.name)
		}
		*s.to = id
	}
	if e.template.MaxTokens = l.length; l.length == 0 {
		e.template.MaxTokens = min(longestSequence, limits.Positions)
	}
	if e.template.MaxTokens > limits.Positions {
		return nil, fmt.Errorf("--seq-len %d: the model has %d positions", l.length, limits.Positions)
	}
	if err := e.template.Validate(e.pair); err != nil {
		return nil, fmt.Errorf("--seq-len: %w", err)
	}
	return e, nil
}

// sequences encodes a set that was read from file. targets has the class of each example. cut is the number of examples that were too long.
func (e *encoder) sequences(file string, set []tasks.Example, targets []int32) (all []tasks.Sequence, cut int, err error) {
	all = make([]tasks.Sequence, len(set))
	for i, x := range set {
		a := e.encoder.AppendIDs(nil, []byte(x.Text))
		var b []uint32
		whole := len(a) + 2
		if all[i] = e.template.Single(a, targets[i]); e.pair {
			b = e.encoder.AppendIDs(nil, []byte(x.Pair))
			all[i], whole = e.template.Pair(a, b, targets[i]), len(a)+len(b)+3
		}
		if len(a) == 0 || e.pair && len(b) == 0 {
			return nil, 0, &tasks.Error{File: file, Line: x.Line, Err: fmt.Errorf("the example is empty: its text has no token")}
		}
		if len(all[i].IDs) < whole {
			cut++
		}
	}
	return all, cut, nil
}

// refuse names the first of the flags that was given but has no meaning for what is done.
func refuse(cmd *cobra.Command, why string, names ...string) error {
	i := slices.IndexFunc(names, cmd.Flags().Changed)
	if i < 0 {
		return nil
	}
	return usagef("--%s %s", names[i], why)
}
