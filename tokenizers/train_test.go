package tokenizers

import (
	"bytes"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
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
	}
	readJSON(t, "reference_training.json", &want)

	b := trained(t, TrainOptions{Model: TrainBPE, VocabSize: 500}, roughtext.Lines(1200)[512:]...).model.(*bpe)
	got := make([]string, len(want.Merges))
	n := 0
	for _, s := range b.merges.slots {
		if s.key != 0 {
			left, right := uint32((s.key-1)>>32), uint32(s.key-1)
			n++
			if int(s.rank) < len(got) {
				got[s.rank] = b.tokens[left] + " " + b.tokens[right]
			}
		}
	}
	if n != len(want.Merges) {
		t.Errorf("%d merges, the reference has %d", n, len(want.Merges))
	}
	same(t, "merges", got, want.Merges)

	var texts []string
	for word, n := range want.Words {
		texts = append(texts, strings.Repeat(word+" ", n))
	}
	tok := trained(t, TrainOptions{Model: TrainWordPiece, VocabSize: 60, Lowercase: true}, texts...)
	vocabulary := slices.Sorted(slices.Values(tok.model.(*wordPiece).tokens))
	same(t, "vocabulary", vocabulary, slices.Sorted(slices.Values(want.Vocabulary)))
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
		{Model: TrainWordPiece, VocabSize: 700, LimitAlphabet: 200},
		{Model: TrainWordPiece, VocabSize: 700, LimitAlphabet: 200, Lowercase: true},
	} {
		first := trained(t, o, texts...)
		shuffled := slices.Clone(texts)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(texts), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if !bytes.Equal(first.Raw(), trained(t, o, shuffled...).Raw()) {
			t.Errorf("%+v: the order of the texts changes the result", o)
		}
		if n := first.VocabSize(); n != o.VocabSize {
			t.Errorf("VocabSize is %d, want %d", n, o.VocabSize)
		}
	}
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
	var last TrainProgress
	calls := 0
	o := TrainOptions{Model: TrainBPE, VocabSize: 400, Progress: func(p TrainProgress) { last = p; calls++ }}
	texts := roughtext.Lines(1200)[512:]
	trained(t, o, texts...)
	if calls < 4 || last.Tokens != 400 {
		t.Errorf("%d calls, the last with %+v", calls, last)
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
		{"unknown model", TrainOptions{Model: "rhyme"}, textsOf(), `Model is "rhyme"`},
		{"small for bytes", TrainOptions{Model: TrainBPE, VocabSize: 256}, textsOf(), "VocabSize is 256, but special tokens and alphabet alone are 257"},
		{"small for characters", TrainOptions{Model: TrainWordPiece, VocabSize: 8}, textsOf("abcd"), "lower LimitAlphabet"},
		{"negative size", TrainOptions{Model: TrainBPE, VocabSize: -1}, textsOf(), "VocabSize is -1"},
		{"huge size", TrainOptions{Model: TrainBPE, VocabSize: 1 << 30}, textsOf(), "at most 4194304"},
		{"negative frequency", TrainOptions{Model: TrainBPE, MinFrequency: -1}, textsOf(), "MinFrequency"},
		{"lower-case bytes", TrainOptions{Model: TrainBPE, Lowercase: true}, textsOf(), "Lowercase"},
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
		for _, o := range []TrainOptions{{Model: TrainBPE, VocabSize: 300, MinFrequency: 1}, {Model: TrainWordPiece, VocabSize: 60, MinFrequency: 1, LimitAlphabet: 20}} {
			tok := trained(t, o, a, b, a)
			for _, text := range []string{a, b} {
				checkEncoder(t, o.Model, tok, encodersOf(tok), text)
			}
		}
	})
}
