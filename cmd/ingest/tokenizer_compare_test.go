package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Small tokenizers: of GPT-2's kind, and of BERT's.
const (
	smallBPE  = "../../tokenizers/testdata/bpe.tokenizer.json"
	smallBERT = "../../tokenizers/testdata/wordpiece.tokenizer.json"
)

func TestConvert(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mustIngest(t, "", "tokenizer", "convert", smallBERT, at("bert"), "--to", "vocab.txt")
	mustIngest(t, "", "tokenizer", "convert", at("bert"), at("bert.json"))
	mustIngest(t, "", "tokenizer", "convert", smallBPE, at("gpt")+"/", "--to", "merges")
	mustIngest(t, "", "tokenizer", "convert", at("gpt/merges.txt"), at("gpt")+"/")
	mustIngest(t, "", "tokenizer", "convert", smallBPE, at("same.json"))
	const text = "the quick  fox é\n[CLS] THE <|endoftext|>dog\n"
	for original, copies := range map[string][]string{smallBERT: {at("bert/vocab.txt"), at("bert"), at("bert.json")}, smallBPE: {at("gpt"), at("gpt/vocab.json"), at("gpt/tokenizer.json")}} {
		for _, name := range copies {
			if code, stdout, stderr := ingest(t, text, "tokenizer", "compare", original, name); code != 0 {
				t.Errorf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
			}
		}
	}
	original, err1 := os.ReadFile(smallBPE)
	same, err2 := os.ReadFile(at("same.json"))
	if err1 != nil || err2 != nil || string(same) != string(original) {
		t.Error("a tokenizer.json is not copied as it is")
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{smallBPE}, exitUsage, "2 arg"},
		{[]string{smallBPE, at("x"), "--to", "vocab.txt"}, exitFailed, "is not a WordPiece tokenizer"},
		{[]string{smallBPE, at("x"), "--to", "yaml"}, exitFailed, "the format is not known"},
		{[]string{at("nothing"), at("x")}, exitFailed, "nothing"},
		{[]string{smallBPE, at("x"), "--encoding", "gpt2"}, exitFailed, "is not a list of ranks"},
		{[]string{"--help"}, exitDone, "Exit codes"},
	} {
		code, stdout, stderr := ingest(t, "", append([]string{"tokenizer", "convert"}, test.args...)...)
		if code != test.code || !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("convert %v: exit code %d, want %d with %q\n%s%s", test.args, code, test.code, test.want, stdout, stderr)
		}
	}
	if _, err := os.Stat(at("x")); err == nil {
		t.Error("a conversion that failed has written something")
	}
}

func TestCompare(t *testing.T) {
	file := filepath.Join(t.TempDir(), "texts")
	writeFile(t, file, "the\nthe fox is THE fox\n")
	cased := filepath.Join(t.TempDir(), "cased.json")
	data, err := os.ReadFile(smallBERT)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, cased, strings.Replace(string(data), `"lowercase":true`, `"lowercase":false`, 1))
	tests := []struct {
		name  string
		stdin string
		args  []string
		code  int
		want  []string
	}{
		{"alike", "the fox\n", []string{smallBERT, smallBERT}, 0, []string{"1 of 1 texts encoded alike; 4 of 4 tokens of A are in B", "A: 4 tokens, 1.750 bytes a token"}},
		{"nothing", "", []string{smallBERT, "-"}, 0, []string{"0 of 0 texts"}},
		{"a file", "not read", []string{smallBERT, cased, file}, 1, []string{file + `: line 2, bytes 11 to 14: "THE"`, `  A "the"=`, `  B "[UNK]"=`, "1 of 2 texts encoded alike"}},
		{"texts", "not read", []string{smallBERT, cased, "--text", "THE", "--text", "the"}, 1, []string{"line 1, bytes 0 to 3", "1 of 2 texts"}},
		{"cuts", "THE fox\n", []string{smallBERT, cased, "--cuts"}, 0, []string{"1 of 1 texts"}},
		{"another vocabulary", "the fox\n", []string{smallBERT, smallBPE}, 1, []string{`  A "[CLS]"=`, `  B "the"=`}},
		{"another library", "the fox\n", []string{smallBERT, "-", "--backend-b", "sugarme"}, 0, []string{"1 of 1 texts"}},
		{"another library fails", "a\xff\xfeb \xc3\n", []string{smallBPE, "-", "--backend-b", "sugarme"}, 1, []string{"B fails: encode with sugarme: it panics", "1 texts failed"}},
		{"limit", "THE\nTHE\nTHE\n", []string{smallBERT, cased, "--limit", "1"}, 1, []string{"2 more differ: raise --limit"}},
		{"missing file", "", []string{smallBERT, smallBERT, file + "x"}, 2, []string{"no such file"}},
		{"missing tokenizer", "", []string{smallBERT, file + "x"}, 2, []string{"open tokenizer"}},
		{"one tokenizer", "", []string{smallBERT}, 2, []string{"at least 2 arg"}},
		{"unknown back end", "", []string{smallBERT, "-", "--backend-b", "x"}, 2, []string{`back end "x": want shardmill or sugarme`}},
		{"texts and files", "", []string{smallBERT, "-", file, "--text", "x"}, 2, []string{"not both"}},
		{"help", "", []string{"--help"}, 0, []string{"Exit codes, as of diff"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := ingest(t, test.stdin, append([]string{"tokenizer", "compare"}, test.args...)...)
			if code != test.code {
				t.Errorf("exit code is %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(stdout+stderr, want) {
					t.Errorf("no %q in\n%s%s", want, stdout, stderr)
				}
			}
		})
	}
}

func TestCompareJSON(t *testing.T) {
	code, stdout, _ := ingest(t, "é the fox", "tokenizer", "compare", smallBPE, smallBERT, "--cuts", "--json")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 1 || len(lines) != 2 {
		t.Fatalf("exit code %d, %d lines", code, len(lines))
	}
	var d difference
	var last struct{ Totals compareTotals }
	if err := json.Unmarshal([]byte(lines[0]), &d); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &last); err != nil {
		t.Fatal(err)
	}
	if d.Line != 1 || d.Offsets != [2]int{2, 6} || d.Text != " the" || len(d.A) != 2 || len(d.B) != 1 || d.A[0].Token != "Ġ" || d.B[0].Offsets != [2]int{3, 6} {
		t.Errorf("the difference is %+v", d)
	}
	if last.Totals.Texts != 1 || last.Totals.Equal != 0 || last.Totals.Bytes != 10 || last.Totals.A.Tokens == 0 {
		t.Errorf("the totals are %+v", last.Totals)
	}
}

func TestEncodeBackends(t *testing.T) {
	own, _ := mustIngest(t, "the fox\n", "tokenizer", "encode", "--tokenizer", smallBERT)
	other, _ := mustIngest(t, "the fox\n", "tokenizer", "encode", "--tokenizer", smallBERT, "--backend", "sugarme")
	if own != other || own == "" {
		t.Errorf("%q with sugarme, want %q", other, own)
	}
	if code, _, _ := ingest(t, "", "tokenizer", "encode", "--tokenizer", smallBERT, "--backend", "x"); code != exitUsage {
		t.Errorf("an unknown back end gives exit code %d", code)
	}
}
