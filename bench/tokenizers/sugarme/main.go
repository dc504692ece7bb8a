// Command sugarme answers requests to encode of run.py with github.com/sugarme/tokenizer, a Go port of Hugging Face tokenizers.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sugarme/tokenizer"
	"github.com/sugarme/tokenizer/pretrained"
)

type request struct {
	Op, Tokenizer, Text string
	Seconds             float64
}

type answer struct {
	Wall   float64 `json:"wall,omitempty"`
	CPU    float64 `json:"cpu,omitempty"`
	Bytes  int     `json:"bytes,omitempty"`
	Tokens int     `json:"tokens,omitempty"`
	Error  string  `json:"error,omitempty"`
}

func main() {
	known := map[string]*tokenizer.Tokenizer{}
	out := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var q request
		err := json.Unmarshal(lines.Bytes(), &q)
		var a answer
		if err == nil {
			a, err = do(known, q)
		}
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := out.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// do turns a panic of the package, which it may answer a tokenizer.json or a text with, into an error.
func do(known map[string]*tokenizer.Tokenizer, q request) (a answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it panics: %.100v", r)
		}
	}()
	if q.Op != "encode" {
		return a, fmt.Errorf("%s is not measured", q.Op)
	}
	tok := known[q.Tokenizer]
	if tok == nil {
		if tok, err = pretrained.FromFile(q.Tokenizer); err != nil {
			return a, err
		}
		known[q.Tokenizer] = tok
	}
	data, err := os.ReadFile(q.Text)
	if err != nil {
		return a, err
	}
	docs := strings.Split(string(data), "\x00")
	start, cpu := time.Now(), cpuSeconds()
	for n := 1.0; ; n++ {
		a.Bytes, a.Tokens = 0, 0
		for _, d := range docs {
			e, err := tok.Encode(tokenizer.NewSingleEncodeInput(tokenizer.NewInputSequence(d)), false)
			if err != nil {
				return a, err
			}
			a.Bytes += len(d)
			a.Tokens += len(e.Ids)
		}
		if wall := time.Since(start).Seconds(); wall >= q.Seconds {
			a.Wall, a.CPU = wall/n, (cpuSeconds()-cpu)/n
			return a, nil
		}
	}
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
