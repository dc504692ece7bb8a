package tokenizers

import (
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
)

// normalizersOf are one of each kind, and the chains of the tokenizers of testdata.
func normalizersOf(t testing.TB) []normalizer {
	var all []normalizer
	for _, name := range testTokenizers {
		if n := loadNamed(t, name+".tokenizer.json").normalizer; n != nil {
			all = append(all, n)
		}
	}
	for _, n := range []string{
		`{"type":"NFC"}`, `{"type":"NFD"}`, `{"type":"NFKC"}`, `{"type":"NFKD"}`, `{"type":"Lowercase"}`, `{"type":"StripAccents"}`, `{"type":"Nmt"}`,
		`{"type":"Prepend","prepend":"▁"}`, `{"type":"Strip","strip_left":true,"strip_right":true}`, `{"type":"Strip","strip_left":false,"strip_right":true}`,
		`{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"▁"}`, `{"type":"Replace","pattern":{"String":"é"},"content":""}`,
		`{"type":"Replace","pattern":{"Regex":"a+"},"content":"xy"}`,
		`{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Sequence","normalizers":[{"type":"Nmt"},{"type":"NFD"}]},{"type":"Lowercase"}]}`,
	} {
		part, err := loadNormalizer(&jsonReader{data: []byte(n)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part)
	}
	return all
}

// FuzzNormalizeBytes holds the normalizers without places to those that keep them.
func FuzzNormalizeBytes(f *testing.F) {
	for _, text := range append(roughtext.Lines(700)[510:], invalidTexts...) {
		f.Add(text)
	}
	f.Add("\r\n\r \ta\u0301\r\n\u0301")
	all := normalizersOf(f)
	s := &normalizerScratch{}
	tried := 0
	f.Fuzz(func(t *testing.T, input string) {
		in := newText(input, true)
		for _, n := range all {
			chain, ok := newNormalizerChain(n)
			if !ok {
				continue
			}
			tried++
			if got, want := chain.normalize(in.bytes, s), n.normalize(in).bytes; string(got) != string(want) {
				t.Errorf("%T makes %q of %q, without places %q", n, want, input, got)
			}
		}
		if tried == 0 {
			t.Fatal("no normalizer does without places")
		}
	})
}
