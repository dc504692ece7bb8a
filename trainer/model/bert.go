package model

import (
	"fmt"

	"github.com/shardmill/shardmill/trainer/fused"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// BERTConfig is the configuration of BertForMaskedLM (Devlin et al., 2018): a post-norm encoder with learned positions and segments, whose
// vocabulary is predicted through the embeddings. Field names in JSON are those of transformers.
type BERTConfig struct {
	bertFields
	Extra Extra // other fields of config.json
}

type bertFields struct {
	Architectures      []string `json:"architectures"`
	ModelType          string   `json:"model_type"`
	VocabSize          int      `json:"vocab_size"`
	HiddenSize         int      `json:"hidden_size"`
	Layers             int      `json:"num_hidden_layers"`
	Heads              int      `json:"num_attention_heads"`
	IntermediateSize   int      `json:"intermediate_size"`
	HiddenAct          string   `json:"hidden_act"`
	HiddenDropout      float32  `json:"hidden_dropout_prob"`
	AttentionDropout   float32  `json:"attention_probs_dropout_prob"`
	MaxPositions       int      `json:"max_position_embeddings"`
	TypeVocabSize      int      `json:"type_vocab_size"`
	InitializerRange   float64  `json:"initializer_range"`
	LayerNormEps       float64  `json:"layer_norm_eps"`
	PadTokenID         *int     `json:"pad_token_id"`
	PositionEmbeddings string   `json:"position_embedding_type"`
	IsDecoder          bool     `json:"is_decoder"`
	AddCrossAttention  bool     `json:"add_cross_attention"`
	TieWordEmbeddings  bool     `json:"tie_word_embeddings"`
}

// DefaultBERT is the configuration of bert-base-uncased, which is also the default of transformers.
func DefaultBERT() *BERTConfig {
	pad := 0
	return &BERTConfig{bertFields: bertFields{
		Architectures: []string{"BertForMaskedLM"}, ModelType: "bert",
		VocabSize: 30522, HiddenSize: 768, Layers: 12, Heads: 12, IntermediateSize: 3072, HiddenAct: "gelu",
		HiddenDropout: 0.1, AttentionDropout: 0.1, MaxPositions: 512, TypeVocabSize: 2,
		InitializerRange: 0.02, LayerNormEps: 1e-12, PadTokenID: &pad, PositionEmbeddings: "absolute", TieWordEmbeddings: true,
	}}
}

// UnmarshalJSON decodes a config.json over what c holds.
func (c *BERTConfig) UnmarshalJSON(data []byte) (err error) {
	c.Extra, err = readFields(data, &c.bertFields)
	if len(c.Architectures) == 0 {
		c.Architectures = []string{"BertForMaskedLM"}
	}
	return err
}

// MarshalJSON encodes all fields, Extra included.
func (c *BERTConfig) MarshalJSON() ([]byte, error) { return c.JSON() }

// JSON is the content of config.json.
func (c *BERTConfig) JSON() ([]byte, error) { return writeFields(&c.bertFields, c.Extra) }

// Limits says which inputs the model takes.
func (c *BERTConfig) Limits() Limits {
	return Limits{Vocabulary: c.VocabSize, Positions: c.MaxPositions, Segments: c.TypeVocabSize}
}

// Validate returns an error that names a field whose value can't be run.
func (c *BERTConfig) Validate() error {
	return check([]rule{
		{"model_type", c.ModelType == "bert", c.ModelType, "bert"},
		size("vocab_size", c.VocabSize, maxVocabulary),
		size("hidden_size", c.HiddenSize, maxWidth),
		size("num_hidden_layers", c.Layers, maxLayers),
		size("num_attention_heads", c.Heads, maxHeads),
		{"hidden_size", c.HiddenSize%max(c.Heads, 1) == 0, c.HiddenSize, fmt.Sprintf("a multiple of num_attention_heads, %d", c.Heads)},
		size("intermediate_size", c.IntermediateSize, maxWidth),
		size("max_position_embeddings", c.MaxPositions, maxPositions),
		size("type_vocab_size", c.TypeVocabSize, 256),
		rate("hidden_dropout_prob", c.HiddenDropout),
		rate("attention_probs_dropout_prob", c.AttentionDropout),
		small("layer_norm_eps", c.LayerNormEps),
		small("initializer_range", c.InitializerRange),
		activation("hidden_act", c.HiddenAct),
		{"position_embedding_type", c.PositionEmbeddings == "absolute", c.PositionEmbeddings, "absolute"},
		{"is_decoder", !c.IsDecoder, c.IsDecoder, "false"},
		{"add_cross_attention", !c.AddCrossAttention, c.AddCrossAttention, "false"},
		{"tie_word_embeddings", c.TieWordEmbeddings, c.TieWordEmbeddings, "true"},
	})
}

// Specs lists the parameters. Query, key and value of a layer follow each other, so that they multiply as one matrix. The decoder's weight
// is that of the word embeddings, and has no place of its own; neither has a pooler, which language modelling does not use.
func (c *BERTConfig) Specs() []params.Spec {
	h := c.HiddenSize
	specs := c.encoderSpecs()
	specs.linear("cls.predictions.transform.dense", h, h)
	specs.norm("cls.predictions.transform.LayerNorm", h)
	specs.vector("cls.predictions.bias", c.VocabSize)
	return specs
}

// encoderSpecs lists the parameters that all heads share.
func (c *BERTConfig) encoderSpecs() specs {
	h := c.HiddenSize
	var specs specs
	specs.matrix("bert.embeddings.word_embeddings.weight", c.VocabSize, h)
	specs.matrix("bert.embeddings.position_embeddings.weight", c.MaxPositions, h)
	specs.matrix("bert.embeddings.token_type_embeddings.weight", c.TypeVocabSize, h)
	specs.norm("bert.embeddings.LayerNorm", h)
	for i := range c.Layers {
		layer := bertLayer(i)
		for _, name := range []string{"query", "key", "value"} {
			specs.matrix(layer+"attention.self."+name+".weight", h, h)
		}
		for _, name := range []string{"query", "key", "value"} {
			specs.vector(layer+"attention.self."+name+".bias", h)
		}
		specs.linear(layer+"attention.output.dense", h, h)
		specs.norm(layer+"attention.output.LayerNorm", h)
		specs.linear(layer+"intermediate.dense", c.IntermediateSize, h)
		specs.linear(layer+"output.dense", h, c.IntermediateSize)
		specs.norm(layer+"output.LayerNorm", h)
	}
	return specs
}

func bertLayer(i int) string { return fmt.Sprintf("bert.encoder.layer.%d.", i) }

func (c *BERTConfig) build(g *fused.Graph, s *params.Set) *fused.Tensor {
	x := g.Gather(c.encode(g, s))
	x = g.Linear(x, activated(linear(s, "cls.predictions.transform.dense"), activations[c.HiddenAct]))
	return g.LayerNorm(x, norm(s, "cls.predictions.transform.LayerNorm", float32(c.LayerNormEps)), 0)
}

// encode adds the layers that all heads share, up to the last hidden state of each token.
func (c *BERTConfig) encode(g *fused.Graph, s *params.Set) *fused.Tensor {
	act := activations[c.HiddenAct]
	eps := float32(c.LayerNormEps)
	x := g.Embed(fused.Embedding{
		Token:    s.Lookup("bert.embeddings.word_embeddings.weight"),
		Position: s.Lookup("bert.embeddings.position_embeddings.weight"),
		Segment:  s.Lookup("bert.embeddings.token_type_embeddings.weight"),
	}, 0)
	x = g.LayerNorm(x, norm(s, "bert.embeddings.LayerNorm", eps), c.HiddenDropout)
	for i := range c.Layers {
		layer := bertLayer(i)
		branch := g.Branch(x)
		y := g.Linear(x, linear(s, layer+"attention.self.query", layer+"attention.self.key", layer+"attention.self.value"))
		y = g.Attention(y, fused.Attention{Heads: c.Heads, Dropout: c.AttentionDropout})
		x = c.end(g, s, y, branch, layer+"attention.output", eps)

		branch = g.Branch(x)
		y = g.Linear(x, activated(linear(s, layer+"intermediate.dense"), act))
		x = c.end(g, s, y, branch, layer+"output", eps)
	}
	return x
}

// end closes a sublayer: norm(x + dropout(dense(y))).
func (c *BERTConfig) end(g *fused.Graph, s *params.Set, y *fused.Tensor, branch *fused.Branch, name string, eps float32) *fused.Tensor {
	dense := fused.Linear{Weights: []*params.Param{s.Lookup(name + ".dense.weight")}}
	return g.AddDropoutNorm(g.Linear(y, dense), branch, s.Lookup(name+".dense.bias"), c.HiddenDropout, norm(s, name+".LayerNorm", eps))
}

func (c *BERTConfig) decoder(s *params.Set) (table, bias *params.Param) {
	return s.Lookup("bert.embeddings.word_embeddings.weight"), s.Lookup("cls.predictions.bias")
}

func (c *BERTConfig) initial(p *params.Param) initial {
	in := initial{std: c.InitializerRange}
	if p.Name == "bert.embeddings.word_embeddings.weight" && c.PadTokenID != nil {
		in.zeroRow, in.hasZeroRow = *c.PadTokenID, true
	}
	return in
}

// specs collects the parameters of a model.
type specs []params.Spec

func (s *specs) matrix(name string, rows, cols int) {
	*s = append(*s, params.Spec{Name: name, Shape: []int{rows, cols}, Decay: true})
}

func (s *specs) vector(name string, n int) {
	*s = append(*s, params.Spec{Name: name, Shape: []int{n}})
}

// linear adds name.weight of rows × cols and name.bias of the given number of outputs, which is rows unless the weight is (in, out).
func (s *specs) linear(name string, rows, cols int) {
	s.matrix(name+".weight", rows, cols)
	s.vector(name+".bias", rows)
}

func (s *specs) norm(name string, n int) {
	s.vector(name+".weight", n)
	s.vector(name+".bias", n)
}

func norm(s *params.Set, name string, eps float32) fused.Norm {
	return fused.Norm{Gamma: s.Lookup(name + ".weight"), Beta: s.Lookup(name + ".bias"), Eps: eps}
}

// linear is the layer with the weights and biases of the given names, side by side: as one matrix where they lie so in memory.
func linear(s *params.Set, names ...string) fused.Linear {
	var l fused.Linear
	for _, name := range names {
		l.Weights = append(l.Weights, s.Lookup(name+".weight"))
		l.Biases = append(l.Biases, s.Lookup(name+".bias"))
	}
	if weight, bias := s.Join(l.Weights...), s.Join(l.Biases...); weight != nil && bias != nil {
		l.Weights, l.Biases = []*params.Param{weight}, []*params.Param{bias}
	}
	return l
}

func activated(l fused.Linear, act kernels.Activation) fused.Linear {
	l.Activation, l.Activated = act, true
	return l
}
