package tokenizers

import (
	"errors"
	"fmt"
	"slices"
)

const maxTemplatePieces = 1024 // in one template, ids of its special tokens included

// templateProcessor lays out sequences and special tokens as a template says.
type templateProcessor struct{ single, pair []templatePiece }

// templatePiece is a special token or, where special is nil, a sequence.
type templatePiece struct {
	special  *specialPiece
	sequence int // 0 for A, 1 for B
	typeID   uint32
}

func loadTemplate(f *fields) (postProcessor, error) {
	specials := map[string]*specialPiece{}
	f.get("special_tokens", true, func(r *jsonReader) error {
		return r.object(func(key string) error {
			if specials[key] != nil {
				return errors.New("given twice")
			}
			piece, err := readTemplateSpecial(r)
			specials[key] = piece
			return err
		})
	})
	t := &templateProcessor{}
	f.get("single", true, func(r *jsonReader) (err error) { t.single, err = readTemplate(r, specials, 1); return err })
	f.get("pair", true, func(r *jsonReader) (err error) { t.pair, err = readTemplate(r, specials, 2); return err })
	return t, f.err
}

func readTemplateSpecial(r *jsonReader) (*specialPiece, error) {
	raw, err := r.raw()
	if err != nil {
		return nil, err
	}
	f, err := newFields(raw)
	if err != nil {
		return nil, err
	}
	p := &specialPiece{}
	f.get("ids", true, func(r *jsonReader) error {
		return r.array(func(int) error {
			id, err := r.count(maxID)
			p.ids = append(p.ids, id)
			return err
		})
	})
	f.get("tokens", true, func(r *jsonReader) error {
		return r.array(func(int) error {
			token, err := r.str()
			p.tokens = append(p.tokens, token)
			return err
		})
	})
	if f.err == nil && len(p.ids) != len(p.tokens) {
		f.err = fmt.Errorf("has %d ids and %d tokens", len(p.ids), len(p.tokens))
	}
	if f.err == nil && len(p.ids) > maxTemplatePieces {
		f.err = fmt.Errorf("has %d ids: at most %d are allowed", len(p.ids), maxTemplatePieces)
	}
	return p, f.err
}

// readTemplate reads [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, …].
func readTemplate(r *jsonReader, specials map[string]*specialPiece, sequences int) ([]templatePiece, error) {
	var pieces []templatePiece
	size := 0
	err := r.array(func(int) error {
		kinds := 0
		err := r.object(func(kind string) error {
			if kinds++; kinds > 1 {
				return errors.New("a piece is one SpecialToken or one Sequence")
			}
			raw, err := r.raw()
			if err != nil {
				return err
			}
			f, err := newFields(raw)
			if err != nil {
				return err
			}
			p := templatePiece{typeID: f.count("type_id", true, 1<<32-1)}
			id := f.str("id", true)
			switch {
			case f.err != nil:
				return f.err
			case kind == "SpecialToken":
				if p.special = specials[id]; p.special == nil {
					return inField("id", fmt.Errorf("%q is not in special_tokens", id))
				}
				size += len(p.special.ids)
			case kind == "Sequence" && (id == "A" || id == "B"):
				if p.sequence = int(id[0] - 'A'); p.sequence >= sequences {
					return inField("id", fmt.Errorf("sequence %s is not in a template for %d", id, sequences))
				}
			default:
				return errors.New("expected SpecialToken, or Sequence A or B")
			}
			if size++; size > maxTemplatePieces {
				return fmt.Errorf("more than %d pieces", maxTemplatePieces)
			}
			pieces = append(pieces, p)
			return nil
		})
		if err == nil && kinds == 0 {
			err = errors.New("expected SpecialToken, or Sequence A or B")
		}
		return err
	})
	return pieces, err
}

// process gives windows the special tokens too, but not the types of the template, as the reference does.
func (t *templateProcessor) process(sequences []Encoding, addSpecial bool) []Encoding {
	var pieces []Encoding
	for _, p := range t.layout(len(sequences) > 1) {
		if p.special == nil {
			s := sequences[p.sequence].clone()
			for i := range s.TypeIDs {
				s.TypeIDs[i], s.SequenceIDs[i] = p.typeID, p.sequence
			}
			pieces = append(pieces, s)
		} else if addSpecial {
			var piece Encoding
			piece.addSpecial(*p.special, p.typeID)
			pieces = append(pieces, piece)
		}
	}
	return pieces
}

func (t *templateProcessor) layout(pair bool) []templatePiece {
	if pair {
		return t.pair
	}
	return t.single
}

func (t *templateProcessor) added(pair bool) int {
	n := 0
	for _, p := range t.layout(pair) {
		if p.special != nil {
			n += len(p.special.ids)
		}
	}
	return n
}

func (t *templateProcessor) specials() []specialPiece {
	var all []specialPiece
	for _, p := range slices.Concat(t.single, t.pair) {
		if p.special != nil {
			all = append(all, *p.special)
		}
	}
	return all
}
