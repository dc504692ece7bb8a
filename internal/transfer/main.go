// Command transfer measures what pretraining is worth, on one machine and with nothing but the two commands: it pretrains a small BERT on English
// novels and encyclopedia articles, then adapts it, and the same network from random weights, to two tasks with little data.
//
//   - Sentiment: 100 to 3,000 labelled sentences of SST-2 (Socher et al., 2013), accuracy on its 872 test sentences.
//   - Another language: 10 to 160 pieces of French novels, loss of masked tokens on pieces that were held out.
//
// Both starts get the same data, epochs and choices: of the learning rates tried under one seed the best on development data is taken, then other seeds
// are run. What is finished is kept, so that an interrupted study goes on where it stopped.
//
//	go run ./internal/transfer        (make transfer)
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// study is one run of the command.
type study struct {
	data     string // folder with corpora/ and tasks/
	out      string
	steps    int // of pretraining
	seeds    int // runs for each point of the curves
	threads  int
	encoder  string // the pretrained model
	progress string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s := study{}
	flag.StringVar(&s.data, "data", "../shared/data", "folder with corpora/ and tasks/")
	flag.StringVar(&s.out, "out", "build/transfer", "folder for everything that is made")
	flag.IntVar(&s.steps, "steps", 6000, "updates of pretraining")
	flag.IntVar(&s.seeds, "seeds", 3, "runs for each point of the curves")
	flag.IntVar(&s.threads, "threads", 0, "threads; 0 means all processors")
	flag.StringVar(&s.progress, "progress", "none", "of the commands: plain, json or none")
	flag.Parse()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "transfer:", err)
		os.Exit(1)
	}
}

func (s *study) run(ctx context.Context) error {
	if s.seeds < 2 || s.steps < 1 || flag.NArg() > 0 {
		return errors.New("give at least 2 seeds and 1 step, and no arguments")
	}
	if err := command(ctx, "go", "build", "-o", "bin/", "./cmd/ingest", "./cmd/train"); err != nil {
		return err
	}
	if err := s.pretrain(ctx); err != nil {
		return err
	}
	sentiment, err := s.sentiment(ctx)
	if err != nil {
		return err
	}
	french, err := s.french(ctx)
	if err != nil {
		return err
	}
	return s.report(sentiment, french)
}

// corpus is a file or folder of the data.
func (s *study) corpus(name string) string { return filepath.Join(s.data, filepath.FromSlash(name)) }

// pretrain makes the vocabulary, the shards and the encoder.
func (s *study) pretrain(ctx context.Context) error {
	english := []string{s.corpus("corpora/eltec-eng.jsonl.zst"), s.corpus("corpora/wikitext-2/valid.txt"), s.corpus("corpora/wikitext-2/test.txt")}
	french := s.corpus("corpora/multilingual/eltec-fra-subset.jsonl.zst")
	for _, file := range append(english, french) {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("the study needs real text: %w: give -data", err)
		}
	}
	if err := os.MkdirAll(s.out, 0o777); err != nil {
		return err
	}
	s.encoder = filepath.Join(s.out, "bert-"+strconv.Itoa(s.steps))
	vocabulary := s.vocabulary()
	if _, err := os.Stat(vocabulary); err != nil {
		args := []string{"tokenizer", "train", "--model", "wordpiece", "--lowercase", "--vocab-size", "8000", "--out", vocabulary}
		if err := command(ctx, "bin/ingest", append(append(args, english...), french)...); err != nil {
			return err
		}
	}
	shards := filepath.Join(s.out, "english")
	if err := s.ingest(ctx, shards, "0.02", english...); err != nil {
		return err
	}
	return command(ctx, "bin/train", "pretrain", "--objective", "mlm", "--data", shards, "--out", s.encoder, "--steps", strconv.Itoa(s.steps),
		"--seq-len", "64", "--batch-size", "64", "--lr", "1e-3", "--dropout", "0", "--eval-every", "1000", "--checkpoint-every", "500",
		"--resume", "--threads", strconv.Itoa(s.threads), "--progress", s.progress)
}

func (s *study) vocabulary() string { return filepath.Join(s.out, "vocabulary.json") }

// ingest makes a dataset, or finds it finished.
func (s *study) ingest(ctx context.Context, out, heldOut string, files ...string) error {
	args := []string{"run", "--tokenizer", s.vocabulary(), "--out", out, "--progress", "none", "--set", "shards.held_out=" + heldOut}
	return command(ctx, "bin/ingest", append(args, files...)...)
}

// arm is one of the two starts that are compared.
type arm struct {
	name  string
	flags []string // of the command that adapts
}

// curve is what one arm reached: for each size of the data the results of the seeds.
type curve struct {
	Arm    string
	Points []point
}

type point struct {
	Size    int
	Rate    float64 // learning rate that did best on development data
	Results []float64
}

// trial is one run of a command that adapts, and what became of it.
type trial struct {
	Development float64
	Test        float64
}

// points runs an arm over sizes: learning rates with seed 0, then the seeds with the best of them. better says which of two development results wins.
func (s *study) points(sizes []int, rates []float64, better func(a, b float64) bool, run func(size int, rate float64, seed int) (trial, error)) ([]point, error) {
	var all []point
	for _, size := range sizes {
		p := point{Size: size}
		var best trial
		for i, rate := range rates {
			t, err := run(size, rate, 0)
			if err != nil {
				return nil, err
			}
			if i == 0 || better(t.Development, best.Development) {
				best, p.Rate = t, rate
			}
		}
		for seed := 1; seed <= s.seeds; seed++ {
			t, err := run(size, p.Rate, seed)
			if err != nil {
				return nil, err
			}
			p.Results = append(p.Results, t.Test)
		}
		all = append(all, p)
	}
	return all, nil
}

// once runs a trial whose result is not on record yet.
func (s *study) once(name string, run func(dir string) (trial, error)) (t trial, err error) {
	file := filepath.Join(s.out, "trials", name+".json")
	if data, err := os.ReadFile(file); err == nil {
		return t, json.Unmarshal(data, &t)
	}
	dir := filepath.Join(s.out, "work")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(filepath.Dir(file), 0o777)); err != nil {
		return t, err
	}
	started := time.Now()
	if t, err = run(dir); err != nil {
		return t, err
	}
	fmt.Printf("%-44s development %.4f  test %.4f  %4.0f s\n", name, t.Development, t.Test, time.Since(started).Seconds())
	data, err := json.Marshal(t)
	if err != nil {
		return t, err
	}
	return t, errors.Join(os.WriteFile(file, data, 0o666), os.RemoveAll(dir))
}

// command prints a command and runs it.
func command(ctx context.Context, name string, args ...string) error {
	fmt.Println("$", name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// quiet runs a command, whose output matters only if it fails.
func quiet(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// measure runs a command that prints one JSON object, and decodes it.
func measure(ctx context.Context, into any, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, exit.Stderr)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(out, into)
}
