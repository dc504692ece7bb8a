package tokenizers

import "errors"

// byteLevelProcessor is the post-processor of GPT-2. It adds no tokens.
type byteLevelProcessor struct{ trim offsetTrim }

func loadByteLevelProcessor(f *fields) (postProcessor, error) {
	p := &byteLevelProcessor{readTrim(f)}
	return p, f.err
}

func (p *byteLevelProcessor) process(pieces []Encoding, _ bool) []Encoding {
	p.trim.applyAll(pieces)
	return pieces
}

func (p *byteLevelProcessor) added(bool) int { return 0 }

func (p *byteLevelProcessor) specials() []specialPiece { return nil }

// bertProcessor makes [CLS] A [SEP] and [CLS] A [SEP] B [SEP].
type bertProcessor struct{ cls, sep specialPiece }

func loadBertProcessor(f *fields) (postProcessor, error) {
	p := &bertProcessor{readSpecialPiece(f, "cls"), readSpecialPiece(f, "sep")}
	return p, f.err
}

func (p *bertProcessor) process(pieces []Encoding, addSpecial bool) []Encoding {
	if !addSpecial {
		return pieces
	}
	for i := range pieces {
		var before []specialPiece
		if i == 0 {
			before = []specialPiece{p.cls}
		}
		pieces[i] = pieces[i].framed(i, before, []specialPiece{p.sep}, uint32(min(i, 1)))
	}
	return pieces
}

func (p *bertProcessor) added(pair bool) int {
	if pair {
		return 3
	}
	return 2
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

// process leaves the types of windows where it adds nothing, as the reference does.
func (p *robertaProcessor) process(pieces []Encoding, addSpecial bool) []Encoding {
	p.trim.applyAll(pieces)
	for i := range pieces {
		clear(pieces[i].TypeIDs)
		if !addSpecial {
			continue
		}
		for k := range pieces[i].Overflowing {
			clear(pieces[i].Overflowing[k].TypeIDs)
		}
		open := p.cls
		if i > 0 {
			open = p.sep
		}
		pieces[i] = pieces[i].framed(i, []specialPiece{open}, []specialPiece{p.sep}, 0)
	}
	return pieces
}

func (p *robertaProcessor) added(pair bool) int {
	if pair {
		return 4
	}
	return 2
}

func (p *robertaProcessor) specials() []specialPiece { return []specialPiece{p.cls, p.sep} }

// processorSequence runs post-processors one after another. What a template adds does not count as a text for those after it: the reference then
// loses which text is which.
type processorSequence []postProcessor

func loadProcessorSequence(f *fields) (postProcessor, error) {
	parts, err := readParts(f, "processors", func(r *jsonReader) (postProcessor, error) { return loadPart(r, postProcessors) })
	if err == nil && templates(processorSequence(parts)) > 1 {
		err = inField("processors", errors.New("has two parts of type TemplateProcessing, which the reference can't run: at most one is possible"))
	}
	return processorSequence(parts), err
}

// templates counts the templates of a processor.
func templates(p postProcessor) int {
	switch p := p.(type) {
	case *templateProcessor:
		return 1
	case processorSequence:
		n := 0
		for _, part := range p {
			n += templates(part)
		}
		return n
	}
	return 0
}

func (s processorSequence) process(pieces []Encoding, addSpecial bool) []Encoding {
	for _, part := range s {
		pieces = part.process(pieces, addSpecial)
	}
	return pieces
}

func (s processorSequence) added(pair bool) int {
	n := 0
	for _, part := range s {
		n += part.added(pair)
	}
	return n
}

func (s processorSequence) specials() []specialPiece {
	var all []specialPiece
	for _, part := range s {
		all = append(all, part.specials()...)
	}
	return all
}

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
