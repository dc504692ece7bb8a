package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/tokenizers"
)

func TestTokenizerTrain(t *testing.T) {
	dir := t.TempDir()
	corpus(t, dir, 1, 300)
	data, out := filepath.Join(dir, "data"), filepath.Join(dir, "dataset")
	train := func(name string, args ...string) []byte {
		t.Helper()
		path := filepath.Join(dir, name)
		_, stderr := mustIngest(t, "", append([]string{"tokenizer", "train", "--out", path}, args...)...)
		if !strings.Contains(stderr, "passed over: ") && !strings.Contains(args[len(args)-1], "dataset") {
			t.Errorf("%s: bad records are not named:\n%s", name, stderr)
		}
		if _, err := tokenizers.LoadFile(path); err != nil {
			t.Error(err)
		}
		trained, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return trained
	}
	for _, model := range trainModels {
		one := train(model+".json", "--model", model, "--vocab-size", "350", "--workers", "1", data)
		many := train(model+"2.json", "--model", model, "--vocab-size", "350", "--workers", "3", "--memory", "1k", "--temp", dir, data)
		if string(one) != string(many) {
			t.Errorf("%s: workers and memory change the result", model)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "word-counts-*")); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}

	// A dataset holds the same texts, but for those that can't be read.
	mustIngest(t, "", "run", "--tokenizer", filepath.Join(dir, "bpe.json"), "--out", out, data)
	again := train("again.json", "--template", filepath.Join(dir, "bpe.json"), "--vocab-size", "350", out)
	if want, _ := os.ReadFile(filepath.Join(dir, "bpe.json")); string(again) != string(want) {
		t.Error("training on a dataset gives another tokenizer than training on its files")
	}

	tok, err := tokenizers.Load(train("special.json", "--template", filepath.Join(dir, "unigram.json"), "--special", "<a>", "--special", "<b>", "--vocab-size", "200", data))
	if err != nil {
		t.Fatal(err)
	}
	for id, special := range []string{"<unk>", "<s>", "</s>", "<pad>", "<a>", "<b>"} {
		if got, ok := tok.TokenID(special); !ok || got != uint32(id) {
			t.Errorf("%s has id %d, want %d", special, got, id)
		}
	}
}

func TestTokenizerTrainMistakes(t *testing.T) {
	dir := t.TempDir()
	text, out := filepath.Join(dir, "text.txt"), filepath.Join(dir, "out.json")
	writeFile(t, text, "some text\n")
	broken := filepath.Join(dir, "dataset")
	writeFile(t, filepath.Join(broken, "manifest.json"), "{}")
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"--model bpe " + text, exitUsage, "--out"},
		{"--out " + out + " " + text, exitUsage, "name a model with --model, one of [bpe wordpiece unigram wordlevel]"},
		{"--model trigram --out " + out + " " + text, exitUsage, `--model "trigram"`},
		{"--model bpe --out " + out, exitUsage, "file or dataset"},
		{"--model bpe --vocab-size 0 --out " + out + " " + text, exitUsage, "--vocab-size 0"},
		{"--model bpe --workers 0 --out " + out + " " + text, exitUsage, "--workers 0"},
		{"--model bpe --memory much --out " + out + " " + text, exitUsage, "--memory much"},
		{"--model bpe --min-frequency -1 --out " + out + " " + text, exitUsage, "--min-frequency -1"},
		{"--model bpe --progress loud --out " + out + " " + text, exitUsage, "--progress loud"},
		{"--model bpe --vocab-size 100 --out " + out + " " + text, exitFailed, "VocabSize is 100, but special tokens and alphabet alone are 257 tokens: raise it"},
		{"--model unigram --vocab-size 6 --out " + out + " " + text, exitFailed, "raise the size of the vocabulary"},
		{"--model unigram --special <x> --out " + out + " " + text, exitFailed, "SpecialTokens lack <unk>"},
		{"--model bpe --temp " + filepath.Join(dir, "missing") + " --out " + out + " " + filepath.Join(dir, "missing.txt"), exitFailed, "missing.txt"},
		{"--template " + text + " --out " + out + " " + text, exitFailed, "--template"},
		{"--model bpe --out " + out + " " + broken, exitFailed, "open dataset"},
	} {
		code, _, stderr := ingest(t, "", append([]string{"tokenizer", "train"}, strings.Fields(test.args)...)...)
		if code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit code %d, want %d; standard error lacks %q:\n%s", test.args, code, test.code, test.want, stderr)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: a file was written", test.args)
		}
	}
}
