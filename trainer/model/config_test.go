package model

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// configs holds a config.json for each architecture, as transformers writes them, with fields that are of no use here.
var configs = map[string]string{
	"bert": `{"architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1, "gradient_checkpointing": false, "hidden_act": "gelu",
		"hidden_dropout_prob": 0.25, "hidden_size": 128, "initializer_range": 0.02, "intermediate_size": 512, "layer_norm_eps": 1e-12,
		"max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 2, "num_hidden_layers": 2, "pad_token_id": 0,
		"position_embedding_type": "absolute", "transformers_version": "4.6.0", "type_vocab_size": 2, "use_cache": true, "vocab_size": 30522}`,
	"distilbert": `{"activation": "gelu", "architectures": ["DistilBertForTokenClassification"], "attention_dropout": 0.1, "dim": 64, "dropout": 0.2,
		"hidden_dim": 128, "id2label": {"0": "O", "1": "B-PER"}, "initializer_range": 0.02, "label2id": {"O": 0, "B-PER": 1}, "max_position_embeddings": 512,
		"model_type": "distilbert", "n_heads": 4, "n_layers": 3, "pad_token_id": 0, "qa_dropout": 0.1, "seq_classif_dropout": 0.2, "sinusoidal_pos_embds": false,
		"tie_weights_": true, "transformers_version": "4.10.0", "vocab_size": 28996}`,
	"roberta": `{"architectures": ["RobertaForMaskedLM"], "attention_probs_dropout_prob": 0.1, "bos_token_id": 0, "classifier_dropout": null, "eos_token_id": 2,
		"hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 96, "initializer_range": 0.02, "intermediate_size": 200, "layer_norm_eps": 1e-05,
		"max_position_embeddings": 514, "model_type": "roberta", "num_attention_heads": 12, "num_hidden_layers": 2, "pad_token_id": 1, "type_vocab_size": 1,
		"use_cache": true, "vocab_size": 50265}`,
	"gpt2": `{"activation_function": "gelu_new", "architectures": null, "attn_pdrop": 0.1, "bos_token_id": 97, "embd_pdrop": 0.1,
		"eos_token_id": 98, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 512, "n_embd": 32, "n_head": 4,
		"n_inner": null, "n_layer": 5, "n_positions": 512, "resid_pdrop": 0.1, "scale_attn_weights": true, "task_specific_params":
		{"text-generation": {"do_sample": true, "max_length": 50}}, "vocab_size": 1000}`,
	"llama": `{"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": [2, 7],
		"head_dim": 16, "hidden_act": "silu", "hidden_size": 48, "initializer_range": 0.02, "intermediate_size": 100, "max_position_embeddings": 256,
		"mlp_bias": false, "model_type": "llama", "num_attention_heads": 6, "num_hidden_layers": 2, "num_key_value_heads": 2, "pretraining_tp": 1,
		"rms_norm_eps": 1e-06, "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}, "tie_word_embeddings": true, "vocab_size": 300}`,
}

func TestConfigKeepsFields(t *testing.T) {
	for name, text := range configs {
		t.Run(name, func(t *testing.T) {
			c, err := ReadConfig([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			written, err := c.JSON()
			if err != nil {
				t.Fatal(err)
			}
			var before, after map[string]any
			if err := json.Unmarshal([]byte(text), &before); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(written, &after); err != nil {
				t.Fatal(err)
			}
			for field, want := range before {
				if got := after[field]; !reflect.DeepEqual(got, want) && field != "architectures" {
					t.Errorf("%s is %v, want %v", field, got, want)
				}
			}
			if after["architectures"] == nil || after["tie_word_embeddings"] != true {
				t.Errorf("a default is missing in\n%s", written)
			}
			again, err := ReadConfig(written)
			if err != nil {
				t.Fatal(err)
			}
			if twice, err := again.JSON(); err != nil || string(twice) != string(written) {
				t.Errorf("written twice: %s, error %v, want %s", twice, err, written)
			}
		})
	}
	gpt2, _ := ReadConfig([]byte(configs["gpt2"]))
	if l := gpt2.Limits(); l != (Limits{Vocabulary: 1000, Positions: 512, Segments: 1}) {
		t.Errorf("limits %+v", l)
	}
}

func TestRefusedConfig(t *testing.T) {
	cases := []struct{ name, config, old, new, want string }{
		{"no JSON", "bert", "{", "[", "config.json"},
		{"no type", "bert", `"model_type": "bert", `, "", "no model_type"},
		{"other type", "bert", `"model_type": "bert"`, `"model_type": "t5"`, `"t5" is not known`},
		{"type of field", "bert", `"hidden_size": 128`, `"hidden_size": "128"`, "hidden_size"},
		{"zero", "bert", `"num_hidden_layers": 2`, `"num_hidden_layers": 0`, "num_hidden_layers is 0"},
		{"negative", "gpt2", `"vocab_size": 1000`, `"vocab_size": -1`, "vocab_size is -1"},
		{"huge", "gpt2", `"n_embd": 32`, `"n_embd": 1099511627776`, "n_embd is 1099511627776"},
		{"heads", "bert", `"num_attention_heads": 2`, `"num_attention_heads": 3`, "a multiple of num_attention_heads, 3"},
		{"no heads", "gpt2", `"n_head": 4`, `"n_head": 0`, "n_head is 0"},
		{"activation", "bert", `"gelu"`, `"swish"`, `"swish"`},
		{"dropout", "gpt2", `"attn_pdrop": 0.1`, `"attn_pdrop": 1`, "attn_pdrop is 1"},
		{"eps", "gpt2", `1e-05`, `0`, "layer_norm_epsilon is 0"},
		{"positions", "bert", `"absolute"`, `"relative_key"`, "position_embedding_type is relative_key"},
		{"inner", "gpt2", `"n_inner": null`, `"n_inner": 0`, "n_inner is 0"},
		{"untied", "gpt2", `"n_ctx": 512`, `"tie_word_embeddings": false`, "tie_word_embeddings is false"},
		{"groups", "llama", `"num_key_value_heads": 2`, `"num_key_value_heads": 4`, "num_key_value_heads is 4, want a divisor of num_attention_heads, 6"},
		{"no groups", "llama", `"num_key_value_heads": 2`, `"num_key_value_heads": 0`, "num_key_value_heads is 0"},
		{"odd heads", "llama", `"head_dim": 16`, `"head_dim": 15`, "head_dim is 15"},
		{"head size", "llama", `"head_dim": 16`, `"head_dim": 1000000`, "head_dim is 1000000"},
		{"scaled rotation", "llama", `"rope_type": "default"`, `"rope_type": "llama3"`, `rope_parameters.rope_type is "llama3"`},
		{"old scaled rotation", "llama", `"mlp_bias": false`, `"rope_scaling": {"type": "linear", "factor": 2}`, `rope_scaling.rope_type is "linear"`},
		{"theta", "llama", `"rope_theta": 500000.0`, `"rope_theta": -1`, "rope_theta is -1"},
		{"biases", "llama", `"attention_bias": false`, `"attention_bias": true`, "attention_bias is true"},
		{"gate", "llama", `"silu"`, `"gelu"`, `hidden_act is "gelu"`},
		{"end", "llama", `[2, 7]`, `"2"`, "config.json"},
		{"decoder", "bert", `"use_cache": true`, `"is_decoder": true`, "is_decoder is true"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(configs[c.config], c.old, c.new, 1)
			if text == configs[c.config] {
				t.Fatal("nothing was replaced")
			}
			if _, err := ReadConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	huge := DefaultGPT2()
	huge.Layers, huge.Width, huge.Heads = maxLayers, 1<<16, 16
	if _, err := New(huge, nil); err == nil || !strings.Contains(err.Error(), "elements") {
		t.Errorf("a model of 10^14 parameters returned %v", err)
	}
}

// TestLlamaConfigs reads what versions of transformers wrote, and what they leave out.
func TestLlamaConfigs(t *testing.T) {
	for _, c := range []struct {
		text         string
		theta        float64
		kvHeads, dim int
		ends         []uint32
	}{
		{`{"model_type": "llama"}`, 10000, 32, 128, []uint32{2}},
		{`{"model_type": "llama", "rope_theta": 7000, "rope_scaling": null, "eos_token_id": null, "num_key_value_heads": 8}`, 7000, 8, 128, nil},
		{configs["llama"], 500000, 2, 16, []uint32{2, 7}},
	} {
		read, err := ReadConfig([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		written, err := read.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadConfig(written)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []*LlamaConfig{read.(*LlamaConfig), again.(*LlamaConfig)} {
			if l.RopeTheta != c.theta || l.kvHeads() != c.kvHeads || l.headSize() != c.dim || !slices.Equal(l.Ends(), c.ends) {
				t.Errorf("%s\nwas read as theta %v, %d heads of keys, of size %d, ends %v", c.text, l.RopeTheta, l.kvHeads(), l.headSize(), l.Ends())
			}
			if start, ok := l.Start(); !ok || start != 1 {
				t.Errorf("start %d, %v", start, ok)
			}
		}
	}
}

func FuzzReadConfig(f *testing.F) {
	for _, text := range configs {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"model_type":"bert","architectures":null,"pad_token_id":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ReadConfig(data)
		if err != nil {
			return
		}
		written, err := c.JSON()
		if err != nil {
			t.Fatalf("write what was read: %v", err)
		}
		if _, err := ReadConfig(written); err != nil {
			t.Fatalf("read what was written: %v\n%s", err, written)
		}
	})
}
