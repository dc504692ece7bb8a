package checkpoint

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/trainer/params"
)

// modelFolder writes tensors as the weights of a model folder; each is filled with its first number onward.
func modelFolder(t *testing.T, tensors ...Floats) string {
	t.Helper()
	dir := t.TempDir()
	writeTensors(t, filepath.Join(dir, WeightsFile), tensors...)
	return dir
}

func writeTensors(t *testing.T, path string, tensors ...Floats) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Write(f, tensors, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, dir string, set *params.Set) (Report, error) {
	t.Helper()
	w, err := OpenWeights(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.Load(set)
}

func one(v float32) []float32 { return []float32{v} }

// bertNames and gptNames stand for the parameters of models, one number each.
var (
	bertNames = []string{"bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.bias", "cls.predictions.bias"}
	gptNames  = []string{"transformer.wte.weight", "transformer.h.0.attn.c_attn.bias"}
)

func singles(t *testing.T, names []string) *params.Set {
	t.Helper()
	var specs []params.Spec
	for _, name := range names {
		specs = append(specs, params.Spec{Name: name, Shape: []int{1}})
	}
	set, err := params.NewSet(specs)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestLoadNames(t *testing.T) {
	cases := []struct {
		name                         string
		model                        []string
		file                         []string // tensor i holds the number i+1
		values                       []float32
		missing, unexpected, ignored []string
	}{
		{name: "same names", model: bertNames, file: bertNames, values: []float32{1, 2, 3, 4}},
		{name: "base model without prefix", model: bertNames,
			file:   []string{"embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"},
			values: []float32{1, 2, 3, 0}, missing: []string{"cls.predictions.bias"}},
		{name: "old spelling", model: bertNames,
			file:   []string{bertNames[0], "bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.beta", bertNames[3]},
			values: []float32{1, 2, 3, 4}},
		{name: "prefix too many", model: []string{"wte.weight"}, file: []string{"transformer.wte.weight"}, values: []float32{1}},
		{name: "buffers and other heads", model: gptNames,
			file:    []string{"wte.weight", "h.0.attn.c_attn.bias", "h.0.attn.bias", "h.0.attn.masked_bias", "score.weight"},
			values:  []float32{1, 2},
			ignored: []string{"h.0.attn.bias", "h.0.attn.masked_bias"}, unexpected: []string{"score.weight"}},
		{name: "heads of BERT", model: bertNames,
			file:    append(slices.Clone(bertNames), "bert.pooler.dense.weight", "cls.seq_relationship.bias", "bert.embeddings.position_ids"),
			values:  []float32{1, 2, 3, 4},
			ignored: []string{"bert.embeddings.position_ids", "bert.pooler.dense.weight", "cls.seq_relationship.bias"}},
		{name: "DistilBERT without prefix, and with a tied weight", model: []string{"distilbert.embeddings.word_embeddings.weight", "distilbert.transformer.layer.0.ffn.lin1.bias"},
			file: []string{"vocab_projector.weight", "transformer.layer.0.ffn.lin1.bias"}, values: []float32{1, 2}},
		{name: "DistilBERT with a prefix too many", model: []string{"transformer.layer.0.ffn.lin1.bias"},
			file: []string{"distilbert.transformer.layer.0.ffn.lin1.bias"}, values: []float32{1}},
		{name: "tied weights of RoBERTa", model: []string{"roberta.embeddings.word_embeddings.weight", "lm_head.bias"},
			file: []string{"lm_head.decoder.bias", "lm_head.decoder.weight", "roberta.embeddings.position_ids"}, values: []float32{2, 1},
			ignored: []string{"roberta.embeddings.position_ids"}},
		{name: "second name of the bias", model: bertNames,
			file:   append(slices.Clone(bertNames[:3]), "cls.predictions.decoder.bias"),
			values: []float32{1, 2, 3, 4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var tensors []Floats
			for i, name := range c.file {
				tensors = append(tensors, Floats{name, []int{1}, one(float32(i + 1))})
			}
			set := singles(t, c.model)
			r, err := load(t, modelFolder(t, tensors...), set)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range set.List {
				if p.Value[0] != c.values[i] {
					t.Errorf("%s = %v, want %v", p.Name, p.Value[0], c.values[i])
				}
			}
			if !slices.Equal(r.Missing, c.missing) || !slices.Equal(r.Unexpected, c.unexpected) || !slices.Equal(r.Ignored, c.ignored) {
				t.Errorf("report %+v, want missing %v, unexpected %v, ignored %v", r, c.missing, c.unexpected, c.ignored)
			}
			if got, want := r.Loaded, len(c.model)-len(c.missing); got != want {
				t.Errorf("%d loaded, want %d", got, want)
			}
			if (r.Strict() == nil) != (len(c.missing) == 0) {
				t.Errorf("Strict() = %v", r.Strict())
			}
		})
	}
}

func TestLoadComparesTiedWeights(t *testing.T) {
	tensors := []Floats{{"transformer.wte.weight", []int{1}, one(3)}, {"transformer.h.0.attn.c_attn.bias", []int{1}, one(1)}}
	if _, err := load(t, modelFolder(t, append(tensors, Floats{"lm_head.weight", []int{1}, one(3)})...), singles(t, gptNames)); err != nil {
		t.Errorf("equal tied weights: %v", err)
	}
	_, err := load(t, modelFolder(t, append(tensors, Floats{"lm_head.weight", []int{1}, one(4)})...), singles(t, gptNames))
	if err == nil || !strings.Contains(err.Error(), "untied") {
		t.Errorf("other weights: error %v, want one about untied weights", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	cases := []struct {
		name   string
		tensor Floats
		want   string
	}{
		{"shape", Floats{"transformer.wte.weight", []int{1, 1}, one(1)}, `"transformer.wte.weight" has the shape [1 1]`},
		{"NaN", Floats{"transformer.wte.weight", []int{1}, one(float32(math.NaN()))}, "NaN at element 0"},
		{"infinity", Floats{"transformer.wte.weight", []int{1}, one(float32(math.Inf(-1)))}, "-Inf at element 0"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := load(t, modelFolder(t, c.tensor), singles(t, gptNames)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestShardedWeights(t *testing.T) {
	dir := t.TempDir()
	writeTensors(t, filepath.Join(dir, "model-00001-of-00002.safetensors"), Floats{gptNames[0], []int{1}, one(5)})
	writeTensors(t, filepath.Join(dir, "model-00002-of-00002.safetensors"), Floats{gptNames[1], []int{1}, one(6)})
	index := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, WeightsIndexFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	index(`{"metadata":{"total_size":8},"weight_map":{"` + gptNames[0] + `":"model-00001-of-00002.safetensors","` + gptNames[1] + `":"model-00002-of-00002.safetensors"}}`)
	set := singles(t, gptNames)
	if r, err := load(t, dir, set); err != nil || r.Loaded != 2 || set.List[0].Value[0] != 5 || set.List[1].Value[0] != 6 {
		t.Fatalf("report %+v, error %v", r, err)
	}
	cases := map[string]string{
		`{"weight_map":{"w":"../model.safetensors"}}`: "not a file of the same folder",
		`{"weight_map":{"w":"/etc/passwd"}}`:          "not a file of the same folder",
		`{"weight_map":{"w":""}}`:                     "not a file of the same folder",
		`{"weight_map":{"w":".."}}`:                   "not a file of the same folder",
		`{"weight_map":{}}`:                           "names no file",
		`{"weight_map":{"w":"gone.safetensors"}}`:     "no such file",
		`[`: "unexpected end",
	}
	for text, want := range cases {
		index(text)
		if _, err := OpenWeights(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// TestLlamaNames loads tied and untied embeddings, files of the base model, and buffers that old files hold.
func TestLlamaNames(t *testing.T) {
	tied := []string{"model.embed_tokens.weight", "model.norm.weight"}
	untied := append([]string{"lm_head.weight"}, tied...)
	tensors := []Floats{{"model.embed_tokens.weight", []int{1}, one(1)}, {"model.norm.weight", []int{1}, one(2)},
		{"model.layers.0.self_attn.rotary_emb.inv_freq", []int{1}, one(9)}}
	head := func(v float32) []Floats { return append(tensors[:3:3], Floats{"lm_head.weight", []int{1}, one(v)}) }
	base := []Floats{{"embed_tokens.weight", []int{1}, one(1)}, {"norm.weight", []int{1}, one(2)}}
	for _, c := range []struct {
		name    string
		names   []string
		tensors []Floats
		missing int
		ok      bool
	}{
		{"tied", tied, tensors, 0, true}, {"tied, both names", tied, head(1), 0, true}, {"tied, two values", tied, head(3), 0, false},
		{"untied", untied, head(3), 0, true}, {"untied, no head", untied, tensors, 1, true}, {"base", tied, base, 0, true},
	} {
		report, err := load(t, modelFolder(t, c.tensors...), singles(t, c.names))
		if (err == nil) != c.ok || len(report.Missing) != c.missing || len(report.Unexpected) != 0 {
			t.Errorf("%s: %+v, error %v", c.name, report, err)
		}
	}
}
