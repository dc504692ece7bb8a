package tokenizers

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/shardmill/shardmill/internal/roughtext"
	"github.com/shardmill/shardmill/tokenizers/internal/wordcache"
)

var testTokenizers = []string{
	"bpe", "bpe_roberta", "bpe_unknown_fused", "bpe_one_word", "bpe_dropped", "bpe_characters", "bpe_normalized",
	"bpe_shown", "bpe_clip", "wordpiece", "wordpiece_accents", "wordpiece_cased_marks", "wordpiece_raw",
	"unigram", "unigram_bytes", "unigram_whole", "unigram_prepend", "word_level",
}

// invalidTexts are not UTF-8, each in another way.
var invalidTexts = []string{
	"\xff", "a\x80b", "\xe2\x82", "\xe2\x82 x", "\xe2\x82\xe2\x82\xac", "\xf0\x9f\x98", "\xf0\x9f\x98a", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "\xe0\x80\x80",
	"caf\xe9", " \xe9t\xe9 ", "\xcc", "e\xcc\x81\xcc", "中\xe4\xb8", "\xf8\x88\x80\x80\x80", "[MASK\xff]", "\xffé\xff",
}

// The encoder says what the parts say, with any cache, and so do the beginnings of words.
func checkEncoder(t testing.TB, name string, tok *Tokenizer, encoders []*Encoder, text string) {
	t.Helper()
	want := encode(t, tok, text, EncodeOptions{SpecialIsText: true})
	for i, e := range encoders {
		if got := e.AppendIDs(nil, []byte(text)); !slices.Equal(got, want.IDs) {
			t.Fatalf("%s, encoder %d, %q:\n got %v\nwant %v", name, i, text, got, want.IDs)
		}
		prefix := []uint32{7, 8, 9}
		ids, starts := e.AppendWords(prefix, []uint64{0b101}, []byte(text))
		if !slices.Equal(ids[3:], want.IDs) || !slices.Equal(ids[:3], prefix) || len(starts) != (len(ids)+63)/64 || starts[0]&7 != 0b101 {
			t.Fatalf("%s, encoder %d, %q: AppendWords differs from AppendIDs, or changed what was there", name, i, text)
		}
		for k := range want.IDs {
			begins := k == 0 || want.WordIDs[k] != want.WordIDs[k-1]
			if got := starts[(k+3)/64]>>((k+3)%64)&1 == 1; got != begins {
				t.Fatalf("%s, encoder %d, %q: token %d begins a word: %t, want %t", name, i, text, k, got, begins)
			}
		}
	}
}

func encodersOf(tok *Tokenizer) []*Encoder {
	return []*Encoder{tok.NewEncoder(0), tok.NewEncoder(wordcache.MinBytes), tok.NewEncoder(1 << 20)}
}

func TestEncoderEqualsParts(t *testing.T) {
	texts := append(roughtext.Lines(1000)[480:], invalidTexts...)
	texts = append(texts, "", " ", "\n\n", strings.Repeat("word ", 300), strings.Repeat("x", 300), strings.Repeat("né ", 100)+strings.Repeat("é", 200),
		"a b c. d  e f\u0301 g", "x\u0600a b", "the ﬁne  the the\tthe theﬁ a \u0301b")
	for _, name := range testTokenizers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok := loadNamed(t, name+".tokenizer.json")
			encoders := encodersOf(tok)
			for _, text := range texts {
				checkEncoder(t, name, tok, encoders, text)
			}
		})
	}
}

func FuzzAppendIDs(f *testing.F) {
	for _, text := range append(roughtext.Lines(580)[500:], invalidTexts...) {
		f.Add([]byte(text), []byte("it's"))
	}
	type fuzzed struct {
		name     string
		tok      *Tokenizer
		encoders []*Encoder
	}
	var all []fuzzed
	for _, name := range testTokenizers {
		tok := loadNamed(f, name+".tokenizer.json")
		all = append(all, fuzzed{name, tok, encodersOf(tok)})
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, one := range all {
			for _, text := range []string{string(first), string(second), string(first) + " " + string(second)} {
				checkEncoder(t, one.name, one.tok, one.encoders, text)
			}
		}
	})
}

// naiveBPE merges the pair of lowest rank, the leftmost first, by looking at all pairs again each time.
func naiveBPE(b *bpe, ids []uint32) []uint32 {
	for {
		best, at := merge{rank: noID}, -1
		for i := range max(0, len(ids)-1) {
			if m, ok := b.merges.get(ids[i], ids[i+1]); ok && m.rank < best.rank {
				best, at = m, i
			}
		}
		if at < 0 {
			return ids
		}
		ids = slices.Replace(ids, at, at+2, best.id)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
	f.Add([]byte("1000 antidisestablishmentarianism antidisestablishmentarianism"))
	tok := loadNamed(f, "bpe.tokenizer.json")
	plan := tok.plan.(*byteBPE)
	f.Fuzz(func(t *testing.T, word []byte) {
		if len(word) == 0 || len(word) > 300 {
			return
		}
		ids := make([]uint32, len(word))
		for i, b := range word {
			ids[i] = plan.byteID[b]
		}
		want := naiveBPE(plan.model, ids)
		got := plan.miss(tok.NewEncoder(0), nil, word)
		if got[0]&startsWord == 0 {
			t.Fatal("the first token does not begin a word")
		}
		got[0] &^= startsWord
		same(t, fmt.Sprintf("%q", word), got, want)
	})
}

// naiveWordPiece tries shorter and shorter pieces.
func naiveWordPiece(w *wordPiece, prefix, word string) []uint32 {
	if utf8.RuneCountInString(word) > w.maxChars {
		return []uint32{w.unknown}
	}
	var ids []uint32
	for start := 0; start < len(word); {
		end := len(word)
		for ; end > start; end-- {
			piece := word[start:end]
			if start > 0 {
				piece = prefix + piece
			}
			if id, ok := w.tokenID(piece); ok {
				ids = append(ids, id)
				break
			}
		}
		if end == start {
			return []uint32{w.unknown}
		}
		start = end
	}
	return ids
}

func FuzzWordPiece(f *testing.F) {
	for _, word := range []string{"tokenization", "##ing", "unbelievable", "中文", "é", "aaaaaaaaaaa"} {
		f.Add(word)
	}
	var models []*wordPiece
	prefixes := []string{"##", "##", ""}
	for _, name := range []string{"wordpiece", "wordpiece_accents", "wordpiece_cased_marks"} {
		models = append(models, loadNamed(f, name+".tokenizer.json").model.(*wordPiece))
	}
	f.Fuzz(func(t *testing.T, word string) {
		if word == "" || !utf8.ValidString(word) {
			return
		}
		for i, m := range models {
			var got []uint32
			for _, k := range m.tokenize(nil, []byte(word), nil) {
				got = append(got, k.id)
			}
			same(t, word, got, naiveWordPiece(m, prefixes[i], word))
		}
	})
}

// Long hostile inputs must not take more than n log n steps: with n² of them, this test would not end.
func TestLongInputs(t *testing.T) {
	const n = 1 << 17 // symbols of this many bytes are more than an encoder keeps
	inputs := map[string]string{
		"one letter":      strings.Repeat("a", n),
		"no space":        strings.Repeat("ab0!", n/4),
		"spaces":          strings.Repeat(" ", n),
		"line ends":       strings.Repeat("\n", n) + "x",
		"marks":           "e" + strings.Repeat("\u0301\u0323", n/8),
		"Chinese":         strings.Repeat("中文", n/6),
		"special tokens":  strings.Repeat("[MASK]", n/6),
		"almost special":  strings.Repeat("[[[MASK", n/7),
		"spaced specials": strings.Repeat("   <mask>", n/9),
		"invalid":         strings.Repeat("\xe2\x82", n/2),
		"apostrophes":     strings.Repeat("'", n),
	}
	for _, name := range []string{"bpe", "bpe_one_word", "bpe_roberta", "wordpiece", "wordpiece_cased_marks"} {
		tok := loadNamed(t, name+".tokenizer.json")
		e := tok.NewEncoder(1 << 20)
		for input, text := range inputs {
			if ids := e.AppendIDs(nil, []byte(text)); len(ids) == 0 && !strings.Contains("spaces line ends invalid", input) {
				t.Errorf("%s: %s gives no tokens", name, input)
			}
			if e.scratchBytes() > maxScratchBytes {
				t.Errorf("%s: %s: the encoder keeps large buffers", name, input)
			}
			if testing.Short() {
				continue
			}
			encode(t, tok, text[:n/4], EncodeOptions{AddSpecial: true})
		}
	}
}

func TestAppendIDsDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"bpe", "wordpiece"} {
		tok := loadNamed(t, name+".tokenizer.json")
		text := []byte(strings.Join(roughtext.Lines(700)[512:], " "))
		for _, cache := range []int{0, wordcache.MinBytes, 4 << 20} {
			e := tok.NewEncoder(cache)
			ids, starts := e.AppendWords(nil, nil, text)
			if n := testing.AllocsPerRun(5, func() { ids, starts = e.AppendWords(ids[:0], starts[:0], text) }); n != 0 {
				t.Errorf("%s with a cache of %d bytes: %v allocations", name, cache, n)
			}
		}
	}
}

func TestSpecialTokensInDocumentsAreText(t *testing.T) {
	for _, name := range testTokenizers {
		tok := loadNamed(t, name+".tokenizer.json")
		special := map[uint32]bool{}
		for _, s := range tok.SpecialTokens() {
			switch s.Content {
			case "[UNK]", "<unk>", "<|endoftext|>": // what unknown text becomes
			default:
				special[s.ID] = tok.Model() != "Unigram" // whose pieces may spell a special token
			}
		}
		text := []byte("a [MASK] [CLS] <mask> <Mask> [Mask] <s> </s> b")
		for _, id := range tok.NewEncoder(1<<16).AppendIDs(nil, text) {
			if special[id] {
				t.Errorf("%s: a document gives special token %d", name, id)
			}
		}
	}
}

func TestGoroutinesShareATokenizer(t *testing.T) {
	for _, name := range []string{"bpe", "wordpiece", "wordpiece_cased_marks"} {
		tok := loadNamed(t, name+".tokenizer.json")
		texts := roughtext.Lines(640)[560:]
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				e := []*Encoder{tok.NewEncoder(1 << 16)}
				for _, text := range texts {
					checkEncoder(t, name, tok, e, text)
				}
			})
		}
		wait.Wait()
	}
}

func TestDecodeGivesBytesBack(t *testing.T) {
	tok := loadNamed(t, "bpe.tokenizer.json")
	for _, text := range append(roughtext.Lines(900)[400:], invalidTexts...) {
		e := encode(t, tok, text, EncodeOptions{})
		if got := tok.AppendText([]byte("x"), e.IDs, false); string(got) != "x"+text {
			t.Errorf("%q comes back as %q", text, got[1:])
		}
		if got, want := tok.Decode(e.IDs, false), string(appendValid(nil, []byte(text))); got != want {
			t.Errorf("Decode gives %q, want %q", got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range invalidTexts {
		f.Add([]byte(text))
	}
	tok := loadNamed(f, "bpe.tokenizer.json")
	e := tok.NewEncoder(wordcache.MinBytes)
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := tok.AppendText(nil, e.AppendIDs(nil, text), true); !bytes.Equal(got, text) {
			t.Fatalf("%q comes back as %q", text, got)
		}
	})
}

func TestInvalidUTF8(t *testing.T) {
	tests := []struct {
		text, shown string
	}{
		{"\xff", "\ufffd"},
		{"a\x80b", "a\ufffdb"},
		{"\xe2\x82", "\ufffd"},                           // the start of €
		{"\xe2\x82\xe2\x82\xac", "\ufffd€"},              // and then all of it
		{"\xf0\x9f\x98a", "\ufffda"},                     // three bytes of four
		{"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},           // a surrogate
		{"\xc0\xaf", "\ufffd\ufffd"},                     // overlong
		{"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"}, // beyond U+10FFFF
		{"é\xc3", "é\ufffd"},
	}
	tok := loadNamed(t, "wordpiece_accents.tokenizer.json") // keeps U+FFFD
	for _, test := range tests {
		if got := string(appendValid(nil, []byte(test.text))); got != test.shown {
			t.Errorf("%q is shown as %q, want %q", test.text, got, test.shown)
		}
		got, want := encode(t, tok, test.text, EncodeOptions{}), encode(t, tok, test.shown, EncodeOptions{})
		same(t, fmt.Sprintf("ids of %q", test.text), got.IDs, want.IDs)
		same(t, fmt.Sprintf("code points of %q", test.text), RuneOffsets(test.text, got.Offsets), RuneOffsets(test.shown, want.Offsets))
	}
}

func TestRuneOffsets(t *testing.T) {
	tests := []struct {
		text     string
		at, want [2]int
	}{
		{"abc", [2]int{1, 3}, [2]int{1, 3}},
		{"é中😀x", [2]int{2, 5}, [2]int{1, 2}},
		{"é中😀x", [2]int{5, 10}, [2]int{2, 4}},
		{"é中😀x", [2]int{10, 10}, [2]int{4, 4}},
		{"é\xe2\x82x", [2]int{3, 4}, [2]int{1, 2}}, // inside one ill-formed sequence
		{"é\xe2\x82x", [2]int{4, 5}, [2]int{2, 3}},
		{"", [2]int{0, 0}, [2]int{0, 0}},
	}
	for _, test := range tests {
		if got := RuneOffsets(test.text, [][2]int{test.at})[0]; got != test.want {
			t.Errorf("%v of %q are code points %v, want %v", test.at, test.text, got, test.want)
		}
	}
}
