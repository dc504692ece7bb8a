package tokenizers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
)

var layoutCases = flag.String("layout", "testdata/reference_layout.json", "cases that conformance/tokenizers/layout.py wrote")

type recordedLayout struct {
	First, Lines, Longest int
	Cases                 []layoutCase
}

type layoutCase struct {
	Tokenizer string
	Batch     [][]int
	Words     bool // texts are cut at spaces before they are encoded
	Special   bool
	Truncate  *struct {
		Max, Stride int
		Strategy    string
		Left        bool
	}
	Pad *struct {
		Tokens, Multiple int
		Left             bool
		ID, Type         uint32
		Token            string
	}
	Digest string
}

// options returns the settings of a case, as a tokenizer.json would hold them.
func (c *layoutCase) options() EncodeOptions {
	o := EncodeOptions{AddSpecial: c.Special}
	if s := c.Truncate; s != nil {
		o.Truncate = &Truncation{MaxTokens: s.Max, Stride: s.Stride, Left: s.Left, Overflow: true}
		for o.Truncate.Strategy.String() != s.Strategy {
			o.Truncate.Strategy++
		}
	}
	if s := c.Pad; s != nil {
		o.Pad = &Padding{Tokens: s.Tokens, MultipleOf: s.Multiple, Left: s.Left, ID: s.ID, TypeID: s.Type, Token: s.Token}
	}
	return o
}

// layoutDigest is over encodings and their windows, as the script computes it.
func layoutDigest(encodings []Encoding, texts [][]string, words, sequences bool) string {
	h := sha256.New()
	for i := range encodings {
		for _, e := range append([]Encoding{encodings[i]}, encodings[i].Overflowing...) {
			offsets := make([]int, 0, 2*len(e.IDs))
			for k, at := range e.Offsets {
				if s := e.SequenceIDs[k]; s >= 0 {
					text := texts[i][s]
					if words {
						text = strings.Split(text, " ")[e.WordIDs[k]]
					}
					at = RuneOffsets(text, [][2]int{at})[0]
				}
				offsets = append(offsets, at[0], at[1])
			}
			ids := ""
			if sequences {
				ids = numbers(e.SequenceIDs)
			}
			h.Write([]byte(strings.Join([]string{
				numbers(e.IDs), numbers(e.TypeIDs), numbers(offsets), numbers(e.WordIDs), ids, maskBits(e.SpecialMask), maskBits(e.AttentionMask), strings.Join(e.Tokens, "\x00"),
			}, "\x01") + "\n"))
		}
		h.Write([]byte("\n"))
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func numbers[E int | uint32](values []E) string {
	return strings.Trim(fmt.Sprint(values), "[]")
}

func maskBits(values []bool) string {
	n := make([]int, len(values))
	for i, v := range values {
		if v {
			n[i] = 1
		}
	}
	return numbers(n)
}

func TestReferenceLayout(t *testing.T) {
	data, err := os.ReadFile(*layoutCases)
	if err != nil {
		t.Fatal(err)
	}
	var want recordedLayout
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Cases) < 500 {
		t.Fatalf("%d cases are recorded", len(want.Cases))
	}
	var texts []string
	for _, line := range roughtext.Lines(want.Lines)[want.First:] {
		if len(line) <= want.Longest {
			texts = append(texts, line)
		}
	}
	loaded := map[string]*Tokenizer{}
	for i, c := range want.Cases {
		if raceEnabled && i%4 != 0 {
			continue
		}
		if loaded[c.Tokenizer] == nil {
			loaded[c.Tokenizer] = loadNamed(t, c.Tokenizer+".tokenizer.json")
		}
		if got, err := c.run(loaded[c.Tokenizer], texts); got != c.Digest {
			line, _ := json.Marshal(c)
			t.Errorf("case %d differs from the reference (%v): %s", i, err, line)
		}
	}
}

// run encodes the batch of a case, and gives the digest or "error".
func (c *layoutCase) run(tok *Tokenizer, texts []string) (string, error) {
	o := c.options()
	pad := o.Pad
	o.Pad = nil
	var encodings []Encoding
	var used [][]string
	for _, indexes := range c.Batch {
		var input []string
		for _, index := range indexes {
			input = append(input, texts[index])
		}
		e, err := c.encode(tok, input, o)
		if err != nil {
			return "error", err
		}
		encodings, used = append(encodings, e), append(used, input)
	}
	if pad != nil {
		if err := pad.Apply(encodings); err != nil {
			return "error", err
		}
	}
	return layoutDigest(encodings, used, c.Words, tok.postProcessor != nil), nil
}

func (c *layoutCase) encode(tok *Tokenizer, texts []string, o EncodeOptions) (Encoding, error) {
	cut := func(s string) []string { return strings.Split(s, " ") }
	switch {
	case c.Words && len(texts) == 2:
		return tok.EncodeWordsPair(cut(texts[0]), cut(texts[1]), o)
	case c.Words:
		return tok.EncodeWords(cut(texts[0]), o)
	case len(texts) == 2:
		return tok.EncodePair(texts[0], texts[1], o)
	}
	return tok.Encode(texts[0], o)
}

// Whatever the settings, an encoding is not longer than asked for, and between its windows nothing is lost or made up.
func FuzzLayout(f *testing.F) {
	f.Add("abcdefghij", "uvwxyz", uint8(9), uint8(1), uint8(0), uint8(4), true, true)
	f.Add("abc", "", uint8(4), uint8(0), uint8(2), uint8(0), false, false)
	tok := letters(f, "") // every character is a word and a token
	f.Fuzz(func(t *testing.T, first, second string, most, stride, strategy, multiple uint8, special, left bool) {
		if len(first)+len(second) > 200 {
			return
		}
		plain, err := tok.EncodePair(first, second, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := tok.EncodePair(first, second, EncodeOptions{
			AddSpecial: special,
			Truncate:   &Truncation{MaxTokens: int(most), Stride: int(stride), Strategy: TruncationStrategy(strategy % 3), Left: left, Overflow: true},
			Pad:        &Padding{MultipleOf: int(multiple), Left: left, Token: "[PAD]"},
		})
		if err != nil {
			return
		}
		begins := []int{0, len(plain.IDs)} // where each text begins in plain
		for begins[1] > 0 && plain.SequenceIDs[begins[1]-1] == 1 {
			begins[1]--
		}
		seen := make([]bool, len(plain.IDs))
		for _, w := range append([]Encoding{e}, e.Overflowing...) {
			for i, s := range w.SequenceIDs {
				if s < 0 {
					continue
				}
				at := begins[s] + w.WordIDs[i]
				seen[at] = true
				if w.IDs[i] != plain.IDs[at] || w.Offsets[i] != plain.Offsets[at] || !w.AttentionMask[i] || w.SpecialMask[i] {
					t.Fatalf("token %d is not token %d of the texts: %+v", i, at, w)
				}
			}
		}
		if slices.Contains(seen, false) {
			t.Errorf("token %d is in no window", slices.Index(seen, false))
		}
		tokens := 0
		for _, attended := range e.AttentionMask {
			if attended {
				tokens++
			}
		}
		if tokens > int(most) || multiple > 0 && len(e.IDs)%int(multiple) > 0 {
			t.Errorf("%d tokens, padded to %d: want at most %d and a multiple of %d", tokens, len(e.IDs), most, multiple)
		}
	})
}

// A template that says what another post-processor does gives the same encodings.
func TestTemplatesEqualOtherProcessors(t *testing.T) {
	const special = `"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}`
	piece := func(kind, id string, typeID int) string {
		return fmt.Sprintf(`{"%s":{"id":"%s","type_id":%d}}`, kind, id, typeID)
	}
	cls, sep, a := piece("SpecialToken", "[CLS]", 0), piece("SpecialToken", "[SEP]", 0), piece("Sequence", "A", 0)
	template := func(single, pair []string) string {
		return `{"type":"TemplateProcessing","single":[` + strings.Join(single, ",") + `],"pair":[` + strings.Join(pair, ",") + `],` + special + `}`
	}
	const names = `"sep":["[SEP]",3],"cls":["[CLS]",2]`
	for _, test := range []struct {
		other, template string
		windows         bool // types of windows are those of the texts in a template
	}{
		{`{"type":"BertProcessing",` + names + `}`,
			template([]string{cls, a, sep}, []string{cls, a, sep, piece("Sequence", "B", 1), piece("SpecialToken", "[SEP]", 1)}), true},
		{`{"type":"RobertaProcessing",` + names + `,"trim_offsets":false,"add_prefix_space":false}`,
			template([]string{cls, a, sep}, []string{cls, a, sep, sep, piece("Sequence", "B", 0), sep}), false},
	} {
		one := changed(t, "wordpiece", map[string]json.RawMessage{"post_processor": json.RawMessage(test.other)})
		two := changed(t, "wordpiece", map[string]json.RawMessage{"post_processor": json.RawMessage(test.template)})
		for _, texts := range [][]string{{"the quick brown fox"}, {""}, {"the lazy dog", "it jumps over the fox"}, {"", "a"}} {
			for _, o := range []EncodeOptions{
				{}, {AddSpecial: true}, {AddSpecial: true, Truncate: &Truncation{MaxTokens: 7, Stride: 1, Overflow: test.windows}, Pad: &Padding{MultipleOf: 4}},
			} {
				c := layoutCase{}
				e, err := c.encode(one, texts, o)
				if err != nil {
					t.Fatal(err)
				}
				f, err := c.encode(two, texts, o)
				if err != nil {
					t.Fatal(err)
				}
				input := [][]string{texts}
				if layoutDigest([]Encoding{e}, input, false, true) != layoutDigest([]Encoding{f}, input, false, true) {
					t.Errorf("%s, %q, %+v:\n%+v, and as a template\n%+v", test.other, texts, o, e, f)
				}
			}
		}
	}
}
