package tasks

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Tagged is a sentence in words, with a tag for each.
type Tagged struct {
	Words []string
	Tags  []string // nil if no tags were asked for
	Line  int      // where it begins in the file, from 1
}

// Columns says where word and tag stand in a line of a file of columns, counted from 1. 0 stands for what is usual in a format: word and tag are the first and the
// last column in .conll and .txt, the second and the fourth in .conllu (the universal part of speech), the second and the third in .iob2.
type Columns struct {
	Word, Tag int
	NoTags    bool // the file is to predict
}

// maxWords bounds a sentence: a file without empty lines would be one.
const maxWords = 1 << 16

// columnFormat is what the suffix of a file of columns says.
type columnFormat struct {
	word, tag int  // 0: the last
	numbered  bool // CoNLL-U: comments, tabs, and numbers before words, of which those of ranges and empty nodes (1-2, 1.1) are passed over
}

var columnFormats = map[string]columnFormat{
	".conll":  {word: 1},
	".txt":    {word: 1},
	".conllu": {word: 2, tag: 4, numbered: true},
	".iob2":   {word: 2, tag: 3, numbered: true},
}

// ReadTagged reads sentences with a word on each line and an empty line behind each, such as those of CoNLL's shared tasks. Columns stand between tabs, or else between
// spaces. Lines that begin with -DOCSTART- are passed over. There is at least one sentence.
func ReadTagged(path string, c Columns) (sentences []Tagged, err error) {
	file, err := openSet(path)
	if err != nil {
		return nil, fmt.Errorf("read tagged sentences: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sentences, err = readTagged(file, path, c)
	if err != nil {
		return nil, fmt.Errorf("read tagged sentences: %w", err)
	}
	return sentences, nil
}

func readTagged(r io.Reader, name string, c Columns) ([]Tagged, error) {
	format, ok := columnFormats[suffix(name)]
	if !ok {
		return nil, fmt.Errorf("%s ends in %q, want .conll, .txt, .conllu or .iob2", name, suffix(name))
	}
	if c.Word < 0 || c.Tag < 0 || c.Word > maxFields || c.Tag > maxFields {
		return nil, fmt.Errorf("columns %d and %d: they are counted from 1, to at most %d", c.Word, c.Tag, maxFields)
	}
	if c.Word > 0 {
		format.word = c.Word
	}
	if c.Tag > 0 {
		format.tag = c.Tag
	}
	in := bufio.NewReaderSize(r, 64<<10)
	if err := skipMark(in); err != nil {
		return nil, err
	}
	var all []Tagged
	var s Tagged
	for line, err := range lines(in, name) {
		if err != nil {
			return nil, err
		}
		word, tag, err := format.parse(string(line.bytes), len(s.Words) == 0, c.NoTags)
		if err != nil {
			return nil, atLine(err, name, line.number)
		}
		switch {
		case word != "":
			if len(s.Words) == 0 {
				s.Line = line.number
			}
			if len(s.Words) == maxWords {
				return nil, &Error{File: name, Line: line.number, Err: fmt.Errorf("the sentence that begins on line %d has more than %d words: is an empty line missing?", s.Line, maxWords)}
			}
			if s.Words = append(s.Words, word); !c.NoTags {
				s.Tags = append(s.Tags, tag)
			}
		case tag == endOfSentence && len(s.Words) > 0:
			if all = append(all, s); len(all) > maxExamples {
				return nil, fmt.Errorf("%s has more than %d sentences", name, maxExamples)
			}
			s = Tagged{}
		}
	}
	if len(s.Words) > 0 {
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no sentence", name)
	}
	return all, nil
}

// endOfSentence is what parse returns as the tag of no word for an empty line.
const endOfSentence = "\n"

// parse takes word and tag out of a line. Without a word it is one to pass over, or the end of a sentence.
func (f *columnFormat) parse(line string, first, noTags bool) (word, tag string, err error) {
	switch {
	case !utf8.ValidString(line):
		return "", "", errors.New("it is not UTF-8")
	case strings.TrimSpace(line) == "":
		return "", endOfSentence, nil
	case strings.HasPrefix(line, "-DOCSTART-"):
		return "", "", nil
	case f.numbered && first && strings.HasPrefix(line, "#") && !strings.Contains(line, "\t"):
		return "", "", nil
	}
	columns := strings.Split(line, "\t")
	if len(columns) == 1 {
		columns = strings.Fields(line)
	}
	if f.numbered && strings.ContainsAny(columns[0], ".-") {
		return "", "", nil
	}
	at := f.tag
	if at == 0 {
		at = len(columns)
	}
	if at == f.word && !noTags {
		return "", "", fmt.Errorf("it has %d columns: there is none for the tag", len(columns))
	}
	if f.word > len(columns) || !noTags && at > len(columns) {
		return "", "", fmt.Errorf("it has %d columns, the word is looked for in column %d and the tag in %d", len(columns), f.word, at)
	}
	if word = columns[f.word-1]; word == "" {
		return "", "", &Error{Field: fmt.Sprint(f.word), Err: errors.New("the word is empty")}
	}
	if noTags {
		return word, "", nil
	}
	if tag = strings.TrimSpace(columns[at-1]); tag == "" {
		return "", "", &Error{Field: fmt.Sprint(at), Err: errors.New("the tag is empty")}
	}
	return word, tag, nil
}

// FindTags gathers the tags of the sets, as [FindLabels] does for labels.
func FindTags(sets ...[]Tagged) (*Labels, error) {
	seen := map[string]bool{}
	for _, set := range sets {
		for _, s := range set {
			for _, tag := range s.Tags {
				if seen[tag] = true; len(seen) > maxClasses {
					return nil, fmt.Errorf("find tags: there are more than %d: is it the right column?", maxClasses)
				}
			}
		}
	}
	return sortLabels(seen)
}

// WordTargets are the ids of the tags of a sentence that was read from file. One that is none of the labels is an error that names the word and the line on which its sentence begins.
func (l *Labels) WordTargets(file string, s Tagged) ([]int32, error) {
	ids := make([]int32, len(s.Tags))
	for i, tag := range s.Tags {
		id, ok := l.ID(tag)
		if !ok {
			return nil, &Error{File: file, Line: s.Line, Field: s.Words[i], Err: fmt.Errorf("the tag %q is none of those of the model: %s", tag, l.short())}
		}
		ids[i] = id
	}
	return ids, nil
}
