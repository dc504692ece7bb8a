package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/shardmill/shardmill/trainer/fused"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

const (
	classifierArchitecture = "BertForSequenceClassification"
	singleLabel            = "single_label_classification"
	maxClasses             = 1 << 12
)

// BERTClassifierConfig is the configuration of BertForSequenceClassification: the encoder of BERT, a pooler (a dense layer with tanh over the
// first token of each sequence), dropout, and a linear classifier. Each sequence, which may be a pair of texts, has one class.
type BERTClassifierConfig struct {
	BERTConfig
	Labels  []string // name of each class, by id
	Dropout *float32 // before the classifier; nil means that of hidden states
}

// NewBERTClassifier describes a classifier over an encoder like that of from, with a class for each of labels.
func NewBERTClassifier(from *BERTConfig, labels []string) *BERTClassifierConfig {
	c := &BERTClassifierConfig{BERTConfig: *from, Labels: slices.Clone(labels)}
	c.Architectures, c.Extra = []string{classifierArchitecture}, maps.Clone(from.Extra)
	return c
}

// labelFields are the fields of config.json that a classifier has beside those of every BERT.
type labelFields struct {
	ID2Label    map[string]string `json:"id2label,omitempty"`
	Label2ID    map[string]int    `json:"label2id,omitempty"`
	NumLabels   *int              `json:"num_labels,omitempty"` // only read: transformers counts id2label
	ProblemType string            `json:"problem_type,omitempty"`
	Dropout     *float32          `json:"classifier_dropout,omitempty"`
}

// UnmarshalJSON decodes a config.json over what c holds. Without names, classes are called LABEL_0, LABEL_1, … as in transformers.
func (c *BERTClassifierConfig) UnmarshalJSON(data []byte) error {
	if err := c.BERTConfig.UnmarshalJSON(data); err != nil {
		return err
	}
	var f labelFields
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	for _, name := range []string{"id2label", "label2id", "num_labels", "problem_type", "classifier_dropout"} {
		delete(c.Extra, name)
	}
	if f.ProblemType != "" && f.ProblemType != singleLabel {
		return fmt.Errorf("problem_type is %q, want %s", f.ProblemType, singleLabel)
	}
	c.Dropout = f.Dropout
	labels, err := f.labels()
	c.Labels = labels
	return err
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
func (c *BERTClassifierConfig) MarshalJSON() ([]byte, error) { return c.JSON() }

// JSON is the content of config.json.
func (c *BERTClassifierConfig) JSON() ([]byte, error) {
	f := labelFields{ID2Label: map[string]string{}, Label2ID: map[string]int{}, ProblemType: singleLabel, Dropout: c.Dropout}
	for i, name := range c.Labels {
		f.ID2Label[strconv.Itoa(i)], f.Label2ID[name] = name, i
	}
	encoded, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	extra := maps.Clone(c.Extra)
	if err := json.Unmarshal(encoded, &extra); err != nil {
		return nil, err
	}
	return writeFields(&c.bertFields, extra)
}

// Limits says which inputs the model takes.
func (c *BERTClassifierConfig) Limits() Limits {
	l := c.BERTConfig.Limits()
	l.Classes = len(c.Labels)
	return l
}

// Validate returns an error that names a field whose value can't be run.
func (c *BERTClassifierConfig) Validate() error {
	if n := len(c.Labels); n < 2 || n > maxClasses {
		return fmt.Errorf("num_labels is %d, want 2 to %d", n, maxClasses)
	}
	if sorted := slices.Sorted(slices.Values(c.Labels)); len(slices.Compact(sorted)) != len(c.Labels) {
		return errors.New("id2label gives two classes the same name")
	}
	if c.Dropout != nil {
		if err := check([]rule{rate("classifier_dropout", *c.Dropout)}); err != nil {
			return err
		}
	}
	return c.BERTConfig.Validate()
}

// Specs lists the parameters.
func (c *BERTClassifierConfig) Specs() []params.Spec {
	specs := c.encoderSpecs()
	specs.linear("bert.pooler.dense", c.HiddenSize, c.HiddenSize)
	specs.linear("classifier", len(c.Labels), c.HiddenSize)
	return specs
}

func (c *BERTClassifierConfig) build(g *fused.Graph, s *params.Set) *fused.Tensor {
	pooler := linear(s, "bert.pooler.dense")
	x := g.Linear(g.Gather(c.encode(g, s)), activated(pooler, kernels.Tanh))
	if c.Dropout != nil {
		return g.Dropout(x, *c.Dropout)
	}
	return g.Dropout(x, c.HiddenDropout)
}

func (c *BERTClassifierConfig) decoder(s *params.Set) (table, bias *params.Param) {
	return s.Lookup("classifier.weight"), s.Lookup("classifier.bias")
}
