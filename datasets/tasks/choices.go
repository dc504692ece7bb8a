package tasks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Choice is a question with options, of which one is right.
type Choice struct {
	Text    string
	Options []string
	Right   int // index of the right option; -1 if no answer was asked for
	Line    int // where it begins in the file, from 1
}

// ChoiceFields says where the parts of a [Choice] stand.
type ChoiceFields struct {
	Text string // of the question, or of the beginning that the options go on from
	// Options are the fields of the options; or one field, which holds a list of them.
	Options []string
	// Answer is the field of the right option: its number from 0 or its letter from A. Where it is itself among Options it is that one in every question.
	// "" for a file to predict.
	Answer string
}

// maxOptions is far above any task.
const maxOptions = 64

// ReadChoices reads questions with options: an object a line (.jsonl), or a list of objects (.json). All have equally many options. There is at
// least one question.
func ReadChoices(path string, f ChoiceFields) (choices []Choice, err error) {
	file, err := openSet(path)
	if err != nil {
		return nil, fmt.Errorf("read choices: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	choices, err = readChoices(file, path, f)
	if err != nil {
		return nil, fmt.Errorf("read choices: %w", err)
	}
	return choices, nil
}

func readChoices(r io.Reader, name string, f ChoiceFields) ([]Choice, error) {
	if f.Text == "" || len(f.Options) == 0 || len(f.Options) > maxOptions {
		return nil, fmt.Errorf("name a field for the text, and 1 to %d for the options", maxOptions)
	}
	in := bufio.NewReaderSize(r, 64<<10)
	if err := skipMark(in); err != nil {
		return nil, err
	}
	var objects iter.Seq2[line, error]
	switch s := suffix(name); s {
	case ".json":
		objects = listed(in, name)
	case ".jsonl":
		objects = lines(in, name)
	default:
		return nil, fmt.Errorf("%s ends in %q, want .json or .jsonl", name, s)
	}
	var all []Choice
	for text, err := range objects {
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(text.bytes)) == 0 {
			continue
		}
		c, err := f.choice(text.bytes)
		if err == nil && len(all) > 0 && len(c.Options) != len(all[0].Options) {
			err = fmt.Errorf("it has %d options, the first has %d: all need equally many", len(c.Options), len(all[0].Options))
		}
		if err != nil {
			return nil, atLine(err, name, text.number)
		}
		if len(all) == maxExamples {
			return nil, fmt.Errorf("%s has more than %d questions", name, maxExamples)
		}
		c.Line = text.number
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no question", name)
	}
	return all, nil
}

// listed yields the elements of a JSON list with the lines on which they begin.
func listed(in io.Reader, name string) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		data, err := io.ReadAll(in)
		if err != nil {
			yield(line{}, fmt.Errorf("%s: %w", name, err))
			return
		}
		var all []json.RawMessage
		if err := decodeWhole(data, name, &all); err != nil {
			yield(line{}, err)
			return
		}
		number := 1
		for _, one := range all {
			at := bytes.Index(data, one) // of this element or of an equal one before it, which was passed already
			number += bytes.Count(data[:at], []byte("\n"))
			if !yield(line{number, one}, nil) {
				return
			}
			data = data[at+len(one):]
			number += bytes.Count(one, []byte("\n"))
		}
	}
}

func (f *ChoiceFields) choice(text []byte) (c Choice, err error) {
	if !utf8.Valid(text) {
		return c, errors.New("it is not UTF-8")
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return c, err
	}
	if c.Text, err = textField(all, f.Text); err != nil {
		return c, err
	}
	if raw, ok := all[f.Options[0]]; ok && len(f.Options) == 1 {
		if err := json.Unmarshal(raw, &c.Options); err != nil {
			return c, &Error{Field: f.Options[0], Err: errors.New("it is no list of texts")}
		}
	} else {
		c.Options = make([]string, len(f.Options))
		for i, name := range f.Options {
			if c.Options[i], err = textField(all, name); err != nil {
				return c, err
			}
		}
	}
	if n := len(c.Options); n < 2 || n > maxOptions {
		return c, &Error{Field: f.Options[0], Err: fmt.Errorf("there are %d options, want 2 to %d", n, maxOptions)}
	}
	for i, option := range c.Options {
		if strings.TrimSpace(option) == "" {
			return c, &Error{Field: f.Options[min(i, len(f.Options)-1)], Err: fmt.Errorf("option %d is empty", i)}
		}
	}
	c.Right, err = f.right(all, len(c.Options))
	return c, err
}

func textField(all map[string]json.RawMessage, name string) (s string, err error) {
	raw, ok := all[name]
	if !ok {
		return "", &Error{Field: name, Err: errors.New("the object does not have it")}
	}
	if s, err = scalar(raw, false, false); err == nil && strings.TrimSpace(s) == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", &Error{Field: name, Err: err}
	}
	return s, nil
}

// right is the index of the right option.
func (f *ChoiceFields) right(all map[string]json.RawMessage, options int) (int, error) {
	if f.Answer == "" {
		return -1, nil
	}
	if i := slices.Index(f.Options, f.Answer); i >= 0 && len(f.Options) > 1 {
		return i, nil
	}
	raw, ok := all[f.Answer]
	if !ok {
		return 0, &Error{Field: f.Answer, Err: errors.New("the object does not have it")}
	}
	s, err := scalar(raw, true, false)
	if err != nil {
		return 0, &Error{Field: f.Answer, Err: err}
	}
	s = strings.TrimSpace(s)
	i, err := strconv.Atoi(s)
	if err != nil && len(s) == 1 {
		i, err = int(s[0]|0x20)-'a', nil
	}
	if err != nil || i < 0 || i >= options {
		return 0, &Error{Field: f.Answer, Err: fmt.Errorf("it is %q, want 0 to %d or A to %c", s, options-1, 'A'+options-1)}
	}
	return i, nil
}
