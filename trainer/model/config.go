package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// Extra holds the fields of a config.json that this package has no use for, as they were: they are written back.
type Extra map[string]json.RawMessage

// ReadConfig reads the content of a config.json. Its model_type decides what it is; fields that are missing have the defaults of
// transformers; unknown ones are kept. The result is valid.
func ReadConfig(data []byte) (Config, error) {
	var kind struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("read config.json: %w", err)
	}
	var c Config
	switch kind.ModelType {
	case "bert":
		c = DefaultBERT()
	case "distilbert":
		c = DefaultDistilBERT()
	case "roberta":
		c = DefaultRoBERTa()
	case "gpt2":
		c = DefaultGPT2()
	case "llama":
		c = DefaultLlama()
	case "":
		return nil, fmt.Errorf("read config.json: it has no model_type; known ones are bert, distilbert, gpt2, llama and roberta")
	default:
		return nil, fmt.Errorf("read config.json: model_type %q is not known; known ones are bert, distilbert, gpt2, llama and roberta", kind.ModelType)
	}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("read config.json: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("read config.json: %w", err)
	}
	return c, nil
}

// readFields decodes the fields of the struct that fields points to, and returns the others.
func readFields(data []byte, fields any) (Extra, error) {
	var extra Extra
	if err := json.Unmarshal(data, &extra); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, fields); err != nil {
		return nil, err
	}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(fields).Elem()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		delete(extra, name)
	}
	if len(extra) == 0 {
		return nil, nil
	}
	return extra, nil
}

// writeFields encodes the struct and the extra fields as transformers does: sorted, indented by two.
func writeFields(fields any, extra Extra) ([]byte, error) {
	known, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(extra)
	if all == nil {
		all = Extra{}
	}
	if err := json.Unmarshal(known, &all); err != nil {
		return nil, err
	}
	compact, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// rule is a condition on a field of a configuration.
type rule struct {
	field string
	ok    bool
	value any
	want  string
}

// check returns an error for the first rule that is broken.
func check(rules []rule) error {
	for _, r := range rules {
		if !r.ok {
			return fmt.Errorf("%s is %v, want %s", r.field, r.value, r.want)
		}
	}
	return nil
}

// size demands that a field lies from 1 to limit. Limits are far beyond published models; they keep products of sizes from overflowing.
func size(field string, value, limit int) rule {
	return rule{field, value >= 1 && value <= limit, value, fmt.Sprintf("1 to %d", limit)}
}

// rate demands that a field is a dropout rate.
func rate(field string, value float32) rule {
	return rule{field, value >= 0 && value < 1, value, "0 to less than 1"}
}

// small demands that a field is positive and no more than 1: an epsilon or a standard deviation.
func small(field string, value float64) rule {
	return rule{field, value > 0 && value <= 1 && !math.IsNaN(value), value, "more than 0, at most 1"}
}

// The largest sizes that are taken.
const (
	maxVocabulary = 1 << 24
	maxPositions  = 1 << 20
	maxWidth      = 1 << 17
	maxLayers     = 1 << 10
	maxHeads      = 1 << 10
)

// activations maps names in configurations to functions.
var activations = map[string]kernels.Activation{
	"gelu":              kernels.GELUErf,
	"gelu_new":          kernels.GELUTanh,
	"gelu_fast":         kernels.GELUTanh,
	"gelu_pytorch_tanh": kernels.GELUTanh,
	"relu":              kernels.ReLU,
}

// activation demands that a field names an activation.
func activation(field, value string) rule {
	_, ok := activations[value]
	return rule{field, ok, fmt.Sprintf("%q", value), "one of " + strings.Join(slices.Sorted(maps.Keys(activations)), ", ")}
}
