package tokenizers

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// Words come apart in the ways of the reference, as often as there: what chance alone makes of as many samples stays below five deviations.
func TestReferenceDropout(t *testing.T) {
	const deviations = 5
	samples := 20_000
	if raceEnabled {
		samples = 2_000
	}
	var want struct {
		Tokenizer string
		Samples   float64
		Cases     []struct {
			Word   string
			Rate   float64
			Shares map[string]float64
		}
	}
	readJSON(t, "reference_dropout.json", &want)
	tok := loadNamed(t, want.Tokenizer+".tokenizer.json")
	for _, c := range want.Cases {
		counts := map[string]int{}
		for seed := range uint64(samples) {
			e := encode(t, tok, c.Word, EncodeOptions{Dropout: &Dropout{c.Rate, seed}})
			counts[strings.Join(e.Tokens, " ")]++
		}
		for cut, share := range c.Shares {
			got := float64(counts[cut]) / float64(samples)
			if most := deviations * math.Sqrt(share*(1-share)*(1/want.Samples+1/float64(samples))); math.Abs(got-share) > most {
				t.Errorf("%q at rate %v is %q in %.4f of samples, want %.4f", c.Word, c.Rate, cut, got, share)
			}
		}
	}
}

func TestDropout(t *testing.T) {
	tok := loadNamed(t, "bpe.tokenizer.json")
	const text = "The quick brown fox jumps over the lazy dog."
	plain := encode(t, tok, text, EncodeOptions{})
	cut := func(d Dropout) []uint32 {
		t.Helper()
		e := encode(t, tok, text, EncodeOptions{Dropout: &d})
		if got := string(tok.AppendText(nil, e.IDs, false)); got != text {
			t.Fatalf("%+v: the text comes back as %q", d, got)
		}
		return e.IDs
	}
	same(t, "rate 0", cut(Dropout{0, 3}), plain.IDs)
	same(t, "the same seed", cut(Dropout{0.5, 3}), cut(Dropout{0.5, 3}))
	if slices.Equal(cut(Dropout{0.5, 3}), cut(Dropout{0.5, 4})) {
		t.Error("two seeds cut alike")
	}
	if got := len(cut(Dropout{1, 0})); got != len(text) {
		t.Errorf("rate 1 gives %d tokens, want one for each of %d bytes", got, len(text))
	}
	pair, err := tok.EncodePair(text, text, EncodeOptions{Dropout: &Dropout{0.5, 3}})
	if err != nil {
		t.Fatal(err)
	}
	first := slices.Index(pair.SequenceIDs, 1)
	if slices.Equal(pair.IDs[:first], pair.IDs[first:]) {
		t.Error("both texts of a pair are cut alike")
	}
}

// A word that is taken whole comes apart when merges are dropped.
func TestDropoutOfWholeWords(t *testing.T) {
	tok := loadNamed(t, "bpe_one_word.tokenizer.json")
	if n := len(encode(t, tok, "the", EncodeOptions{Dropout: &Dropout{1, 0}}).IDs); n != len("the") {
		t.Errorf("the is %d tokens at rate 1", n)
	}
	if n := len(encode(t, tok, "the", EncodeOptions{}).IDs); n != 1 {
		t.Errorf("the is %d tokens without dropout", n)
	}
}

func TestDropoutOfFile(t *testing.T) {
	tok, err := Load(edited(t, "bpe.tokenizer.json", `"dropout":null`, `"dropout":0.25`))
	if err != nil {
		t.Fatal(err)
	}
	if tok.Dropout() != 0.25 {
		t.Errorf("Dropout is %v", tok.Dropout())
	}
	const text = "the quick brown fox"
	same(t, "ids where it is not asked for", encode(t, tok, text, EncodeOptions{}).IDs, encode(t, loadNamed(t, "bpe.tokenizer.json"), text, EncodeOptions{}).IDs)
}

func TestDropoutRefuses(t *testing.T) {
	for _, test := range []struct {
		file string
		rate float64
		want string
	}{
		{"bpe", -0.1, "want 0 to 0.99, or 1"},
		{"bpe", 0.995, "want 0 to 0.99, or 1"},
		{"bpe", 2, "want 0 to 0.99, or 1"},
		{"bpe", math.NaN(), "want 0 to 0.99, or 1"},
		{"wordpiece", 0.1, "the model is WordPiece"},
		{"unigram", 0.1, "the model is Unigram"},
	} {
		_, err := loadNamed(t, test.file+".tokenizer.json").Encode("a", EncodeOptions{Dropout: &Dropout{Rate: test.rate}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %v: error is %v, want one with %s", test.file, test.rate, err, test.want)
		}
	}
}

// Dropping merges takes no more than n log n steps times a constant that the highest rate bounds: with n² of them, this test would not end.
func TestDropoutOfLongWords(t *testing.T) {
	tok := loadNamed(t, "bpe_one_word.tokenizer.json")
	text := strings.Repeat("thethe", 1<<11)
	if n := len(encode(t, tok, text, EncodeOptions{Dropout: &Dropout{maxDropoutRate, 1}}).IDs); n == 0 || n > len(text) {
		t.Errorf("%d tokens", n)
	}
}
