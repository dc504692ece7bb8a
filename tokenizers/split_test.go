package tokenizers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
	"github.com/shardmill/shardmill/tokenizers/internal/onig"
)

type recordedSplits struct {
	Lines, Step, Longest int
	Texts                []string
	Parts                []struct {
		PreTokenizer json.RawMessage `json:"pre_tokenizer"`
		Digest       string
	}
}

// splitDigest is over the words of texts and their offsets, as conformance/tokenizers/splits.py computes it.
func splitDigest(p preTokenizer, texts []string) string {
	h := sha256.New()
	for _, s := range texts {
		var words []text
		if s != "" {
			words = p.split(nil, newText(s, true))
		}
		spans := make([][2]int, len(words))
		for i, w := range words {
			at := w.origin(0, len(w.bytes))
			spans[i] = [2]int{int(at.start), int(at.end)}
		}
		for i, at := range RuneOffsets(s, spans) {
			fmt.Fprintf(h, "%s\x00%d %d\x00", words[i].bytes, at[0], at[1])
		}
		h.Write([]byte{1})
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func TestReferenceSplits(t *testing.T) {
	var want recordedSplits
	readJSON(t, "reference_splits.json", &want)
	if len(want.Parts) < 100 {
		t.Fatalf("%d pre-tokenizers are recorded", len(want.Parts))
	}
	texts := want.Texts
	for i, line := range roughtext.Lines(want.Lines) {
		if i%want.Step == 0 && len(line) <= want.Longest {
			texts = append(texts, line)
		}
	}
	for i, part := range want.Parts {
		if raceEnabled && i%8 != 0 {
			continue
		}
		p, err := loadPart(&jsonReader{data: part.PreTokenizer}, preTokenizers)
		if err != nil {
			t.Errorf("%s: %v", part.PreTokenizer, err)
			continue
		}
		if got := splitDigest(p, texts); got != part.Digest {
			t.Errorf("%s cuts differently from the reference", part.PreTokenizer)
		}
		s, ok := p.(*splitter)
		if !ok || raceEnabled {
			continue
		}
		s.words = nil
		if got := splitDigest(remembering(s), texts); got != part.Digest {
			t.Errorf("%s cuts differently from the reference once the engine remembers", part.PreTokenizer)
		}
	}
}

// remembering returns s with an engine that remembers from the start what failed.
func remembering(s *splitter) *splitter {
	slow := *s
	slow.search = func(text []byte) finder {
		f := s.search(text)
		if r, ok := f.(*onig.Search); ok {
			r.Remember()
		}
		return f
	}
	return &slow
}

func TestSplitRefuses(t *testing.T) {
	split := func(pattern string) string {
		quoted, err := json.Marshal(pattern)
		if err != nil {
			t.Fatal(err)
		}
		return `{"type":"Split","pattern":{"Regex":` + string(quoted) + `},"behavior":"Isolated","invert":false}`
	}
	tests := []struct{ part, want string }{
		{split(`(ab)\1`), `pattern.Regex: pattern "(ab)\\1" at byte 6: back reference \1 is not supported`},
		{`{"type":"Split","pattern":{},"behavior":"Isolated","invert":false}`, `pattern: expected one of String and Regex`},
		{`{"type":"Split","pattern":{"String":"a"},"behavior":"Dropped","invert":false}`, `behavior: "Dropped" is not known`},
		{`{"type":"Split","pattern":{"String":"a"},"behavior":"Removed"}`, `invert: is missing`},
		{`{"type":"CharDelimiterSplit","delimiter":"ab"}`, `delimiter: expected one character`},
		{`{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"Shuffle"}]}`, `pretokenizers[1].type: "Shuffle"`},
		{`{"type":"Digits"}`, `individual_digits: is missing`},
	}
	for _, test := range tests {
		if _, err := loadPart(&jsonReader{data: []byte(test.part)}, preTokenizers); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.100s: error is %v, want one with %s", test.part, err, test.want)
		}
	}
}

// FuzzKnownCutters holds the cutters equal to the engine.
func FuzzKnownCutters(f *testing.F) {
	for _, line := range roughtext.Lines(600)[512:] {
		f.Add(line)
	}
	f.Add("It'S we'Re HTTPServer'LLx \u0301A\u0301b 12345\r\n\n  x /\n")
	engines := map[string]*onig.Regex{}
	for _, pattern := range []string{gpt2Pattern, llama3Pattern, qwen2Pattern, anyCountDigits, o200kPattern} {
		r, err := onig.Compile(pattern)
		if err != nil {
			f.Fatal(err)
		}
		engines[pattern] = r
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := []byte(s)
		for pattern, r := range engines {
			cutter, search := knownCutter(pattern), r.Search(text)
			for at := 0; at < len(text); {
				start, end, ok := search.Find(at)
				if n := cutter.word(text[at:]); !ok || start != at || end != at+n {
					t.Fatalf("%s at %d of %q: the cutter says %d, the engine %d to %d", pattern, at, s, n, start, end)
				}
				at = end
			}
		}
	})
}
