// Command logits runs a model folder and prints what it predicts, for comparisons with transformers. It reads JSON lines
// {"ids": […], "segments": […]} and writes, for each, one line with the list of the logits at all positions, one list each; a model that scores sequences
// gives one list.
//
//	logits FOLDER < sequences.jsonl                   runs the model in FOLDER
//	logits FOLDER CONFIG SEED < sequences.jsonl       first writes a new model of that config.json to FOLDER
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer/checkpoint"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/model"
)

func main() {
	if len(os.Args) != 2 && len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: logits FOLDER [CONFIG SEED] < sequences.jsonl")
		os.Exit(2)
	}
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	folder := args[0]
	pool := kernels.NewPool(1)
	defer pool.Close()
	if len(args) == 3 {
		if err := create(pool, folder, args[1], args[2]); err != nil {
			return err
		}
	}
	config, err := os.ReadFile(filepath.Join(folder, checkpoint.ConfigFile))
	if err != nil {
		return err
	}
	c, err := model.ReadConfig(config)
	if err != nil {
		return err
	}
	n, err := model.New(c, pool)
	if err != nil {
		return err
	}
	defer n.Close()
	weights, err := checkpoint.OpenWeights(folder)
	if err != nil {
		return err
	}
	defer weights.Close()
	report, err := weights.Load(n.Params())
	if err != nil {
		return err
	}
	if err := report.Strict(); err != nil {
		return err
	}
	return predict(n, json.NewDecoder(in), json.NewEncoder(out))
}

// create writes a new model with larger weights than training starts with, so that predictions differ.
func create(pool *kernels.Pool, folder, configPath, seed string) error {
	config, err := os.ReadFile(configPath)
	if err != nil {
		return err
	}
	c, err := model.ReadConfig(config)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	n, err := model.New(c, pool)
	if err != nil {
		return err
	}
	n.Initialize(number)
	for _, p := range n.Params().List {
		for i, v := range p.Value {
			if p.Value[i] = 5 * v; len(p.Shape) == 1 {
				p.Value[i] = v + float32(i%5)/10
			}
		}
	}
	if config, err = n.ConfigJSON(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, checkpoint.ConfigFile), config, 0o644); err != nil {
		return err
	}
	if err := describe(c, folder); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(folder, checkpoint.WeightsFile))
	if err != nil {
		return err
	}
	return errors.Join(checkpoint.WriteWeights(f, n.Params()), f.Close())
}

// describe writes the files of sentence-transformers, for a model that embeds.
func describe(c model.Config, folder string) error {
	encoder, ok := c.(*model.EncoderConfig)
	if !ok || encoder.Head != model.SentenceEmbedding {
		return nil
	}
	files, err := encoder.SentenceFiles()
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

func predict(n *model.Network, in *json.Decoder, out *json.Encoder) error {
	for {
		var s struct {
			IDs      []uint32
			Segments []uint8
		}
		if err := in.Decode(&s); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		b := &schemas.Minibatch{IDs: s.IDs, Segments: s.Segments, CuSeqlens: []int32{0, int32(len(s.IDs))}}
		for i := range s.IDs {
			b.Positions = append(b.Positions, int32(i))
		}
		logits, rows, err := scores(context.Background(), n, b)
		if err != nil {
			return err
		}
		width := len(logits) / rows
		var table [][]float32
		for i := range rows {
			table = append(table, logits[i*width:(i+1)*width])
		}
		if err := out.Encode(table); err != nil {
			return err
		}
	}
}

// scores runs one sequence and returns what the head of the model gives, for so many rows.
func scores(ctx context.Context, n *model.Network, b *schemas.Minibatch) (logits []float32, rows int, err error) {
	switch n.Limits().Head {
	case model.SequenceClassification:
		logits, err = n.Classify(ctx, b)
		return logits, 1, err
	case model.MultipleChoice:
		b.Choices = 1
		logits, err = n.Choose(ctx, b)
		return logits, 1, err
	case model.Regression:
		logits, err = n.Regress(ctx, b)
		return logits, 1, err
	case model.SentenceEmbedding:
		logits, err = n.Embed(ctx, b)
		return logits, 1, err
	case model.TokenClassification:
		logits, err = n.TagTokens(ctx, b)
	case model.QuestionAnswering:
		logits, err = n.Spans(ctx, b)
	default:
		var all []int32
		for i := range b.IDs {
			all = append(all, int32(i))
		}
		logits, err = n.Logits(ctx, b, all)
	}
	return logits, len(b.IDs), err
}
