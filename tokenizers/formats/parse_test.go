package formats

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/tokenizers"
)

func truth(b bool) *bool { return &b }

// write puts files into a folder and returns its path.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// tokens encodes a text.
func tokens(t testing.TB, tok *tokenizers.Tokenizer, text string) string {
	t.Helper()
	e, err := tok.Encode(text, tokenizers.EncodeOptions{AddSpecial: true})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(e.Tokens, " ")
}

const (
	smallVocab  = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##b\n##é\ne\n"
	smallMerges = "#version: 0.2\na b\nĠ ab\n"
	smallJSON   = `{"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "<|endoftext|>": 5`
)

// byteVocab is a vocab.json of all bytes and a few more.
func byteVocab(more ...string) string {
	var b strings.Builder
	b.WriteString("{")
	for i, char := range byteChars {
		b.Write(encode(string(char)))
		b.WriteString(": ")
		b.Write(encode(i))
		b.WriteString(", ")
	}
	for i, token := range more {
		if i > 0 {
			b.WriteString(", ")
		}
		b.Write(encode(token))
		b.WriteString(": ")
		b.Write(encode(256 + i))
	}
	return b.String() + "}"
}

func TestVocabText(t *testing.T) {
	tests := []struct {
		name         string
		files        map[string]string
		text, tokens string
	}{
		{"lower case", map[string]string{"vocab.txt": smallVocab}, "Ab É", "[CLS] a ##b e [SEP]"},
		{"case kept", map[string]string{"vocab.txt": smallVocab + "A\n"}, "Ab", "[CLS] A ##b [SEP]"},
		{"case lost because the settings say so", map[string]string{"vocab.txt": smallVocab + "A\n", "tokenizer_config.json": `{"do_lower_case": true}`}, "Ab", "[CLS] a ##b [SEP]"},
		{"accents kept", map[string]string{"vocab.txt": smallVocab, "tokenizer_config.json": `{"strip_accents": false}`}, "aÉ", "[CLS] a ##é [SEP]"},
		{"other names", map[string]string{"vocab.txt": "<pad>\n<unk>\n<s>\n</s>\na\n",
			"tokenizer_config.json": `{"unk_token": "<unk>", "cls_token": {"content": "<s>"}}`, "special_tokens_map.json": `{"sep_token": "</s>", "cls_token": "no"}`}, "a x", "<s> a <unk> </s>"},
		{"Windows", map[string]string{"vocab.txt": strings.ReplaceAll(smallVocab, "\n", "\r\n")}, "ab", "[CLS] a ##b [SEP]"},
		{"added tokens", map[string]string{"vocab.txt": smallVocab, "added_tokens.json": `{"<x>": 10, "<y>": 11}`}, "a<y>", "[CLS] a <y> [SEP]"},
		{"no template without its tokens", map[string]string{"vocab.txt": "[UNK]\na\n"}, "a", "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := tokens(t, open(t, write(t, test.files)), test.text); got != test.tokens {
				t.Errorf("tokens are %s, want %s", got, test.tokens)
			}
		})
	}
}

func TestMerges(t *testing.T) {
	tests := []struct {
		name         string
		files        map[string]string
		text, tokens string
	}{
		{"GPT-2", map[string]string{"vocab.json": byteVocab("ab", "Ġab", "<|endoftext|>"), "merges.txt": smallMerges}, "ab ab<|endoftext|>", "ab Ġab <|endoftext|>"},
		{"RoBERTa", map[string]string{"vocab.json": byteVocab("ab", "Ġab", "<s>", "</s>", "<mask>"), "merges.txt": smallMerges}, "ab <mask>", "<s> ab  <mask> </s>"},
		{"space before the text", map[string]string{"vocab.json": byteVocab("ab", "Ġab"), "merges.txt": smallMerges, "tokenizer_config.json": `{"add_prefix_space": true}`}, "ab", "Ġab"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := tokens(t, open(t, write(t, test.files)), test.text); got != test.tokens {
				t.Errorf("tokens are %q, want %q", got, test.tokens)
			}
		})
	}
}

// smallModel returns a model of SentencePiece.
func smallModel(kind byte, normalizer []byte, pieces ...spPiece) []byte {
	var model []byte
	for _, p := range pieces {
		model = appendPiece(model, p)
	}
	trainer := append(binary.AppendUvarint([]byte{trainerKind << 3, kind}, trainerByteFallback<<3), 1)
	return appendField(appendField(model, modelTrainer, trainer), modelNormalizer, normalizer)
}

var smallPieces = []spPiece{
	{"<unk>", 0, spUnknown}, {"<s>", 0, spControl}, {"</s>", 0, spControl}, {"▁", -2, spNormal}, {"a", -3, spNormal}, {"b", -3, spNormal}, {"▁a", -1, spNormal}, {"ab", -2.5, spNormal},
	{"<x>", 0, spUserDefined},
}

func TestSentencePiece(t *testing.T) {
	albert := append([]spPiece{{"<pad>", 0, spControl}, {"<unk>", 0, spUnknown}, {"[CLS]", 0, spControl}, {"[SEP]", 0, spControl}, {"[MASK]", 0, spControl}}, smallPieces[3:8]...)
	tests := []struct {
		name         string
		model        []byte
		config       string
		text, tokens string
	}{
		{"Unigram as the model says", smallModel(spUnigram, nil, smallPieces...), "{}", "  ab  a<x>b ", "▁a b ▁a <x> b"},
		{"spaces kept", smallModel(spUnigram, []byte{normalizerTidySpaces << 3, 0}, smallPieces...), "{}", "a ", "▁a ▁"},
		{"no space before the text", smallModel(spUnigram, []byte{normalizerDummyPrefix << 3, 0}, smallPieces...), "{}", "a a", "a ▁a"},
		{"BPE as the model says", smallModel(spBPE, nil, smallPieces...), "{}", "ab  a", "▁a b ▁a"},
		{"begin and end", smallModel(spBPE, nil, smallPieces...), `{"add_bos_token": true, "add_eos_token": true}`, "a", "<s> ▁a </s>"},
		{"Llama", smallModel(spBPE, nil, smallPieces...), `{"tokenizer_class": "LlamaTokenizer"}`, "a <s>a", "<s> ▁a ▁ <s> ▁a"},
		{"Llama, new", smallModel(spBPE, nil, smallPieces...), `{"tokenizer_class": "LlamaTokenizer", "legacy": false}`, "a<s>a", "<s> ▁a <s> a"},
		{"ALBERT", smallModel(spUnigram, nil, albert...), "{}", "AB ``", "[CLS] ▁a b ▁ \" [SEP]"},
		{"XLM-RoBERTa", smallModel(spUnigram, nil, smallPieces...), `{"tokenizer_class": "XLMRobertaTokenizerFast"}`, "ab <mask>", "<s> ▁a b  <mask> </s>"},
		{"T5", smallModel(spUnigram, nil, smallPieces...), `{"tokenizer_class": "T5Tokenizer", "extra_ids": 2}`, "a<extra_id_0>", "▁a <extra_id_0> </s>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tok := open(t, write(t, map[string]string{"tokenizer.model": string(test.model), "tokenizer_config.json": test.config}))
			if got := tokens(t, tok, test.text); got != test.tokens {
				t.Errorf("tokens are %q, want %q", got, test.tokens)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	long := strings.Repeat("x", maxTokenBytes+1)
	model := func(pieces ...spPiece) string { return string(smallModel(spUnigram, nil, pieces...)) }
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"nothing", nil, "holds no tokenizer.json"},
		{"two models", map[string]string{"a.model": "", "b.model": ""}, "name one of them"},
		{"empty vocabulary", map[string]string{"vocab.txt": "\n\n"}, "holds no tokens"},
		{"token twice", map[string]string{"vocab.txt": smallVocab + "a\n"}, `line 11: "a" is on line 6 already`},
		{"long token", map[string]string{"vocab.txt": smallVocab + long}, "line 11: token of 16385 bytes"},
		{"not UTF-8", map[string]string{"vocab.txt": smallVocab + "\xff"}, "line 11: "},
		{"no unknown token", map[string]string{"vocab.txt": "a\n"}, `lacks the unknown token "[UNK]"`},
		{"bad settings", map[string]string{"vocab.txt": smallVocab, "tokenizer_config.json": `{"do_lower_case": 3}`}, "tokenizer_config.json: "},
		{"bad id", map[string]string{"vocab.txt": smallVocab, "tokenizer_config.json": `{"added_tokens_decoder": {"x": {}}}`}, `added_tokens_decoder: "x" is not an id`},
		{"huge id", map[string]string{"vocab.txt": smallVocab, "added_tokens.json": `{"x": 99999999}`}, "99999999 is not an id"},
		{"added token in a gap", map[string]string{"vocab.txt": smallVocab, "added_tokens.json": `{"x": 77}`}, `"x" has id 77, but its place`},
		{"no merges", map[string]string{"vocab.json": byteVocab("ab")}, "needs merges.txt beside it"},
		{"merge of one", map[string]string{"vocab.json": byteVocab("ab"), "merges.txt": "a b\nab\n"}, `merges.txt: line 2: "ab" is not two tokens`},
		{"merge of three", map[string]string{"vocab.json": byteVocab("ab"), "merges.txt": "a b c\n"}, "merges.txt: line 1: "},
		{"merge of an unknown token", map[string]string{"vocab.json": byteVocab("ab"), "merges.txt": "a b\na c\n"}, `model.merges[1]: "ac" is not in vocab`},
		{"id twice", map[string]string{"vocab.json": smallJSON + `, "x": 4}`, "merges.txt": ""}, `vocab.json: "Ġab": id 4 belongs to`},
		{"negative id", map[string]string{"vocab.json": `{"a": -1}`, "merges.txt": ""}, "-1 is not a whole number"},
		{"not byte level", map[string]string{"vocab.json": `{"a</w>": 1}`, "merges.txt": ""}, "lacks Ġ"},
		{"ranks of nothing known", map[string]string{"x.tiktoken": string(rankLines("ab"))}, "257 ranks are those of no encoding that is known"},
		{"ranks without a byte", map[string]string{"x.tiktoken": "YQ== 0\n"}, "lacks the byte 0x00"},
		{"no rank", map[string]string{"x.tiktoken": "YQ== 0\nYg==\n"}, "line 2: "},
		{"bad base64", map[string]string{"x.tiktoken": "YQ== 0\n!!! 1\n"}, `line 2: token "!!!"`},
		{"rank twice", map[string]string{"x.tiktoken": "YQ== 0\nYg== 0\n"}, "line 2: rank 0 is given twice"},
		{"token twice in ranks", map[string]string{"x.tiktoken": "YQ== 0\nYQ== 1\n"}, `line 2: token "a" is given twice`},
		{"model cut off", map[string]string{"x.model": model(smallPieces...)[:20]}, "byte "},
		{"no unknown piece", map[string]string{"x.model": model(smallPieces[1:]...)}, "has no piece of type UNKNOWN"},
		{"bad score", map[string]string{"x.model": model(smallPieces[0], spPiece{"a", float32(math.NaN()), spNormal})}, "piece 1: score NaN"},
		{"bad type", map[string]string{"x.model": model(smallPieces[0], spPiece{"a", 0, 9})}, "piece 1: type 9"},
		{"bad piece", map[string]string{"x.model": model(smallPieces[0], spPiece{"\xff", 0, spNormal})}, "piece 1: "},
		{"model of words", map[string]string{"x.model": string(smallModel(3, nil, smallPieces...))}, "trainer_spec.model_type: 3 is not supported"},
		{"spaces not shown", map[string]string{"x.model": string(smallModel(1, []byte{normalizerShowSpaces << 3, 0}, smallPieces...))}, "escape_whitespaces"},
		{"sentinels without end", map[string]string{"x.model": model(smallPieces...), "tokenizer_config.json": `{"tokenizer_class": "T5Tokenizer", "extra_ids": 1000000}`}, "extra_ids"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(write(t, test.files))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %s", err, test.want)
			}
		})
	}
	ranks := filepath.Join(write(t, map[string]string{"x.tiktoken": string(rankLines("ab")), "vocab.txt": smallVocab}), "x.tiktoken")
	if _, err := (Options{Encoding: "sparkle"}).Open(ranks); err == nil || !strings.Contains(err.Error(), `encoding "sparkle" is not known`) {
		t.Errorf("an unknown encoding gives %v", err)
	}
	if tok, err := (Options{Encoding: "cl100k_base"}).Open(ranks); err != nil || tok.VocabSize() != 100277 {
		t.Errorf("a known encoding gives %v", err)
	}
	if _, err := (Options{Encoding: "cl100k_base"}).Open(filepath.Join(filepath.Dir(ranks), "vocab.txt")); err == nil {
		t.Error("a vocab.txt is read as an encoding")
	}
}

func TestKindOf(t *testing.T) {
	for _, test := range []struct {
		data, name string
		want       kind
	}{
		{`{"version": "1.0"}`, "x.json", kindTokenizer},
		{" {\n \"model\": 3}", "vocab.json", kindVocabJSON},
		{`{"model": {}}`, "x.json", kindTokenizer},
		{smallMerges, "x.txt", kindMerges},
		{"a b\n", "merges.txt", kindMerges},
		{"YQ== 0\n", "tokenizer.model", kindRanks},
		{string(smallModel(1, nil, smallPieces...)), "x", kindSentencePiece},
		{smallVocab, "x", kindVocabText},
		{"{\n}\n", "vocab.txt", kindVocabText},
		{"", "", kindVocabText},
	} {
		if got := kindOf([]byte(test.data), test.name); got != test.want {
			t.Errorf("%s, %q: kind is %d, want %d", test.name, test.data, got, test.want)
		}
	}
}

// check loads a document, if a parser has given one, and encodes a text.
func check(t *testing.T, d *document, err error) {
	t.Helper()
	if err != nil {
		return
	}
	if !json.Valid(d.bytes()) {
		t.Fatalf("%s is not JSON", d.bytes())
	}
	tok, err := d.tokenizer()
	if err != nil {
		return
	}
	for _, e := range d.vocab {
		if id, ok := tok.TokenID(e.token); ok && !d.scored && id != uint32(e.id) && !slices.ContainsFunc(d.added, func(a addedToken) bool { return a.Content == e.token }) {
			t.Fatalf("token %q is %d, want %d", e.token, id, e.id)
		}
	}
	tokens(t, tok, "ab <s> É a")
}

func FuzzVocabText(f *testing.F) {
	f.Add([]byte(smallVocab))
	f.Add([]byte("[UNK]\r\n\n##\n#\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := fromVocabText(data, &settings{Lowercase: truth(true)})
		check(t, d, err)
	})
}

func FuzzMergesText(f *testing.F) {
	f.Add([]byte(byteVocab("ab", "Ġab", "<s>", "</s>", "<mask>")), []byte(smallMerges))
	f.Add([]byte(smallJSON+"}"), []byte("a b\r\n\r\n"))
	f.Fuzz(func(t *testing.T, vocab, merges []byte) {
		d, err := fromMerges(vocab, merges, &settings{})
		check(t, d, err)
	})
}

func FuzzRanks(f *testing.F) {
	f.Add(rankLines("ab", "abab"), "cl100k_base")
	f.Add([]byte("YQ== 0\nYg== 1\n"), "qwen")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		d, err := fromRanks(data, "", name, &settings{})
		check(t, d, err)
	})
}

func FuzzSentencePiece(f *testing.F) {
	f.Add(smallModel(spUnigram, nil, smallPieces...), "T5Tokenizer")
	f.Add(smallModel(spBPE, []byte{normalizerDummyPrefix << 3, 0}, smallPieces...), "LlamaTokenizer")
	f.Add(smallModel(spUnigram, appendField(nil, normalizerCharsmap, []byte{4, 0, 0, 0, 0, 4, 0, 0}), smallPieces...), "")
	f.Fuzz(func(t *testing.T, data []byte, class string) {
		d, err := fromSentencePiece(data, "", &settings{Class: class})
		check(t, d, err)
	})
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"unk_token": {"content": "a"}, "added_tokens_decoder": {"10": {"content": "x", "special": true}}}`), []byte(`{"sep_token": null}`), []byte(`{"y": 11}`))
	f.Fuzz(func(t *testing.T, config, special, added []byte) {
		folder := write(t, map[string]string{"tokenizer_config.json": string(config), "special_tokens_map.json": string(special), "added_tokens.json": string(added)})
		s, err := readSettings(folder)
		if err != nil {
			return
		}
		d, err := fromVocabText([]byte(smallVocab), s)
		check(t, d, err)
	})
}
