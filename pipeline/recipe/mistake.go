package recipe

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shardmill/shardmill/datasets/corpus"
)

// Mistake is an error that only a change of the recipe mends, also where it shows only in the light of the input or the tokenizer.
type Mistake struct {
	Place string // file:line:column of the field, or of what should hold it; the override that it comes from; empty for a recipe of Default
	Field string // such as sources.0.format
	Err   error
}

func (m *Mistake) Error() string {
	text := m.Field + ": " + m.Err.Error()
	if m.Place != "" {
		text = m.Place + ": " + text
	}
	return text
}

func (m *Mistake) Unwrap() error { return m.Err }

// mistake is an error about a field.
func (r *Recipe) mistake(field, format string, args ...any) error {
	m := &Mistake{Field: field, Err: fmt.Errorf(format, args...)}
	if r.tree != nil {
		m.Place = r.tree.place(field)
	}
	return m
}

// sourceMistakes gives what corpus.Source.Validate says about source i its places.
func (r *Recipe) sourceMistakes(i int, err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil // no error
	}
	var out []error
	for _, err := range joined.Unwrap() {
		if at, ok := errors.AsType[*corpus.FieldError](err); ok {
			err = r.mistake(fmt.Sprintf("sources.%d.%s", i, at.Field), "%w", at.Err)
		}
		out = append(out, err)
	}
	return out
}

// inputMistake gives an error of corpus.List its place if it is about a field of a source.
func (r *Recipe) inputMistake(err error) error {
	at, ok := errors.AsType[*corpus.FieldError](err)
	if !ok {
		return err
	}
	i := slices.IndexFunc(r.Sources, func(s Source) bool { return s.Name == at.Source })
	return r.mistake(fmt.Sprintf("sources.%d.%s", i, at.Field), "%w", at.Err)
}

// place is where a field stands, or else where the nearest that should hold it does.
func (n *node) place(field string) string {
	for step := range strings.SplitSeq(field, ".") {
		switch i, err := strconv.Atoi(step); {
		case n.kind == list && err == nil && i >= 0 && i < len(n.items):
			n = n.items[i]
		case n.kind == mapping && n.field(step) != nil:
			n = n.field(step).value
		default:
			return n.at
		}
	}
	return n.at
}
