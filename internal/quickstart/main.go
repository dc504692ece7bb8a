// Command quickstart takes real text, which every machine with this module has, all the way to two small language models. It only runs
// commands that a user would type, and prints each of them.
//
//	go run ./internal/quickstart        (make quickstart)
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

const dir = "build/quickstart"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := quickstart(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// step is one command of the tour.
type step struct {
	does string
	args []string
}

func quickstart(ctx context.Context) error {
	started := time.Now()
	fmt.Println("Building both commands")
	if err := run(ctx, "go", "build", "-o", "bin/", "./cmd/ingest", "./cmd/train"); err != nil {
		return err
	}
	build := time.Since(started)
	started = time.Now()
	if err := gather(ctx); err != nil {
		return fmt.Errorf("gather the corpus: %w", err)
	}
	for _, s := range tour() {
		if s.does != "" { // else it belongs to the step before
			fmt.Printf("\n# %s\n", s.does)
		}
		if err := run(ctx, s.args[0], s.args[1:]...); err != nil {
			return err
		}
	}
	if err := judge(ctx); err != nil {
		return err
	}
	fmt.Printf("\nbuild %.0f s, run %.0f s; all of it lies in %s\n", build.Seconds(), time.Since(started).Seconds(), dir)
	return nil
}

// gather copies Newton's Opticks, Tom Sawyer and a web page out of the Go installation and a module that this one depends on.
func gather(ctx context.Context) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	goroot, err := output(ctx, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	compress, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/klauspost/compress")
	if err != nil {
		return err
	}
	fmt.Printf("\n# Corpus: Opticks (bzip2), Tom Sawyer and a web page, copied to %s/corpus\n", dir)
	for to, from := range map[string]string{
		"opticks.txt.bz2": filepath.Join(goroot, "src/compress/bzip2/testdata/Isaac.Newton-Opticks.txt.bz2"),
		"tom-sawyer.txt":  filepath.Join(compress, "testdata/Mark.Twain-Tom.Sawyer.txt"),
		"page.html":       filepath.Join(compress, "testdata/html.txt"),
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		to = filepath.Join(dir, "corpus", to)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o666); err != nil {
			return err
		}
	}
	return nil
}

func tour() []step {
	books := []string{dir + "/corpus/opticks.txt.bz2", dir + "/corpus/tom-sawyer.txt"}
	command := func(line string, more ...string) []string { return append(strings.Fields(line), more...) }
	progress := " --progress none"
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		progress = "" // somebody watches
	}
	return []step{
		{"Train a WordPiece vocabulary for BERT and a byte-level BPE for GPT",
			command("bin/ingest tokenizer train --model wordpiece --lowercase --vocab-size 2048 --out "+dir+"/wordpiece.json", books...)},
		{"", command("bin/ingest tokenizer train --model bpe --vocab-size 2048 --out "+dir+"/bpe.json", books...)},
		{"Clean, filter, deduplicate and tokenize into shards, and account for every paragraph",
			command("bin/ingest run examples/quickstart/bert.yaml --progress none --out " + dir + "/bert-data")},
		{"", command("bin/ingest run examples/quickstart/gpt.yaml --progress none --out " + dir + "/gpt-data")},
		{"Hold every byte against the manifest", command("bin/ingest verify " + dir + "/gpt-data")},
		{"What is in it?", command("bin/ingest inspect " + dir + "/gpt-data")},
		{"", command("bin/ingest cat --limit 2 " + dir + "/gpt-data")},
		{"Pretrain a small BERT on masked tokens",
			command("bin/train pretrain --objective mlm --data " + dir + "/bert-data --out " + dir + "/bert " + bertFlags + progress)},
		{"Pretrain a small GPT on next tokens",
			command("bin/train pretrain --objective causal --data " + dir + "/gpt-data --out " + dir + "/gpt " + gptFlags + progress)},
		{"Fill a masked word", command("bin/train fill-mask --model "+dir+"/bert", "He took the [MASK] and went to the house.")},
		{"Continue a sentence", command("bin/train generate --model "+dir+"/gpt --tokens 40 --prompt", "The boy looked at the")},
	}
}

const (
	bertFlags = "--steps 800 --seq-len 64 --batch-size 32 --layers 2 --hidden 128 --heads 4 --lr 2e-3 --eval-every 0"
	gptFlags  = "--steps 500 --seq-len 64 --batch-size 32 --layers 2 --hidden 128 --heads 4 --lr 2e-3 --eval-every 0"
)

// judge evaluates both models on text that was held out, and compares with what the frequencies of the tokens alone tell.
func judge(ctx context.Context) error {
	fmt.Println("\n# Held-out loss beside the unigram entropy of the same tokens, in nats")
	for _, m := range []struct {
		name  string
		below float64
	}{{"bert", 0}, {"gpt", 0.3}} {
		args := []string{"eval", "--model", dir + "/" + m.name, "--data", dir + "/" + m.name + "-data", "--json"}
		fmt.Println("$ bin/train", strings.Join(args, " "))
		out, err := output(ctx, "bin/train", args...)
		if err != nil {
			return err
		}
		var e struct {
			Loss           float64 `json:"loss"`
			UnigramEntropy float64 `json:"unigram_entropy"`
		}
		if err := json.Unmarshal([]byte(out), &e); err != nil {
			return fmt.Errorf("read the evaluation of %s: %w", m.name, err)
		}
		fmt.Printf("%-4s  loss %.3f   unigram entropy %.3f   difference %+.3f\n", m.name, e.Loss, e.UnigramEntropy, e.Loss-e.UnigramEntropy)
		if e.Loss > e.UnigramEntropy-m.below {
			return fmt.Errorf("%s has learned too little: its loss is to be %.1f nat below the unigram entropy", m.name, m.below)
		}
	}
	return nil
}

// run prints a command and runs it.
func run(ctx context.Context, name string, args ...string) error {
	fmt.Println("$", name, quote(args))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// quote joins arguments as a shell would take them.
func quote(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = arg
		if strings.ContainsAny(arg, " []*") {
			quoted[i] = "'" + arg + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// output runs a command and returns what it printed.
func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("%s %s: %w: %s", name, quote(args), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
