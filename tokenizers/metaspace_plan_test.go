package tokenizers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
			t.Fatalf("%s, encoder %d, %.300q:\n got %.300v\nwant %.300v", name, i, text, fmt.Sprint(got), fmt.Sprint(want))
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
	fields["model"] = withPieces(t, fields["model"], `[".",-6.5]`, `[",",-6.25]`, `["!",-8]`, `["?",-7]`, `["t?",-9]`, `["\"",-7.5]`)
	if data, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	tok, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// withPieces adds pieces to a Unigram model.
func withPieces(t testing.TB, model json.RawMessage, pieces ...string) json.RawMessage {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(model, &fields); err != nil {
		t.Fatal(err)
	}
	vocab := bytes.TrimSuffix(bytes.TrimSpace(fields["vocab"]), []byte("]"))
	fields["vocab"] = json.RawMessage(string(vocab) + "," + strings.Join(pieces, ",") + "]")
	data, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return data
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
			if s == "always" || n == "none" || n == "xlm-r" || n == "mt5" {
				all[n+", "+s] = withParts(t, "unigram.tokenizer.json", normalizer, split)
			}
		}
	}
	all["bytes"] = withParts(t, "unigram_bytes.tokenizer.json", "CHARSMAP", alwaysMetaspace)
	return all
}

// spacedTexts have white space and marks in places that matter to cuts.
var spacedTexts = []string{
	"the cat. sat, the mat) (on) is the! the: cat? x? \"the\" . ,the, THE. THE! xyzq! é. ﬁ. the.\nthe.",
	"the cat\nsat  on\n\nthe mat \t", "  the  cat ", "a \u0301b c\u0301 d", "a\u00a0 b \u00a0c", "x\r\n y \r\nz", "x\u0600 a \u0600b", "e \u200b f\u200b g \u200b", "\u200bthe cat",
	"it''s ''  a'' b", "é é a é", "слово слово  слово", "한국 한국 각 \u11a8", "क\u094d क \u0915\u093f a", "the\u3000the \u3000 the", "▁the ▁ the▁ the", " ", "\n\n", "a a  a", "e e  e ",
	"\u0344 \u037a b", "🇩🇪 🇩🇪 a 😀 b", "\ufb01 \ufb01ne fi", "the\x00 the \x01 the\x7f the", "\ufeff the \ufeffthe", "a\u0d4e b \u0d4e c", "the\xff the \xff\xff the", "\uff9e \uff9ea か\uff9e b",
}

func TestMetaspacePlanEqualsParts(t *testing.T) {
	texts := append(slices.Clone(spacedTexts), roughtext.Lines(612)[500:]...)
	texts = append(texts, strings.Repeat("the cat sat ", 200), strings.Repeat("x", 400)+" y")
	for name, tok := range planned(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, ok := tok.plan.(*metaspacePlan); !ok {
				t.Fatalf("the plan is %T", tok.plan)
			}
			encoders := []*Encoder{tok.NewEncoder(0), tok.NewEncoder(minTestCache)}
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
		{"The cat's 9 lives.\nNext  line 9. É. the,) It!", "The| cat's| 9| lives|.|\nNext|  line| 9.| É.| the,)| It|!"},
		{"слово слово\nслово", "слово| слово|\nслово"},
		{"한국 한국", "한국| 한국"},
		{"中文 中文。 中", "中文| 中文。| 中"},
		{"a \u0301b", "a \u0301b"},
		{"a\u00a0 b", "a\u00a0 b"},
	}
	scanner := withParts(t, "unigram.tokenizer.json", sequenceOf("Sequence", "normalizers", "CHARSMAP", collapse), alwaysMetaspace).plan.(*metaspacePlan).scanner()
	for _, test := range tests {
		var pieces [][]byte
		var ends [scan.MinRoom]uint32
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

func TestSentencePieceDoesNotAllocate(t *testing.T) {
	text := []byte(strings.Join(append(slices.Clone(spacedTexts), roughtext.Lines(560)[512:]...), " "))
	bpes, _ := spaced(t)
	toks := map[string]*Tokenizer{"llama": bpes["llama"], "gemma": bpes["gemma"], "mistral": bpes["mistral"], "no bytes": bpes["no bytes"]}
	all := planned(t)
	for _, name := range []string{"t5, always", "xlm-r, words", "mt5, always", "albert, always", "none, first", "nfc, always", "bytes"} {
		toks[name] = all[name]
	}
	for name, tok := range toks {
		for _, cache := range []int{0, minTestCache, 4 << 20} {
			e := tok.NewEncoder(cache)
			ids, starts := e.AppendWords(nil, nil, text)
			if n := testing.AllocsPerRun(3, func() { ids, starts = e.AppendWords(ids[:0], starts[:0], text) }); n != 0 {
				t.Errorf("%s with a cache of %d bytes: %v allocations", name, cache, n)
			}
		}
	}
}

// Long texts without a space take n log n steps, and memory in proportion to them: with n² steps this test would not end.
func TestLongSentencePieceInputs(t *testing.T) {
	const n = 1 << 18
	noise := make([]byte, n)
	for i, x := 0, uint32(1); i < n; i++ {
		x = x*1664525 + 1013904223
		noise[i] = "abcdefghijklmnopqrstuvwxyz0123456789+/"[x>>16%38]
	}
	inputs := map[string]string{
		"one letter": strings.Repeat("a", n), "two letters": strings.Repeat("th", n/2), "noise": string(noise), "spaces": strings.Repeat(" ", n), "marks": strings.Repeat("▁", n/3),
		"Chinese": strings.Repeat("中文", n/6), "accents": "e" + strings.Repeat("\u0301\u0323", n/4), "invalid": strings.Repeat("\xe2\x82", n/2), "lines": strings.Repeat("a\n\n", n/3),
	}
	bpes, _ := spaced(t)
	for name, tok := range map[string]*Tokenizer{
		"llama": bpes["llama"], "crossing": bpes["crossing"], "no bytes": bpes["no bytes"],
		"t5":    withParts(t, "unigram.tokenizer.json", sequenceOf("Sequence", "normalizers", "CHARSMAP", collapse), alwaysMetaspace),
		"whole": withParts(t, "unigram_bytes.tokenizer.json", "CHARSMAP", strings.Replace(wholeMetaspace, "first", "always", 1)),
	} {
		e := tok.NewEncoder(1 << 16)
		e.AppendIDs(nil, []byte("the cat")) // makes the tables
		for input, text := range inputs {
			ids := make([]uint32, 0, 3*n)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			ids = e.AppendIDs(ids, []byte(text))
			runtime.ReadMemStats(&after)
			if taken := int(after.TotalAlloc - before.TotalAlloc); taken > 160*n {
				t.Errorf("%s: %s of %d bytes takes %d bytes of memory", name, input, len(text), taken)
			}
			if e.scratchBytes() > maxScratchBytes {
				t.Errorf("%s: %s: the encoder keeps large buffers", name, input)
			}
			if len(ids) == 0 {
				t.Errorf("%s: %s gives no tokens", name, input)
			}
		}
	}
}

// The text of a special token that is a piece of a Unigram model is that piece, as in the reference with encode_special_tokens; with BPE it is not.
func TestPiecesMaySpellSpecialTokens(t *testing.T) {
	tok := loadNamed(t, "unigram.tokenizer.json")
	end, _ := tok.TokenID("</s>")
	if ids := tok.NewEncoder(0).AppendIDs(nil, []byte("the </s> the")); !slices.Contains(ids, end) {
		t.Errorf("the ids %v have no </s>, which is %d", ids, end)
	}
}
