package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tokenizers of package tokenizers, with special tokens <|endoftext|> and [CLS] A [SEP] B [SEP].
const (
	byteBPE   = "../../tokenizers/testdata/bpe.tokenizer.json"
	wordPiece = "../../tokenizers/testdata/wordpiece_accents.tokenizer.json"
)

func TestEncodeInputs(t *testing.T) {
	dir := t.TempDir()
	texts, pairs := filepath.Join(dir, "texts"), filepath.Join(dir, "pairs")
	writeFile(t, texts, "the\na the\n")
	writeFile(t, pairs, "a\nthe\n")
	tests := []struct {
		name  string
		stdin string
		args  []string
		want  string
	}{
		{"arguments", "", []string{"the", "a the"}, "[2 517 3]\n[2 38 517 3]\n"},
		{"standard input", "the\n", nil, "[2 517 3]\n"},
		{"a file", "not read\n", []string{"--file", texts}, "[2 517 3]\n[2 38 517 3]\n"},
		{"an empty text", "", []string{""}, "[2 3]\n"},
		{"no special tokens", "the\n", []string{"--no-special"}, "[517]\n"},
		{"a pair", "", []string{"the", "--pair", "a"}, "[2 517 3 38 3]\n"},
		{"an empty second text", "", []string{"the", "--pair", ""}, "[2 517 3 3]\n"},
		{"one second text for all", "the\na\n", []string{"--pair", "a", "--no-special"}, "[517 38]\n[38 38]\n"},
		{"a file of second texts", "", []string{"--file", texts, "--pair-file", pairs}, "[2 517 3 38 3]\n[2 38 517 3 517 3]\n"},
		{"JSON", `{"text":"é the"}` + "\n", []string{"--json", "--no-special"}, `{"ids":[42,517],"offsets":[[0,1],[2,5]]}` + "\n"},
		{"JSON in bytes", `{"text":"é the"}` + "\n", []string{"--json", "--no-special", "--byte-offsets"}, `{"ids":[42,517],"offsets":[[0,2],[3,6]]}` + "\n"},
		{"JSON of arguments", "", []string{"--json", "the"}, `{"ids":[2,517,3],"offsets":[[0,0],[0,3],[0,0]]}` + "\n"},
		{"JSON of pairs", `{"text":"é","pair":"é the"}` + "\n", []string{"--json"}, `{"ids":[2,42,3,42,517,3],"offsets":[[0,0],[0,1],[0,0],[0,1],[2,5],[0,0]]}` + "\n"},
		{"everything", "", []string{"--json", "--all", "the", "--pair", "a"}, `{"ids":[2,517,3,38,3],"offsets":[[0,0],[0,3],[0,0],[0,1],[0,0]],` +
			`"tokens":["[CLS]","the","[SEP]","a","[SEP]"],"type_ids":[0,0,0,1,1],"word_ids":[null,0,null,0,null],"sequence_ids":[null,0,null,1,null],` +
			`"special_tokens_mask":[1,0,1,0,1],"attention_mask":[1,1,1,1,1]}` + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stdout, _ := mustIngest(t, test.stdin, append([]string{"tokenizer", "encode", "--tokenizer", wordPiece}, test.args...)...)
			if stdout != test.want {
				t.Errorf("got  %swant %s", stdout, test.want)
			}
		})
	}
}

func TestTokenizerMistakes(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	writeFile(t, short, "a\n")
	encode, decode := []string{"encode", "--tokenizer", wordPiece}, []string{"decode", "--tokenizer", wordPiece}
	tests := []struct {
		args  []string
		stdin string
		code  int
		want  string
	}{
		{[]string{"encode"}, "", exitUsage, "--tokenizer"},
		{append(encode, "x", "--file", short), "", exitUsage, "not both"},
		{append(encode, "x", "--pair", "a", "--pair-file", short), "", exitUsage, "not both"},
		{append(encode, "--all"), "", exitUsage, "add --json"},
		{append(encode, "--byte-offsets"), "", exitUsage, "add --json"},
		{append(encode, "--file", short+"er"), "", exitFailed, "no such file"},
		{append(encode, "--pair-file", short), "a\nb\n", exitFailed, "line 2: " + short + " has no line for it"},
		{append(encode, "--pair-file", short), "", exitFailed, "more lines than there are inputs"},
		{append(encode, "--pair-file", short+"er"), "a\n", exitFailed, "no such file"},
		{append(encode, "--json", "--pair", "a"), `{"text":"a","pair":"b"}` + "\n", exitFailed, "line 1: the input has a pair of its own"},
		{append(encode, "--json"), `{"text":"a"}` + "\n{}\n", exitFailed, `line 2: no field "text"`},
		{[]string{"encode", "--tokenizer", short, "x"}, "", exitFailed, "open tokenizer"},
		{[]string{"decode"}, "", exitUsage, "--tokenizer"},
		{append(decode, "2", "--json"), "", exitUsage, "leave out the arguments"},
		{append(decode, "two"), "", exitUsage, `"two" is not an id`},
		{append(decode, "4294967296"), "", exitUsage, `"4294967296" is not an id`},
		{append(decode, "90000"), "", exitFailed, "id 90000 means no token: the vocabulary ends at 900"},
		{decode, "2\n-3\n", exitFailed, `line 2: "-3" is not an id`},
		{append(decode, "--json"), `{"id":[2]}` + "\n", exitFailed, `line 1: no field "ids"`},
		{append(decode, "--json"), `{"ids":[-2]}` + "\n", exitFailed, "line 1: "},
		{[]string{"info"}, "", exitUsage, "name one tokenizer"},
		{[]string{"info", wordPiece, byteBPE}, "", exitUsage, "name one tokenizer"},
		{[]string{"info", wordPiece, "--text", "a", "--file", short}, "", exitUsage, "not both"},
		{[]string{"info", short}, "", exitFailed, "open tokenizer"},
		{[]string{"info", wordPiece, "--file", short + "er"}, "", exitFailed, "no such file"},
	}
	for _, test := range tests {
		code, stdout, stderr := ingest(t, test.stdin, append([]string{"tokenizer"}, test.args...)...)
		if code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit code %d, want %d and %s\n%s%s", test.args, code, test.code, test.want, stdout, stderr)
		}
	}
}

func TestDecode(t *testing.T) {
	ids := filepath.Join(t.TempDir(), "ids")
	writeFile(t, ids, "[2 517 3]\n")
	tests := []struct {
		name  string
		stdin string
		args  []string
		want  string
	}{
		{"arguments", "", []string{"2", "517", "3"}, "[CLS] the [SEP]\n"},
		{"one argument", "", []string{"[2, 517,3]", "--skip-special"}, "the\n"},
		{"standard input", "[2 38 517 3]\n\n38, 517\n", []string{"--skip-special"}, "a the\n\na the\n"},
		{"a file", "", []string{"--file", ids}, "[CLS] the [SEP]\n"},
		{"JSON", `{"ids":[2,517],"offsets":[]}` + "\n" + `{"ids":[]}` + "\n", []string{"--json"}, `{"text":"[CLS] the"}` + "\n" + `{"text":""}` + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stdout, _ := mustIngest(t, test.stdin, append([]string{"tokenizer", "decode", "--tokenizer", wordPiece}, test.args...)...)
			if stdout != test.want {
				t.Errorf("got  %swant %s", stdout, test.want)
			}
		})
	}
}

func TestDecodeBringsTextsBack(t *testing.T) {
	const lines = `{"text":"It's  two\nlines, 中文 & <é>"}` + "\n"
	ids, _ := mustIngest(t, lines, "tokenizer", "encode", "--tokenizer", byteBPE, "--json")
	if text, _ := mustIngest(t, ids, "tokenizer", "decode", "--tokenizer", byteBPE, "--json"); text != lines {
		t.Errorf("got %swant %s", text, lines)
	}
}

func TestInfo(t *testing.T) {
	stdout, _ := mustIngest(t, "", "tokenizer", "info", byteBPE, "--text", "the the")
	for _, want := range []string{
		"vocabulary      500 ids\n",
		"special tokens  0 \"<|endoftext|>\"\n",
		"normalizer      none\n",
		"pre_tokenizer   ByteLevel(add_prefix_space=false, ",
		"model           BPE(dropout=null, ",
		", vocab=500 entries, merges=243 entries)\n",
		"truncation      none\n",
		"plan            byte-level BPE in one pass",
		"sample          7 bytes, 3 tokens, 2.333 bytes/token\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
}

func TestInfoJSON(t *testing.T) {
	sample := filepath.Join(t.TempDir(), "sample")
	writeFile(t, sample, "the the")
	stdout, _ := mustIngest(t, "", "tokenizer", "info", wordPiece, "--json", "--file", sample)
	var info tokenizerInfo
	if err := json.Unmarshal([]byte(stdout), &info); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(wordPiece)
	if err != nil {
		t.Fatal(err)
	}
	if info.Path != wordPiece || info.Bytes != len(data) || len(info.SHA256) != 64 || info.Model != "WordPiece" || info.VocabSize != 901 || len(info.Special) != 5 ||
		info.Special[4] != (specialToken{4, "[MASK]"}) || info.Plan == "" || info.Sample == nil || *info.Sample != (tokenizerSample{7, 2, 3.5}) {
		t.Errorf("got %+v", info)
	}
	settings := map[string]string{}
	for _, part := range info.Components {
		settings[part.Name] = part.Settings
	}
	if got, want := settings["post_processor"], `BertProcessing(sep=["[SEP]", 3], cls=["[CLS]", 2])`; got != want {
		t.Errorf("post_processor is %s, want %s", got, want)
	}
	if got, ok := settings["padding"]; !ok || got != "" {
		t.Errorf("padding is %q, %t", got, ok)
	}
}

// An old file gives its model no type, and a charsmap is too long for a line.
func TestInfoOfOtherFiles(t *testing.T) {
	data, err := os.ReadFile(byteBPE)
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "old.json")
	writeFile(t, old, strings.Replace(string(data), `"type":"BPE",`, "", 1))
	if stdout, _ := mustIngest(t, "", "tokenizer", "info", old); !strings.Contains(stdout, "model           BPE(dropout=null, ") {
		t.Errorf("got %s", stdout)
	}
	stdout, _ := mustIngest(t, "", "tokenizer", "info", "../../tokenizers/testdata/unigram.tokenizer.json")
	if !strings.Contains(stdout, "Precompiled(precompiled_charsmap=") || strings.Count(stdout, "\n") != 11 {
		t.Errorf("got %s", stdout)
	}
}
