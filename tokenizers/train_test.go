package tokenizers

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shardmill/shardmill/internal/roughtext"
	"github.com/shardmill/shardmill/tokenizers/internal/wordcount"
)

func textsOf(texts ...string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, text := range texts {
			if !yield([]byte(text), nil) {
				return
			}
		}
	}
}

func trained(t testing.TB, o TrainOptions, texts ...string) *Tokenizer {
	t.Helper()
	tok, err := Train(o, textsOf(texts...))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestTrainEqualsReference(t *testing.T) {
	var want struct {
		Merges     []string
		Words      map[string]int
		Vocabulary []string
		Pieces     []json.RawMessage
		WordLevel  []json.RawMessage
	}
	readJSON(t, "reference_training.json", &want)
	texts := roughtext.Lines(1200)[512:]

	same(t, "merges", mergesOf(t, trained(t, TrainOptions{Model: TrainBPE, VocabSize: 500}, texts...)), want.Merges)

	var words []string
	for word, n := range want.Words {
		words = append(words, strings.Repeat(word+" ", n))
	}
	tok := trained(t, TrainOptions{Model: TrainWordPiece, VocabSize: 60, Lowercase: true}, words...)
	vocabulary := slices.Sorted(slices.Values(tok.model.(*wordPiece).tokens))
	same(t, "vocabulary", vocabulary, slices.Sorted(slices.Values(want.Vocabulary)))

	pieces := map[string]float64{}
	for _, raw := range want.Pieces {
		piece, score := entry[float64](t, raw)
		pieces[piece] = score
	}
	samePieces(t, trained(t, TrainOptions{Model: TrainUnigram, VocabSize: 2500, SpecialTokens: []string{"<none>"}, UnknownToken: "<none>"}, texts...), pieces)

	tok = trained(t, TrainOptions{Model: TrainWordLevel, VocabSize: 300}, texts...)
	for _, raw := range want.WordLevel {
		word, id := entry[uint32](t, raw)
		if got := tok.mustID(word); got != id {
			t.Errorf("word %q has id %d, want %d", word, got, id)
		}
	}
}

// entry reads ["text", number].
func entry[N float64 | uint32](t testing.TB, raw []byte) (text string, number N) {
	t.Helper()
	if err := json.Unmarshal(raw, &[]any{&text, &number}); err != nil {
		t.Fatal(err)
	}
	return text, number
}

func mergesOf(t testing.TB, tok *Tokenizer) []string {
	t.Helper()
	var file struct{ Model struct{ Merges []string } }
	if err := json.Unmarshal(tok.Raw(), &file); err != nil {
		t.Fatal(err)
	}
	return file.Model.Merges
}

func piecesOf(t testing.TB, data []byte) map[string]float64 {
	t.Helper()
	var file struct {
		Model struct{ Vocab []json.RawMessage }
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	pieces := map[string]float64{}
	for _, raw := range file.Model.Vocab {
		piece, score := entry[float64](t, raw)
		pieces[piece] = score
	}
	return pieces
}

// samePieces compares pieces with those of the reference. That gives characters which it had dropped scores in the order of a hash table, a step of
// 0.0001 each.
func samePieces(t testing.TB, tok *Tokenizer, want map[string]float64) {
	t.Helper()
	got := piecesOf(t, tok.Raw())
	same(t, "pieces", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	for piece, score := range want {
		bound := 1e-9
		if utf8.RuneCountInString(piece) == 1 {
			bound = 1e-4 * float64(len(want))
		}
		if math.Abs(got[piece]-score) > bound {
			t.Errorf("%q scores %g, want %g", piece, got[piece], score)
		}
	}
}

// Tokenizers of many shapes, trained anew, have the vocabulary that the reference gives them and are otherwise as they were.
func TestTrainFromTemplates(t *testing.T) {
	var shapes []struct {
		Name     string
		Template json.RawMessage
		Options  TrainOptions
		Trained  json.RawMessage
	}
	readJSON(t, "reference_templates.json", &shapes)
	texts := roughtext.Lines(1200)[512 : 512+120]
	for _, shape := range shapes {
		t.Run(shape.Name, func(t *testing.T) {
			o := shape.Options
			o.VocabSize, o.Template = 900, loaded(t, shape.Template)
			got := trained(t, o, texts...)
			if got.Model() == "Unigram" {
				samePieces(t, got, piecesOf(t, shape.Trained))
				return
			}
			want := loaded(t, shape.Trained)
			for id := range uint32(want.VocabSize()) {
				g, _ := got.Token(id)
				if w, _ := want.Token(id); g != w {
					t.Fatalf("token %d is %q, want %q", id, g, w)
				}
			}
			same(t, "special tokens", got.SpecialTokens(), want.SpecialTokens())
			for _, text := range texts {
				o := EncodeOptions{AddSpecial: true}
				same(t, text, encode(t, got, text, o).IDs, encode(t, want, text, o).IDs)
			}
		})
	}
}

func loaded(t testing.TB, data []byte) *Tokenizer {
	t.Helper()
	tok, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// A worked example: in "hug pug pun bun hugs", weighted as below, "u g" is most frequent, then "h ug", then "p ug" before "p un".
func TestTrainByHand(t *testing.T) {
	text := strings.Repeat("hug\t", 10) + strings.Repeat("pug\t", 5) + strings.Repeat("pun\t", 12) + strings.Repeat("bun\t", 4) + strings.Repeat("hugs\t", 5)
	tok := trained(t, TrainOptions{Model: TrainBPE, VocabSize: 1 + 256 + 4}, text)
	same(t, "tokens", tok.model.(*bpe).tokens[257:], []string{"ug", "un", "hug", "pun"})
	same(t, "ids", tok.NewEncoder(0).AppendIDs(nil, []byte("hugs")), []uint32{259, tok.mustID("s")})
}

func (t *Tokenizer) mustID(token string) uint32 {
	id, ok := t.TokenID(token)
	if !ok {
		panic(token)
	}
	return id
}

func TestTrainIsDeterministic(t *testing.T) {
	texts := roughtext.Lines(900)[512:]
	for _, o := range []TrainOptions{
		{Model: TrainBPE, VocabSize: 600},
		{Model: TrainBPE, VocabSize: 700, Template: trained(t, TrainOptions{Model: TrainWordPiece}, texts...), LimitAlphabet: 200, EndOfWordSuffix: "</w>", UnknownToken: "[UNK]"},
		{Model: TrainWordPiece, VocabSize: 700, LimitAlphabet: 200},
		{Model: TrainWordPiece, VocabSize: 700, LimitAlphabet: 200, Lowercase: true},
		{Model: TrainUnigram, VocabSize: 1600},
		{Model: TrainWordLevel, VocabSize: 500, Lowercase: true},
	} {
		first := trained(t, o, texts...)
		shuffled := slices.Clone(texts)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(texts), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		again := o
		again.Workers, again.MemoryBytes, again.SpillFolder = 3, 1, t.TempDir()
		if !bytes.Equal(first.Raw(), trained(t, again, shuffled...).Raw()) {
			t.Errorf("%+v: the order of the texts, workers or memory change the result", o)
		}
		if n := first.VocabSize(); n != o.VocabSize {
			t.Errorf("%s: VocabSize is %d, want %d", o.Model, n, o.VocabSize)
		}
	}
}

// Words that memory has no room for lie in a temporary folder, which is gone afterwards, whatever happens.
func TestTrainSpills(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	var texts []string
	for range 300 {
		var text strings.Builder
		for range 60 {
			text.WriteString(" " + strconv.FormatInt(rng.Int64N(1<<40), 36))
		}
		texts = append(texts, text.String())
	}
	want := trained(t, TrainOptions{Model: TrainBPE, VocabSize: 400}, texts...)
	broken := errors.New("disk on fire")
	for _, workers := range []int{1, 2} {
		for _, fails := range []bool{false, true} {
			o := TrainOptions{Model: TrainBPE, VocabSize: 400, Workers: workers, MemoryBytes: 1 << 18, SpillFolder: t.TempDir()}
			spilled := false
			got, err := Train(o, func(yield func([]byte, error) bool) {
				for i, text := range texts {
					if fails && i == 290 && !yield(nil, broken) || !yield([]byte(text), nil) {
						return
					}
				}
				left, _ := os.ReadDir(o.SpillFolder)
				spilled = len(left) > 0
			})
			if fails {
				if !errors.Is(err, broken) {
					t.Errorf("%d workers: error is %v", workers, err)
				}
			} else if err != nil || workers == 1 && !spilled || !bytes.Equal(got.Raw(), want.Raw()) {
				t.Errorf("%d workers: spilled is %t, error %v, or another result", workers, spilled, err)
			}
			if left, _ := os.ReadDir(o.SpillFolder); len(left) > 0 {
				t.Errorf("%d workers: %v is left behind", workers, left)
			}
		}
	}
	o := TrainOptions{Model: TrainBPE, VocabSize: 400, MemoryBytes: 1, SpillFolder: filepath.Join(t.TempDir(), "missing")}
	if _, err := Train(o, textsOf(texts...)); err == nil || !strings.Contains(err.Error(), "temporary folder") {
		t.Errorf("a spill folder that is missing gives %v", err)
	}
}

// What has no words to learn from, or strange ones, is trained on all the same.
func TestTrainOnStrangeTexts(t *testing.T) {
	huge := strings.Repeat("ab", wordcount.MaxWordBytes*2/3)
	for _, model := range []string{TrainBPE, TrainWordPiece, TrainUnigram, TrainWordLevel} {
		for name, texts := range map[string][]string{
			"no texts":       nil,
			"empty texts":    {"", ""},
			"spaces":         {" ", "\n\t  \u3000", ""},
			"one word":       {"word"},
			"one character":  {"x"},
			"special tokens": {"<|endoftext|>", "[UNK][PAD] [CLS]", "<unk> <s></s><pad>", "<unk>"},
			"invalid UTF-8":  {"a\xffb \xe2\x82", "\xf0\x9f", "\xc0\x80\x00"},
			"a huge word":    {huge},
			"a huge number":  {strings.Repeat("7", wordcount.MaxWordBytes+5)},
		} {
			if raceEnabled && strings.HasPrefix(name, "a huge") && model != TrainBPE {
				continue
			}
			tok := trained(t, TrainOptions{Model: model, VocabSize: 300}, texts...)
			special := trainDefaults[model].special
			for id, s := range special {
				if got, ok := tok.TokenID(s); !ok || got != uint32(id) {
					t.Errorf("%s, %s: %s has id %d", model, name, s, got)
				}
			}
			for _, text := range append(texts, "word <unk>") {
				encode(t, tok, text[:min(len(text), 1000)], EncodeOptions{})
			}
		}
	}
	tok := trained(t, TrainOptions{Model: TrainBPE, VocabSize: 300, Workers: 2}, huge)
	same(t, "tokens of a huge word", tok.model.(*bpe).tokens[257:260], []string{"ab", "abab", "abababab"})
}

// The committed small tokenizers are what training makes today.
func TestTrainMakesTheTestTokenizers(t *testing.T) {
	texts := roughtext.Lines(1200)[512:]
	for name, o := range map[string]TrainOptions{
		"bpe":       {Model: TrainBPE, VocabSize: 500},
		"wordpiece": {Model: TrainWordPiece, VocabSize: 900, LimitAlphabet: 250, Lowercase: true},
	} {
		got, want := trained(t, o, texts...), loadNamed(t, name+".tokenizer.json")
		for id := range uint32(o.VocabSize) {
			g, _ := got.Token(id)
			w, _ := want.Token(id)
			if g != w {
				t.Fatalf("%s: token %d is %q, want %q", name, id, g, w)
			}
		}
		for _, text := range texts[:50] {
			o := EncodeOptions{AddSpecial: true}
			same(t, text, encode(t, got, text, o).IDs, encode(t, want, text, o).IDs)
		}
	}
}

func TestTrainDefaults(t *testing.T) {
	tok := trained(t, TrainOptions{Model: TrainBPE}, "a a b")
	same(t, "special tokens", tok.SpecialTokens(), []SpecialToken{{0, "<|endoftext|>"}})
	if tok.VocabSize() != 257 {
		t.Errorf("VocabSize is %d: nothing is frequent enough to merge", tok.VocabSize())
	}
	tok = trained(t, TrainOptions{Model: TrainWordPiece}, "ab ab é")
	same(t, "special tokens", tok.SpecialTokens(), []SpecialToken{{0, "[PAD]"}, {1, "[UNK]"}, {2, "[CLS]"}, {3, "[SEP]"}, {4, "[MASK]"}})
	e, err := tok.EncodePair("ab Z", "é", EncodeOptions{AddSpecial: true})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "pair", e.Tokens, []string{"[CLS]", "ab", "[UNK]", "[SEP]", "é", "[SEP]"})
	same(t, "types", e.TypeIDs, []uint32{0, 0, 0, 0, 1, 1})
}

func TestTrainProgress(t *testing.T) {
	texts := roughtext.Lines(1200)[512:]
	for _, model := range []string{TrainBPE, TrainWordPiece, TrainUnigram, TrainWordLevel} {
		for _, workers := range []int{1, 2} {
			var last TrainProgress
			calls := 0
			o := TrainOptions{Model: model, VocabSize: 2500, LimitAlphabet: 200, Workers: workers, Progress: func(p TrainProgress) error { last = p; calls++; return nil }}
			size := trained(t, o, texts...).VocabSize()
			if calls < 4 || last.Texts != int64(len(texts)) || last.Words == 0 || model != TrainUnigram && last.Tokens != size {
				t.Errorf("%s: %d calls, the last with %+v", model, calls, last)
			}
			// An error ends the training whenever it comes.
			stop := errors.New("stop")
			for when := range 3 {
				left := when
				o.Progress = func(TrainProgress) error {
					if left--; left < 0 {
						return stop
					}
					return nil
				}
				if _, err := Train(o, textsOf(texts[:300]...)); !errors.Is(err, stop) {
					t.Errorf("%s, call %d: error is %v", model, when, err)
				}
			}
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	broken := errors.New("disk on fire")
	tests := []struct {
		name  string
		o     TrainOptions
		texts iter.Seq2[[]byte, error]
		want  string
	}{
		{"no model", TrainOptions{}, textsOf(), `Model is ""`},
		{"unknown model", TrainOptions{Model: "trigram"}, textsOf(), `Model is "trigram": bpe, wordpiece, unigram and wordlevel can be trained`},
		{"small for bytes", TrainOptions{Model: TrainBPE, VocabSize: 256}, textsOf(), "VocabSize is 256, but special tokens and alphabet alone are 257"},
		{"small for characters", TrainOptions{Model: TrainWordPiece, VocabSize: 8}, textsOf("abcd"), "lower LimitAlphabet"},
		{"negative size", TrainOptions{Model: TrainBPE, VocabSize: -1}, textsOf(), "VocabSize is -1"},
		{"huge size", TrainOptions{Model: TrainBPE, VocabSize: 1 << 30}, textsOf(), "at most 4194304"},
		{"negative frequency", TrainOptions{Model: TrainBPE, MinFrequency: -1}, textsOf(), "MinFrequency"},
		{"lower-case bytes", TrainOptions{Model: TrainBPE, Lowercase: true}, textsOf(), "Lowercase"},
		{"small for pieces", TrainOptions{Model: TrainUnigram, VocabSize: 6}, textsOf("abcd"), "5 characters must be pieces, but there is room for 2"},
		{"small for words", TrainOptions{Model: TrainWordLevel, VocabSize: 1}, textsOf("abcd"), "VocabSize is 1, but special tokens and alphabet alone are 2"},
		{"another unknown token", TrainOptions{Model: TrainUnigram, SpecialTokens: []string{"a"}}, textsOf(), "SpecialTokens lack <unk>"},
		{"pieces of nothing", TrainOptions{Model: TrainUnigram, MaxPieceLength: -1}, textsOf(), "at most -1 characters"},
		{"all pieces stay", TrainOptions{Model: TrainUnigram, ShrinkingFactor: 1}, textsOf(), "shrinking factor 1"},
		{"lower-case template", TrainOptions{Template: loadNamed(t, "wordpiece.tokenizer.json"), Lowercase: true}, textsOf(), "Lowercase is the template's"},
		{"negative workers", TrainOptions{Model: TrainBPE, Workers: -1}, textsOf(), "Workers"},
		{"suffix", TrainOptions{Model: TrainWordPiece, EndOfWordSuffix: "</w>"}, textsOf(), "EndOfWordSuffix is for bpe"},
		{"prefix", TrainOptions{Model: TrainUnigram, ContinuingPrefix: "##"}, textsOf(), "ContinuingPrefix is for bpe and wordpiece"},
		{"bad alphabet", TrainOptions{Model: TrainBPE, InitialAlphabet: "\xff"}, textsOf(), "InitialAlphabet"},
		{"no unknown token", TrainOptions{Model: TrainWordPiece, SpecialTokens: []string{"[CLS]"}}, textsOf(), "SpecialTokens lack [UNK]"},
		{"special twice", TrainOptions{Model: TrainBPE, SpecialTokens: []string{"a", "a"}}, textsOf(), "SpecialTokens hold"},
		{"special empty", TrainOptions{Model: TrainBPE, SpecialTokens: []string{""}}, textsOf(), "SpecialTokens hold"},
		{"special invalid", TrainOptions{Model: TrainBPE, SpecialTokens: []string{"\xff"}}, textsOf(), "SpecialTokens hold"},
		{"texts fail", TrainOptions{Model: TrainBPE}, func(yield func([]byte, error) bool) { _ = yield([]byte("a"), nil) && yield(nil, broken) }, "read text 1: disk on fire"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Train(test.o, test.texts)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %s", err, test.want)
			}
			if test.name == "texts fail" && !errors.Is(err, broken) {
				t.Error("the error of the texts is not wrapped")
			}
		})
	}
}

func FuzzTrain(f *testing.F) {
	f.Add("aaaa abab", "\"quoted\" \\ \x01")
	f.Add("中文 é e\u0301", "\xff\xe2\x82")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, o := range []TrainOptions{{Model: TrainBPE, VocabSize: 300, MinFrequency: 1}, {Model: TrainWordPiece, VocabSize: 60, MinFrequency: 1, LimitAlphabet: 20},
			{Model: TrainUnigram, VocabSize: 20 + len(a) + len(b)}, {Model: TrainWordLevel}} {
			tok := trained(t, o, a, b, a)
			for _, text := range []string{a, b} {
				checkEncoder(t, o.Model, tok, encodersOf(tok), text)
			}
		}
	})
}
