package model

import (
	"fmt"
	"math"
	"strings"

	"github.com/shardmill/shardmill/trainer/fused"
	"github.com/shardmill/shardmill/trainer/params"
)

// GPT2Config is the configuration of GPT2LMHeadModel (Radford et al., 2019): a pre-norm causal decoder with learned positions, whose vocabulary
// is predicted through the embeddings. Field names in JSON are those of transformers.
type GPT2Config struct {
	gpt2Fields
	Extra Extra // other fields of config.json
}

type gpt2Fields struct {
	Architectures     []string `json:"architectures"`
	ModelType         string   `json:"model_type"`
	VocabSize         int      `json:"vocab_size"`
	Positions         int      `json:"n_positions"`
	Width             int      `json:"n_embd"`
	Layers            int      `json:"n_layer"`
	Heads             int      `json:"n_head"`
	Inner             *int     `json:"n_inner"` // null means four times n_embd
	Activation        string   `json:"activation_function"`
	ResidualDropout   float32  `json:"resid_pdrop"`
	EmbeddingDropout  float32  `json:"embd_pdrop"`
	AttentionDropout  float32  `json:"attn_pdrop"`
	LayerNormEps      float64  `json:"layer_norm_epsilon"`
	InitializerRange  float64  `json:"initializer_range"`
	BOSTokenID        *int     `json:"bos_token_id"`
	EOSTokenID        *int     `json:"eos_token_id"`
	ScaleWeights      bool     `json:"scale_attn_weights"`
	ScaleByLayer      bool     `json:"scale_attn_by_inverse_layer_idx"`
	AddCrossAttention bool     `json:"add_cross_attention"`
	TieWordEmbeddings bool     `json:"tie_word_embeddings"`
}

// DefaultGPT2 is the configuration of the smallest GPT-2, which is also the default of transformers.
func DefaultGPT2() *GPT2Config {
	bos, eos := 50256, 50256
	return &GPT2Config{gpt2Fields: gpt2Fields{
		Architectures: []string{"GPT2LMHeadModel"}, ModelType: "gpt2",
		VocabSize: 50257, Positions: 1024, Width: 768, Layers: 12, Heads: 12, Activation: "gelu_new",
		ResidualDropout: 0.1, EmbeddingDropout: 0.1, AttentionDropout: 0.1, LayerNormEps: 1e-5, InitializerRange: 0.02,
		BOSTokenID: &bos, EOSTokenID: &eos, ScaleWeights: true, TieWordEmbeddings: true,
	}}
}

// UnmarshalJSON decodes a config.json over what c holds.
func (c *GPT2Config) UnmarshalJSON(data []byte) (err error) {
	c.Extra, err = readFields(data, &c.gpt2Fields)
	if len(c.Architectures) == 0 {
		c.Architectures = []string{"GPT2LMHeadModel"}
	}
	return err
}

// MarshalJSON encodes all fields, Extra included.
func (c *GPT2Config) MarshalJSON() ([]byte, error) { return c.JSON() }

// JSON is the content of config.json.
func (c *GPT2Config) JSON() ([]byte, error) { return writeFields(&c.gpt2Fields, c.Extra) }

// Limits says which inputs the model takes.
func (c *GPT2Config) Limits() Limits {
	return Limits{Vocabulary: c.VocabSize, Positions: c.Positions, Segments: 1}
}

func (c *GPT2Config) inner() int {
	if c.Inner == nil {
		return 4 * c.Width
	}
	return *c.Inner
}

// Validate returns an error that names a field whose value can't be run.
func (c *GPT2Config) Validate() error {
	return check([]rule{
		{"model_type", c.ModelType == "gpt2", c.ModelType, "gpt2"},
		size("vocab_size", c.VocabSize, maxVocabulary),
		size("n_positions", c.Positions, maxPositions),
		size("n_embd", c.Width, maxWidth),
		size("n_layer", c.Layers, maxLayers),
		size("n_head", c.Heads, maxHeads),
		{"n_embd", c.Width%max(c.Heads, 1) == 0, c.Width, fmt.Sprintf("a multiple of n_head, %d", c.Heads)},
		size("n_inner", c.inner(), 4*maxWidth),
		activation("activation_function", c.Activation),
		rate("resid_pdrop", c.ResidualDropout),
		rate("embd_pdrop", c.EmbeddingDropout),
		rate("attn_pdrop", c.AttentionDropout),
		small("layer_norm_epsilon", c.LayerNormEps),
		small("initializer_range", c.InitializerRange),
		{"scale_attn_weights", c.ScaleWeights, c.ScaleWeights, "true"},
		{"scale_attn_by_inverse_layer_idx", !c.ScaleByLayer, c.ScaleByLayer, "false"},
		{"add_cross_attention", !c.AddCrossAttention, c.AddCrossAttention, "false"},
		{"tie_word_embeddings", c.TieWordEmbeddings, c.TieWordEmbeddings, "true"},
	})
}

// Specs lists the parameters. Weights are stored (in, out), as transformers' Conv1D has them. The weight of lm_head is that of the embeddings and
// has no place of its own.
func (c *GPT2Config) Specs() []params.Spec {
	h := c.Width
	var specs specs
	specs.matrix("transformer.wte.weight", c.VocabSize, h)
	specs.matrix("transformer.wpe.weight", c.Positions, h)
	for i := range c.Layers {
		layer := gpt2Layer(i)
		specs.norm(layer+"ln_1", h)
		specs.conv1D(layer+"attn.c_attn", h, 3*h)
		specs.conv1D(layer+"attn.c_proj", h, h)
		specs.norm(layer+"ln_2", h)
		specs.conv1D(layer+"mlp.c_fc", h, c.inner())
		specs.conv1D(layer+"mlp.c_proj", c.inner(), h)
	}
	specs.norm("transformer.ln_f", h)
	return specs
}

func gpt2Layer(i int) string { return fmt.Sprintf("transformer.h.%d.", i) }

func (s *specs) conv1D(name string, in, out int) {
	s.matrix(name+".weight", in, out)
	s.vector(name+".bias", out)
}

func (c *GPT2Config) encode(g *fused.Graph, s *params.Set) *fused.Tensor {
	eps := float32(c.LayerNormEps)
	x := g.Embed(fused.Embedding{Token: s.Lookup("transformer.wte.weight"), Position: s.Lookup("transformer.wpe.weight")}, c.EmbeddingDropout)
	for i := range c.Layers {
		layer := gpt2Layer(i)
		branch := g.Branch(x)
		y := g.LayerNorm(x, norm(s, layer+"ln_1", eps), 0)
		y = g.Linear(y, inOut(linear(s, layer+"attn.c_attn")))
		y = g.Attention(y, fused.Attention{Heads: c.Heads, Causal: true, Dropout: c.AttentionDropout})
		x = c.end(g, s, y, branch, layer+"attn.c_proj")

		branch = g.Branch(x)
		y = g.LayerNorm(x, norm(s, layer+"ln_2", eps), 0)
		y = g.Linear(y, inOut(activated(linear(s, layer+"mlp.c_fc"), activations[c.Activation])))
		x = c.end(g, s, y, branch, layer+"mlp.c_proj")
	}
	return x
}

// head adds the last norm, which works on each row alone, to the rows that predict.
func (c *GPT2Config) head(g *fused.Graph, s *params.Set, x *fused.Tensor) *fused.Tensor {
	return g.LayerNorm(g.Gather(x), norm(s, "transformer.ln_f", float32(c.LayerNormEps)), 0)
}

// end closes a sublayer: x + dropout(proj(y)).
func (c *GPT2Config) end(g *fused.Graph, s *params.Set, y *fused.Tensor, branch *fused.Branch, name string) *fused.Tensor {
	proj := fused.Linear{Weights: []*params.Param{s.Lookup(name + ".weight")}, InOut: true}
	return g.AddDropout(g.Linear(y, proj), branch, s.Lookup(name+".bias"), c.ResidualDropout)
}

func (c *GPT2Config) decoder(s *params.Set) (table, bias *params.Param) {
	return s.Lookup("transformer.wte.weight"), nil
}

// initial scales the projections into the residual stream by 1/√(2·layers), as the paper does.
func (c *GPT2Config) initial(p *params.Param) initial {
	in := initial{std: c.InitializerRange}
	if strings.HasSuffix(p.Name, "c_proj.weight") {
		in.std /= math.Sqrt(2 * float64(c.Layers))
	}
	return in
}

func inOut(l fused.Linear) fused.Linear {
	l.InOut = true
	return l
}
