// Command encode reads JSON lines {"text": …} and writes everything that package tokenizers says about each text, for comparisons with another
// tokenizer. Offsets are in code points.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/shardmill/shardmill/tokenizers"
)

type output struct {
	IDs     []uint32 `json:"ids"`
	Offsets [][2]int `json:"offsets"`
	Tokens  []string `json:"tokens"`
	Words   []int    `json:"words"`
	Types   []uint32 `json:"types"`
	Special []bool   `json:"special"`
	Plain   []uint32 `json:"plain"` // by Encoder, special tokens as text
	Decoded string   `json:"decoded"`
	Pair    pair     `json:"pair"` // the text before this one, then this one
}

type pair struct {
	IDs       []uint32 `json:"ids"`
	Types     []uint32 `json:"types"`
	Sequences []int    `json:"sequences"`
	Special   []bool   `json:"special"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: encode tokenizer.json < lines.jsonl")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string, in io.Reader, out io.Writer) error {
	tok, err := tokenizers.LoadFile(path)
	if err != nil {
		return err
	}
	plain := tok.NewEncoder(8 << 20)
	w := bufio.NewWriter(out)
	before := ""
	lines, results := json.NewDecoder(in), json.NewEncoder(w)
	for {
		var line struct{ Text string }
		if err := lines.Decode(&line); err == io.EOF {
			return w.Flush()
		} else if err != nil {
			return err
		}
		e, err := tok.Encode(line.Text, tokenizers.EncodeOptions{AddSpecial: true})
		if err != nil {
			return err
		}
		p, err := tok.EncodePair(before, line.Text, tokenizers.EncodeOptions{AddSpecial: true})
		if err != nil {
			return err
		}
		before = line.Text
		result := output{
			e.IDs, tokenizers.RuneOffsets(line.Text, e.Offsets), e.Tokens, e.WordIDs, e.TypeIDs, e.SpecialMask,
			plain.AppendIDs([]uint32{}, []byte(line.Text)), tok.Decode(e.IDs, true),
			pair{p.IDs, p.TypeIDs, p.SequenceIDs, p.SpecialMask},
		}
		if err := results.Encode(result); err != nil {
			return err
		}
	}
}
