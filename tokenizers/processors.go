package tokenizers

import "errors"

// byteLevelProcessor is the post-processor of GPT-2. It adds no tokens.
type byteLevelProcessor struct{ trim offsetTrim }

func loadByteLevelProcessor(f *fields) (postProcessor, error) {
	p := &byteLevelProcessor{readTrim(f)}
	return p, f.err
}

func (p *byteLevelProcessor) process(sequences []Encoding, _ bool) Encoding {
	for i := range sequences {
		p.trim.apply(&sequences[i])
	}
	return joined(sequences)
}

func (p *byteLevelProcessor) specials() []specialPiece { return nil }

// bertProcessor makes [CLS] A [SEP] and [CLS] A [SEP] B [SEP].
type bertProcessor struct{ cls, sep specialPiece }

func loadBertProcessor(f *fields) (postProcessor, error) {
	p := &bertProcessor{readSpecialPiece(f, "cls"), readSpecialPiece(f, "sep")}
	return p, f.err
}

func (p *bertProcessor) process(sequences []Encoding, addSpecial bool) Encoding {
	if !addSpecial {
		return joined(sequences)
	}
	var out Encoding
	out.addSpecial(p.cls, 0)
	for i := range sequences {
		out.addSequence(&sequences[i])
		out.addSpecial(p.sep, uint32(i))
	}
	return out
}

func (p *bertProcessor) specials() []specialPiece { return []specialPiece{p.cls, p.sep} }

// robertaProcessor makes <s> A </s> and <s> A </s></s> B </s>, all of type 0.
type robertaProcessor struct {
	cls, sep specialPiece
	trim     offsetTrim
}

func loadRobertaProcessor(f *fields) (postProcessor, error) {
	p := &robertaProcessor{readSpecialPiece(f, "cls"), readSpecialPiece(f, "sep"), readTrim(f)}
	return p, f.err
}

func (p *robertaProcessor) process(sequences []Encoding, addSpecial bool) Encoding {
	for i := range sequences {
		p.trim.apply(&sequences[i])
		clear(sequences[i].TypeIDs)
	}
	if !addSpecial {
		return joined(sequences)
	}
	var out Encoding
	for i := range sequences {
		open := p.cls
		if i > 0 {
			open = p.sep
		}
		out.addSpecial(open, 0)
		out.addSequence(&sequences[i])
		out.addSpecial(p.sep, 0)
	}
	return out
}

func (p *robertaProcessor) specials() []specialPiece { return []specialPiece{p.cls, p.sep} }

// specialPiece is what a special token of a post-processor becomes: one token in most files.
type specialPiece struct {
	ids    []uint32
	tokens []string
}

// readSpecialPiece reads ["[CLS]", 101].
func readSpecialPiece(f *fields, name string) (p specialPiece) {
	f.get(name, true, func(r *jsonReader) error {
		err := r.array(func(i int) error {
			switch i {
			case 0:
				token, err := r.str()
				p.tokens = append(p.tokens, token)
				return err
			case 1:
				id, err := r.count(maxID)
				p.ids = append(p.ids, id)
				return err
			}
			return errors.New("expected a token and its id")
		})
		if err == nil && len(p.ids) != 1 {
			err = errors.New("expected a token and its id")
		}
		return err
	})
	return p
}
