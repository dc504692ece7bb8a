package tokenizers

// Explain says in one line how an [Encoder] of this tokenizer works: with the plan that does in one pass what the parts do, or part by part, which
// gives the same ids and takes many times as long.
func (t *Tokenizer) Explain() string {
	switch p := t.plan.(type) {
	case nil:
		return "part by part: there is no plan for these parts together"
	case *byteBPE:
		if p.cutter == nil {
			return "byte-level BPE in one pass, each text one word"
		}
		return "byte-level BPE in one pass, words from bytes to ids"
	case *bertPlan:
		return "BERT in one pass, words from bytes to ids"
	case *metaspacePlan:
		if p.wholeText {
			return t.model.name() + " in one pass, each text one piece"
		}
		return t.model.name() + " behind Metaspace in one pass, pieces from raw bytes to ids"
	case *spacedBPE:
		return "BPE of texts whose spaces are shown, in one pass, pieces from bytes to ids"
	default:
		return t.model.name() + " in one pass"
	}
}
