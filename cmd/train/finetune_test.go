package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
)

// pairsFile writes a task whose label hangs on the second text alone: whether it names one of two things.
func pairsFile(t *testing.T, dir, name string, n, skip int) string {
	t.Helper()
	things := []string{"boat", "lamp", "fence", "apple"}
	var out bytes.Buffer
	out.WriteString("first\tsecond\tsmall\n")
	for i := skip; i < skip+n; i++ {
		h := uint32(i) * 2654435761
		a, b := things[h>>13&3], things[h>>17&3]
		small := "no"
		if b == "boat" || b == "lamp" {
			small = "yes"
		}
		fmt.Fprintf(&out, "the boy took the %s\tthe %s at night\t%s\n", a, b, small)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// pretrained makes a small BERT of few steps.
func pretrained(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bert")
	data := makeDataset(t, tokenizers.TrainWordPiece, 120, documents(60))
	do(t, trainArgs("mlm", data, dir, "--steps", "2", "--progress", "none", "--dropout", "0.1")...)
	return dir
}

func finetuneArgs(bert, train, dev, out string, more ...string) []string {
	return append([]string{"finetune", "--model", bert, "--train", train, "--eval", dev, "--text-field", "first", "--pair-field", "second",
		"--label-field", "small", "--out", out, "--lr", "3e-3", "--batch-size", "16", "--seed", "5"}, more...)
}

// TestFinetune learns pairs on one and on two threads to the same bits, measures, predicts, and goes on from the result.
func TestFinetune(t *testing.T) {
	bert, dir := pretrained(t), t.TempDir()
	train, dev := pairsFile(t, dir, "train.tsv", 400, 0), pairsFile(t, dir, "dev.tsv", 100, 5000)
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	said, told := do(t, finetuneArgs(bert, train, dev, one, "--epochs", "8", "--threads", "1")...)
	for _, want := range []string{"starting at random: bert.pooler.dense.bias, bert.pooler.dense.weight, classifier.bias, classifier.weight",
		"left out: cls.predictions.bias", "400 examples (0 cut to 24 tokens) of 2 labels"} {
		if !strings.Contains(told, want) {
			t.Errorf("no %q in what it told: %s", want, told)
		}
	}
	do(t, finetuneArgs(bert, train, dev, two, "--epochs", "8", "--threads", "2", "--progress", "none")...)
	sameFiles(t, one, two, trainer.MetricsFile, checkpoint.WeightsFile, checkpoint.ConfigFile, checkpoint.TokenizerConfigFile)

	// The folder holds the best epoch, whose scores eval finds again.
	evals, err := trainer.Evaluations(one)
	if err != nil || len(evals) != 8 {
		t.Fatalf("%d evaluations, error %v", len(evals), err)
	}
	best := 0.0
	for _, m := range evals {
		best = max(best, m.Scores["accuracy"])
	}
	out, _ := do(t, "eval", "--model", one, "--data", dev, "--text-field", "first", "--pair-field", "second", "--label-field", "small", "--json")
	var r taskEvaluation
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Scores["accuracy"] != best || best < 0.9 || r.Examples != 100 || r.Confusion[0][0]+r.Confusion[0][1]+r.Confusion[1][0]+r.Confusion[1][1] != 100 ||
		!strings.Contains(said, fmt.Sprintf("accuracy %.4f", best)) {
		t.Errorf("best %v, evaluation %+v, said %s", best, r, said)
	}
	script(t, "finetune.txt", map[string]string{
		"BERT": bert, "TUNED": one, "TRAIN": train, "DEV": dev, "OUT": t.TempDir(), "FILES": badFiles(t),
	})
	predicted, _ := do(t, "predict", "--model", one, "--data", dev, "--text-field", "first", "--pair-field", "second")
	right := 0
	gold := strings.Split(strings.TrimSpace(string(contents(t, dev))), "\n")[1:]
	for i, line := range strings.Split(strings.TrimSpace(predicted), "\n") {
		if label, _, ok := strings.Cut(line, "\t"); ok && strings.HasSuffix(gold[i], "\t"+label) {
			right++
		}
	}
	if float64(right)/100 != best {
		t.Errorf("%d of 100 predictions are right, the scores say %v", right, best)
	}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sameFiles(t *testing.T, a, b string, names ...string) {
	t.Helper()
	for _, name := range names {
		if !bytes.Equal(contents(t, filepath.Join(a, name)), contents(t, filepath.Join(b, name))) {
			t.Errorf("%s differs", name)
		}
	}
}

// badFiles writes labelled sets with one mistake each.
func badFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"range.tsv":   "first\tsecond\tsmall\nthe boy\tthe lamp\tyes\nthe boy\tthe lamp\tperhaps\n",
		"empty.tsv":   "first\tsecond\tsmall\nthe boy\t\tyes\n",
		"notoken.tsv": "first\tsecond\tsmall\nthe boy\t\u0001\tyes\n",
		"one.tsv":     "first\tsecond\tsmall\nthe boy\tthe lamp\tyes\n",
		"a.txt":       "the boy\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFinetuneInterruptAndResume compares a run that was interrupted with one that was not.
func TestFinetuneInterruptAndResume(t *testing.T) {
	bert, dir := pretrained(t), t.TempDir()
	train, dev := pairsFile(t, dir, "train.tsv", 100, 0), pairsFile(t, dir, "dev.tsv", 40, 5000)
	whole, parts := filepath.Join(dir, "whole"), filepath.Join(dir, "parts")
	said, _ := do(t, finetuneArgs(bert, train, dev, whole, "--threads", "1")...)

	ctx, stop := context.WithCancel(t.Context())
	stderr := stopAfter{event: `"event":"step","step":10,`, stop: stop}
	if code := run(ctx, finetuneArgs(bert, train, dev, parts, "--progress", "json"), &bytes.Buffer{}, &stderr); code != exitFailed ||
		!strings.Contains(stderr.String(), "interrupted after step 10 of 21") {
		t.Fatalf("exit code %d of an interrupted run: %s", code, &stderr)
	}
	for range 2 { // the second time there is nothing left to do
		again, told := do(t, finetuneArgs(bert, train, dev, parts, "--resume")...)
		if strings.ReplaceAll(again, parts, whole) != said {
			t.Errorf("it said %q, an undisturbed run %q; told %s", again, said, told)
		}
		sameFiles(t, whole, parts, trainer.MetricsFile, checkpoint.WeightsFile, checkpoint.ConfigFile, "checkpoints/step-00000021/"+checkpoint.StateFile)
	}
	var refused bytes.Buffer
	if code := run(t.Context(), finetuneArgs(bert, dev, dev, parts, "--resume"), &bytes.Buffer{}, &refused); code != exitFailed ||
		!strings.Contains(refused.String(), "the training data was") {
		t.Errorf("other data was taken: %d, %s", code, &refused)
	}
	if _, err := os.Stat(filepath.Join(parts, checkpoint.StateFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state of training stands in the model folder: %v", err)
	}
}
