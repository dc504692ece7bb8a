package tokenizers

import (
	"errors"
	"fmt"
	"slices"
)

// maxPadTokens bounds the length that an encoding is padded to, since a tokenizer.json may ask for any.
const maxPadTokens = 1 << 22

// Padding says how encodings get one length. It gives what Hugging Face tokenizers gives with the same settings.
type Padding struct {
	Tokens     int    // the length of every encoding that is not longer; 0 means that of the longest of the batch
	MultipleOf int    // round that length up to a multiple of this; 0 means as it is
	Left       bool   // pad at the beginning, as generation wants it
	ID         uint32 // of the padding token
	TypeID     uint32
	Token      string
}

// Padding returns the settings of the file for EncodeOptions, nil where it has none. Encode applies them only where it is given them.
func (t *Tokenizer) Padding() *Padding {
	if t.padding == nil {
		return nil
	}
	settings := *t.padding
	return &settings
}

// readPadding reads {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
// where strategy may be {"Fixed": 128}. A fixed length of 0 pads nothing, which is no padding.
func readPadding(r *jsonReader) (*Padding, error) {
	f, err := newFields(r.data)
	if err != nil {
		return nil, err
	}
	p := &Padding{
		Left:       f.left("direction", true),
		MultipleOf: f.length("pad_to_multiple_of", false),
		ID:         f.count("pad_id", true, 1<<32-1),
		TypeID:     f.count("pad_type_id", true, 1<<32-1),
		Token:      f.str("pad_token", true),
	}
	fixed := false
	f.get("strategy", true, func(r *jsonReader) error {
		if r.next() == '"' {
			name, err := r.str()
			if err == nil && name != "BatchLongest" {
				err = fmt.Errorf(`%s is not known: "BatchLongest" and {"Fixed": N} are`, shortened(name))
			}
			return err
		}
		s, err := newFields(r.data)
		if err != nil {
			return err
		}
		fixed = true
		p.Tokens = s.length("Fixed", true)
		return s.err
	})
	if fixed && p.Tokens == 0 {
		p = nil
	}
	return p, f.err
}

// Apply pads the encodings of a batch, and their windows, in place. AttentionMask is false and SpecialMask true for what it adds, and offsets are
// 0, 0. An encoding that is longer stays as it is.
func (p *Padding) Apply(batch []Encoding) error {
	if p.Tokens < 0 || p.MultipleOf < 0 {
		return fmt.Errorf("pad to %d tokens, a multiple of %d: want 0 or more of both", p.Tokens, p.MultipleOf)
	}
	length := p.Tokens
	if length == 0 {
		for i := range batch {
			length = max(length, len(batch[i].IDs))
		}
	}
	if p.MultipleOf > 0 && length%p.MultipleOf > 0 {
		length += p.MultipleOf - length%p.MultipleOf
	}
	for i := range batch {
		if batch[i].shortest() >= length {
			continue
		}
		if length > maxPadTokens {
			return fmt.Errorf("pad to %d tokens: at most %d are allowed: lower Tokens or MultipleOf", length, maxPadTokens)
		}
		if windows := 1 + len(batch[i].Overflowing); windows > maxOverflowTokens/length {
			return fmt.Errorf("pad %d windows to %d tokens: more than %d tokens together: lower Tokens or MultipleOf, or raise MaxTokens", windows, length, maxOverflowTokens)
		}
	}
	for i := range batch {
		if len(batch[i].IDs) != len(batch[i].AttentionMask) {
			return errors.New("pad an encoding without an attention mask: want what Encode returned")
		}
		p.pad(&batch[i], length)
	}
	return nil
}

// shortest returns the fewest tokens of the encoding and its windows.
func (e *Encoding) shortest() int {
	n := len(e.IDs)
	for i := range e.Overflowing {
		n = min(n, e.Overflowing[i].shortest())
	}
	return n
}

func (p *Padding) pad(e *Encoding, length int) {
	for i := range e.Overflowing {
		p.pad(&e.Overflowing[i], length)
	}
	n := length - len(e.IDs)
	if n <= 0 {
		return
	}
	e.IDs = padded(e.IDs, p.ID, n, p.Left)
	e.Tokens = padded(e.Tokens, p.Token, n, p.Left)
	e.Offsets = padded(e.Offsets, [2]int{}, n, p.Left)
	e.TypeIDs = padded(e.TypeIDs, p.TypeID, n, p.Left)
	e.WordIDs = padded(e.WordIDs, -1, n, p.Left)
	e.SequenceIDs = padded(e.SequenceIDs, -1, n, p.Left)
	e.SpecialMask = padded(e.SpecialMask, true, n, p.Left)
	e.AttentionMask = padded(e.AttentionMask, false, n, p.Left)
}

// padded returns s with n copies of value on one side.
func padded[E any](s []E, value E, n int, left bool) []E {
	padding := slices.Repeat([]E{value}, n)
	if left {
		return append(padding, s...)
	}
	return append(s, padding...)
}
