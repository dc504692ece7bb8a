package tasks

import (
	"bufio"
	"bytes"
	"encoding/csv"
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

// Example is one labelled text, or pair of texts.
type Example struct {
	Text  string
	Pair  string // the second text; "" without a pair
	Label string // name of its class; "" if no label was asked for
	Line  int    // where it begins in the file, from 1
}

// Fields says where an example's parts stand.
type Fields struct {
	Text  string
	Pair  string // "" for single texts
	Label string // "" for a file to predict
	// NoHeader says that the first line of a .tsv or .csv is an example already; fields are then called by their numbers from 1.
	NoHeader bool
	Numbers  bool // labels are numbers to predict, which may be fractions, and not names of classes
}

// Bounds of what is read, so that a wrong file ends with an error and not with the memory.
const (
	maxLineBytes = 16 << 20
	maxExamples  = 1 << 26
	maxFields    = 1 << 12
)

// Error is a mistake in a labelled set. Its text names file, line and field.
type Error struct {
	File  string
	Line  int    // from 1
	Field string // "" if the line as a whole is meant
	Err   error
}

// Error names the place and the mistake.
func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("%s:%d: field %q: %v", e.File, e.Line, e.Field, e.Err)
}

// Unwrap returns the mistake.
func (e *Error) Unwrap() error { return e.Err }

// Read reads a labelled set. It has at least one example.
func Read(path string, f Fields) (examples []Example, err error) {
	file, err := openSet(path)
	if err != nil {
		return nil, fmt.Errorf("read labelled set: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return read(file, path, f)
}

// read reads the set of that name from r.
func read(r io.Reader, name string, f Fields) ([]Example, error) {
	if f.Text == "" {
		return nil, errors.New("read labelled set: no field for the text was named")
	}
	in := bufio.NewReaderSize(r, 64<<10)
	if err := skipMark(in); err != nil {
		return nil, err
	}
	rows, err := f.rows(in, name)
	if err != nil {
		return nil, err
	}
	var examples []Example
	for row, err := range rows {
		if err != nil {
			return nil, fmt.Errorf("read labelled set: %w", err)
		}
		e, err := f.example(row)
		if err != nil {
			return nil, fmt.Errorf("read labelled set: %w", atLine(err, name, row.line))
		}
		if len(examples) == maxExamples {
			return nil, fmt.Errorf("read labelled set: %s has more than %d examples", name, maxExamples)
		}
		examples = append(examples, e)
	}
	if len(examples) == 0 {
		return nil, fmt.Errorf("read labelled set: %s has no example", name)
	}
	return examples, nil
}

// skipMark passes over a byte order mark.
func skipMark(in *bufio.Reader) error {
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, err := in.Discard(3)
		return err
	}
	return nil
}

// atLine gives an error that is about a line, or a field of it, its place.
func atLine(err error, file string, line int) error {
	var at *Error
	if !errors.As(err, &at) {
		at = &Error{Err: err}
	}
	at.File, at.Line = file, line
	return at
}

// row is the wanted fields of a line. A field that the line does not have is absent.
type row struct {
	line   int
	fields map[string]string
}

// names lists the fields that are asked for.
func (f *Fields) names() []string {
	return slices.DeleteFunc([]string{f.Text, f.Pair, f.Label}, func(s string) bool { return s == "" })
}

// rows chooses the format by the suffix.
func (f *Fields) rows(in *bufio.Reader, name string) (iter.Seq2[row, error], error) {
	switch suffix := suffix(name); suffix {
	case ".tsv":
		return f.table(name, tabs(in, name)), nil
	case ".csv":
		return f.table(name, commas(in, name)), nil
	case ".jsonl":
		if f.NoHeader {
			return nil, fmt.Errorf("read labelled set: %s has no header to do without: its objects name their fields", name)
		}
		return f.objects(in, name), nil
	case ".parquet":
		if f.NoHeader {
			return nil, fmt.Errorf("read labelled set: %s has no header to do without: its columns have names", name)
		}
		return f.parquetRows(in, name), nil
	default:
		return nil, fmt.Errorf("read labelled set: %s ends in %q, want .tsv, .csv, .jsonl or .parquet", name, suffix)
	}
}

// example takes the parts out of a row.
func (f *Fields) example(r row) (Example, error) {
	e := Example{Line: r.line}
	for _, part := range []struct {
		name string
		to   *string
	}{{f.Text, &e.Text}, {f.Pair, &e.Pair}, {f.Label, &e.Label}} {
		if part.name == "" {
			continue
		}
		value, ok := r.fields[part.name]
		switch {
		case !ok:
			return e, &Error{Field: part.name, Err: errors.New("the line does not have it")}
		case !utf8.ValidString(value):
			return e, &Error{Field: part.name, Err: errors.New("it is not UTF-8")}
		case strings.TrimSpace(value) == "":
			return e, &Error{Field: part.name, Err: errors.New("it is empty")}
		}
		if part.to == &e.Label {
			value = strings.TrimSpace(value)
		}
		*part.to = value
	}
	return e, nil
}

// cells is one line of a table.
type cells struct {
	line   int
	values []string
}

// tabs cuts lines at tabs.
func tabs(in *bufio.Reader, name string) iter.Seq2[cells, error] {
	return func(yield func(cells, error) bool) {
		for text, err := range lines(in, name) {
			if err != nil {
				yield(cells{}, err)
				return
			}
			if !yield(cells{text.number, strings.Split(string(text.bytes), "\t")}, nil) {
				return
			}
		}
	}
}

// commas reads RFC 4180.
func commas(in *bufio.Reader, name string) iter.Seq2[cells, error] {
	return func(yield func(cells, error) bool) {
		limited := &bounded{in: in}
		r := csv.NewReader(limited)
		r.FieldsPerRecord = -1 // told by table, with the name of the file
		for {
			limited.bytes = 0
			values, err := r.Read()
			if err == io.EOF {
				return
			}
			if err != nil {
				var parse *csv.ParseError
				if limited.err != nil { // which the parser takes for the end of the file
					err = fmt.Errorf("%s: %w", name, limited.err)
				} else if errors.As(err, &parse) {
					err = &Error{File: name, Line: parse.Line, Err: parse.Err}
				} else {
					err = fmt.Errorf("%s: %w", name, err)
				}
				yield(cells{}, err)
				return
			}
			line, _ := r.FieldPos(0)
			if !yield(cells{line, values}, nil) {
				return
			}
		}
	}
}

// bounded ends with an error when one record is too long: a quote that is never closed would make one of the rest of the file.
type bounded struct {
	in    io.Reader
	bytes int // read for the record under way
	err   error
}

// Read reads on.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	if b.bytes += n; b.bytes > maxLineBytes {
		b.err = fmt.Errorf("a record is longer than %d bytes: is a quote not closed?", maxLineBytes)
		return 0, b.err
	}
	return n, err
}

// table gives names to the cells of lines.
func (f *Fields) table(name string, lines iter.Seq2[cells, error]) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		var columns map[string]int
		width := 0
		for c, err := range lines {
			if err == nil && columns == nil {
				width = len(c.values)
				if columns, err = f.columns(name, c); err == nil && !f.NoHeader {
					continue
				}
			}
			if err == nil && len(c.values) != width {
				err = &Error{File: name, Line: c.line, Err: fmt.Errorf("it has %d fields, the first line has %d", len(c.values), width)}
			}
			if err != nil {
				yield(row{}, err)
				return
			}
			r := row{c.line, make(map[string]string, 3)}
			for field, at := range columns {
				r.fields[field] = c.values[at]
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// columns finds the wanted fields in the first line.
func (f *Fields) columns(name string, first cells) (map[string]int, error) {
	if len(first.values) > maxFields {
		return nil, &Error{File: name, Line: first.line, Err: fmt.Errorf("it has more than %d fields", maxFields)}
	}
	header := first.values
	if f.NoHeader {
		header = make([]string, len(first.values))
		for i := range header {
			header[i] = strconv.Itoa(i + 1)
		}
	}
	at := map[string]int{}
	for _, field := range f.names() {
		i := slices.Index(header, field)
		switch {
		case i < 0 && f.NoHeader:
			return nil, &Error{name, first.line, field, fmt.Errorf("without a header, fields are called 1 to %d", len(header))}
		case i < 0:
			return nil, &Error{name, first.line, field, fmt.Errorf("the header does not name it; it has %q", header)}
		case slices.Contains(header[i+1:], field):
			return nil, &Error{name, first.line, field, errors.New("the header names it twice")}
		}
		at[field] = i
	}
	return at, nil
}

// objects reads one JSON object a line.
func (f *Fields) objects(in *bufio.Reader, name string) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for text, err := range lines(in, name) {
			if err != nil {
				yield(row{}, err)
				return
			}
			if len(bytes.TrimSpace(text.bytes)) == 0 {
				continue
			}
			r, err := f.object(text.bytes)
			if err != nil {
				yield(row{}, atLine(err, name, text.number))
				return
			}
			r.line = text.number
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (f *Fields) object(text []byte) (row, error) {
	if !utf8.Valid(text) {
		return row{}, errors.New("it is not UTF-8")
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return row{}, err
	}
	r := row{fields: make(map[string]string, 3)}
	for _, field := range f.names() {
		raw, ok := all[field]
		if !ok {
			continue
		}
		value, err := scalar(raw, field == f.Label, f.Numbers)
		if err != nil {
			return row{}, &Error{Field: field, Err: err}
		}
		r.fields[field] = value
	}
	return r, nil
}

// scalar is the text of a JSON string, and for labels that of a whole number or a boolean, or of any number if that is what labels are.
func scalar(raw json.RawMessage, label, numbers bool) (string, error) {
	var s string
	if bytes.HasPrefix(raw, []byte(`"`)) {
		err := json.Unmarshal(raw, &s)
		return s, err
	}
	if !label {
		return "", errors.New("a text must be a string")
	}
	var n int64
	var x float64
	var b bool
	if numbers && string(raw) != "null" && json.Unmarshal(raw, &x) == nil {
		return string(raw), nil
	}
	if string(raw) != "null" && (json.Unmarshal(raw, &n) == nil || json.Unmarshal(raw, &b) == nil) {
		return string(raw), nil
	}
	return "", errors.New("a label must be a string, a whole number or a boolean")
}

// line is one line without its end.
type line struct {
	number int
	bytes  []byte // valid until the next one
}

// lines cuts at line feeds, and takes away a carriage return before them.
func lines(in *bufio.Reader, name string) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		scanner := bufio.NewScanner(in)
		scanner.Buffer(make([]byte, 0, 64<<10), maxLineBytes)
		n := 0
		for scanner.Scan() {
			n++
			if !yield(line{n, scanner.Bytes()}, nil) {
				return
			}
		}
		if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
			yield(line{}, &Error{File: name, Line: n + 1, Err: fmt.Errorf("it is longer than %d bytes", maxLineBytes)})
		} else if err != nil {
			yield(line{}, fmt.Errorf("%s: %w", name, err))
		}
	}
}
