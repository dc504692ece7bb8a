package tokenizers

import (
	"fmt"
	"slices"
)

// maxOverflowTokens bounds the tokens of all windows of one encoding, which a text and a stride could make quadratic in the length of the text.
const maxOverflowTokens = 1 << 24

// layOut makes one encoding of the tokens of one or two texts: cut, with special tokens, padded.
func (t *Tokenizer) layOut(sequences []Encoding, o EncodeOptions) (Encoding, error) {
	if o.Truncate != nil {
		added := 0
		if o.AddSpecial && t.postProcessor != nil {
			added = t.postProcessor.added(len(sequences) > 1)
		}
		if err := o.Truncate.cut(sequences, added); err != nil {
			return Encoding{}, fmt.Errorf("truncate: %w", err)
		}
	}
	if t.postProcessor != nil {
		sequences = t.postProcessor.process(sequences, o.AddSpecial)
	}
	e, err := joined(sequences)
	if err != nil {
		return Encoding{}, fmt.Errorf("truncate: %w", err)
	}
	e.attend()
	if o.Pad != nil {
		batch := []Encoding{e}
		if err := o.Pad.Apply(batch); err != nil {
			return Encoding{}, err
		}
		e = batch[0]
	}
	return e, nil
}

// joined returns the pieces one after another. Where pieces have windows, every window meets all those of the other pieces: the result is the
// first of each, and Overflowing the other combinations in the order of the reference.
func joined(pieces []Encoding) (Encoding, error) {
	if len(pieces) == 0 {
		return Encoding{}, nil
	}
	n := 0
	for i := range pieces {
		n += len(pieces[i].IDs)
	}
	out := pieces[0]
	out.grow(n - len(out.IDs))
	for i := range pieces[1:] {
		if err := out.join(&pieces[i+1]); err != nil {
			return Encoding{}, err
		}
	}
	out.text, out.words = "", nil
	return out, nil
}

func (e *Encoding) join(next *Encoding) error {
	combinations := (len(e.Overflowing) + 1) * (len(next.Overflowing) + 1)
	if each := len(e.IDs) + len(next.IDs); combinations > 1 && combinations > maxOverflowTokens/max(1, each) {
		return fmt.Errorf("%d windows of about %d tokens are more than %d tokens: cut only one of the texts, or lower Stride", combinations, each, maxOverflowTokens)
	}
	var windows []Encoding
	both := func(a, b *Encoding) {
		var w Encoding
		w.grow(len(a.IDs) + len(b.IDs))
		w.addSequence(a)
		w.addSequence(b)
		windows = append(windows, w)
	}
	for i := range e.Overflowing {
		both(&e.Overflowing[i], next)
		for k := range next.Overflowing {
			both(&e.Overflowing[i], &next.Overflowing[k])
		}
	}
	for k := range next.Overflowing {
		both(e, &next.Overflowing[k])
	}
	e.addSequence(next)
	e.Overflowing = windows
	return nil
}

// framed returns the encoding of text number with special tokens around it, and its windows likewise. As in the reference, the tokens between
// count as the text's.
func (e *Encoding) framed(number int, before, after []specialPiece, typeID uint32) Encoding {
	out := Encoding{text: e.text, words: e.words}
	out.grow(len(e.IDs) + len(before) + len(after))
	for _, p := range before {
		out.addSpecial(p, typeID)
	}
	start := len(out.IDs)
	out.addSequence(e)
	for i := start; i < len(out.IDs); i++ {
		out.SequenceIDs[i], out.SpecialMask[i] = number, false
	}
	for _, p := range after {
		out.addSpecial(p, typeID)
	}
	for i := range e.Overflowing {
		out.Overflowing = append(out.Overflowing, e.Overflowing[i].framed(number, before, after, typeID))
	}
	return out
}

// clone returns a copy that shares nothing that a post-processor changes.
func (e *Encoding) clone() Encoding {
	out := *e
	out.Offsets, out.TypeIDs, out.SequenceIDs = slices.Clone(e.Offsets), slices.Clone(e.TypeIDs), slices.Clone(e.SequenceIDs)
	out.Overflowing = slices.Clone(e.Overflowing)
	for i := range out.Overflowing {
		out.Overflowing[i] = out.Overflowing[i].clone()
	}
	return out
}

// attend marks all tokens as such, before there is padding.
func (e *Encoding) attend() {
	e.AttentionMask = slices.Repeat([]bool{true}, len(e.IDs))
	for i := range e.Overflowing {
		e.Overflowing[i].attend()
	}
}
