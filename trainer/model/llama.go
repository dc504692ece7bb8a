package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/shardmill/shardmill/trainer/fused"
	"github.com/shardmill/shardmill/trainer/params"
)

// LlamaConfig is the configuration of LlamaForCausalLM (Touvron et al., 2023): a pre-norm causal decoder with RMSNorm, rotary positions, SwiGLU, keys
// and values shared by groups of heads, and no biases. Field names in JSON are those of transformers.
type LlamaConfig struct {
	llamaFields
	Extra Extra // other fields of config.json
}

type llamaFields struct {
	Architectures     []string `json:"architectures"`
	ModelType         string   `json:"model_type"`
	VocabSize         int      `json:"vocab_size"`
	HiddenSize        int      `json:"hidden_size"`
	IntermediateSize  int      `json:"intermediate_size"`
	Layers            int      `json:"num_hidden_layers"`
	Heads             int      `json:"num_attention_heads"`
	KVHeads           *int     `json:"num_key_value_heads"` // null means as many as num_attention_heads
	HeadSize          *int     `json:"head_dim,omitempty"`  // null means hidden_size / num_attention_heads
	HiddenAct         string   `json:"hidden_act"`
	AttentionDropout  float32  `json:"attention_dropout"`
	AttentionBias     bool     `json:"attention_bias"`
	MLPBias           bool     `json:"mlp_bias"`
	MaxPositions      int      `json:"max_position_embeddings"`
	InitializerRange  float64  `json:"initializer_range"`
	RMSNormEps        float64  `json:"rms_norm_eps"`
	RopeTheta         float64  `json:"rope_theta"`
	RopeParameters    *rope    `json:"rope_parameters,omitempty"`
	RopeScaling       *rope    `json:"rope_scaling,omitempty"`
	BOSTokenID        *int     `json:"bos_token_id"`
	EOSTokenIDs       tokenIDs `json:"eos_token_id"`
	TieWordEmbeddings bool     `json:"tie_word_embeddings"`
}

// rope is how transformers from version 5 on writes the rotary embedding (rope_parameters), and how earlier ones wrote a change of it (rope_scaling).
type rope struct {
	Theta   float64 `json:"rope_theta,omitempty"`
	Kind    string  `json:"rope_type,omitempty"`
	OldKind string  `json:"type,omitempty"`
}

func (r *rope) rule(field string) rule {
	if r == nil {
		return rule{ok: true}
	}
	kind := r.Kind + r.OldKind
	return rule{field + ".rope_type", slices.Contains([]string{"", "default", "defaultdefault"}, kind), fmt.Sprintf("%q", kind), `"default"`}
}

// tokenIDs is null, one id or a list of ids.
type tokenIDs []int

func (t *tokenIDs) UnmarshalJSON(data []byte) error {
	*t = nil
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]int)(t))
	}
	var one *int
	if err := json.Unmarshal(data, &one); err != nil || one == nil {
		return err
	}
	*t = tokenIDs{*one}
	return nil
}

func (t tokenIDs) MarshalJSON() ([]byte, error) {
	switch len(t) {
	case 0:
		return []byte("null"), nil
	case 1:
		return json.Marshal(t[0])
	}
	return json.Marshal([]int(t))
}

// DefaultLlama is the configuration of the 7B model, which is also the default of transformers.
func DefaultLlama() *LlamaConfig {
	bos := 1
	return &LlamaConfig{llamaFields: llamaFields{
		Architectures: []string{"LlamaForCausalLM"}, ModelType: "llama",
		VocabSize: 32000, HiddenSize: 4096, IntermediateSize: 11008, Layers: 32, Heads: 32, HiddenAct: "silu", MaxPositions: 2048,
		InitializerRange: 0.02, RMSNormEps: 1e-6, RopeTheta: 10000, BOSTokenID: &bos, EOSTokenIDs: tokenIDs{2},
	}}
}

// UnmarshalJSON decodes a config.json over what c holds.
func (c *LlamaConfig) UnmarshalJSON(data []byte) (err error) {
	c.Extra, err = readFields(data, &c.llamaFields)
	if len(c.Architectures) == 0 {
		c.Architectures = []string{"LlamaForCausalLM"}
	}
	if r := c.RopeParameters; r != nil && r.Theta != 0 {
		c.RopeTheta = r.Theta
	}
	return err
}

// MarshalJSON encodes all fields, Extra included.
func (c *LlamaConfig) MarshalJSON() ([]byte, error) { return c.JSON() }

// JSON is the content of config.json, in which old and new versions of transformers find the rotary embedding.
func (c *LlamaConfig) JSON() ([]byte, error) {
	fields := c.llamaFields
	fields.RopeParameters, fields.RopeScaling = &rope{Theta: c.RopeTheta, Kind: "default"}, nil
	return writeFields(&fields, c.Extra)
}

// Limits says which inputs the model takes.
func (c *LlamaConfig) Limits() Limits {
	return Limits{Vocabulary: c.VocabSize, Positions: c.MaxPositions, Segments: 1}
}

func (c *LlamaConfig) kvHeads() int {
	if c.KVHeads == nil {
		return c.Heads
	}
	return *c.KVHeads
}

func (c *LlamaConfig) headSize() int {
	if c.HeadSize == nil {
		return c.HiddenSize / max(c.Heads, 1)
	}
	return *c.HeadSize
}

// Validate returns an error that names a field whose value can't be run.
func (c *LlamaConfig) Validate() error {
	kv, size0 := c.kvHeads(), c.headSize()
	return check([]rule{
		{"model_type", c.ModelType == "llama", c.ModelType, "llama"},
		size("vocab_size", c.VocabSize, maxVocabulary),
		size("hidden_size", c.HiddenSize, maxWidth),
		size("intermediate_size", c.IntermediateSize, 4*maxWidth),
		size("num_hidden_layers", c.Layers, maxLayers),
		size("num_attention_heads", c.Heads, maxHeads),
		size("num_key_value_heads", kv, maxHeads),
		{"num_key_value_heads", c.Heads%max(kv, 1) == 0, kv, fmt.Sprintf("a divisor of num_attention_heads, %d", c.Heads)},
		{"hidden_size", c.HeadSize != nil || c.HiddenSize%max(c.Heads, 1) == 0, c.HiddenSize, fmt.Sprintf("a multiple of num_attention_heads, %d", c.Heads)},
		size("head_dim", size0, maxHeadSize),
		{"head_dim", size0%2 == 0, size0, "even, for rotary positions"},
		size("max_position_embeddings", c.MaxPositions, maxPositions),
		rate("attention_dropout", c.AttentionDropout),
		small("rms_norm_eps", c.RMSNormEps),
		small("initializer_range", c.InitializerRange),
		{"rope_theta", c.RopeTheta >= 1 && c.RopeTheta <= 1e12, c.RopeTheta, "1 to 1e12"},
		c.RopeParameters.rule("rope_parameters"),
		c.RopeScaling.rule("rope_scaling"),
		{"hidden_act", c.HiddenAct == "silu", fmt.Sprintf("%q", c.HiddenAct), `"silu"`},
		{"attention_bias", !c.AttentionBias, c.AttentionBias, "false"},
		{"mlp_bias", !c.MLPBias, c.MLPBias, "false"},
	})
}

// maxHeadSize bounds the size of a head: the width of all heads stays far below what overflows.
const maxHeadSize = 1 << 12

// Specs lists the parameters. Query, key and value follow each other, and so do gate and up, so that they multiply as one matrix. With tied
// embeddings the weight of lm_head has no place of its own.
func (c *LlamaConfig) Specs() []params.Spec {
	h, q, kv := c.HiddenSize, c.Heads*c.headSize(), c.kvHeads()*c.headSize()
	var specs specs
	specs.matrix("model.embed_tokens.weight", c.VocabSize, h)
	for i := range c.Layers {
		layer := llamaLayer(i)
		specs.matrix(layer+"self_attn.q_proj.weight", q, h)
		specs.matrix(layer+"self_attn.k_proj.weight", kv, h)
		specs.matrix(layer+"self_attn.v_proj.weight", kv, h)
		specs.matrix(layer+"self_attn.o_proj.weight", h, q)
		specs.matrix(layer+"mlp.gate_proj.weight", c.IntermediateSize, h)
		specs.matrix(layer+"mlp.up_proj.weight", c.IntermediateSize, h)
		specs.matrix(layer+"mlp.down_proj.weight", h, c.IntermediateSize)
		specs.vector(layer+"input_layernorm.weight", h)
		specs.vector(layer+"post_attention_layernorm.weight", h)
	}
	specs.vector("model.norm.weight", h)
	if !c.TieWordEmbeddings {
		specs.matrix("lm_head.weight", c.VocabSize, h)
	}
	return specs
}

func llamaLayer(i int) string { return fmt.Sprintf("model.layers.%d.", i) }

func (c *LlamaConfig) encode(g *fused.Graph, s *params.Set) *fused.Tensor {
	eps := float32(c.RMSNormEps)
	turn := g.NewRotator(fused.Rotary{Heads: c.Heads + c.kvHeads(), Size: c.headSize(), Theta: c.RopeTheta})
	x := g.Embed(fused.Embedding{Token: s.Lookup("model.embed_tokens.weight")}, 0)
	for i := range c.Layers {
		layer := llamaLayer(i)
		branch := g.Branch(x)
		y := g.RMSNorm(x, s.Lookup(layer+"input_layernorm.weight"), eps)
		y = g.Linear(y, weights(s, layer+"self_attn.", "q_proj", "k_proj", "v_proj"))
		y = g.Attention(g.Rotate(y, turn), fused.Attention{Heads: c.Heads, KVHeads: c.kvHeads(), Causal: true, Dropout: c.AttentionDropout})
		x = g.AddDropout(g.Linear(y, weights(s, layer+"self_attn.", "o_proj")), branch, nil, 0)

		branch = g.Branch(x)
		y = g.RMSNorm(x, s.Lookup(layer+"post_attention_layernorm.weight"), eps)
		y = g.SwiGLU(g.Linear(y, weights(s, layer+"mlp.", "gate_proj", "up_proj")))
		x = g.AddDropout(g.Linear(y, weights(s, layer+"mlp.", "down_proj")), branch, nil, 0)
	}
	return x
}

// head adds the last norm, which works on each row alone, to the rows that predict.
func (c *LlamaConfig) head(g *fused.Graph, s *params.Set, x *fused.Tensor) *fused.Tensor {
	return g.RMSNorm(g.Gather(x), s.Lookup("model.norm.weight"), float32(c.RMSNormEps))
}

// weights is the layer with the weights of the given names side by side, as one matrix where they lie so in memory, without biases.
func weights(s *params.Set, prefix string, names ...string) fused.Linear {
	var l fused.Linear
	for _, name := range names {
		l.Weights = append(l.Weights, s.Lookup(prefix+name+".weight"))
	}
	if joined := s.Join(l.Weights...); joined != nil {
		l.Weights = []*params.Param{joined}
	}
	return l
}

func (c *LlamaConfig) decoder(s *params.Set) (table, bias *params.Param) {
	if c.TieWordEmbeddings {
		return s.Lookup("model.embed_tokens.weight"), nil
	}
	return s.Lookup("lm_head.weight"), nil
}

func (c *LlamaConfig) initial(*params.Param) initial { return initial{std: c.InitializerRange} }

// Ends are the ids that end a text: eos_token_id, which may be a list.
func (c *LlamaConfig) Ends() (ids []uint32) {
	for _, field := range c.EOSTokenIDs {
		if id, ok := tokenID(&field); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// Start is the id before a text: bos_token_id.
func (c *LlamaConfig) Start() (uint32, bool) { return tokenID(c.BOSTokenID) }
