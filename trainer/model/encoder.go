package model

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shardmill/shardmill/trainer/fused"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/params"
)

// EncoderConfig is the configuration of a bidirectional encoder with a head: BERT (Devlin et al., 2018), RoBERTa (Liu et al., 2019) or DistilBERT (Sanh et
// al., 2019), by ModelType. All are post-norm, with learned positions. Fields have the names of BERT in transformers; those of DistilBERT's config.json are
// translated.
type EncoderConfig struct {
	encoderFields
	Head    Head     // what is predicted
	Labels  []string // name of each class, by id, of a model that classifies sequences or tokens
	Dropout *float32 // before the last layer of a head: classifier_dropout, or seq_classif_dropout of DistilBERT; nil means HiddenDropout
	// AnswerDropout is qa_dropout of DistilBERT; the other encoders have none before their answers.
	AnswerDropout float32
	Extra         Extra // other fields of config.json
}

// encoderFields are fields of config.json that BERT and RoBERTa have for every head.
type encoderFields struct {
	Architectures      []string `json:"architectures"` // written from ModelType and Head
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

// family is what tells the encoders apart: mostly the names of their parameters in transformers.
type family struct {
	class    string // beginning of the names of classes
	base     string // prefix of the encoder's parameters
	layer    string // format of the prefix of a layer, inside base
	attend   [3]string
	attended [2]string // projection and norm behind attention
	up       string
	down     [2]string // projection and norm behind up
	segments bool
	padded   bool // the first position is the one after pad_token_id

	transform, transformNorm, bias string // of the head for language modelling, outside base

	pooler           string // dense layer in front of the classifier of sequences
	pool             kernels.Activation
	classifier       string
	choicePooler     string // the same of multiple choice, whose scores are those of "classifier"
	dropBeforePooler bool   // in the classifier of sequences
}

// families are the encoders by model_type.
var families = map[string]*family{
	"bert": {
		class: "Bert", base: "bert.", layer: "encoder.layer.%d.", segments: true,
		attend:   [3]string{"attention.self.query", "attention.self.key", "attention.self.value"},
		attended: [2]string{"attention.output.dense", "attention.output.LayerNorm"},
		up:       "intermediate.dense", down: [2]string{"output.dense", "output.LayerNorm"},
		transform: "cls.predictions.transform.dense", transformNorm: "cls.predictions.transform.LayerNorm", bias: "cls.predictions.bias",
		pooler: "bert.pooler.dense", pool: kernels.Tanh, classifier: "classifier", choicePooler: "bert.pooler.dense",
	},
	"roberta": {
		class: "Roberta", base: "roberta.", layer: "encoder.layer.%d.", segments: true, padded: true,
		attend:   [3]string{"attention.self.query", "attention.self.key", "attention.self.value"},
		attended: [2]string{"attention.output.dense", "attention.output.LayerNorm"},
		up:       "intermediate.dense", down: [2]string{"output.dense", "output.LayerNorm"},
		transform: "lm_head.dense", transformNorm: "lm_head.layer_norm", bias: "lm_head.bias",
		pooler: "classifier.dense", pool: kernels.Tanh, classifier: "classifier.out_proj", dropBeforePooler: true, choicePooler: "roberta.pooler.dense",
	},
	"distilbert": {
		class: "DistilBert", base: "distilbert.", layer: "transformer.layer.%d.",
		attend:   [3]string{"attention.q_lin", "attention.k_lin", "attention.v_lin"},
		attended: [2]string{"attention.out_lin", "sa_layer_norm"},
		up:       "ffn.lin1", down: [2]string{"ffn.lin2", "output_layer_norm"},
		transform: "vocab_transform", transformNorm: "vocab_layer_norm", bias: "vocab_projector.bias",
		pooler: "pre_classifier", pool: kernels.ReLU, classifier: "classifier", choicePooler: "pre_classifier",
	},
}

// DefaultBERT is the configuration of bert-base-uncased for masked language modelling, which is also the default of transformers.
func DefaultBERT() *EncoderConfig {
	pad := 0
	return &EncoderConfig{encoderFields: encoderFields{
		ModelType: "bert",
		VocabSize: 30522, HiddenSize: 768, Layers: 12, Heads: 12, IntermediateSize: 3072, HiddenAct: "gelu",
		HiddenDropout: 0.1, AttentionDropout: 0.1, MaxPositions: 512, TypeVocabSize: 2,
		InitializerRange: 0.02, LayerNormEps: 1e-12, PadTokenID: &pad, PositionEmbeddings: "absolute", TieWordEmbeddings: true,
	}}
}

// DefaultRoBERTa is the default of transformers. roberta-base itself has 514 positions, one type and an epsilon of 1e-5.
func DefaultRoBERTa() *EncoderConfig {
	c, pad := DefaultBERT(), 1
	c.ModelType, c.VocabSize, c.PadTokenID = "roberta", 50265, &pad
	return c
}

// DefaultDistilBERT is the configuration of distilbert-base-uncased, which is also the default of transformers.
func DefaultDistilBERT() *EncoderConfig {
	c, rate := DefaultBERT(), float32(0.2)
	c.ModelType, c.Layers, c.TypeVocabSize = "distilbert", 6, 1
	c.Dropout, c.AnswerDropout = &rate, 0.1
	return c
}

// Limits says which inputs the model takes.
func (c *EncoderConfig) Limits() Limits {
	l := Limits{Vocabulary: c.VocabSize, Positions: c.MaxPositions - c.firstPosition(), Segments: c.TypeVocabSize, Head: c.Head}
	if c.Head.named() {
		l.Classes = len(c.Labels)
	}
	return l
}

// firstPosition is the row of the first token of a sequence in the table of positions: RoBERTa counts on from the padding's.
func (c *EncoderConfig) firstPosition() int {
	if !c.family().padded || c.PadTokenID == nil {
		return 0
	}
	return *c.PadTokenID + 1
}

func (c *EncoderConfig) family() *family { return families[c.ModelType] }

// Validate returns an error that names a field whose value can't be run.
func (c *EncoderConfig) Validate() error {
	if c.family() == nil {
		return fmt.Errorf("model_type is %q, want bert, roberta or distilbert", c.ModelType)
	}
	if err := c.validateHead(); err != nil {
		return err
	}
	err := check([]rule{
		size("vocab_size", c.VocabSize, maxVocabulary),
		size("hidden_size", c.HiddenSize, maxWidth),
		size("num_hidden_layers", c.Layers, maxLayers),
		size("num_attention_heads", c.Heads, maxHeads),
		{"hidden_size", c.HiddenSize%max(c.Heads, 1) == 0, c.HiddenSize, fmt.Sprintf("a multiple of num_attention_heads, %d", c.Heads)},
		size("intermediate_size", c.IntermediateSize, maxWidth),
		size("max_position_embeddings", c.MaxPositions, maxPositions),
		{"pad_token_id", !c.family().padded || c.PadTokenID != nil && *c.PadTokenID >= 0, c.PadTokenID, "an id: positions count from it"},
		{"max_position_embeddings", c.firstPosition() < c.MaxPositions, c.MaxPositions, "more than pad_token_id + 1"},
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
	if err != nil && c.ModelType == "distilbert" {
		return errors.New(distilNames.Replace(err.Error()))
	}
	return err
}

// distilNames are the names that DistilBERT has for fields in messages.
var distilNames = strings.NewReplacer("hidden_size", "dim", "num_hidden_layers", "n_layers", "num_attention_heads", "n_heads", "intermediate_size", "hidden_dim",
	"hidden_dropout_prob", "dropout", "attention_probs_dropout_prob", "attention_dropout", "hidden_act", "activation")

// Specs lists the parameters. Query, key and value of a layer follow each other, so that they multiply as one matrix. The weight that predicts
// the vocabulary is that of the word embeddings, and has no place of its own.
func (c *EncoderConfig) Specs() []params.Spec {
	f, base, h := c.family(), c.base(), c.HiddenSize
	var specs specs
	specs.matrix(base+"embeddings.word_embeddings.weight", c.VocabSize, h)
	specs.matrix(base+"embeddings.position_embeddings.weight", c.MaxPositions, h)
	if f.segments {
		specs.matrix(base+"embeddings.token_type_embeddings.weight", c.TypeVocabSize, h)
	}
	specs.norm(base+"embeddings.LayerNorm", h)
	for i := range c.Layers {
		layer := c.layer(i)
		for _, name := range f.attend {
			specs.matrix(layer+name+".weight", h, h)
		}
		for _, name := range f.attend {
			specs.vector(layer+name+".bias", h)
		}
		specs.linear(layer+f.attended[0], h, h)
		specs.norm(layer+f.attended[1], h)
		specs.linear(layer+f.up, c.IntermediateSize, h)
		specs.linear(layer+f.down[0], h, c.IntermediateSize)
		specs.norm(layer+f.down[1], h)
	}
	c.headSpecs(&specs)
	return specs
}

// base is the prefix of the encoder's parameters, which has none where it stands alone.
func (c *EncoderConfig) base() string {
	if c.Head == SentenceEmbedding {
		return ""
	}
	return c.family().base
}

// layer is the prefix of the parameters of layer i.
func (c *EncoderConfig) layer(i int) string {
	return c.base() + fmt.Sprintf(c.family().layer, i)
}

// encode adds the layers that all heads share, up to the last hidden state of each token.
func (c *EncoderConfig) encode(g *fused.Graph, s *params.Set) *fused.Tensor {
	f, base, eps := c.family(), c.base(), float32(c.LayerNormEps)
	x := g.Embed(fused.Embedding{
		Token:         s.Lookup(base + "embeddings.word_embeddings.weight"),
		Position:      s.Lookup(base + "embeddings.position_embeddings.weight"),
		Segment:       s.Lookup(base + "embeddings.token_type_embeddings.weight"),
		FirstPosition: c.firstPosition(),
	}, 0)
	x = g.LayerNorm(x, norm(s, base+"embeddings.LayerNorm", eps), c.HiddenDropout)
	for i := range c.Layers {
		layer := c.layer(i)
		branch := g.Branch(x)
		y := g.Linear(x, linear(s, layer+f.attend[0], layer+f.attend[1], layer+f.attend[2]))
		y = g.Attention(y, fused.Attention{Heads: c.Heads, Dropout: c.AttentionDropout})
		x = c.end(g, s, y, branch, layer, f.attended)

		branch = g.Branch(x)
		y = g.Linear(x, activated(linear(s, layer+f.up), activations[c.HiddenAct]))
		x = c.end(g, s, y, branch, layer, f.down)
	}
	return x
}

// end closes a sublayer: norm(x + dropout(dense(y))).
func (c *EncoderConfig) end(g *fused.Graph, s *params.Set, y *fused.Tensor, branch *fused.Branch, layer string, names [2]string) *fused.Tensor {
	dense := fused.Linear{Weights: []*params.Param{s.Lookup(layer + names[0] + ".weight")}}
	return g.AddDropoutNorm(g.Linear(y, dense), branch, s.Lookup(layer+names[0]+".bias"), c.HiddenDropout, norm(s, layer+names[1], float32(c.LayerNormEps)))
}

// initial leaves the padding's rows at 0, as torch.nn.Embedding does.
func (c *EncoderConfig) initial(p *params.Param) initial {
	in := initial{std: c.InitializerRange}
	f, base := c.family(), c.base()
	words, positions := base+"embeddings.word_embeddings.weight", base+"embeddings.position_embeddings.weight"
	if c.PadTokenID != nil && (p.Name == words || p.Name == positions && f.padded) {
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
