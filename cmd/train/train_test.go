package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/tokenizers"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/model"
)

// script runs the cases of a file in testdata: "$ train …" the command, "? n" its exit code, "> text" and "2> text" parts of its output.
func script(t *testing.T, name string, variables map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var (
		command        string
		code           int
		stdout, stderr bytes.Buffer
	)
	expect := func(line int, where string, got fmt.Stringer, want string) {
		if want = os.Expand(want, func(v string) string { return variables[v] }); !strings.Contains(got.String(), want) {
			t.Errorf("%s:%d: %s\nhas no %q on %s:\n%s", name, line, command, want, where, got)
		}
	}
	for i, line := range strings.Split(string(text), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "$":
			command = rest
			stdout.Reset()
			stderr.Reset()
			code = run(t.Context(), words(t, rest, variables)[1:], &stdout, &stderr)
		case "?":
			if want, err := strconv.Atoi(rest); err != nil || code != want {
				t.Errorf("%s:%d: %s\nexit code %d, want %s; standard error:\n%s", name, i+1, command, code, rest, &stderr)
			}
		case ">":
			expect(i+1, "standard output", &stdout, rest)
		case "2>":
			expect(i+1, "standard error", &stderr, rest)
		case "#", "":
		default:
			t.Fatalf("%s:%d: %q is no line of a script", name, i+1, line)
		}
	}
}

// words splits a command line at spaces outside double quotes.
func words(t *testing.T, line string, variables map[string]string) []string {
	t.Helper()
	var all []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			all = append(all, part)
			continue
		}
		for _, word := range strings.Fields(part) {
			all = append(all, os.Expand(word, func(v string) string { return variables[v] }))
		}
	}
	return all
}

// trainArgs are the arguments of a small and short run.
func trainArgs(objective, data, out string, more ...string) []string {
	return append([]string{"pretrain", "--objective", objective, "--data", data, "--out", out, "--seq-len", "24", "--batch-size", "8",
		"--layers", "1", "--hidden", "32", "--heads", "2", "--lr", "1e-2", "--eval-every", "10", "--checkpoint-every", "10", "--seed", "7"}, more...)
}

// do runs a command that must succeed, and returns what it printed.
func do(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), args, &out, &errs); code != exitDone {
		t.Fatalf("train %s: exit code %d: %s", strings.Join(args, " "), code, &errs)
	}
	return out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	texts := documents(60)
	config := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(config, []byte(`{"model_type":"bert"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	mlm, causal := makeDataset(t, tokenizers.TrainWordPiece, 120, texts), makeDataset(t, tokenizers.TrainBPE, 300, texts)
	swapped := makeDataset(t, tokenizers.TrainBPE, 300, texts)
	if err := os.WriteFile(filepath.Join(swapped, "tokenizer.json"), trainTokenizer(t, tokenizers.TrainBPE, 290, texts).Raw(), 0o666); err != nil {
		t.Fatal(err)
	}
	script(t, "usage.txt", map[string]string{"MLM": mlm, "CAUSAL": causal, "SWAPPED": swapped, "OUT": t.TempDir(), "BERTCONFIG": config})
}

// full is a file system without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestUse trains both kinds of model on a small language, and uses them.
func TestUse(t *testing.T) {
	texts := documents(400)
	mlm, causal := makeDataset(t, tokenizers.TrainWordPiece, 120, texts), makeDataset(t, tokenizers.TrainBPE, 300, texts)
	bert, gpt := filepath.Join(t.TempDir(), "bert"), filepath.Join(t.TempDir(), "gpt")
	do(t, trainArgs("mlm", mlm, bert, "--steps", "120", "--dropout", "0", "--progress", "none")...)
	do(t, trainArgs("causal", causal, gpt, "--steps", "120", "--dropout", "0", "--progress", "none")...)
	// A model of masked tokens takes far more steps than these before it looks at the context: it knows the frequencies by now.
	for _, m := range []struct {
		model, data string
		above       float64 // unigram entropy, at most
	}{{bert, mlm, 0.1}, {gpt, causal, -1}} {
		out, _ := do(t, "eval", "--model", m.model, "--data", m.data, "--json")
		var e evaluation
		if err := json.Unmarshal([]byte(out), &e); err != nil {
			t.Fatal(err)
		}
		if e.Loss > e.UnigramEntropy+m.above || math.Abs(e.Perplexity-math.Exp(e.Loss)) > 1e-9 || e.Labels == 0 || e.Labels > e.Tokens {
			t.Errorf("%s learned little: %+v", m.model, e)
		}
	}
	other := documents(400)
	for i, text := range other {
		other[i] = bytes.ReplaceAll(text, []byte("the"), []byte("yon"))
	}
	script(t, "use.txt", map[string]string{
		"MLM": mlm, "CAUSAL": causal, "BERT": bert, "GPT": gpt, "OUT": t.TempDir(), "OTHER": makeDataset(t, tokenizers.TrainBPE, 300, other),
	})
	// An answer that can't be printed is a failure.
	for _, args := range [][]string{{"fill-mask", "--model", bert, "my [MASK]"}, {"generate", "--model", gpt, "--prompt", "my"}, {"eval", "--model", gpt, "--data", causal}} {
		var stderr bytes.Buffer
		if code := run(t.Context(), args, full{}, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%v: exit code %d, %s", args, code, &stderr)
		}
	}
	// The same question gets the same answer.
	ask := []string{"generate", "--model", gpt, "--prompt", "the", "--tokens", "20", "--seed", "3"}
	a, _ := do(t, ask...)
	b, _ := do(t, append(ask, "--threads", "1")...)
	if a != b {
		t.Errorf("%q, then %q", a, b)
	}
	// What is streamed is the text of --json.
	whole, _ := do(t, append(ask, "--json")...)
	var said struct{ Text string }
	if err := json.Unmarshal([]byte(whole), &said); err != nil || strings.TrimRight(said.Text, "\n")+"\n" != a {
		t.Errorf("%q, then %q, error %v", a, said.Text, err)
	}
}

// TestLlama trains the other causal model from a configuration, and uses it.
func TestLlama(t *testing.T) {
	data := makeDataset(t, tokenizers.TrainBPE, 300, documents(200))
	config, out := filepath.Join(t.TempDir(), "config.json"), filepath.Join(t.TempDir(), "llama")
	text := `{"model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
		"num_key_value_heads": 2, "max_position_embeddings": 24, "tie_word_embeddings": true}`
	if err := os.WriteFile(config, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	do(t, "pretrain", "--objective", "causal", "--data", data, "--out", out, "--config", config, "--seq-len", "24", "--batch-size", "8",
		"--steps", "60", "--lr", "1e-2", "--progress", "none")
	result, _ := do(t, "eval", "--model", out, "--data", data, "--json")
	var e evaluation
	if err := json.Unmarshal([]byte(result), &e); err != nil || e.Loss > e.UnigramEntropy-0.5 {
		t.Errorf("it learned little: %+v, error %v", e, err)
	}
	for _, name := range []string{checkpoint.ConfigFile, checkpoint.GenerationConfigFile} {
		var written struct {
			BOS *int `json:"bos_token_id"`
			EOS *int `json:"eos_token_id"`
		}
		content, err := os.ReadFile(filepath.Join(out, name))
		if err == nil {
			err = json.Unmarshal(content, &written)
		}
		if err != nil || written.BOS == nil || written.EOS == nil || *written.BOS != *written.EOS {
			t.Errorf("%s: %+v, error %v", name, written, err)
		}
	}
	if said, _ := do(t, "generate", "--model", out, "--prompt", "the", "--tokens", "40", "--temperature", "0"); !strings.HasPrefix(said, "the ") {
		t.Errorf("it said %q", said)
	}
}

// stopAfter ends a run once it has told about a step.
type stopAfter struct {
	bytes.Buffer
	event string
	stop  context.CancelFunc
}

func (s *stopAfter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.event)) {
		s.stop()
	}
	return s.Buffer.Write(p)
}

// TestInterruptAndResume compares a run that was interrupted, on other numbers of threads, with one that was not.
func TestInterruptAndResume(t *testing.T) {
	texts := documents(200)
	data := makeDataset(t, tokenizers.TrainWordPiece, 120, texts)
	whole, parts := filepath.Join(t.TempDir(), "a b"), filepath.Join(t.TempDir(), "a b")
	do(t, trainArgs("mlm", data, whole, "--steps", "30", "--threads", "1", "--whole-words", "--boundaries")...)

	ctx, stop := context.WithCancel(t.Context())
	stderr := stopAfter{event: `"event":"step","step":17,`, stop: stop}
	args := trainArgs("mlm", data, parts, "--steps", "30", "--threads", "2", "--whole-words", "--boundaries", "--progress", "json")
	if code := run(ctx, args, &bytes.Buffer{}, &stderr); code != exitFailed {
		t.Fatalf("exit code %d of an interrupted run: %s", code, &stderr)
	}
	for _, want := range []string{"interrupted after step 17 of 30; saved in", "step-00000017", "go on with:", "--out '" + parts + "'", " --resume\n"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in what it said: %s", want, &stderr)
		}
	}
	_, told := do(t, trainArgs("mlm", data, parts, "--steps", "30", "--threads", "2", "--whole-words", "--boundaries", "--resume")...)
	if want := "going on after step 17"; !strings.Contains(told, want) {
		t.Errorf("no %q in what it said: %s", want, told)
	}
	for _, name := range []string{trainer.MetricsFile, checkpoint.WeightsFile, checkpoint.ConfigFile, checkpoint.TokenizerFile, "checkpoints/step-00000030/" + checkpoint.StateFile} {
		a, errA := os.ReadFile(filepath.Join(whole, name))
		b, errB := os.ReadFile(filepath.Join(parts, name))
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs from that of an undisturbed run", name)
		}
	}
	// Another course is refused by name, and taken when allowed.
	var refused bytes.Buffer
	args = trainArgs("mlm", data, parts, "--steps", "40", "--whole-words", "--boundaries", "--resume")
	if code := run(t.Context(), args, &bytes.Buffer{}, &refused); code != exitFailed || !strings.Contains(refused.String(), `steps of the schedule was "30" and is "40"`) {
		t.Errorf("exit code %d: %s", code, &refused)
	}
	do(t, append(args, "--allow-changes")...)
}

// TestBudgets gives the same length of training in three ways, and the best model of a run with patience.
// TestPrecision trains in bf16: close to f32, and not to be mixed with it.
func TestPrecision(t *testing.T) {
	data := makeDataset(t, tokenizers.TrainWordPiece, 120, documents(60))
	losses := map[string]float64{}
	for _, precision := range []string{"f32", "bf16"} {
		out := filepath.Join(t.TempDir(), precision)
		args := trainArgs("mlm", data, out, "--steps", "10", "--progress", "json")
		_, told := do(t, append(args, "--precision", precision)...)
		for line := range strings.Lines(told) {
			var e struct{ Loss float64 }
			if json.Unmarshal([]byte(line), &e) == nil && strings.Contains(line, `"event":"step"`) {
				losses[precision] = e.Loss
			}
		}
		other := map[string]string{"f32": "bf16", "bf16": "f32"}[precision]
		var refused bytes.Buffer
		code := run(t.Context(), append(args, "--precision", other, "--resume"), &bytes.Buffer{}, &refused)
		if want := fmt.Sprintf("precision was %q and is %q", precision, other); code != exitFailed || !strings.Contains(refused.String(), want) {
			t.Errorf("exit code %d, and no %q in %s", code, want, &refused)
		}
	}
	if a, b := losses["f32"], losses["bf16"]; !(math.Abs(a-b) < 0.02*a) || a == b {
		t.Errorf("loss %v in f32, %v in bf16", a, b)
	}
}

func TestBudgets(t *testing.T) {
	data := makeDataset(t, tokenizers.TrainBPE, 300, documents(200))
	var runs, outs []string
	for _, budget := range [][]string{{"--steps", "12"}, {"--tokens", "2209"}} { // an update has 8·24 tokens
		out := t.TempDir()
		outs = append(outs, out)
		told, _ := do(t, append(trainArgs("causal", data, out, "--progress", "none"), budget...)...)
		if !strings.Contains(told, "trained 12 steps on 2304 tokens") {
			t.Errorf("%v: %s", budget, told)
		}
		metrics, err := os.ReadFile(filepath.Join(out, trainer.MetricsFile))
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, string(metrics))
	}
	if runs[0] != runs[1] {
		t.Error("the runs differ")
	}
	page := filepath.Join(t.TempDir(), "compare.html")
	if told, _ := do(t, "compare", outs[0], outs[1], "--html", page); !strings.Contains(told, outs[0][len(outs[0])-3:]) || strings.Contains(told, "What differs") {
		t.Errorf("compare says %s", told)
	}
	for _, file := range []string{page, filepath.Join(outs[0], reportFile)} {
		if html, err := os.ReadFile(file); err != nil || bytes.Count(html, []byte("<svg")) != 4 {
			t.Errorf("%s has %d pictures, error %v", file, bytes.Count(html, []byte("<svg")), err)
		}
	}
	out := t.TempDir()
	told, _ := do(t, trainArgs("causal", data, out, "--epochs", "50", "--lr", "0.3", "--clip", "0", "--patience", "2", "--keep-last", "1", "--progress", "none")...)
	if !strings.Contains(told, "stopped after 2 evaluations without a lower one; the best is that of step ") {
		t.Errorf("it went on although nothing got better: %s", told)
	}
}

// TestWithoutHeldOutDocuments trains without evaluation and says so.
func TestWithoutHeldOutDocuments(t *testing.T) {
	texts := documents(50)
	data := writeDataset(t, t.TempDir(), trainTokenizer(t, tokenizers.TrainBPE, 300, texts), texts, 0)
	out := t.TempDir()
	if _, told := do(t, trainArgs("causal", data, out, "--steps", "1")...); !strings.Contains(told, "no evaluation: ") {
		t.Errorf("it said only: %s", told)
	}
	if metrics, err := os.ReadFile(filepath.Join(out, trainer.MetricsFile)); err != nil || bytes.Count(metrics, []byte("\n")) != 1 {
		t.Errorf("metrics %s, error %v", metrics, err)
	}
}

// TestSegmentsAreAskedFor holds what transformers reads: a tokenizer gives second texts their segment only if the model says that it wants it.
func TestSegmentsAreAskedFor(t *testing.T) {
	tok := trainTokenizer(t, tokenizers.TrainWordPiece, 120, documents(50))
	for segments, want := range map[int]bool{0: false, 1: false, 2: true} {
		content, err := tokenizerConfig(tok, model.Limits{Positions: 64, Segments: segments})
		if err != nil || bytes.Contains(content, []byte("token_type_ids")) != want {
			t.Errorf("%d segments: %s, error %v", segments, content, err)
		}
	}
}
