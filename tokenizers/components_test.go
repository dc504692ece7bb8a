package tokenizers

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/tokenizers/internal/wordcache"
)

// Every component as the reference writes it, with all of its settings; more than one form where files of several ages differ.
var components = map[string][]string{
	"normalizer": {
		`{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}`,
		`{"type":"ByteLevel"}`,
		`{"type":"Lowercase"}`,
		`{"type":"NFC"}`, `{"type":"NFD"}`, `{"type":"NFKC"}`, `{"type":"NFKD"}`,
		`{"type":"Nmt"}`,
		`{"type":"Precompiled","precompiled_charsmap":"AAAAAA=="}`,
		`{"type":"Prepend","prepend":"▁"}`,
		`{"type":"Replace","pattern":{"String":" "},"content":"▁"}`, `{"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "}`,
		`{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Sequence","normalizers":[]}]}`,
		`{"type":"Strip","strip_left":true,"strip_right":false}`,
		`{"type":"StripAccents"}`,
	},
	"pre_tokenizer": {
		`{"type":"BertPreTokenizer"}`,
		`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`, `{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true}`,
		`{"type":"CharDelimiterSplit","delimiter":"-"}`,
		`{"type":"Digits","individual_digits":true}`,
		`{"type":"FixedLength","length":5}`, `{"type":"FixedLength"}`,
		`{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}`, `{"type":"Metaspace","replacement":"▁","add_prefix_space":true}`,
		`{"type":"Punctuation","behavior":"Isolated"}`, `{"type":"Punctuation"}`,
		`{"type":"Sequence","pretokenizers":[{"type":"Whitespace"},{"type":"Sequence","pretokenizers":[]}]}`,
		`{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}`, `{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Removed","invert":true}`,
		`{"type":"UnicodeScripts"}`,
		`{"type":"Whitespace"}`,
		`{"type":"WhitespaceSplit"}`,
	},
	"post_processor": {
		`{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]}`,
		`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true}`,
		`{"type":"RobertaProcessing","sep":["[SEP]",2],"cls":["[CLS]",1],"trim_offsets":true,"add_prefix_space":true}`,
		`{"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false}]}`,
		`{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],` +
			`"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]}}}`,
	},
	"decoder": {
		`{"type":"BPEDecoder","suffix":"</w>"}`,
		`{"type":"ByteFallback"}`,
		`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`,
		`{"type":"CTC","pad_token":"<pad>","word_delimiter_token":"|","cleanup":true}`,
		`{"type":"Fuse"}`,
		`{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}`, `{"type":"Metaspace","replacement":"▁","add_prefix_space":true}`,
		`{"type":"Replace","pattern":{"String":"▁"},"content":" "}`, `{"type":"Replace","pattern":{"Regex":"h?"},"content":"x"}`,
		`{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Sequence","decoders":[]}]}`,
		`{"type":"Strip","content":" ","start":1,"stop":0}`,
		`{"type":"WordPiece","prefix":"##","cleanup":true}`,
	},
	"model": {
		`{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,` +
			`"vocab":{"a":0,"[CLS]":1,"[SEP]":2,"aa":3},"merges":[["a","a"]]}`,
		`{"type":"BPE","dropout":0.1,"unk_token":"a","continuing_subword_prefix":"","end_of_word_suffix":"</w>","fuse_unk":true,"vocab":{"a":0,"[CLS]":1,"[SEP]":2,"aa":3},"merges":["a a"]}`,
		`{"type":"Unigram","unk_id":0,"vocab":[["a",-1.5],["[CLS]",0.0],["[SEP]",0.0]],"byte_fallback":false}`,
		`{"type":"WordLevel","vocab":{"a":0,"[CLS]":1,"[SEP]":2},"unk_token":"a"}`,
		`{"type":"WordPiece","unk_token":"a","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"a":0,"[CLS]":1,"[SEP]":2}}`,
	},
}

func TestEveryComponent(t *testing.T) {
	known := map[string][]string{
		"normalizer": slices.Sorted(maps.Keys(normalizers)), "pre_tokenizer": slices.Sorted(maps.Keys(preTokenizers)),
		"post_processor": slices.Sorted(maps.Keys(postProcessors)), "decoder": slices.Sorted(maps.Keys(decoders)), "model": slices.Sorted(maps.Keys(models)),
	}
	for section, forms := range components {
		var kinds []string
		for _, form := range forms {
			var part struct{ Type string }
			if err := json.Unmarshal([]byte(form), &part); err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			kinds = append(kinds, part.Type)
			checkComponent(t, section, form)
		}
		if got := slices.Compact(kinds); !slices.Equal(got, known[section]) {
			t.Errorf("%s: there are tests of %v, and components %v", section, got, known[section])
		}
	}
}

// checkComponent loads a tokenizer with one component, and uses it.
func checkComponent(t *testing.T, section, form string) {
	t.Helper()
	parts := []string{`"` + section + `":` + form}
	if section != "model" {
		parts = append(parts, `"model":`+components["model"][0])
	}
	tok, err := Load([]byte("{" + strings.Join(parts, ",") + "}"))
	if err != nil {
		t.Errorf("%s: %s: %v", section, form, err)
		return
	}
	e := encode(t, tok, "a aa-à 12", EncodeOptions{AddSpecial: true})
	tok.Decode(e.IDs, true)
	same(t, form+": ids of the encoder", tok.NewEncoder(wordcache.MinBytes).AppendIDs(nil, []byte("a aa-à 12")), encode(t, tok, "a aa-à 12", EncodeOptions{SpecialIsText: true}).IDs)
	if plan := tok.Explain(); plan == "" || strings.Contains(plan, "\n") {
		t.Errorf("%s: the plan is explained as %q", form, plan)
	}
}

func TestExplain(t *testing.T) {
	for name, want := range map[string]string{
		"bpe":               "byte-level BPE in one pass, words from bytes to ids",
		"bpe_one_word":      "byte-level BPE in one pass, each text one word",
		"wordpiece":         "BERT in one pass",
		"unigram":           "Unigram behind Metaspace",
		"bpe_byte_fallback": "part by part",
		"bpe_shown":         "part by part",
	} {
		if got := loadNamed(t, name+".tokenizer.json").Explain(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
