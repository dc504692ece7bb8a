// Command lines writes the texts of internal/roughtext as JSON lines, for comparisons with another tokenizer.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/shardmill/shardmill/internal/roughtext"
)

func main() {
	n := flag.Int("n", 8000, "number of texts")
	flag.Parse()
	out := bufio.NewWriter(os.Stdout)
	enc := json.NewEncoder(out)
	for _, line := range roughtext.Lines(*n) {
		if err := enc.Encode(map[string]string{"text": line}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
