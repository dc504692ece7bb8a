package tokenizers

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/internal/roughtext"
)

// spacedFile is a tokenizer.json of BPE on characters, some bytes and merges, which are "left right".
func spacedFile(t testing.TB, normalizer, preTokenizer string, settings map[string]any, bytes int, merges ...string) []byte {
	t.Helper()
	vocab := map[string]int{}
	add := func(token string) {
		if _, ok := vocab[token]; !ok {
			vocab[token] = len(vocab)
		}
	}
	add("<unk>")
	for b := range bytes {
		add(fmt.Sprintf("<0x%02X>", b))
	}
	for _, c := range "▁abcdehlost<0xA>.é中'" {
		add(string(c))
	}
	for _, m := range merges {
		left, right, _ := strings.Cut(m, " ")
		add(left)
		add(right)
		add(left + right)
	}
	model := map[string]any{"type": "BPE", "vocab": vocab, "merges": merges, "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true}
	for name, value := range settings {
		model[name] = value
	}
	data, err := json.Marshal(map[string]any{
		"added_tokens": []int{}, "normalizer": json.RawMessage(normalizer), "pre_tokenizer": json.RawMessage(preTokenizer), "model": model,
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const (
	prependMark  = `{"type":"Prepend","prepend":"▁"}`
	replaceSpace = `{"type":"Replace","pattern":{"String":" "},"content":"▁"}`
	splitSpace   = `{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}`
)

var llamaMerges = []string{"▁ t", "h e", "▁t he", "▁ ▁", "▁▁ ▁▁", "▁▁▁▁ ▁▁▁▁", "a a", "aa aa", "▁ a", "s a", "t he", "c a", "▁ c", "▁c a", "▁ca t", "l l", "e ll", "h ell", "▁ hell", "o .", "< 0"}

// spaced are tokenizers in the manner of Llama 2, Gemma and Mistral, and others that only look so. cut says which of them may be cut.
func spaced(t testing.TB) (all map[string]*Tokenizer, cut map[string]string) {
	llama := sequenceOf("Sequence", "normalizers", prependMark, replaceSpace)
	never := strings.Replace(wholeMetaspace, "first", "never", 1)
	files := map[string][]byte{
		"llama":         spacedFile(t, llama, "null", nil, 256, llamaMerges...),
		"gemma":         spacedFile(t, replaceSpace, splitSpace, nil, 256, append(llamaMerges, "\n \n", "\n\n \n\n", "\t \t")...),
		"mistral":       spacedFile(t, "null", wholeMetaspace, nil, 256, llamaMerges...),
		"never":         spacedFile(t, "null", never, nil, 256, llamaMerges...),
		"some bytes":    spacedFile(t, llama, "null", nil, 100, llamaMerges...),
		"no bytes":      spacedFile(t, llama, "null", nil, 0, llamaMerges...),
		"dropped":       spacedFile(t, llama, "null", map[string]any{"unk_token": nil, "byte_fallback": false}, 0, llamaMerges...),
		"not fused":     spacedFile(t, llama, "null", map[string]any{"fuse_unk": false, "byte_fallback": false}, 0, llamaMerges...),
		"crossing":      spacedFile(t, llama, "null", nil, 256, append(llamaMerges, "e ▁t")...),
		"crosses lines": spacedFile(t, llama, "null", nil, 256, append(llamaMerges, "▁t <0x0A>", "<0x0A> ▁", "<0x0A> <0x0A>")...),
		"unknown joins": spacedFile(t, llama, "null", nil, 0, append(llamaMerges, "<unk> a", "a <unk>")...),
	}
	cut = map[string]string{
		"llama": " \n\t\r", "gemma": " \n\t\r", "mistral": " \n\t\r", "never": " \n\t\r", "some bytes": " ", "no bytes": " ", "dropped": " ", "not fused": " ", "crossing": "\n\t\r",
		"crosses lines": "\t\r", "unknown joins": " ",
	}
	all = map[string]*Tokenizer{}
	for name, data := range files {
		tok, err := Load(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = tok
	}
	return all, cut
}

var spacedBPETexts = []string{
	"the. cat. hello. hell. a, a! the> the< <0x0A>. x",
	"the cat\nsat  the\n\nhell \t", "  the  cat ", "▁the ▁ the▁ the", "a ▁a▁ a", "x y☃ the ☃☃ the", "the<0x0A>the <0x0A> the", " ", "\n", "\r\n the\r\n", "aaaaaaaaaaaaa aaaaaaaa",
	"the\xff the \xe2\x96 the\x81 the", "☃\n☃\t☃ \n☃", "a☃ ▁ the▁☃ ▁", "中文 é the中", strings.Repeat("the cat sat ", 40), strings.Repeat("a", 200), strings.Repeat("▁ ", 50) + "the",
	strings.Repeat("hell.o", 30) + " the", strings.Repeat("中é☃", 40), strings.Repeat("<0", 40) + "<0x0A>",
}

func TestSpacedBPEEqualsParts(t *testing.T) {
	all, cut := spaced(t)
	texts := append(slices.Clone(spacedBPETexts), roughtext.Lines(620)[510:]...)
	for name, tok := range all {
		p, ok := tok.plan.(*spacedBPE)
		if !ok {
			t.Fatalf("%s: the plan is %T", name, tok.plan)
		}
		if got := p.openers; got != cut[name] {
			t.Errorf("%s is cut before %q, want %q", name, got, cut[name])
		}
		encoders := encodersOf(tok)
		for _, text := range texts {
			checkPlan(t, name, tok, encoders, text)
		}
	}
}

func TestSpacedBPERefuses(t *testing.T) {
	llama := sequenceOf("Sequence", "normalizers", prependMark, replaceSpace)
	for name, data := range map[string][]byte{
		"another prefix":   spacedFile(t, sequenceOf("Sequence", "normalizers", `{"type":"Prepend","prepend":"a"}`, replaceSpace), "null", nil, 256, llamaMerges...),
		"another part":     spacedFile(t, sequenceOf("Sequence", "normalizers", prependMark, `{"type":"NFC"}`, replaceSpace), "null", nil, 256, llamaMerges...),
		"whole words":      spacedFile(t, llama, "null", map[string]any{"ignore_merges": true}, 256, llamaMerges...),
		"spaces stay":      spacedFile(t, "null", splitSpace, nil, 256, llamaMerges...),
		"another split":    spacedFile(t, replaceSpace, strings.Replace(splitSpace, `" "`, `"a"`, 1), nil, 256, llamaMerges...),
		"inverted split":   spacedFile(t, replaceSpace, strings.Replace(splitSpace, "false", "true", 1), nil, 256, llamaMerges...),
		"runs of spaces":   spacedFile(t, collapseToMark, "null", nil, 256, llamaMerges...),
		"mark is no token": spacedFile(t, strings.Replace(replaceSpace, "▁", "_", 1), "null", nil, 256, llamaMerges...),
	} {
		tok, err := Load(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p, ok := tok.plan.(*spacedBPE); ok {
			t.Errorf("%s has the plan %v", name, p)
		}
		for _, text := range spacedBPETexts {
			checkPlan(t, name, tok, []*Encoder{tok.NewEncoder(minTestCache)}, text)
		}
	}
}

const minTestCache = 1 << 14

// FuzzSpacedBPE also makes up merges, which may join anything.
func FuzzSpacedBPE(f *testing.F) {
	for i, text := range append(slices.Clone(spacedBPETexts), roughtext.Lines(580)[512:]...) {
		f.Add(text, uint64(i))
	}
	all, _ := spaced(f)
	encoders := map[string][]*Encoder{}
	names := slices.Sorted(maps.Keys(all))
	for name, tok := range all {
		encoders[name] = encodersOf(tok)
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		for i := range uint64(3) {
			name := names[(seed+i*4)%uint64(len(names))]
			checkPlan(t, name, all[name], encoders[name], text)
		}
		r := rand.New(rand.NewPCG(seed, 1))
		tokens := []string{"▁", "a", "e", "t", "h", "\n", "<0x0A>", "<0xE2>", "<0x98>", "<", ">", "☃", "<unk>"}
		var merges []string
		for range 1 + r.IntN(12) {
			left, right := tokens[r.IntN(len(tokens))], tokens[r.IntN(len(tokens))]
			if !slices.Contains(merges, left+" "+right) {
				merges, tokens = append(merges, left+" "+right), append(tokens, left+right)
			}
		}
		settings := map[string]any{"fuse_unk": r.IntN(2) == 0}
		if r.IntN(3) == 0 {
			settings["unk_token"] = nil
		}
		data := spacedFile(t, sequenceOf("Sequence", "normalizers", prependMark, replaceSpace), "null", settings, []int{0, 100, 256}[r.IntN(3)], merges...)
		tok, err := Load(data)
		if err != nil {
			t.Fatal(err)
		}
		checkPlan(t, fmt.Sprint(merges), tok, []*Encoder{tok.NewEncoder(minTestCache)}, text)
	})
}

// The merges of Llama 2 leave every space a place to cut.
func TestLlamaIsCutAtSpaces(t *testing.T) {
	tok := loadNamed(t, "llama-2")
	p, ok := tok.plan.(*spacedBPE)
	if !ok || p.openers != " \n\t" { // there are merges of a line end after semicolons
		t.Fatalf("the plan is %v, cut before %q", p, p.openers)
	}
	encoders := encodersOf(tok)
	for _, text := range append(roughtext.Lines(600)[500:], realText(t, "corpora/text/lee_background.cor", 50000)) {
		checkPlan(t, "llama-2", tok, encoders, text)
	}
}

func realText(t testing.TB, name string, n int) string {
	t.Helper()
	data, err := os.ReadFile(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data[:min(n, len(data))])
}
