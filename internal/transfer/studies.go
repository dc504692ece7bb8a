package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Sizes of the data of each study, and how often the examples of SST-2 are learned from: fewer examples more often.
var (
	sentimentSizes  = []int{100, 300, 1000, 3000}
	sentimentEpochs = map[int]int{100: 24, 300: 12, 1000: 6, 3000: 4}
	sentimentRates  = []float64{2e-4, 5e-4}
	frenchSizes     = []int{10, 40, 160}
	frenchRates     = []float64{5e-4, 1e-3}
)

const (
	developmentRows = 1000
	frenchSteps     = 200
	frenchTest      = 40 // pieces of novels that are measured on
)

// arms are the two starts, for a command whose flag makes it forget the weights of --model.
func arms(pretrained, scratch []string) []arm {
	return []arm{{"pretrained", pretrained}, {"from scratch", scratch}}
}

// sentiment adapts to labelled sentences.
func (s *study) sentiment(ctx context.Context) ([]curve, error) {
	development := filepath.Join(s.out, "development.tsv")
	if err := firstLines(s.corpus("tasks/sst2/dev.tsv"), development, developmentRows+1); err != nil {
		return nil, err
	}
	var curves []curve
	for _, a := range arms(nil, []string{"--from-scratch"}) {
		points, err := s.points(sentimentSizes, sentimentRates, higher, func(size int, rate float64, seed int) (trial, error) {
			return s.once(fmt.Sprintf("sentiment-%s-%d-%g-%d", strings.ReplaceAll(a.name, " ", "-"), size, rate, seed), func(dir string) (trial, error) {
				args := []string{"finetune", "--model", s.encoder, "--train", s.corpus("tasks/sst2/train.tsv"), "--eval", development, "--out", dir,
					"--text-field", "sentence", "--train-examples", strconv.Itoa(size), "--epochs", strconv.Itoa(sentimentEpochs[size]), "--batch-size", "16",
					"--lr", fmt.Sprint(rate), "--seed", strconv.Itoa(seed), "--threads", strconv.Itoa(s.threads), "--progress", "none"}
				if err := quiet(ctx, "bin/train", append(args, a.flags...)...); err != nil {
					return trial{}, err
				}
				var t trial
				for file, to := range map[string]*float64{development: &t.Development, s.corpus("tasks/sst2/test.tsv"): &t.Test} {
					var e struct{ Scores map[string]float64 }
					if err := measure(ctx, &e, "bin/train", "eval", "--model", dir, "--data", file, "--text-field", "sentence", "--json"); err != nil {
						return trial{}, err
					}
					*to = e.Scores["accuracy"]
				}
				return t, nil
			})
		})
		if err != nil {
			return nil, err
		}
		curves = append(curves, curve{a.name, points})
	}
	return curves, nil
}

func higher(a, b float64) bool { return a > b }
func lower(a, b float64) bool  { return a < b }

// french goes on pretraining on a little text of another language. What counts is the loss on masked tokens of pieces that were held out.
func (s *study) french(ctx context.Context) ([]curve, error) {
	pieces, err := s.frenchPieces()
	if err != nil {
		return nil, err
	}
	test, development := filepath.Join(s.out, "french-test"), filepath.Join(s.out, "french-development")
	last := len(pieces) - frenchTest
	for dir, part := range map[string][][]byte{test: pieces[last:], development: pieces[last-frenchTest : last]} {
		if err := s.frenchDataset(ctx, dir, part); err != nil {
			return nil, err
		}
	}
	var curves []curve
	for _, a := range arms([]string{"--init", s.encoder}, []string{"--config", filepath.Join(s.encoder, "config.json")}) {
		points, err := s.points(frenchSizes, frenchRates, lower, func(size int, rate float64, seed int) (trial, error) {
			data := filepath.Join(s.out, fmt.Sprintf("french-%d", size))
			if err := s.frenchDataset(ctx, data, pieces[:size]); err != nil {
				return trial{}, err
			}
			return s.once(fmt.Sprintf("french-%s-%d-%g-%d", strings.ReplaceAll(a.name, " ", "-"), size, rate, seed), func(dir string) (trial, error) {
				args := []string{"pretrain", "--objective", "mlm", "--data", data, "--out", dir, "--steps", strconv.Itoa(frenchSteps), "--seq-len", "64",
					"--batch-size", "32", "--lr", fmt.Sprint(rate), "--seed", strconv.Itoa(seed), "--eval-every", "0", "--threads", strconv.Itoa(s.threads), "--progress", "none"}
				if err := quiet(ctx, "bin/train", append(args, a.flags...)...); err != nil {
					return trial{}, err
				}
				var t trial
				for set, to := range map[string]*float64{development: &t.Development, test: &t.Test} {
					var e struct{ Loss float64 }
					if err := measure(ctx, &e, "bin/train", "eval", "--model", dir, "--data", set, "--split", "all", "--seq-len", "64", "--json"); err != nil {
						return trial{}, err
					}
					*to = e.Loss
				}
				return t, nil
			})
		})
		if err != nil {
			return nil, err
		}
		curves = append(curves, curve{a.name, points})
	}
	return curves, nil
}

// frenchPieces reads the records of the French corpus, one for each piece of a novel.
func (s *study) frenchPieces() ([][]byte, error) {
	file, err := os.Open(s.corpus("corpora/multilingual/eltec-fra-subset.jsonl.zst"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	in, err := zstd.NewReader(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var pieces [][]byte
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		pieces = append(pieces, bytes.Clone(lines.Bytes()))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the French corpus: %w", err)
	}
	if want := frenchSizes[len(frenchSizes)-1] + 2*frenchTest; len(pieces) < want {
		return nil, fmt.Errorf("the French corpus has %d pieces, the study needs %d", len(pieces), want)
	}
	return pieces, nil
}

// frenchDataset makes a dataset of pieces, if it is not there.
func (s *study) frenchDataset(ctx context.Context, dir string, pieces [][]byte) error {
	file := dir + ".jsonl"
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err == nil {
		return nil
	}
	if err := os.WriteFile(file, append(bytes.Join(pieces, []byte("\n")), '\n'), 0o666); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "bin/ingest", "run", "--tokenizer", s.vocabulary(), "--out", dir, "--progress", "none", "--set", "shards.held_out=0", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make %s: %w: %s", dir, err, out)
	}
	return nil
}

// firstLines copies the beginning of a file.
func firstLines(from, to string, n int) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	return os.WriteFile(to, bytes.Join(lines[:min(n, len(lines))], nil), 0o666)
}
