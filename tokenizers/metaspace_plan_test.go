package tokenizers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
	"github.com/shardmill/shardmill/tokenizers/internal/scan"
)

// byParts returns what the parts make of a text, with startsWord on the first id of each word.
func byParts(tok *Tokenizer, text string) []uint32 {
	var ids []uint32
	var m merger
	for _, w := range tok.words(text, true) {
		ids = appendWord(ids, tok.model.tokenize(nil, w.bytes, &m))
	}
	return ids
}

// checkPlan holds the plan of a tokenizer to the parts.
func checkPlan(t testing.TB, name string, tok *Tokenizer, encoders []*Encoder, text string) {
	t.Helper()
	want := byParts(tok, text)
	for i, e := range encoders {
		if got := e.append(nil, []byte(text), ^uint32(0)); !slices.Equal(got, want) {
			t.Fatalf("%s, encoder %d, %q:\n got %v\nwant %v", name, i, text, got, want)
		}
	}
}

// withParts returns the tokenizer of a file of testdata with another normalizer and pre-tokenizer. CHARSMAP stands for a Precompiled normalizer.
func withParts(t testing.TB, file, normalizer, preTokenizer string) *Tokenizer {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	var sequence struct{ Normalizers []json.RawMessage }
	unigram, err := os.ReadFile(filepath.Join("testdata", "unigram.tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var charsmap struct{ Normalizer json.RawMessage }
	if err := json.Unmarshal(unigram, &charsmap); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(charsmap.Normalizer, &sequence); err != nil {
		t.Fatal(err)
	}
	normalizer = strings.ReplaceAll(normalizer, "CHARSMAP", string(sequence.Normalizers[0]))
	fields["normalizer"], fields["pre_tokenizer"] = json.RawMessage(normalizer), json.RawMessage(preTokenizer)
	fields["post_processor"], fields["decoder"] = json.RawMessage("null"), json.RawMessage("null")
	if fields["added_tokens"], err = json.Marshal([]int{}); err != nil {
		t.Fatal(err)
	}
	if data, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	tok, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

const (
	alwaysMetaspace = `{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}`
	firstMetaspace  = `{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}`
	neverMetaspace  = `{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":true}`
	wholeMetaspace  = `{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false}`
	spaceSplit      = `{"type":"WhitespaceSplit"}`
	collapse        = `{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}`
	collapseToMark  = `{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"▁"}`
	stripRight      = `{"type":"Strip","strip_left":false,"strip_right":true}`
	quotes          = `{"type":"Replace","pattern":{"String":"''"},"content":"\""},{"type":"Replace","pattern":{"String":"é"},"content":" "}`
)

func sequenceOf(kind, member string, parts ...string) string {
	return fmt.Sprintf(`{"type":"Sequence",%q:[%s]}`, member, strings.Join(parts, ","))
}

// planned are tokenizers in the manner of published ones, and worse.
func planned(t testing.TB) map[string]*Tokenizer {
	normalizers := map[string]string{
		"none":     "null",
		"t5":       "CHARSMAP",
		"xlm-r":    sequenceOf("Sequence", "normalizers", "CHARSMAP", collapse),
		"mt5":      sequenceOf("Sequence", "normalizers", "CHARSMAP", stripRight, collapseToMark),
		"albert":   sequenceOf("Sequence", "normalizers", quotes, `{"type":"NFKD"}`, `{"type":"StripAccents"}`, `{"type":"Lowercase"}`, "CHARSMAP", collapse),
		"nfc":      sequenceOf("Sequence", "normalizers", `{"type":"NFC"}`, quotes, collapse),
		"late map": sequenceOf("Sequence", "normalizers", `{"type":"Nmt"}`, `{"type":"NFKC"}`, `{"type":"Lowercase"}`, "CHARSMAP", `{"type":"NFD"}`),
		"marks":    sequenceOf("Sequence", "normalizers", `{"type":"Replace","pattern":{"String":" "},"content":"▁"}`, `{"type":"Replace","pattern":{"String":"▁▁"},"content":"x"}`),
		"removes":  sequenceOf("Sequence", "normalizers", `{"type":"Replace","pattern":{"String":"a"},"content":""}`, `{"type":"Replace","pattern":{"String":"\n"},"content":" "}`, collapse),
		"over":     `{"type":"Replace","pattern":{"String":"e "},"content":" e"}`,
		"no left":  sequenceOf("Sequence", "normalizers", `{"type":"Strip","strip_left":true,"strip_right":true}`, "CHARSMAP"),
		"prepends": sequenceOf("Sequence", "normalizers", `{"type":"Prepend","prepend":"▁"}`, `{"type":"Replace","pattern":{"String":" "},"content":"▁"}`),
	}
	splits := map[string]string{
		"always": alwaysMetaspace, "first": firstMetaspace, "never": neverMetaspace, "whole": wholeMetaspace, "none": "null",
		"words":       sequenceOf("Sequence", "pretokenizers", spaceSplit, alwaysMetaspace),
		"words first": sequenceOf("Sequence", "pretokenizers", spaceSplit, firstMetaspace),
		"words never": sequenceOf("Sequence", "pretokenizers", spaceSplit, neverMetaspace),
	}
	all := map[string]*Tokenizer{}
	for n, normalizer := range normalizers {
		for s, split := range splits {
			all[n+", "+s] = withParts(t, "unigram.tokenizer.json", normalizer, split)
		}
	}
	all["bytes"] = withParts(t, "unigram_bytes.tokenizer.json", "CHARSMAP", alwaysMetaspace)
	return all
}

// spacedTexts have white space and marks in places that matter to cuts.
var spacedTexts = []string{
	"the cat\nsat  on\n\nthe mat \t", "  the  cat ", "a \u0301b c\u0301 d", "a\u00a0 b \u00a0c", "x\r\n y \r\nz", "x\u0600 a \u0600b", "e \u200b f\u200b g \u200b", "\u200bthe cat",
	"it''s ''  a'' b", "é é a é", "слово слово  слово", "한국 한국 각 \u11a8", "क\u094d क \u0915\u093f a", "the\u3000the \u3000 the", "▁the ▁ the▁ the", " ", "\n\n", "a a  a", "e e  e ",
	"\u0344 \u037a b", "🇩🇪 🇩🇪 a 😀 b", "\ufb01 \ufb01ne fi", "the\x00 the \x01 the\x7f the", "\ufeff the \ufeffthe", "a\u0d4e b \u0d4e c", "the\xff the \xff\xff the", "\uff9e \uff9ea か\uff9e b",
}

func TestMetaspacePlanEqualsParts(t *testing.T) {
	texts := append(slices.Clone(spacedTexts), roughtext.Lines(680)[440:]...)
	texts = append(texts, strings.Repeat("the cat sat ", 200), strings.Repeat("x", 400)+" y")
	for name, tok := range planned(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, ok := tok.plan.(*metaspacePlan); !ok {
				t.Fatalf("the plan is %T", tok.plan)
			}
			encoders := encodersOf(tok)
			for _, text := range texts {
				checkPlan(t, name, tok, encoders, text)
			}
		})
	}
}

func FuzzMetaspacePlan(f *testing.F) {
	for i, text := range append(slices.Clone(spacedTexts), roughtext.Lines(620)[512:]...) {
		f.Add(text, uint(i))
	}
	type fuzzed struct {
		name     string
		tok      *Tokenizer
		encoders []*Encoder
	}
	var all []fuzzed
	for name, tok := range planned(f) {
		all = append(all, fuzzed{name, tok, encodersOf(tok)})
	}
	slices.SortFunc(all, func(a, b fuzzed) int { return strings.Compare(a.name, b.name) })
	f.Fuzz(func(t *testing.T, text string, which uint) {
		for i := range uint(8) {
			one := all[(which+i*13)%uint(len(all))]
			checkPlan(t, one.name, one.tok, one.encoders, text)
			checkPlan(t, one.name, one.tok, one.encoders, text+" "+text)
		}
	})
}

// The cuts that make the plan fast are there.
func TestMetaspacePlanCuts(t *testing.T) {
	tests := []struct{ text, want string }{
		{"The cat's 9 lives.\nNext  line", "The| cat's| 9| lives.|\nNext|  line"},
		{"слово слово\nслово", "слово| слово|\nслово"},
		{"한국 한국", "한국| 한국"},
		{"中文 中文。 中", "中文| 中文。| 中"},
		{"a \u0301b", "a \u0301b"},
		{"a\u00a0 b", "a\u00a0 b"},
	}
	scanner := withParts(t, "unigram.tokenizer.json", sequenceOf("Sequence", "normalizers", "CHARSMAP", collapse), alwaysMetaspace).plan.(*metaspacePlan).scanner()
	for _, test := range tests {
		var pieces [][]byte
		var ends [66]uint32
		var s scan.State
		scanner.Reset(&s, []byte(test.text))
		at := uint32(0)
		for _, end := range ends[:scanner.Cut(&s, ends[:])] {
			pieces = append(pieces, []byte(test.text[at:end]))
			at = end
		}
		if got := string(bytes.Join(pieces, []byte("|"))); got != test.want {
			t.Errorf("%q is cut %q, want %q", test.text, got, test.want)
		}
	}
}
