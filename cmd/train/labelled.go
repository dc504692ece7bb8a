package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/datasets/tasks"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer/model"
)

// labelledFlags say how examples stand in a file, and how they become sequences.
type labelledFlags struct {
	fields    tasks.Fields
	columns   tasks.Columns
	options   []string
	questions questionFlags
	length    int
}

// labelledNames are the flags about examples of all tasks.
var labelledNames = []string{"text-field", "pair-field", "label-field", "no-header", "word-column", "tag-column", "options-field", "overlap", "max-question", "max-answer",
	"no-answer"}

func (l *labelledFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.fields.Text, "text-field", "text", "field of the text, or of the question of a choice")
	f.StringVar(&l.fields.Pair, "pair-field", "", "field of the second text, for pairs")
	f.StringVar(&l.fields.Label, "label-field", "label", "field of the label or number; of the right option: its number from 0, its letter, or always the option of this field")
	f.BoolVar(&l.fields.NoHeader, "no-header", false, "the file has no header: fields are called 1, 2, …")
	f.StringSliceVar(&l.options, "options-field", []string{"choices"}, "choice: field of the list of options, or the fields of the options")
	f.IntVar(&l.columns.Word, "word-column", 0, "tag: column of the word, from 1; 0 means what is usual in the format")
	f.IntVar(&l.columns.Tag, "tag-column", 0, "tag: column of the tag, from 1; 0 means what is usual in the format")
	f.IntVar(&l.questions.overlap, "overlap", -1, "qa: tokens of a text that is cut which two sequences share; -1 means a third of a sequence")
	f.IntVar(&l.questions.question, "max-question", 0, "qa: longest question in tokens, what is over is cut off; 0 means 64, or a third of a sequence if that is less")
	f.IntVar(&l.questions.answer, "max-answer", 30, "qa: longest answer in tokens")
	f.BoolVar(&l.questions.noAnswer, "no-answer", false, "qa: there may be no answer, even if the file does not say so of any question")
}

// validate finds what is wrong with the flags alone, for a task.
func (l *labelledFlags) validate(cmd *cobra.Command, t *task) error {
	for _, name := range labelledNames {
		if cmd.Flags().Changed(name) && !slices.Contains(t.flags, name) {
			return usagef("--%s has no meaning for the task %s", name, t.name)
		}
	}
	switch {
	case l.fields.Text == "":
		return usagef("--text-field is empty")
	case l.length < 0:
		return usagef("--seq-len %d: give at least 1, or 0 for what the model takes, up to %d", l.length, t.length)
	case l.columns.Word < 0 || l.columns.Tag < 0:
		return usagef("--word-column %d and --tag-column %d: give at least 1, or 0 for what is usual", l.columns.Word, l.columns.Tag)
	case l.questions.overlap < -1 || l.questions.question < 0 || l.questions.answer < 1:
		return usagef("--overlap %d, --max-question %d, --max-answer %d: give at least 0, 0 and 1", l.questions.overlap, l.questions.question, l.questions.answer)
	}
	return nil
}

// encoder turns examples into sequences of one model.
type encoder struct {
	template  tasks.Template
	tokenizer *tokenizers.Tokenizer
	encoder   *tokenizers.Encoder
}

// templates are the special tokens of families of models: those of BERT, then those of RoBERTa.
var templates = []struct {
	cls, sep string
	twoSEP   bool
}{{"[CLS]", "[SEP]", false}, {"<s>", "</s>", true}}

// encoder makes an encoder for sequences of two texts, or of one.
func (l *labelledFlags) encoder(t *tokenizers.Tokenizer, c model.Config, longest int, pair bool) (*encoder, error) {
	limits := c.Limits()
	e := &encoder{tokenizer: t, encoder: t.NewEncoder(8 << 20)}
	found := false
	for _, s := range templates {
		cls, ok := t.TokenID(s.cls)
		sep, too := t.TokenID(s.sep)
		if ok && too {
			e.template, found = tasks.Template{CLS: cls, SEP: sep, TwoSEP: s.twoSEP, OneSegment: limits.Segments < 2}, true
			break
		}
	}
	if !found {
		return nil, errors.New("the tokenizer has neither [CLS] and [SEP] nor <s> and </s>, with which sequences are made")
	}
	if e.template.MaxTokens = l.length; l.length == 0 {
		e.template.MaxTokens = min(longest, limits.Positions)
	}
	if e.template.MaxTokens > limits.Positions {
		return nil, fmt.Errorf("--seq-len %d: the model has %d positions", l.length, limits.Positions)
	}
	if err := e.template.Validate(pair); err != nil {
		return nil, fmt.Errorf("--seq-len: %w", err)
	}
	return e, nil
}

// texts encodes a set that was read from file. cut is the number of examples that were too long.
func (e *encoder) texts(file string, set []tasks.Example, pair bool) (all []tasks.Sequence, cut int, err error) {
	all = make([]tasks.Sequence, len(set))
	for i, x := range set {
		a := e.encoder.AppendIDs(nil, []byte(x.Text))
		var b []uint32
		whole := len(a) + 2
		if all[i] = e.template.Single(a, schemas.IgnoreLabel); pair {
			b = e.encoder.AppendIDs(nil, []byte(x.Pair))
			all[i], whole = e.template.Pair(a, b, schemas.IgnoreLabel), len(a)+len(b)+3
		}
		if len(a) == 0 || pair && len(b) == 0 {
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
