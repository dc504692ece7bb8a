package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/model"
)

// objective is what a model learns to predict, by the name that the flag has.
type objective string

const (
	masked objective = "mlm"
	causal objective = "causal"
	// adapted is a task of taskTable, which has examples in place of a dataset of shards.
	adapted objective = "task"
)

func objectiveOf(c model.Config) objective {
	if taskOf(c) != nil {
		return adapted
	}
	if _, ok := c.(model.Causal); ok {
		return causal
	}
	return masked
}

// sizeFlags describe a new model.
type sizeFlags struct {
	layers, hidden, heads int
	dropout               float64
}

// newConfig describes a model of the given sizes for a vocabulary. end is the id that closes a document.
func (f *sizeFlags) newConfig(o objective, vocabulary, positions int, end uint32, pad *int) (model.Config, error) {
	rate := float32(f.dropout)
	var c model.Config
	if o == causal {
		gpt := model.DefaultGPT2()
		gpt.VocabSize, gpt.Positions, gpt.Width, gpt.Layers, gpt.Heads = vocabulary, positions, f.hidden, f.layers, f.heads
		gpt.ResidualDropout, gpt.EmbeddingDropout, gpt.AttentionDropout = rate, rate, rate
		endLike(gpt, end)
		c = gpt
	} else {
		bert := model.DefaultBERT()
		bert.VocabSize, bert.MaxPositions, bert.HiddenSize, bert.Layers, bert.Heads = vocabulary, positions, f.hidden, f.layers, f.heads
		bert.IntermediateSize = 4 * f.hidden
		bert.HiddenDropout, bert.AttentionDropout, bert.PadTokenID = rate, rate, pad
		c = bert
	}
	if err := c.Validate(); err != nil {
		return nil, usagef("the model can't be made: %w", err)
	}
	return c, nil
}

// readConfig reads the config.json at path.
func readConfig(path string) (model.Config, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	c, err := model.ReadConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// endLike makes a causal model that is not trained yet end its texts as the data does, whatever tokenizer its configuration was written for.
func endLike(c model.Config, end uint32) {
	id := int(end)
	switch c := c.(type) {
	case *model.GPT2Config:
		c.BOSTokenID, c.EOSTokenID = &id, &id
	case *model.LlamaConfig:
		c.BOSTokenID, c.EOSTokenIDs = &id, []int{id}
	}
}

// generationConfig is the content of generation_config.json, with which transformers ends a text at the right token.
func generationConfig(c model.Config) ([]byte, error) {
	fields := struct {
		FromModel bool `json:"_from_model_config"`
		BOS       *int `json:"bos_token_id,omitempty"`
		EOS       any  `json:"eos_token_id,omitempty"`
	}{FromModel: true}
	switch c := c.(type) {
	case *model.GPT2Config:
		if fields.BOS = c.BOSTokenID; c.EOSTokenID != nil {
			fields.EOS = *c.EOSTokenID
		}
	case *model.LlamaConfig:
		if fields.BOS = c.BOSTokenID; c.EOSTokenIDs != nil {
			fields.EOS = c.EOSTokenIDs
		}
	default:
		return nil, nil
	}
	b, err := json.MarshalIndent(fields, "", "  ")
	return append(b, '\n'), err
}

// modelType is the name of an architecture in config.json.
func modelType(c model.Config) string {
	var f struct {
		Type string `json:"model_type"`
	}
	content, err := c.JSON()
	if err == nil {
		err = json.Unmarshal(content, &f)
	}
	if err != nil {
		return "" // a configuration that was read or made here can be written
	}
	return f.Type
}

// folder is a model folder that was loaded for use.
type folder struct {
	*model.Network
	objective objective
	tokenizer *tokenizers.Tokenizer
	pool      *kernels.Pool
}

// openFolder loads the model in dir with its tokenizer. Every weight must be there.
func openFolder(dir string, threads int) (*folder, error) {
	c, err := readConfig(filepath.Join(dir, checkpoint.ConfigFile))
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	t, err := folderTokenizer(dir, c)
	if err != nil {
		return nil, err
	}
	pool := kernels.NewPool(threadCount(threads))
	network, err := model.New(c, pool)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open model %s: %w", dir, err)
	}
	f := &folder{network, objectiveOf(c), t, pool}
	report, err := loadWeights(dir, network)
	if err == nil {
		err = report.Strict()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open model %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// folderTokenizer loads the tokenizer of the model in dir, which c describes.
func folderTokenizer(dir string, c model.Config) (*tokenizers.Tokenizer, error) {
	t, err := modelTokenizer(dir)
	if err != nil {
		return nil, fmt.Errorf("open model %s: %w", dir, err)
	}
	if n := c.Limits().Vocabulary; t.VocabSize() > n {
		return nil, fmt.Errorf("open model %s: its tokenizer has %d tokens, the model only %d: they don't belong together", dir, t.VocabSize(), n)
	}
	return t, nil
}

func loadWeights(dir string, n *model.Network) (report checkpoint.Report, err error) {
	w, err := checkpoint.OpenWeights(dir)
	if err != nil {
		return report, err
	}
	defer closing(&err, w)
	return w.Load(n.Params())
}

// initialWeights loads what the model in dir has in common with a network, whose other weights stay as they are, and tells what does not match.
func initialWeights(dir string, n *model.Network, show *progress) error {
	report, err := loadWeights(dir, n)
	if err != nil {
		return err
	}
	if report.Loaded == 0 {
		return fmt.Errorf("%s: no tensor has the name of a parameter; the first missing is %s", dir, report.Missing[0])
	}
	for _, r := range []struct {
		what  string
		names []string
	}{{"not in the file, starting at random", report.Missing}, {"not in the model, left out", report.Unexpected}} {
		if len(r.names) > 0 {
			show.note("%s: %s", r.what, strings.Join(r.names, ", "))
		}
	}
	return nil
}

// Close releases the network and its workers.
func (f *folder) Close() error {
	err := f.Network.Close()
	f.pool.Close()
	return err
}

// validateThreads refuses a number of workers that is not one.
func validateThreads(threads int) error {
	const most = 1024
	if threads < 0 || threads > most {
		return usagef("--threads %d is outside 0..%d", threads, most)
	}
	return nil
}

// threadCount is the number of workers for --threads, whose 0 stands for all processors.
func threadCount(threads int) int {
	if threads == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return threads
}
