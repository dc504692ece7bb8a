package tokenizers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/internal/roughtext"
)

// The files testdata/reference_*.json hold what Hugging Face tokenizers said; conformance/tokenizers records them.

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// loadNamed loads a tokenizer of testdata or of the real data.
func loadNamed(t testing.TB, name string) *Tokenizer {
	t.Helper()
	var tok *Tokenizer
	var err error
	switch name {
	case "bert-base-cased", "bert-base-chinese", "bert-base-multilingual-cased":
		tok, err = Load(bertFile(t, realdata.Path(t, "tokenizers/"+name+"/vocab.txt")))
	default:
		path := filepath.Join("testdata", name)
		if !strings.HasSuffix(name, ".json") {
			path = realdata.Path(t, "tokenizers/"+name+"/tokenizer.json")
		}
		tok, err = LoadFile(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// bertFile returns the tokenizer.json that goes with a vocab.txt of a cased BERT.
func bertFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	training, err := newTraining(TrainOptions{Model: TrainWordPiece})
	if err != nil {
		t.Fatal(err)
	}
	var v learned
	for line := range bytes.Lines(data) {
		v.tokens = append(v.tokens, strings.TrimRight(string(line), "\r\n"))
	}
	file, err := training.file(v)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

type recordedDigests struct {
	Reference        string
	Lines            int
	Step             int
	Block            int
	Rough, Languages map[string][]string
}

// digests returns one digest for each block of texts, over the ids and offsets of all.
func digests(t testing.TB, tok *Tokenizer, texts []string, block int, o EncodeOptions) []string {
	t.Helper()
	var out []string
	h := sha256.New()
	var b []byte
	for i, text := range texts {
		e, err := tok.Encode(text, o)
		if err != nil {
			t.Fatal(err)
		}
		b = b[:0]
		for _, id := range e.IDs {
			b = append(strconv.AppendUint(b, uint64(id), 10), ' ')
		}
		for _, at := range RuneOffsets(text, e.Offsets) {
			b = append(strconv.AppendInt(b, int64(at[0]), 10), ' ')
			b = append(strconv.AppendInt(b, int64(at[1]), 10), ' ')
		}
		if len(b) > 0 {
			b = b[:len(b)-1]
		}
		h.Write(append(b, '\n'))
		if (i+1)%block == 0 || i+1 == len(texts) {
			out = append(out, hex.EncodeToString(h.Sum(nil))[:16])
			h.Reset()
		}
	}
	return out
}

func TestReferenceDigests(t *testing.T) {
	var want recordedDigests
	readJSON(t, "reference_digests.json", &want)
	if want.Lines < 6000 || len(want.Rough) < 16 {
		t.Fatalf("%d texts for %d tokenizers are recorded", want.Lines, len(want.Rough))
	}
	rough := roughtext.Lines(want.Lines)
	brief := testing.Short() || raceEnabled
	if brief {
		rough = rough[:4*want.Block]
	}
	for name, digest := range want.Rough {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok := loadNamed(t, name)
			compareDigests(t, "rough", digests(t, tok, rough, want.Block, EncodeOptions{AddSpecial: true}), digest, brief)
			if real := !strings.HasSuffix(name, ".json"); real && !brief {
				lines := languages(t, want.Step)
				compareDigests(t, "languages", digests(t, tok, lines, want.Block, EncodeOptions{AddSpecial: true}), want.Languages[name], false)
			}
		})
	}
}

func compareDigests(t *testing.T, texts string, got, want []string, brief bool) {
	t.Helper()
	if !brief && len(got) != len(want) {
		t.Errorf("%s: %d blocks, the reference has %d", texts, len(got), len(want))
	}
	for i, digest := range got {
		if i < len(want) && digest != want[i] {
			t.Errorf("%s: block %d of texts differs from the reference: conformance/tokenizers/compare.py shows how", texts, i)
		}
	}
}

// languages returns the lines of every step-th file of a collection of 400 languages.
func languages(t testing.TB, step int) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(realdata.Path(t, "corpora/multilingual/udhr2"), "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(paths)
	var lines []string
	for i := 0; i < len(paths); i += step {
		data, err := os.ReadFile(paths[i])
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(string(data), "\n")...)
	}
	return lines
}

type recordedExamples struct {
	Tokenizer string
	Texts     []string
	Results   []recordedResult
}

type recordedResult struct {
	IDs     []uint32
	Offsets [][2]int
	Tokens  []string
	Words   []int
	Types   []uint32
	Special []bool
	Decoded string
	Plain   []uint32
	Pair    struct {
		IDs       []uint32
		Types     []uint32
		Sequences []int
		Special   []bool
	}
}

func TestReferenceExamples(t *testing.T) {
	var examples []recordedExamples
	readJSON(t, "reference_examples.json", &examples)
	if len(examples) == 0 {
		t.Fatal("no examples")
	}
	for _, example := range examples {
		tok := loadNamed(t, example.Tokenizer)
		plain := tok.NewEncoder(1 << 16)
		before := ""
		for i, text := range example.Texts {
			want := example.Results[i]
			e := encode(t, tok, text, EncodeOptions{AddSpecial: true})
			pair, err := tok.EncodePair(before, text, EncodeOptions{AddSpecial: true})
			if err != nil {
				t.Fatal(err)
			}
			before = text
			where := fmt.Sprintf("%s %q", example.Tokenizer, text)
			same(t, where+" ids", e.IDs, want.IDs)
			same(t, where+" offsets", RuneOffsets(text, e.Offsets), want.Offsets)
			same(t, where+" tokens", e.Tokens, want.Tokens)
			same(t, where+" words", e.WordIDs, want.Words)
			same(t, where+" types", e.TypeIDs, want.Types)
			same(t, where+" special", e.SpecialMask, want.Special)
			same(t, where+" plain", plain.AppendIDs(nil, []byte(text)), want.Plain)
			same(t, where+" decoded", []string{tok.Decode(want.IDs, true)}, []string{want.Decoded})
			same(t, where+" pair ids", pair.IDs, want.Pair.IDs)
			same(t, where+" pair types", pair.TypeIDs, want.Pair.Types)
			same(t, where+" pair sequences", pair.SequenceIDs, want.Pair.Sequences)
			same(t, where+" pair special", pair.SpecialMask, want.Pair.Special)
		}
	}
}

func same[E comparable](t testing.TB, what string, got, want []E) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func encode(t testing.TB, tok *Tokenizer, text string, o EncodeOptions) Encoding {
	t.Helper()
	e, err := tok.Encode(text, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
