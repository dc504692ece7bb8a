// Command train reads JSON lines {"text": …}, trains a tokenizer on the texts and writes its tokenizer.json, for comparisons with another trainer.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/shardmill/shardmill/tokenizers"
)

func main() {
	var o tokenizers.TrainOptions
	flag.StringVar(&o.Model, "model", tokenizers.TrainBPE, "bpe or wordpiece")
	flag.IntVar(&o.VocabSize, "vocab-size", 0, "tokens to reach")
	flag.Int64Var(&o.MinFrequency, "min-frequency", 0, "least count of a merged pair")
	flag.IntVar(&o.LimitAlphabet, "limit-alphabet", 0, "most characters to keep (wordpiece)")
	flag.BoolVar(&o.Lowercase, "lowercase", false, "lower case (wordpiece)")
	flag.Parse()
	texts := func(yield func([]byte, error) bool) {
		for lines := json.NewDecoder(os.Stdin); ; {
			var line struct{ Text string }
			err := lines.Decode(&line)
			if err == io.EOF || !yield([]byte(line.Text), err) {
				return
			}
		}
	}
	tok, err := tokenizers.Train(o, texts)
	if err == nil {
		err = tok.Save(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
