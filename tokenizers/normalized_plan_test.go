package tokenizers

import (
	"fmt"
	"slices"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
)

// The normalizer and its plan see the same text that the parts see.
func TestNormalizedPlan(t *testing.T) {
	lines := roughtext.Lines(800)[500:]
	if raceEnabled {
		lines = lines[:60]
	}
	for _, form := range []string{"NFC", "NFD", "NFKC", "Lowercase"} {
		tok, err := Load(edited(t, "bpe.tokenizer.json", `"normalizer":null`, fmt.Sprintf(`"normalizer":{"type":%q}`, form)))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := tok.plan.(normalizedPlan); !ok {
			t.Fatalf("no plan for %s", form)
		}
		encoders := encodersOf(tok)
		for _, text := range append(slices.Clone(lines), invalidTexts...) {
			checkEncoder(t, form, tok, encoders, text)
		}
	}
}

// What is said to be left alone by NFC is left alone, whatever is beside it.
func TestKeptByNFC(t *testing.T) {
	nfc := normalForm{compose: true}
	beside := []string{"a", "é", "가", "각", "ᄀ", "\u0CC6", "\u09C7"}
	count, every, least := 0, rune(7), 100000
	if raceEnabled {
		every, least = 61, 10000
	}
	for r := rune(0x80); r <= 0x2FFFF; r++ {
		if r >= 0xD800 && r < 0xE000 || r > 0x3400 && r%every != 0 || raceEnabled && r%3 != 0 {
			continue
		}
		for _, other := range beside {
			for _, s := range []string{other + string(r), string(r) + other} {
				if leavesAlone(nfc, []byte(s)) {
					count++
					if got := string(nfc.normalize(newText(s, true)).bytes); got != s {
						t.Fatalf("%q becomes %q", s, got)
					}
				}
			}
		}
	}
	if count < least || leavesAlone(nfc, []byte("e\u0301")) || leavesAlone(nfc, []byte("가\u11A8")) || leavesAlone(nfc, []byte("a\xff")) || leavesAlone(nfc, []byte("\u212B")) {
		t.Errorf("%d texts are left alone, or one that is not", count)
	}
}
