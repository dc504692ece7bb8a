package model

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// configs holds a config.json for each architecture, as transformers writes them, with fields that are of no use here.
var configs = map[string]string{
	"bert": `{"architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1, "gradient_checkpointing": false, "hidden_act": "gelu",
		"hidden_dropout_prob": 0.25, "hidden_size": 128, "initializer_range": 0.02, "intermediate_size": 512, "layer_norm_eps": 1e-12,
		"max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 2, "num_hidden_layers": 2, "pad_token_id": 0,
		"position_embedding_type": "absolute", "transformers_version": "4.6.0", "type_vocab_size": 2, "use_cache": true, "vocab_size": 30522}`,
	"gpt2": `{"activation_function": "gelu_new", "architectures": null, "attn_pdrop": 0.1, "bos_token_id": 97, "embd_pdrop": 0.1,
		"eos_token_id": 98, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 512, "n_embd": 32, "n_head": 4,
		"n_inner": null, "n_layer": 5, "n_positions": 512, "resid_pdrop": 0.1, "scale_attn_weights": true, "task_specific_params":
		{"text-generation": {"do_sample": true, "max_length": 50}}, "vocab_size": 1000}`,
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
		{"activation", "bert", `"gelu"`, `"relu"`, `"relu"`},
		{"dropout", "gpt2", `"attn_pdrop": 0.1`, `"attn_pdrop": 1`, "attn_pdrop is 1"},
		{"eps", "gpt2", `1e-05`, `0`, "layer_norm_epsilon is 0"},
		{"positions", "bert", `"absolute"`, `"relative_key"`, "position_embedding_type is relative_key"},
		{"inner", "gpt2", `"n_inner": null`, `"n_inner": 0`, "n_inner is 0"},
		{"untied", "gpt2", `"n_ctx": 512`, `"tie_word_embeddings": false`, "tie_word_embeddings is false"},
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
