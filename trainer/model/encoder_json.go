package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Values of problem_type.
const (
	singleLabel = "single_label_classification"
	regression  = "regression"
)

// labelFields are the fields of config.json that a head has beside those of every encoder.
type labelFields struct {
	ID2Label    map[string]string `json:"id2label,omitempty"`
	Label2ID    map[string]int    `json:"label2id,omitempty"`
	NumLabels   *int              `json:"num_labels,omitempty"` // only read: transformers counts id2label
	ProblemType string            `json:"problem_type,omitempty"`
	Dropout     *float32          `json:"classifier_dropout,omitempty"`
}

var labelFieldNames = []string{"id2label", "label2id", "num_labels", "problem_type"}

// distilFields are the fields of DistilBERT that have other names than those of BERT.
type distilFields struct {
	Architectures     []string `json:"architectures"`
	ModelType         string   `json:"model_type"`
	VocabSize         int      `json:"vocab_size"`
	HiddenSize        int      `json:"dim"`
	Layers            int      `json:"n_layers"`
	Heads             int      `json:"n_heads"`
	IntermediateSize  int      `json:"hidden_dim"`
	HiddenAct         string   `json:"activation"`
	HiddenDropout     float32  `json:"dropout"`
	AttentionDropout  float32  `json:"attention_dropout"`
	MaxPositions      int      `json:"max_position_embeddings"`
	InitializerRange  float64  `json:"initializer_range"`
	PadTokenID        *int     `json:"pad_token_id"`
	TieWordEmbeddings bool     `json:"tie_word_embeddings"`
	ClassifierDropout *float32 `json:"seq_classif_dropout"`
	AnswerDropout     float32  `json:"qa_dropout"`
}

// distil gives the fields of c the names of DistilBERT.
func (c *EncoderConfig) distil() *distilFields {
	return &distilFields{
		Architectures: c.Architectures, ModelType: c.ModelType, VocabSize: c.VocabSize, HiddenSize: c.HiddenSize, Layers: c.Layers, Heads: c.Heads,
		IntermediateSize: c.IntermediateSize, HiddenAct: c.HiddenAct, HiddenDropout: c.HiddenDropout, AttentionDropout: c.AttentionDropout,
		MaxPositions: c.MaxPositions, InitializerRange: c.InitializerRange, PadTokenID: c.PadTokenID, TieWordEmbeddings: c.TieWordEmbeddings,
		ClassifierDropout: c.Dropout, AnswerDropout: c.AnswerDropout,
	}
}

// fromDistil takes the fields of f.
func (c *EncoderConfig) fromDistil(f *distilFields) {
	c.Architectures, c.ModelType, c.VocabSize, c.HiddenSize, c.Layers, c.Heads = f.Architectures, f.ModelType, f.VocabSize, f.HiddenSize, f.Layers, f.Heads
	c.IntermediateSize, c.HiddenAct, c.HiddenDropout, c.AttentionDropout = f.IntermediateSize, f.HiddenAct, f.HiddenDropout, f.AttentionDropout
	c.MaxPositions, c.InitializerRange, c.PadTokenID, c.TieWordEmbeddings = f.MaxPositions, f.InitializerRange, f.PadTokenID, f.TieWordEmbeddings
	c.Dropout, c.AnswerDropout = f.ClassifierDropout, f.AnswerDropout
}

// UnmarshalJSON decodes a config.json over what c holds, whose ModelType says which names fields have. The head is that of architectures, a language model where
// that names none known. Without names, classes are called LABEL_0, LABEL_1, … as in transformers.
func (c *EncoderConfig) UnmarshalJSON(data []byte) (err error) {
	if c.ModelType == "distilbert" {
		fields := c.distil()
		c.Extra, err = readFields(data, fields)
		c.fromDistil(fields)
	} else {
		c.Extra, err = readFields(data, &c.encoderFields)
	}
	if err != nil || c.family() == nil {
		return err
	}
	for h, name := range architectures {
		if Head(h) != Regression && slices.Contains(c.Architectures, c.family().class+name) {
			c.Head = Head(h)
		}
	}
	c.Architectures = nil
	if c.Head == LanguageModel || c.Head == MultipleChoice || c.Head == SentenceEmbedding {
		return nil
	}
	return c.readLabels(data)
}

// readLabels takes the fields of the head.
func (c *EncoderConfig) readLabels(data []byte) error {
	var f labelFields
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	for _, name := range labelFieldNames {
		delete(c.Extra, name)
	}
	if c.ModelType != "distilbert" {
		c.Dropout = f.Dropout
		delete(c.Extra, "classifier_dropout")
	}
	labels, err := f.labels()
	if err != nil {
		return err
	}
	n, number := len(labels), f.ProblemType == regression || f.ProblemType == "" && len(labels) == 1
	switch {
	case c.Head == SequenceClassification && f.ProblemType != "" && f.ProblemType != singleLabel && f.ProblemType != regression:
		return fmt.Errorf("problem_type is %q, want %s or %s", f.ProblemType, singleLabel, regression)
	case c.Head == SequenceClassification && number && n != 1:
		return fmt.Errorf("problem_type is %q, but there are %d labels: want num_labels 1", f.ProblemType, n)
	case c.Head == SequenceClassification && number:
		c.Head = Regression
	case c.Head == QuestionAnswering && n != 2:
		return fmt.Errorf("num_labels is %d, want 2: answers have a start and an end", n)
	case c.Head.named():
		c.Labels = labels
	}
	return nil
}

// labels puts the names in order, and holds the three fields against each other.
func (f *labelFields) labels() ([]string, error) {
	n := len(f.ID2Label)
	switch {
	case f.NumLabels != nil && n > 0 && *f.NumLabels != n:
		return nil, fmt.Errorf("num_labels is %d, but id2label has %d entries", *f.NumLabels, n)
	case f.NumLabels != nil:
		n = *f.NumLabels
	case n == 0:
		n = 2
	}
	if n < 0 || n > maxClasses {
		return nil, fmt.Errorf("num_labels is %d, want 2 to %d", n, maxClasses)
	}
	labels := make([]string, n)
	for i := range labels {
		name, ok := f.ID2Label[strconv.Itoa(i)]
		if !ok && len(f.ID2Label) > 0 {
			return nil, fmt.Errorf("id2label has %d entries, but none for %d", n, i)
		} else if !ok {
			name = "LABEL_" + strconv.Itoa(i)
		}
		if id, ok := f.Label2ID[name]; len(f.ID2Label) > 0 && len(f.Label2ID) > 0 && (!ok || id != i) {
			return nil, fmt.Errorf("id2label calls class %d %q, but label2id does not", i, name)
		}
		labels[i] = name
	}
	return labels, nil
}

// MarshalJSON encodes all fields, Extra included.
func (c *EncoderConfig) MarshalJSON() ([]byte, error) { return c.JSON() }

// JSON is the content of config.json.
func (c *EncoderConfig) JSON() ([]byte, error) {
	f := labelFields{}
	switch c.Head {
	case SequenceClassification:
		f.ProblemType = singleLabel
	case Regression:
		f.ProblemType, f.ID2Label, f.Label2ID = regression, map[string]string{"0": "LABEL_0"}, map[string]int{"LABEL_0": 0}
	}
	if c.Head.named() {
		f.ID2Label, f.Label2ID = map[string]string{}, map[string]int{}
		for i, name := range c.Labels {
			f.ID2Label[strconv.Itoa(i)], f.Label2ID[name] = name, i
		}
	}
	if c.ModelType != "distilbert" {
		f.Dropout = c.Dropout
	}
	encoded, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	extra := maps.Clone(c.Extra)
	if err := json.Unmarshal(encoded, &extra); err != nil {
		return nil, err
	}
	written := *c
	if f := c.family(); f != nil && c.Head < heads {
		written.Architectures = []string{f.class + architectures[c.Head]}
	}
	if c.ModelType == "distilbert" {
		return writeFields(written.distil(), extra)
	}
	return writeFields(&written.encoderFields, extra)
}
