package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shardmill/shardmill/trainer/params"
)

// The names of the files of a model folder, as Hugging Face transformers uses them.
const (
	ConfigFile           = "config.json"
	WeightsFile          = "model.safetensors"
	WeightsIndexFile     = "model.safetensors.index.json"
	TokenizerFile        = "tokenizer.json"
	TokenizerConfigFile  = "tokenizer_config.json"
	GenerationConfigFile = "generation_config.json"
)

// maxIndexBytes bounds the index of a sharded model; that of the largest published ones takes a few megabytes.
const maxIndexBytes = 64 << 20

// Weights are the tensors of a model folder: one safetensors file, or several and an index.
type Weights struct {
	dir   string
	files []*File
	where map[string]*File // by name of tensor
}

// OpenWeights opens the weights of a model folder. The caller closes them.
func OpenWeights(dir string) (*Weights, error) {
	w := &Weights{dir: dir, where: map[string]*File{}}
	names := []string{WeightsFile}
	index, err := readBounded(filepath.Join(dir, WeightsIndexFile), maxIndexBytes)
	switch {
	case err == nil:
		if names, err = shardNames(index); err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, WeightsIndexFile), err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	for _, name := range names {
		if err := w.add(filepath.Join(dir, name)); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

func (w *Weights) add(path string) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	w.files = append(w.files, f)
	for i := range f.Tensors {
		name := f.Tensors[i].Name
		if w.where[name] != nil {
			return fmt.Errorf("read model %s: tensor %q is in two of its files", w.dir, name)
		}
		w.where[name] = f
	}
	return nil
}

// shardNames returns the files that an index names, each once. They must lie in the folder of the index.
func shardNames(index []byte) ([]string, error) {
	var content struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(index, &content); err != nil {
		return nil, err
	}
	names := slices.Compact(slices.Sorted(maps.Values(content.WeightMap)))
	if len(names) == 0 {
		return nil, errors.New("its weight_map names no file")
	}
	for _, name := range names {
		if name != filepath.Base(name) || !filepath.IsLocal(name) {
			return nil, fmt.Errorf("its weight_map names %q, which is not a file of the same folder", name)
		}
	}
	return names, nil
}

func readBounded(path string, maxBytes int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && int64(len(b)) > maxBytes {
		err = fmt.Errorf("read %s: longer than %d bytes", path, maxBytes)
	}
	return b, err
}

// Close closes the files.
func (w *Weights) Close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Names returns the names of all tensors, sorted.
func (w *Weights) Names() []string { return slices.Sorted(maps.Keys(w.where)) }

// Lookup returns the tensor of that name, or nil.
func (w *Weights) Lookup(name string) *Tensor {
	if f := w.where[name]; f != nil {
		return f.Lookup(name)
	}
	return nil
}

// Report says how the tensors of a file and the parameters of a model fitted each other. All names are sorted.
type Report struct {
	Loaded     int      // parameters that were filled
	Missing    []string // parameters that no tensor filled; they keep their values
	Unexpected []string // tensors of the file that the model does not have
	Ignored    []string // tensors of the file that hold no weights, or belong to heads that a language model drops
}

// Strict returns an error that lists the missing parameters, if there are any.
func (r Report) Strict() error {
	if len(r.Missing) == 0 {
		return nil
	}
	return fmt.Errorf("%d parameters are not in the file: %s (it has these that the model does not know: %s)",
		len(r.Missing), short(r.Missing), short(r.Unexpected))
}

func short(names []string) string {
	const most = 5
	switch {
	case len(names) == 0:
		return "none"
	case len(names) <= most:
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// Load fills the parameters of set from the tensors of the same name. A name also fits without or with the prefix of the base model
// ("bert.", "distilbert.", "roberta.", "transformer.", "model."), in the spelling of old files (LayerNorm.gamma, LayerNorm.beta), and as the second name of a tied weight
// (lm_head.weight). Several tensors for one parameter must be equal. A wrong shape, NaN and infinity are errors.
func (w *Weights) Load(set *params.Set) (Report, error) {
	byBase := map[string]*params.Param{}
	for _, p := range set.List {
		byBase[baseName(p.Name)] = p
	}
	find := func(name string) *params.Param {
		for _, n := range []string{name, baseName(name)} {
			if p := set.Lookup(n); p != nil {
				return p
			}
			if p := byBase[n]; p != nil {
				return p
			}
		}
		for _, first := range tiedNames[baseName(name)] {
			if p := byBase[first]; p != nil {
				return p
			}
		}
		return nil
	}
	var report Report
	filledBy := map[*params.Param]string{}
	for _, name := range w.Names() {
		p := find(name)
		switch {
		case p == nil && ignorable(name):
			report.Ignored = append(report.Ignored, name)
		case p == nil:
			report.Unexpected = append(report.Unexpected, name)
		default:
			if err := w.fill(p, name, filledBy[p]); err != nil {
				return report, err
			}
			filledBy[p] = name
		}
	}
	for _, p := range set.List {
		if filledBy[p] == "" {
			report.Missing = append(report.Missing, p.Name)
		}
	}
	slices.Sort(report.Missing)
	report.Loaded = len(filledBy)
	return report, nil
}

// fill reads a tensor into p, or compares it with what the tensor named before left there.
func (w *Weights) fill(p *params.Param, name, before string) error {
	t := w.Lookup(name)
	if !slices.Equal(t.Shape, p.Shape) {
		return fmt.Errorf("load model %s: tensor %q has the shape %v, the model needs %v: its config.json is for another model",
			w.dir, name, t.Shape, p.Shape)
	}
	dst := p.Value
	if before != "" {
		dst = make([]float32, len(p.Value))
	}
	if err := w.where[name].ReadFloats(name, dst); err != nil {
		return err
	}
	if i := nonFinite(dst); i >= 0 {
		return fmt.Errorf("load model %s: tensor %q holds %v at element %d", w.dir, name, dst[i], i)
	}
	if before != "" && !slices.Equal(dst, p.Value) {
		return fmt.Errorf("load model %s: tensors %q and %q differ, but the model has one parameter for both: untied weights don't fit it",
			w.dir, before, name)
	}
	return nil
}

// basePrefixes are the names under which the classes with a head hold their base model. Files of a base model lack them.
var basePrefixes = []string{"bert.", "distilbert.", "roberta.", "transformer.", "model."}

// tiedNames maps the second name of a tied weight to the first, which depends on the architecture; all without prefix.
var tiedNames = map[string][]string{
	"cls.predictions.decoder.weight": {"embeddings.word_embeddings.weight"},
	"cls.predictions.decoder.bias":   {"cls.predictions.bias"},
	"lm_head.weight":                 {"wte.weight", "embed_tokens.weight"},
	"lm_head.decoder.weight":         {"embeddings.word_embeddings.weight"},
	"lm_head.decoder.bias":           {"lm_head.bias"},
	"vocab_projector.weight":         {"embeddings.word_embeddings.weight"},
}

// baseName is what is left of a tensor's name when prefix and old spelling are gone.
func baseName(name string) string {
	for _, prefix := range basePrefixes {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = rest
			break
		}
	}
	if rest, ok := strings.CutSuffix(name, "LayerNorm.gamma"); ok {
		return rest + "LayerNorm.weight"
	}
	if rest, ok := strings.CutSuffix(name, "LayerNorm.beta"); ok {
		return rest + "LayerNorm.bias"
	}
	return name
}

// ignorable reports whether a tensor without a parameter is of no interest: constant buffers that old versions of transformers
// saved, and the two heads of BERT that masked language modelling has no use for.
func ignorable(name string) bool {
	name = baseName(name)
	return name == "embeddings.position_ids" || strings.HasSuffix(name, ".rotary_emb.inv_freq") ||
		strings.HasSuffix(name, ".attn.bias") || strings.HasSuffix(name, ".attn.masked_bias") ||
		strings.HasPrefix(name, "pooler.") || strings.HasPrefix(name, "cls.seq_relationship.")
}

// nonFinite returns the index of the first element that is NaN or infinite, or -1.
func nonFinite(values []float32) int {
	return slices.IndexFunc(values, func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) })
}
