package loader

import (
	"math"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Objective: MLM, SequenceTokens: 16, BatchSequences: 4, Template: testTemplate}
	for want, change := range map[string]func(*Options){
		"Split":                        func(o *Options) { o.Split = "test" },
		"Objective":                    func(o *Options) { o.Objective = "clm" },
		"Template is missing":          func(o *Options) { o.Template = nil },
		"Template.CLS is 500":          func(o *Options) { o.Template = &Template{500, 2, 3} },
		"Template.SEP is 4294967295":   func(o *Options) { o.Template = &Template{1, math.MaxUint32, 3} },
		"Template.Mask is 900":         func(o *Options) { o.Template = &Template{1, 2, 900} },
		"at least 3":                   func(o *Options) { o.SequenceTokens = 2 },
		"at least 1":                   func(o *Options) { o.Objective, o.SequenceTokens = Causal, -5 },
		"BatchSequences":               func(o *Options) { o.BatchSequences = 0 },
		"at most 2147483647 tokens":    func(o *Options) { o.SequenceTokens, o.BatchSequences = 1<<20, 1<<20 },
		"World is 3":                   func(o *Options) { o.World = 3 },
		"World is -1":                  func(o *Options) { o.World = -1 },
		"Rank is 2":                    func(o *Options) { o.World, o.Rank = 2, 2 },
		"mask rate":                    func(o *Options) { o.MaskRatePPM = 2_000_000 },
		"SequenceTokens is 900, but":   func(o *Options) { o.SequenceTokens = 900 },
		"the dataset has 700 held-out": func(o *Options) { o.SequenceTokens, o.Split = 900, HeldOut },
	} {
		o := good
		change(&o)
		s := newMemory(700)
		if _, err := newLoader(s, nil, testIdentity(s), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	for split, want := range map[string]string{Train: "no train tokens", HeldOut: "no held-out tokens", All: "no tokens"} {
		o, s := good, newMemory(0)
		o.Split = split
		if _, err := newLoader(s, nil, testIdentity(s), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestFindTemplate(t *testing.T) {
	bert := []schemas.SpecialToken{{ID: 0, Content: "[PAD]"}, {ID: 101, Content: "[CLS]"}, {ID: 102, Content: "[SEP]"}, {ID: 103, Content: "[MASK]"}}
	if got, err := FindTemplate(bert); err != nil || *got != (Template{101, 102, 103}) {
		t.Errorf("BERT: %v, %v", got, err)
	}
	roberta := []schemas.SpecialToken{{ID: 0, Content: "<s>"}, {ID: 2, Content: "</s>"}, {ID: 9, Content: "<mask>"}}
	if got, err := FindTemplate(roberta); err != nil || *got != (Template{0, 2, 9}) {
		t.Errorf("RoBERTa: %v, %v", got, err)
	}
	if _, err := FindTemplate(bert[:3]); err == nil || !strings.Contains(err.Error(), "no special token [MASK] or <mask>") {
		t.Errorf("without [MASK]: %v", err)
	}
}
