package tokenizers

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/tokenizers/internal/wordcache"
)

// edited returns testdata/name with one piece of it replaced.
func edited(t testing.TB, name, old, new string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("%s does not hold %s", name, old)
	}
	return bytes.Replace(data, []byte(old), []byte(new), 1)
}

func TestLoadRefuses(t *testing.T) {
	const bpe, wordpiece = "bpe.tokenizer.json", "wordpiece.tokenizer.json"
	deep := strings.Repeat("[", 100_000)
	tests := []struct {
		name           string
		file, old, new string
		want           string // in the error
	}{
		{"unknown normalizer", bpe, `"normalizer":null`, `"normalizer":{"type":"Sparkle"}`, `normalizer.type: "Sparkle" is not supported`},
		{"unknown pre-tokenizer", bpe, `"pre_tokenizer":{"type":"ByteLevel"`, `"pre_tokenizer":{"type":"Shuffle"`, `pre_tokenizer.type: "Shuffle"`},
		{"unknown decoder", bpe, `"decoder":{"type":"ByteLevel"`, `"decoder":{"type":"Sparkle"`, `decoder.type: "Sparkle"`},
		{"unknown post-processor", bpe, `"post_processor":{"type":"ByteLevel"`, `"post_processor":{"type":"Sparkle"`, `post_processor.type: "Sparkle"`},
		{"unknown model", bpe, `"type":"BPE"`, `"type":"Sparkle"`, `model.type: "Sparkle"`},
		{"unknown model setting", bpe, `"dropout":null`, `"dropout":null,"sparkle":true`, "model.sparkle: is not a setting of BPE"},
		{"setting of another model", wordpiece, `"unk_token":"[UNK]"`, `"unk_token":"[UNK]","merges":[]`, "model.merges: is not a setting of WordPiece"},
		{"part without type", bpe, `"decoder":{"type":"ByteLevel",`, `"decoder":{`, "decoder.type: is missing"},
		{"dropout above 1", bpe, `"dropout":null`, `"dropout":1.5`, "model.dropout: 1.5 is not a rate from 0 to 1"},
		{"negative dropout", bpe, `"dropout":null`, `"dropout":-1e-9`, "model.dropout: -1e-9 is not a rate"},
		{"endless dropout", bpe, `"dropout":null`, `"dropout":1e999`, "model.dropout: 1e999 is not a rate"},
		{"byte fallback with a suffix", bpe, `"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false`, `"end_of_word_suffix":"</w>","fuse_unk":false,"byte_fallback":true`, "model.byte_fallback: "},
		{"merge without the prefix", bpe, `"continuing_subword_prefix":null`, `"continuing_subword_prefix":"##"`, "does not begin with continuing_subword_prefix"},
		{"wrong type", bpe, `"fuse_unk":false`, `"fuse_unk":"no"`, "model.fuse_unk: expected true or false"},
		{"vocabulary is a list", bpe, `"vocab":{`, `"vocab":3,"x":{`, "model.vocab: expected an object"},
		{"negative id", bpe, `"!":1,`, `"!":-1,`, "model.vocab.!: -1 is not a whole number"},
		{"fractional id", bpe, `"!":1,`, `"!":1.5,`, "model.vocab.!: 1.5 is not a whole number"},
		{"huge id", bpe, `"!":1,`, `"!":99999999999999999999,`, "model.vocab.!: 99999999999999999999 is not a whole number"},
		{"id beyond the bound", bpe, `"!":1,`, `"!":4194304,`, "is not a whole number from 0 to 4194303"},
		{"id given twice", bpe, `"!":1,`, `"!":2,`, `id 2 belongs to "!" already`},
		{"token given twice", bpe, `"!":1,`, `"!":1,"!":1,`, "token given twice"},
		{"merge of an unknown token", bpe, `"merges":[`, `"merges":["qq ww",`, `model.merges[0]: "qq" is not in vocab`},
		{"merge into an unknown token", bpe, `"merges":[`, `"merges":[["!","~"],`, `model.merges[0]: "!~" is not in vocab`},
		{"merge of three", bpe, `"merges":[`, `"merges":["a b c",`, "model.merges[0]: "},
		{"merge of one", bpe, `"merges":[`, `"merges":[["a"],`, "model.merges[0]: a merge has two tokens"},
		{"merge is a number", bpe, `"merges":[`, `"merges":[7,`, "model.merges[0]: expected an array"},
		{"unknown token lacks", wordpiece, `"unk_token":"[UNK]"`, `"unk_token":"[unk]"`, `model.unk_token: "[unk]" is not in vocab`},
		{"unknown token lacks and is needed", "bpe_unknown_fused.tokenizer.json", `"unk_token":"<|endoftext|>"`, `"unk_token":"?!?"`, "model.unk_token: "},
		{"vocabulary lacks", wordpiece, `"vocab":{`, `"vocabulary":{`, "model.vocab: is missing"},
		{"added token renumbered", bpe, `"added_tokens":[{"id":0`, `"added_tokens":[{"id":7`, "added_tokens[0].id: "},
		{"added token twice", bpe, `"added_tokens":[`, `"added_tokens":[{"id":0,"content":"<|endoftext|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},`, "added_tokens[1].content: "},
		{"added token too long", bpe, `"content":"<|endoftext|>"`, `"content":"` + strings.Repeat("x", 2000) + `"`, "added_tokens[0].content: has 2000 bytes"},
		{"added token lacks a field", bpe, `"single_word":false,`, ``, "added_tokens[0].single_word: is missing"},
		{"template with an unknown token", wordpiece, `"single":[{"SpecialToken":{"id":"[CLS]"`, `"single":[{"SpecialToken":{"id":"[XXX]"`, `post_processor.single[0].SpecialToken.id: "[XXX]" is not in special_tokens`},
		{"template of one text uses two", wordpiece, `{"Sequence":{"id":"A"`, `{"Sequence":{"id":"B"`, "post_processor.single[1].Sequence.id: "},
		{"template ids and tokens differ", wordpiece, `"ids":[2]`, `"ids":[2,3]`, "post_processor.special_tokens.[CLS]: has 2 ids and 1 tokens"},
		{"special token beyond the vocabulary", wordpiece, `"ids":[2]`, `"ids":[2000]`, "post_processor: id 2000 is not in the vocabulary"},
		{"special token of BERT beyond", "wordpiece_accents.tokenizer.json", `"sep":["[SEP]",3]`, `"sep":["[SEP]",901]`, "post_processor: id 901 is not in the vocabulary"},
		{"special token without id", "wordpiece_accents.tokenizer.json", `"sep":["[SEP]",3]`, `"sep":["[SEP]"]`, "post_processor.sep: expected a token and its id"},
		{"version", bpe, `"version":"1.0"`, `"version":"2.0"`, `version: "2.0" is not known`},
		{"field given twice", bpe, `"version":"1.0"`, `"version":"1.0","version":"1.0"`, "version: given twice"},
		{"deep", bpe, `"version":"1.0"`, `"x":` + deep, "nested more than 64 deep"},
		{"lone surrogate", bpe, `"!":1,`, `"\ud800":1,`, "lone surrogate"},
		{"invalid UTF-8", bpe, `"!":1,`, "\"\xff\":1,", "not valid UTF-8"},
		{"control character", bpe, `"!":1,`, "\"\x01\":1,", "control character"},
		{"bad escape", bpe, `"!":1,`, `"\x":1,`, "unknown escape"},
		{"number with a leading zero", bpe, `"!":1,`, `"!":01,`, "expected a number"},
		{"trailing comma", bpe, `"truncation":null,`, `"truncation":null,,`, "expected a string"},
		{"no comma", bpe, `"truncation":null,`, `"truncation":null`, "expected ','"},
		{"two values", bpe, "}\n", "}{}\n", "expected the end of the file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(edited(t, test.file, test.old, test.new))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %s", err, test.want)
			}
		})
	}
}

func TestLoadRefusesCutFiles(t *testing.T) {
	data, err := os.ReadFile("testdata/wordpiece_accents.tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.TrimSpace(data)
	for n := 0; n < len(data); n += 1 + n/50 {
		if _, err := Load(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes load", n, len(data))
		}
	}
}

func TestLoadFileNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadFile(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "model: is missing") {
		t.Errorf("error is %v", err)
	}
	if _, err := LoadFile(path + "x"); !os.IsNotExist(err) {
		t.Errorf("error of a missing file is %v", err)
	}
}

func TestSaveIsLossless(t *testing.T) {
	data := edited(t, "bpe.tokenizer.json", `"normalizer"`, ` "of_tomorrow": {"a" : [1, 2.50 ,"\u00e9"]},  "normalizer"`)
	tok, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := tok.Save(&out); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), data) || !bytes.Equal(tok.Raw(), data) {
		t.Error("what is saved is not what was loaded")
	}
}

func TestLoadOldModels(t *testing.T) {
	for _, test := range []struct{ file, kind, want string }{
		{"bpe.tokenizer.json", `"type":"BPE",`, "BPE"},
		{"wordpiece_cased_marks.tokenizer.json", `"type":"WordPiece",`, "WordPiece"},
	} {
		tok, err := Load(edited(t, test.file, test.kind, ""))
		if err != nil {
			t.Fatal(err)
		}
		if tok.Model() != test.want {
			t.Errorf("a model without a type is read as %s, want %s", tok.Model(), test.want)
		}
	}
}

func TestVocabulary(t *testing.T) {
	tok := loadNamed(t, "wordpiece_cased_marks.tokenizer.json")
	if id, ok := tok.TokenID("[MASK]"); !ok || id != 4 {
		t.Errorf("[MASK] is %d, %t", id, ok)
	}
	if id, ok := tok.TokenID("THE"); !ok || id != 900 {
		t.Errorf("THE is %d, %t", id, ok)
	}
	if s, ok := tok.Token(900); !ok || s != "the" {
		t.Errorf("900 is %q, %t: want the normalized form", s, ok)
	}
	if _, ok := tok.Token(903); ok {
		t.Error("903 is a token")
	}
	if n := tok.VocabSize(); n != 903 {
		t.Errorf("VocabSize is %d", n)
	}
	want := []SpecialToken{{0, "[PAD]"}, {1, "[UNK]"}, {2, "[CLS]"}, {3, "[SEP]"}, {4, "[MASK]"}, {902, "<Mask>"}}
	same(t, "special tokens", tok.SpecialTokens(), want)
}

func TestVocabularyGaps(t *testing.T) {
	tok, err := Load([]byte(`{"model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":9,"vocab":{"u":0,"a":5}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := tok.Token(3); ok || tok.VocabSize() != 6 {
		t.Errorf("a gap is a token: %t; VocabSize %d, want 6", ok, tok.VocabSize())
	}
	same(t, "ids", encode(t, tok, "a", EncodeOptions{}).IDs, []uint32{5})
	same(t, "decoded", []string{tok.Decode([]uint32{5, 3, 77, 1 << 31, 0}, false)}, []string{"a u"})
}

// The reader of JSON takes what encoding/json takes, except what the latter only takes by changing it.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e+3,"x\n\u00e9\ud83d\ude00",null,true,false,{}]}`, `"\ud800"`, `[01]`, `{"a":1,}`, "\"\x01\"", `{"a":1 "b":2}`, `-`, `1.`, `1e`, `tru`, `""x`, "\xff", `{"":{"":A`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &jsonReader{data: data}
		_, err := r.raw()
		if err == nil {
			err = r.end()
		}
		if err == nil && !json.Valid(data) {
			t.Fatalf("%q is read, but is not JSON", data)
		}
		if err != nil && json.Valid(data) && !tooStrict(err) {
			t.Fatalf("%q is JSON, but: %v", data, err)
		}
		var want string
		if r := (&jsonReader{data: data}); len(data) > 0 && data[0] == '"' && err == nil {
			got, err := r.str()
			if jsonErr := json.Unmarshal(data, &want); err != nil || jsonErr != nil || got != want {
				t.Fatalf("%q is read as %q, %v; want %q, %v", data, got, err, want, jsonErr)
			}
		}
	})
}

func tooStrict(err error) bool {
	for _, s := range []string{"UTF-8", "surrogate", "deep"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.tokenizer.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		tok, err := Load(data) // tables that are made once are made before an input's ten seconds begin
		if err != nil {
			f.Fatal(err)
		}
		tok.NewEncoder(0).AppendIDs(nil, []byte("a é"))
		f.Add(data, "a [MASK] é")
	}
	f.Add([]byte(`{"truncation":{"max_length":3,"strategy":"LongestFirst","stride":1},"padding":{"strategy":{"Fixed":5},"direction":"Left","pad_to_multiple_of":4,"pad_id":1,"pad_type_id":0,"pad_token":"p"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"FixedLength","length":1},{"type":"UnicodeScripts"}]},"post_processor":{"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true},{"type":"BertProcessing","sep":["a",0],"cls":["b",1]}]},"decoder":{"type":"Replace","pattern":{"Regex":"b?"},"content":"c"},"model":{"type":"BPE","dropout":0.5,"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`), " ab ба\u00e9ab")
	f.Add([]byte(`{"added_tokens":[],"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`), "aabb")
	f.Add([]byte(`{"added_tokens":[{"id":2,"content":"x","single_word":true,"lstrip":true,"rstrip":true,"normalized":true,"special":false}],"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"","max_input_chars_per_word":3,"vocab":{"u":0,"a":1}}}`), " X aa中")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tok, err := Load(data)
		if err != nil {
			return
		}
		o := EncodeOptions{AddSpecial: true, Truncate: tok.Truncation(), Pad: tok.Padding()}
		if o.Pad != nil && (o.Pad.Tokens > 1000 || o.Pad.MultipleOf > 1000) {
			o.Pad = nil
		}
		if e, err := tok.Encode(text, o); err == nil && len(e.IDs) != len(e.AttentionMask) {
			t.Fatalf("%d tokens and %d masks", len(e.IDs), len(e.AttentionMask))
		}
		e := encode(t, tok, text, EncodeOptions{AddSpecial: true})
		for i, at := range e.Offsets {
			if at[0] < 0 || at[0] > at[1] || at[1] > len(text) || int(e.IDs[i]) >= tok.VocabSize() {
				t.Fatalf("token %d is %d at %v", i, e.IDs[i], at)
			}
		}
		tok.Decode(e.IDs, true)
		got := tok.NewEncoder(wordcache.MinBytes).AppendIDs(nil, []byte(text))
		same(t, "ids of the encoder", got, encode(t, tok, text, EncodeOptions{SpecialIsText: true}).IDs)
	})
}
