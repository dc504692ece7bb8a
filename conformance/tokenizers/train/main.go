// Command train reads JSON lines {"text": …}, trains a tokenizer on the texts and writes its tokenizer.json, for comparisons with another trainer. It prints the
// seconds that training took, and those of all processors, to standard error.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/shardmill/shardmill/tokenizers"
)

func main() {
	options := flag.String("options", "{}", "fields of tokenizers.TrainOptions as JSON")
	template := flag.String("template", "", "tokenizer.json to start from")
	flag.Parse()
	if err := train(*options, *template); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func train(options, template string) error {
	var o tokenizers.TrainOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return err
	}
	if template != "" {
		var err error
		if o.Template, err = tokenizers.LoadFile(template); err != nil {
			return err
		}
	}
	var texts [][]byte
	for lines := json.NewDecoder(os.Stdin); ; {
		var line struct{ Text string }
		if err := lines.Decode(&line); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		texts = append(texts, []byte(line.Text))
	}
	start, cpu := time.Now(), cpuSeconds()
	tok, err := tokenizers.Train(o, func(yield func([]byte, error) bool) {
		for _, text := range texts {
			if !yield(text, nil) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%.3f %.3f\n", time.Since(start).Seconds(), cpuSeconds()-cpu)
	return tok.Save(os.Stdout)
}

// cpuSeconds returns the time that all processors have spent on this process.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
