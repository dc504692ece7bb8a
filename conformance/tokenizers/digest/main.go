// Command digest reads documents with a NUL between them and prints one digest for each, over everything that package tokenizers says about it, for long comparisons
// with another tokenizer. Offsets are in code points. It also holds what Encoder gives, special tokens as text, equal to what Encode gives.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/shardmill/shardmill/tokenizers"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: digest tokenizer.json documents")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path, documents string, out io.Writer) error {
	tok, err := tokenizers.LoadFile(path)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(documents)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	plain := tok.NewEncoder(8 << 20)
	var ids []uint32
	var tokens tokenizers.Tokens
	for doc := range bytes.SplitSeq(data, []byte{0}) {
		e, err := tok.Encode(string(doc), tokenizers.EncodeOptions{AddSpecial: true})
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%x\n", digest(string(doc), e))
		want, err := tok.Encode(string(doc), tokenizers.EncodeOptions{SpecialIsText: true})
		if err != nil {
			return err
		}
		ids = plain.AppendIDs(ids[:0], doc)
		tokens = tokenizers.Tokens{IDs: tokens.IDs[:0], Offsets: tokens.Offsets[:0], Words: tokens.Words[:0]}
		if err := plain.AppendTokens(&tokens, doc, tokenizers.Bytes); err != nil {
			return err
		}
		if !slices.Equal(ids, want.IDs) || !slices.Equal(tokens.IDs, want.IDs) || !equalPlaces(&tokens, &want) {
			return fmt.Errorf("%s: Encoder and Encode differ on %q", path, doc)
		}
	}
	return w.Flush()
}

// equalPlaces tells whether offsets and words are those of e.
func equalPlaces(t *tokenizers.Tokens, e *tokenizers.Encoding) bool {
	for i, o := range e.Offsets {
		if t.Offsets[i] != [2]uint32{uint32(o[0]), uint32(o[1])} || t.Words[i] != uint32(e.WordIDs[i]) {
			return false
		}
	}
	return len(t.Offsets) == len(e.Offsets) && len(t.Words) == len(e.WordIDs)
}

// digest lays numbers out as 32 bits, and ends each token with a NUL.
func digest(text string, e tokenizers.Encoding) []byte {
	var b []byte
	add := func(n int) { b = binary.LittleEndian.AppendUint32(b, uint32(n)) }
	add(len(e.IDs))
	for _, id := range e.IDs {
		add(int(id))
	}
	for _, o := range tokenizers.RuneOffsets(text, e.Offsets) {
		add(o[0])
		add(o[1])
	}
	for _, w := range e.WordIDs {
		add(w)
	}
	for _, t := range e.TypeIDs {
		add(int(t))
	}
	for _, mask := range [][]bool{e.SpecialMask, e.AttentionMask} {
		for _, on := range mask {
			if on {
				add(1)
			} else {
				add(0)
			}
		}
	}
	for _, t := range e.Tokens {
		b = append(append(b, t...), 0)
	}
	sum := sha256.Sum256(b)
	return sum[:8]
}
