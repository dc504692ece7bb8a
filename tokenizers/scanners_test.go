package tokenizers

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
	"github.com/shardmill/shardmill/tokenizers/internal/scan"
)

var scannedPatterns = []string{gpt2Pattern, llama3Pattern, qwen2Pattern, anyCountDigits, o200kPattern}

// checkScanner holds the borders that the scanner of a pattern finds equal to those of its cutter.
func checkScanner(t *testing.T, pattern string, text []byte) {
	t.Helper()
	if len(text) == 0 {
		return
	}
	cutter := knownCutter(pattern)
	var want []uint32
	for at := 0; at < len(text); {
		at += cutter.word(text[at:])
		want = append(want, uint32(at))
	}
	scanner := scannerFor(cutter)
	for _, room := range []int{scan.MinRoom, 320} {
		var state scan.State
		var got []uint32
		dst := make([]uint32, room)
		scanner.Reset(&state, text)
		for {
			n := scanner.Cut(&state, dst)
			if n == 0 {
				break
			}
			got = append(got, dst[:n]...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s of %q:\n got %d\nwant %d", pattern, text, got, want)
		}
	}
}

// tricky are pieces of text that one or another pattern treats in its own way.
var tricky = []string{
	"a", "B", "ab", "AB", "Ab", "aB", "é", "É", "ª", "あ", "中文", "ʰ", "\u0301", "a\u0301", "1", "12345", "\u0661", "\U0001d7d8", "½", " ", "  ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2003", "\u3000",
	"\u0085", "'", "'s", "'S", "'re", "'LL", "'\u017F", "'x", "'rE", "''", "!", "!!", "/", "//", "“", "😀", "_", "\xff", "\xe2\x82", "\xcc", "            ", "abcdefghijklmnopqrstuvwxyz", "\n          \n",
}

// scanTexts returns n texts of tricky pieces, which fall on the borders of blocks in all ways.
func scanTexts(n int) [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	texts := make([][]byte, n)
	for i := range texts {
		from := tricky
		if i%2 == 0 { // few pieces that come often
			from = nil
			for range 2 + random.IntN(6) {
				from = append(from, tricky[random.IntN(len(tricky))])
			}
		}
		for size := 1 + random.IntN(200); len(texts[i]) < size; {
			texts[i] = append(texts[i], from[random.IntN(len(from))]...)
		}
	}
	return texts
}

func TestScanners(t *testing.T) {
	texts := scanTexts(3000)
	lines := roughtext.Lines(1000)
	texts = append(texts, []byte(strings.Join(lines, "\n")), bytes.Repeat([]byte(" \n"), 300), bytes.Repeat([]byte("0123456789 "), 100))
	for _, pattern := range scannedPatterns {
		for _, text := range texts {
			checkScanner(t, pattern, text)
		}
	}
}

func FuzzScanners(f *testing.F) {
	for _, text := range invalidTexts {
		f.Add([]byte(text), uint8(60))
	}
	for _, line := range roughtext.Lines(600)[480:] {
		f.Add([]byte(line), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, shift uint8) {
		text = append(bytes.Repeat([]byte("x"), int(shift)%80), text...)
		for _, pattern := range scannedPatterns {
			checkScanner(t, pattern, text)
			checkScanner(t, pattern, append(text, text...))
		}
	})
}
