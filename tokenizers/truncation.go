package tokenizers

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// TruncationStrategy says which of two texts is cut.
type TruncationStrategy uint8

const (
	LongestFirst TruncationStrategy = iota // both to half the room, or the longer one alone where the shorter one fits
	OnlyFirst                              // the first text
	OnlySecond                             // the second text, such as the context of a question
)

// truncationStrategies are the names in a tokenizer.json.
var truncationStrategies = []string{"LongestFirst", "OnlyFirst", "OnlySecond"}

// String returns the name of the strategy in a tokenizer.json.
func (s TruncationStrategy) String() string {
	if int(s) < len(truncationStrategies) {
		return truncationStrategies[s]
	}
	return "TruncationStrategy(" + strconv.Itoa(int(s)) + ")"
}

// Truncation says how an encoding that is too long is cut. It gives what Hugging Face tokenizers gives with the same settings. Where these leave no
// room, since the special tokens alone are too many or a stride takes all of a window, Encode returns an error; the reference then does not cut, or
// ends the process.
type Truncation struct {
	MaxTokens int                // of the encoding, special tokens of the post-processor included
	Strategy  TruncationStrategy // for pairs; OnlySecond is an error for a single text that is too long
	Stride    int                // tokens that a window repeats of the window before it
	Left      bool               // cut the beginning instead of the end; windows then go from the end to the beginning
	Overflow  bool               // keep what is cut off: Encoding.Overflowing
}

// Truncation returns the settings of the file for EncodeOptions, nil where it has none. Encode applies them only where it is given them.
func (t *Tokenizer) Truncation() *Truncation {
	if t.truncation == nil {
		return nil
	}
	settings := *t.truncation
	return &settings
}

// readTruncation reads {"direction": "Right", "max_length": 512, "strategy": "LongestFirst", "stride": 0}.
func readTruncation(r *jsonReader) (*Truncation, error) {
	f, err := newFields(r.data)
	if err != nil {
		return nil, err
	}
	t := &Truncation{MaxTokens: f.length("max_length", true), Stride: f.length("stride", true), Left: f.left("direction", false), Overflow: true}
	f.get("strategy", true, func(r *jsonReader) error {
		name, err := r.str()
		i := slices.Index(truncationStrategies, name)
		if err == nil && i < 0 {
			err = fmt.Errorf("%s is not known: %v are", shortened(name), truncationStrategies)
		}
		t.Strategy = TruncationStrategy(max(i, 0))
		return err
	})
	return t, f.err
}

// length reads a number of tokens. One that no encoding reaches counts as the highest that one could.
func (f *fields) length(name string, required bool) (n int) {
	f.get(name, required, func(r *jsonReader) error {
		s, err := r.number()
		if err != nil {
			return err
		}
		u, err := strconv.ParseUint(string(s), 10, 64)
		if err != nil {
			return fmt.Errorf("%s is not a whole number of tokens", s)
		}
		n = int(min(u, math.MaxInt32))
		return nil
	})
	return n
}

// left reads a direction.
func (f *fields) left(name string, required bool) (left bool) {
	f.get(name, required, func(r *jsonReader) error {
		direction, err := r.str()
		if err == nil && direction != "Left" && direction != "Right" {
			err = fmt.Errorf("%s is not known: Left and Right are", shortened(direction))
		}
		left = direction == "Left"
		return err
	})
	return left
}

// cut cuts the sequences so that, with added special tokens, they have at most MaxTokens.
func (t *Truncation) cut(sequences []Encoding, added int) error {
	room := t.MaxTokens - added
	switch {
	case t.MaxTokens < 0:
		return fmt.Errorf("MaxTokens is %d: want 0 or more", t.MaxTokens)
	case t.Stride < 0:
		return fmt.Errorf("Stride is %d: want 0 or more", t.Stride)
	case t.Strategy > OnlySecond:
		return fmt.Errorf("%v is not known: %v are", t.Strategy, truncationStrategies)
	case room < 0:
		return fmt.Errorf("MaxTokens is %d, less than the %d special tokens that are added: want more", t.MaxTokens, added)
	}
	total := 0
	for i := range sequences {
		total += len(sequences[i].IDs)
	}
	switch excess := total - room; {
	case room == 0:
		return t.cutEach(sequences, make([]int, len(sequences)))
	case excess <= 0:
		return nil
	case t.Strategy == LongestFirst:
		return t.cutEach(sequences, shares(sequences, room))
	default:
		target := int(t.Strategy - OnlyFirst)
		if target >= len(sequences) {
			return errors.New("OnlySecond cuts the second of two texts, and there is only one: use another Strategy")
		}
		left := len(sequences[target].IDs) - excess
		if left <= 0 {
			return fmt.Errorf("%v would cut the whole text and %d tokens more: raise MaxTokens, or use LongestFirst", t.Strategy, -left)
		}
		return t.cutOne(&sequences[target], left)
	}
}

func (t *Truncation) cutEach(sequences []Encoding, lengths []int) error {
	for i := range sequences {
		if err := t.cutOne(&sequences[i], lengths[i]); err != nil {
			return err
		}
	}
	return nil
}

// shares divides the room between one or two sequences that are too long together.
func shares(sequences []Encoding, room int) []int {
	if len(sequences) == 1 {
		return []int{room}
	}
	first, second := len(sequences[0].IDs), len(sequences[1].IDs)
	shorter := min(first, second)
	if shorter > room/2 {
		shorter = room / 2 // and the longer one gets the odd token
	}
	if first > second {
		return []int{room - shorter, shorter}
	}
	return []int{shorter, room - shorter}
}

// cutOne makes the first window of length tokens of e, and the others its Overflowing.
func (t *Truncation) cutOne(e *Encoding, length int) error {
	n := len(e.IDs)
	if length >= n {
		return nil
	}
	if length == 0 {
		rest := *e
		if *e = (Encoding{text: e.text, words: e.words}); t.Overflow {
			e.Overflowing = []Encoding{rest}
		}
		return nil
	}
	step := length - t.Stride
	if t.Overflow && step <= 0 {
		return fmt.Errorf("a Stride of %d leaves nothing new in windows of %d tokens: lower Stride, or raise MaxTokens", t.Stride, length)
	}
	window := func(begin int) Encoding {
		end := min(begin+length, n)
		if t.Left {
			begin, end = n-end, n-begin
		}
		return e.window(begin, end)
	}
	first := window(0)
	if t.Overflow {
		count := (n-length+step-1)/step + 1
		if count > maxOverflowTokens/length {
			return fmt.Errorf("%d windows of %d tokens are more than %d tokens: lower Stride", count, length, maxOverflowTokens)
		}
		for i := range count - 1 {
			first.Overflowing = append(first.Overflowing, window((i+1)*step))
		}
	}
	*e = first
	return nil
}

// window returns a copy of tokens begin to end.
func (e *Encoding) window(begin, end int) Encoding {
	return Encoding{
		IDs:         slices.Clone(e.IDs[begin:end]),
		Tokens:      slices.Clone(e.Tokens[begin:end]),
		Offsets:     slices.Clone(e.Offsets[begin:end]),
		TypeIDs:     slices.Clone(e.TypeIDs[begin:end]),
		WordIDs:     slices.Clone(e.WordIDs[begin:end]),
		SequenceIDs: slices.Clone(e.SequenceIDs[begin:end]),
		SpecialMask: slices.Clone(e.SpecialMask[begin:end]),
		text:        e.text,
		words:       e.words,
	}
}
