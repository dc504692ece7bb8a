package tokenizers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shardmill/shardmill/internal/roughtext"
	"github.com/shardmill/shardmill/tokenizers/internal/wordcache"
)

// bertTokenizers returns a tokenizer for each way to set the normalizer of BERT, and one without.
func bertTokenizers(t testing.TB) []*Tokenizer {
	t.Helper()
	const settings = `{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}`
	var all []*Tokenizer
	load := func(normalizer string) {
		tok, err := Load(edited(t, "wordpiece.tokenizer.json", settings, normalizer))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tok)
	}
	for i := range 16 {
		load(fmt.Sprintf(`{"type":"BertNormalizer","clean_text":%t,"handle_chinese_chars":%t,"strip_accents":%t,"lowercase":%t}`, i&1 > 0, i&2 > 0, i&4 > 0, i&8 > 0))
	}
	load("null")
	return all
}

func TestBertPlanEqualsParts(t *testing.T) {
	texts := append(roughtext.Lines(700)[500:], invalidTexts...)
	texts = append(texts, strings.Join(texts, ""), strings.Join(texts, " "),
		strings.Repeat("中文，123、测试。x", 30), strings.Repeat("дом и ко́т. ", 40), strings.Repeat("é", 99)+" "+strings.Repeat("한", 50),
		"a\u1b44\u0301b", "x\u0301\u1b44\u0323y\u037ez", "\u1fef \u2260 \u0130I\u0307", "漢\u0301字 ab\u3000c\u0085d\u2028e")
	for i, tok := range bertTokenizers(t) {
		if (testing.Short() || raceEnabled) && i%5 != 0 {
			continue
		}
		encoders := []*Encoder{tok.NewEncoder(wordcache.MinBytes)}
		for _, text := range texts {
			checkEncoder(t, fmt.Sprintf("settings %04b", i), tok, encoders, text)
		}
	}
}

func FuzzBertPlan(f *testing.F) {
	for i, text := range append(roughtext.Lines(530)[500:], invalidTexts...) {
		f.Add([]byte(text), uint8(i), uint8(3))
	}
	toks := bertTokenizers(f)
	encoders := make([][]*Encoder, len(toks))
	for i, tok := range toks {
		encoders[i] = []*Encoder{tok.NewEncoder(wordcache.MinBytes)}
	}
	f.Fuzz(func(t *testing.T, text []byte, settings, times uint8) {
		i := int(settings) % len(toks)
		repeated := strings.Repeat(string(text), 1+min(int(times), 200/(len(text)+1)))
		checkEncoder(t, fmt.Sprintf("settings %04b", i), toks[i], encoders[i], repeated)
	})
}

// What the table says of a character is what the long way says, wherever the character stands.
func TestFoldTable(t *testing.T) {
	for i, tok := range bertTokenizers(t) {
		t.Run(fmt.Sprintf("%04b", i), func(t *testing.T) {
			t.Parallel()
			p := tok.plan.(*bertPlan)
			e := tok.NewEncoder(0)
			e.keep = ^uint32(0)
			var got, want []uint32
			step := rune(3)
			if testing.Short() || raceEnabled {
				step = 29
			}
			for r := rune(0); r <= utf8.MaxRune; r += step {
				if r > 0x30000 {
					r += 96
				}
				if !utf8.ValidRune(r) {
					continue
				}
				piece := string(r)
				if entry := p.fold.of(r); entry.inPiece() {
					piece = "e" + piece + "s"
				} else if entry.kind() == foldSpace {
					continue
				}
				got, want = p.miss(e, got[:0], []byte(piece)), p.missSlow(e, want[:0], []byte(piece))
				if !slices.Equal(got, want) {
					t.Fatalf("%U: got %x, want %x", r, got, want)
				}
				if entry, n := p.fold.at([]byte(string(r) + "x")); entry != p.fold.of(r) || n != utf8.RuneLen(r) {
					t.Fatalf("%U: at gives %x and %d bytes", r, entry, n)
				}
				if r < 0x10000 && r >= utf8.RuneSelf {
					if to := p.fold.inner.run([]byte(string(r)+"abc"), 0); (to > 0) != p.fold.of(r).inPiece() || to > utf8.RuneLen(r) {
						t.Fatalf("%U: a run of %d bytes", r, to)
					}
				}
			}
		})
	}
}
