package formats

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// ranksOf writes tokens of bytes, whose places are their ranks, as tiktoken does.
func ranksOf(tokens []string) []byte {
	var b strings.Builder
	for rank, token := range tokens {
		fmt.Fprintf(&b, "%s %d\n", base64.StdEncoding.EncodeToString([]byte(token)), rank)
	}
	return []byte(b.String())
}
