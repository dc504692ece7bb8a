package recipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/shardmill/shardmill/datasets/corpus"
)

// Recipe says what to make of which input. See the package comment for its notation and defaults.
type Recipe struct {
	Sources   []Source  `json:"sources"`
	Stages    []Stage   `json:"stages"`
	Tokenizer Tokenizer `json:"tokenizer"`
	Lanes     Lanes     `json:"lanes"`
	Shards    Shards    `json:"shards"`
	OnError   OnError   `json:"on_error,omitzero"`
	Limit     Size      `json:"limit"` // records read of each source; 0: all

	tree *node // what it was read from, for the places of mistakes; nil for Default
}

// Source is a named set of input files. Its fields are those of corpus.Source.
type Source struct {
	Name           string   `json:"name"`
	Paths          []string `json:"paths,omitempty"`
	Format         string   `json:"format,omitempty"`
	Compression    string   `json:"compression,omitempty"`
	Text           string   `json:"text"`
	ID             string   `json:"id"`
	Document       string   `json:"document"`
	MaxRecordBytes Size     `json:"max_record_bytes"`
}

// Tokenizer names the tokenizer.json and the special token that closes each document.
type Tokenizer struct {
	File          string `json:"file,omitempty"`
	EndOfDocument string `json:"end_of_document,omitempty"`
}

// Lanes sizes the units of work.
type Lanes struct {
	Bytes Size `json:"bytes"` // of decompressed text
}

// Shards shapes the shards.
type Shards struct {
	Tokens  Size `json:"tokens"`
	HeldOut PPM  `json:"held_out"`
}

// OnError says what bad records do to a run.
type OnError struct {
	Mode  string `json:"mode"`  // quarantine or fail
	Limit Size   `json:"limit"` // bad records that are allowed; negative: any number
}

// quarantinable is the number of bad records that a run allows; negative: any number.
func (o OnError) quarantinable() int64 {
	if o.Mode == "fail" {
		return 0
	}
	return int64(o.Limit)
}

// maxLimit keeps products of sizes far from overflow.
const maxLimit = 1 << 50

// New returns a recipe with all defaults and nothing else.
func New() *Recipe {
	return &Recipe{
		Stages:  []Stage{},
		Lanes:   Lanes{Bytes: 256 << 20},
		Shards:  Shards{Tokens: 64_000_000},
		OnError: OnError{Mode: "quarantine", Limit: -1},
	}
}

// Default returns the recipe of a run that is given files alone: pages become text, all is tokenized as it is. Relative paths are
// relative to the working folder. Without a tokenizer the recipe is good for Texts only.
func Default(tokenizer string, files []string) (*Recipe, error) {
	r := New()
	r.Sources = []Source{{Paths: files}}
	html, _ := findDefinition("html")
	r.Stages = []Stage{{name: "html", options: html.defaults()}}
	r.Tokenizer.File = tokenizer
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return r, r.finish(dir)
}

// Load reads a recipe file. Each of overrides, in the form "a.b=c", replaces a value of it.
func Load(path string, overrides ...string) (*Recipe, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read recipe: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecipeBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read recipe %s: %w", path, err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read recipe %s: %w", path, err)
	}
	return Parse(data, path, dir, overrides...)
}

// Parse reads a recipe. Name stands for it in errors; paths in it are relative to dir. Each of overrides, in the form "a.b=c", replaces a
// value of it.
func Parse(data []byte, name, dir string, overrides ...string) (*Recipe, error) {
	tree, err := parseTree(data, name, "")
	if err != nil {
		return nil, err
	}
	return fromTree(tree, dir, overrides)
}

// parseMade reads a recipe that marshal has made. It can be longer than one that somebody writes, since it may name any number of files.
func parseMade(data []byte, name string, overrides ...string) (*Recipe, error) {
	tree, err := parseJSON(data, name)
	if err != nil {
		return nil, err
	}
	return fromTree(tree, "/", overrides)
}

func fromTree(tree *node, dir string, overrides []string) (*Recipe, error) {
	for _, o := range overrides {
		if err := tree.override(o); err != nil {
			return nil, err
		}
	}
	r := New()
	if err := decode(tree, r); err != nil {
		return nil, err
	}
	r.tree = tree
	return r, r.finish(dir)
}

// Override replaces values of r, each in the form "a.b=c".
func (r *Recipe) Override(overrides ...string) (*Recipe, error) {
	data, err := marshal(r)
	if err != nil {
		return nil, err
	}
	return parseMade(data, "recipe", overrides...)
}

// finish fills in defaults that depend on other fields, makes paths absolute and checks what can be checked without looking at files.
func (r *Recipe) finish(dir string) error {
	absolute := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	var errs []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			errs = append(errs, r.mistake(field, format, args...))
		}
	}
	check(len(r.Sources) > 0, "sources", "name at least one, such as [{paths: [data/*.jsonl]}]")
	for i := range r.Sources {
		s := &r.Sources[i]
		if s.Name == "" && len(r.Sources) == 1 {
			s.Name = "input"
		}
		for j, path := range s.Paths {
			s.Paths[j] = absolute(path)
		}
		c := s.corpus()
		c.SetDefaults()
		s.Text, s.ID, s.Document, s.MaxRecordBytes = c.TextField, c.IDField, c.Document, Size(c.MaxRecordBytes)
		errs = append(errs, r.sourceMistakes(i, c.Validate())...)
		first := slices.IndexFunc(r.Sources, func(other Source) bool { return other.Name == s.Name })
		check(first == i || s.Name == "", fmt.Sprintf("sources.%d.name", i), "source %d is named %q, too: give each a name of its own", first, s.Name)
	}
	r.Tokenizer.File = absolute(r.Tokenizer.File)
	check(r.Lanes.Bytes >= 1 && r.Lanes.Bytes <= maxLimit, "lanes.bytes", "%s is not between 1 and %s", r.Lanes.Bytes, Size(maxLimit))
	check(r.Shards.Tokens >= 1 && r.Shards.Tokens <= maxLimit, "shards.tokens", "%s is not between 1 and %s", r.Shards.Tokens, Size(maxLimit))
	check(r.OnError.Mode == "quarantine" || r.OnError.Mode == "fail", "on_error.mode", "%q is neither quarantine nor fail", r.OnError.Mode)
	check(r.OnError.Limit >= -1 && r.OnError.Limit <= maxLimit, "on_error.limit", "%s is not between -1 (any number) and %s", r.OnError.Limit, Size(maxLimit))
	check(r.Limit >= 0 && r.Limit <= maxLimit, "limit", "%s is not between 0 (all) and %s", r.Limit, Size(maxLimit))
	for i, s := range r.Stages {
		field := fmt.Sprintf("stages.%d", i)
		check(s.options != nil, field, "a stage is missing")
		if s.options != nil {
			err := s.check()
			check(err == nil, field, "%w", err)
		}
	}
	return errors.Join(errs...)
}

func (s *Source) corpus() corpus.Source {
	return corpus.Source{Name: s.Name, Paths: s.Paths, Format: s.Format, Compression: s.Compression,
		TextField: s.Text, IDField: s.ID, Document: s.Document, MaxRecordBytes: int64(s.MaxRecordBytes)}
}

// corpora are the sources in the terms of package corpus.
func (r *Recipe) corpora(storage func(root string) fs.FS) []corpus.Source {
	var out []corpus.Source
	for i := range r.Sources {
		c := r.Sources[i].corpus()
		c.Storage = storage
		out = append(out, c)
	}
	return out
}

// Canonical is the part of the recipe that decides about output, as JSON in one form: no paths, which the input files of a plan replace,
// and no on_error.
func (r *Recipe) Canonical() ([]byte, error) {
	c := *r
	c.Sources = nil
	for _, s := range r.Sources {
		s.Paths = nil
		c.Sources = append(c.Sources, s)
	}
	c.Tokenizer.File = ""
	c.OnError = OnError{}
	return marshal(&c)
}

// YAML is the recipe as a user would write it, with all defaults.
func (r *Recipe) YAML() ([]byte, error) {
	data, err := marshal(r)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(data)
}

// marshal is json.Marshal that leaves <, > and & readable.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}
