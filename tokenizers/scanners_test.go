package tokenizers

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
	"github.com/shardmill/shardmill/tokenizers/internal/scan"
)

var scannedPatterns = []string{gpt2Pattern, llama3Pattern, qwen2Pattern, anyCountDigits}

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
	for _, room := range []int{66, 320} {
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

// scanTexts are made to put what looks at its neighbours on the borders of blocks.
func scanTexts() [][]byte {
	var texts [][]byte
	inserts := []string{
		"'s", "'re", "'S", "'LL", "'\u017F", "''s", "'x", "  ", " \n", "\n ", "\n\n  \n", "!\n\n", "!!\n a", "\u00a0", " \u00a0b", "\u2003\u2003", "\u3000", "\u0085\n",
		"é", "“a", "“”a", " “a", "中文", "12345", "1\u0661\u0662\u06632", "\U0001d7d8", "\xe2\x82", "\xff", "😀", "a\u0301", "\t", "\t\t", "\ta", "\r\n", "/\n/\n!", " '", " 's", "1's", "\n's",
	}
	for n := 58; n <= 70; n++ {
		for _, insert := range inserts {
			for _, fill := range []string{"a", " ", "1", "!", "\n", "é", "あ"} {
				before := strings.Repeat(fill, n)[:n]
				for _, behind := range []string{"", "a", " ", " a", "1", "!", "\n", strings.Repeat(" ", 70) + "\n", strings.Repeat(" ", 70) + "x"} {
					texts = append(texts, []byte(before+insert+behind))
				}
			}
		}
	}
	return texts
}

func TestScanners(t *testing.T) {
	texts := scanTexts()
	lines := roughtext.Lines(1500)
	for _, line := range lines {
		texts = append(texts, []byte(line))
	}
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
