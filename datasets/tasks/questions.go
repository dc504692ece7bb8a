package tasks

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Question asks for a span of a text.
type Question struct {
	ID            string
	Text, Context string
	Answers       []Answer // that count as right; none where the context does not answer the question, or to predict
}

// Answer is a span of a context.
type Answer struct {
	Text  string
	Start int // in bytes of the context
}

// ReadQuestions reads questions in the JSON of SQuAD 1.1 or 2.0 (.json), or an object with id, question, context and answers {text, answer_start} on each line
// (.jsonl), as Hugging Face datasets writes them. Answers must stand in the context where the file says; a question marked is_impossible has none. Each
// has an id of its own. There is at least one question.
func ReadQuestions(path string) (questions []Question, err error) {
	file, err := openSet(path)
	if err != nil {
		return nil, fmt.Errorf("read questions: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	questions, err = readQuestions(file, path)
	if err != nil {
		return nil, fmt.Errorf("read questions: %w", err)
	}
	return questions, nil
}

func readQuestions(r io.Reader, name string) ([]Question, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if err := skipMark(in); err != nil {
		return nil, err
	}
	c := questionCollector{name: name, seen: map[string]bool{}}
	var err error
	switch s := suffix(name); s {
	case ".json":
		err = c.squad(in)
	case ".jsonl":
		err = c.flat(in)
	default:
		err = fmt.Errorf("%s ends in %q, want .json or .jsonl", name, s)
	}
	if err == nil && len(c.questions) == 0 {
		err = fmt.Errorf("%s has no question", name)
	}
	return c.questions, err
}

// questionCollector gathers the questions of a file.
type questionCollector struct {
	name      string
	seen      map[string]bool // ids
	questions []Question
}

// squadFile is the layout of SQuAD.
type squadFile struct {
	Data []struct {
		Paragraphs []struct {
			Context   string `json:"context"`
			Questions []struct {
				ID         string        `json:"id"`
				Question   string        `json:"question"`
				Impossible bool          `json:"is_impossible"`
				Answers    []squadAnswer `json:"answers"`
			} `json:"qas"`
		} `json:"paragraphs"`
	} `json:"data"`
}

type squadAnswer struct {
	Text  string `json:"text"`
	Start int    `json:"answer_start"` // in characters
}

func (c *questionCollector) squad(in io.Reader) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	var f squadFile
	if err := decodeWhole(data, c.name, &f); err != nil {
		return err
	}
	for _, article := range f.Data {
		for _, p := range article.Paragraphs {
			for _, q := range p.Questions {
				if q.Impossible {
					q.Answers = nil
				}
				if err := c.add(Question{ID: q.ID, Text: q.Question, Context: p.Context}, q.Answers); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// decodeWhole decodes a file of one JSON value. Errors name the line.
func decodeWhole(data []byte, name string, v any) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("%s: it is not UTF-8", name)
	}
	err := json.Unmarshal(data, v)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return &Error{File: name, Line: lineAt(data, syntax.Offset), Err: err}
	case errors.As(err, &kind):
		return &Error{File: name, Line: lineAt(data, kind.Offset), Field: kind.Field, Err: err}
	}
	return err
}

// flatQuestion is a line of the layout without nesting.
type flatQuestion struct {
	ID       string `json:"id"`
	Question string `json:"question"`
	Context  string `json:"context"`
	Answers  struct {
		Text  []string `json:"text"`
		Start []int    `json:"answer_start"`
	} `json:"answers"`
}

func (c *questionCollector) flat(in *bufio.Reader) error {
	for text, err := range lines(in, c.name) {
		if err != nil {
			return err
		}
		if len(strings.TrimSpace(string(text.bytes))) == 0 {
			continue
		}
		var q flatQuestion
		if err = decodeWhole(text.bytes, c.name, &q); err == nil && len(q.Answers.Text) != len(q.Answers.Start) {
			err = &Error{Field: "answers", Err: fmt.Errorf("it has %d texts with %d starts", len(q.Answers.Text), len(q.Answers.Start))}
		}
		if err != nil {
			return atLine(err, c.name, text.number)
		}
		answers := make([]squadAnswer, len(q.Answers.Text))
		for i := range answers {
			answers[i] = squadAnswer{q.Answers.Text[i], q.Answers.Start[i]}
		}
		if err := c.add(Question{ID: q.ID, Text: q.Question, Context: q.Context}, answers); err != nil {
			return fmt.Errorf("line %d: %w", text.number, err)
		}
	}
	return nil
}

// add checks a question and finds the bytes of its answers.
func (c *questionCollector) add(q Question, answers []squadAnswer) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%s: question %q: %w", c.name, q.ID, fmt.Errorf(format, args...))
	}
	switch {
	case q.ID == "":
		return fmt.Errorf("%s: the question %q has no id", c.name, q.Text)
	case c.seen[q.ID]:
		return wrong("another one has the same id")
	case strings.TrimSpace(q.Text) == "":
		return wrong("its text is empty")
	case strings.TrimSpace(q.Context) == "":
		return wrong("its context is empty")
	case len(q.Context) > maxLineBytes:
		return wrong("its context has more than %d bytes", maxLineBytes)
	case len(c.questions) == maxExamples:
		return wrong("there are more than %d questions", maxExamples)
	}
	for _, a := range answers {
		start, ok := byteOf(q.Context, a.Start)
		if !ok || a.Text == "" || !strings.HasPrefix(q.Context[start:], a.Text) {
			return wrong("the answer %q does not stand at character %d of its context", a.Text, a.Start)
		}
		q.Answers = append(q.Answers, Answer{a.Text, start})
	}
	c.seen[q.ID] = true
	c.questions = append(c.questions, q)
	return nil
}

// byteOf is where a character of s begins.
func byteOf(s string, character int) (int, bool) {
	n := 0
	for at := range s {
		if n == character {
			return at, true
		}
		n++
	}
	return len(s), false
}
