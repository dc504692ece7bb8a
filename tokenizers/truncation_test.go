package tokenizers

import (
	"fmt"
	"strings"
	"testing"
)

// letters is a tokenizer whose tokens are the letters a to z, with ids from 3, and [CLS] A [SEP] B [SEP] around them.
func letters(t testing.TB, more string) *Tokenizer {
	t.Helper()
	vocab := `"[UNK]":0,"[CLS]":1,"[SEP]":2`
	for c := 'a'; c <= 'z'; c++ {
		vocab += fmt.Sprintf(`,"%c":%d`, c, c-'a'+3)
	}
	tok, err := Load([]byte(`{` + more + `"added_tokens":[],"pre_tokenizer":{"type":"FixedLength","length":1},` +
		`"post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},` +
		`"model":{"type":"WordLevel","unk_token":"[UNK]","vocab":{` + vocab + `}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// shownTokens writes an encoding and its windows: [ for [CLS], ] for [SEP] and . for padding.
func shownTokens(e Encoding) string {
	s := strings.NewReplacer("[CLS]", "[", "[SEP]", "]", "[PAD]", ".").Replace(strings.Join(e.Tokens, ""))
	for _, w := range e.Overflowing {
		s += " " + shownTokens(w)
	}
	return s
}

func TestTruncate(t *testing.T) {
	tests := []struct {
		name          string
		first, second string // second: - for a single text
		special       bool
		truncate      Truncation
		want          string // or part of the error, behind !
	}{
		{"fits", "abc", "-", false, Truncation{MaxTokens: 3, Stride: 9, Overflow: true}, "abc"},
		{"first window alone", "abcde", "-", false, Truncation{MaxTokens: 2}, "ab"},
		{"windows", "abcde", "-", false, Truncation{MaxTokens: 2, Overflow: true}, "ab cd e"},
		{"the last window is full", "abcd", "-", false, Truncation{MaxTokens: 2, Overflow: true}, "ab cd"},
		{"stride", "abcde", "-", false, Truncation{MaxTokens: 3, Stride: 2, Overflow: true}, "abc bcd cde"},
		{"stride that ends early", "abcdef", "-", false, Truncation{MaxTokens: 4, Stride: 1, Overflow: true}, "abcd def"},
		{"left", "abcde", "-", false, Truncation{MaxTokens: 2, Left: true, Overflow: true}, "de bc a"},
		{"left with a stride", "abcde", "-", false, Truncation{MaxTokens: 3, Stride: 1, Left: true, Overflow: true}, "cde abc"},
		{"left without windows", "abcde", "-", false, Truncation{MaxTokens: 3, Left: true}, "cde"},
		{"special tokens count", "abcde", "-", true, Truncation{MaxTokens: 4, Overflow: true}, "[ab] [cd] [e]"},
		{"room for special tokens alone", "abc", "-", true, Truncation{MaxTokens: 2, Overflow: true}, "[] [abc]"},
		{"none at all", "abc", "-", false, Truncation{Overflow: true}, " abc"},
		{"none at all, without windows", "abc", "-", false, Truncation{}, ""},
		{"an empty text", "", "-", false, Truncation{Overflow: true}, ""},
		{"pair that fits", "abc", "xy", true, Truncation{MaxTokens: 8}, "[abc]xy]"},
		{"longest first cuts the first", "abcdef", "xy", false, Truncation{MaxTokens: 6}, "abcdxy"},
		{"longest first cuts the second", "ab", "uvwxyz", false, Truncation{MaxTokens: 6}, "abuvwx"},
		{"longest first cuts both", "abcdef", "uvwxyz", false, Truncation{MaxTokens: 6}, "abcuvw"},
		{"the second gets the odd token of equals", "abcdef", "uvwxyz", false, Truncation{MaxTokens: 5}, "abuvw"},
		{"the longer gets the odd token", "abcdefg", "uvwxyz", false, Truncation{MaxTokens: 5}, "abcuv"},
		{"one token for two texts", "abc", "xyz", false, Truncation{MaxTokens: 1, Overflow: true}, "x abcx abcy abcz y z"},
		{"windows of both meet", "abcd", "wxyz", false, Truncation{MaxTokens: 4, Overflow: true}, "abwx cdwx cdyz abyz"},
		{"windows of both in special tokens", "abcd", "xyz", true, Truncation{MaxTokens: 7, Overflow: true}, "[ab]xy] [cd]xy] [cd]z] [ab]z]"},
		{"only first", "abcdef", "xyz", true, Truncation{MaxTokens: 8, Strategy: OnlyFirst, Overflow: true}, "[ab]xyz] [cd]xyz] [ef]xyz]"},
		{"only second", "ab", "uvwxyz", true, Truncation{MaxTokens: 8, Strategy: OnlySecond, Stride: 2, Overflow: true}, "[ab]uvw] [ab]vwx] [ab]wxy] [ab]xyz]"},
		{"only first of a single text", "abc", "-", false, Truncation{MaxTokens: 2, Strategy: OnlyFirst}, "ab"},
		{"only second of a single text that fits", "abc", "-", false, Truncation{MaxTokens: 3, Strategy: OnlySecond}, "abc"},

		{"only second of a single text", "abc", "-", false, Truncation{MaxTokens: 2, Strategy: OnlySecond}, "!there is only one"},
		{"only first is too short", "ab", "wxyz", false, Truncation{MaxTokens: 4, Strategy: OnlyFirst}, "!OnlyFirst would cut the whole text and 0 tokens more"},
		{"only second is too short", "abcdef", "z", false, Truncation{MaxTokens: 4, Strategy: OnlySecond}, "!OnlySecond would cut the whole text and 2 tokens more"},
		{"no room for special tokens", "abc", "-", true, Truncation{MaxTokens: 1}, "!MaxTokens is 1, less than the 2 special tokens"},
		{"nor for those of a pair", "abc", "z", true, Truncation{MaxTokens: 2}, "!less than the 3 special tokens"},
		{"stride as long as a window", "abcde", "-", false, Truncation{MaxTokens: 2, Stride: 2, Overflow: true}, "!a Stride of 2 leaves nothing new in windows of 2 tokens"},
		{"stride without windows", "abcde", "-", false, Truncation{MaxTokens: 2, Stride: 2}, "ab"},
		{"negative length", "a", "-", false, Truncation{MaxTokens: -1}, "!MaxTokens is -1"},
		{"negative stride", "a", "-", false, Truncation{MaxTokens: 1, Stride: -1}, "!Stride is -1"},
		{"unknown strategy", "a", "-", false, Truncation{MaxTokens: 1, Strategy: 7}, "!TruncationStrategy(7) is not known"},
	}
	tok := letters(t, "")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := EncodeOptions{AddSpecial: test.special, Truncate: &test.truncate}
			e, err := tok.Encode(test.first, o)
			if test.second != "-" {
				e, err = tok.EncodePair(test.first, test.second, o)
			}
			if part, wrong := strings.CutPrefix(test.want, "!"); wrong {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error is %v, want one with %s", err, part)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := shownTokens(e); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Everything about a token goes with it.
func TestTruncateKeepsWhatTokensAre(t *testing.T) {
	tok := letters(t, "")
	e, err := tok.EncodePair("ab", "wxyz", EncodeOptions{AddSpecial: true, Truncate: &Truncation{MaxTokens: 7, Strategy: OnlySecond, Overflow: true}})
	if err != nil {
		t.Fatal(err)
	}
	w := e.Overflowing[0]
	same(t, "ids", w.IDs, []uint32{1, 3, 4, 2, 27, 28, 2})
	same(t, "offsets", w.Offsets, [][2]int{{}, {0, 1}, {1, 2}, {}, {2, 3}, {3, 4}, {}})
	same(t, "types", w.TypeIDs, []uint32{0, 0, 0, 0, 1, 1, 1})
	same(t, "words", w.WordIDs, []int{-1, 0, 1, -1, 2, 3, -1})
	same(t, "sequences", w.SequenceIDs, []int{-1, 0, 0, -1, 1, 1, -1})
	same(t, "special", w.SpecialMask, []bool{true, false, false, true, false, false, true})
	same(t, "attention", w.AttentionMask, []bool{true, true, true, true, true, true, true})
}

// Windows that overlap are trimmed each for itself. The first token of each counts as the first of a text, as in the reference.
func TestWindowsShareNothing(t *testing.T) {
	tok := loadNamed(t, "bpe_roberta.tokenizer.json")
	e := encode(t, tok, " a  b  c  d", EncodeOptions{Truncate: &Truncation{MaxTokens: 4, Stride: 3, Overflow: true}})
	if len(e.Overflowing) < 2 {
		t.Fatalf("%d windows", len(e.Overflowing))
	}
	last := e
	for _, w := range e.Overflowing {
		same(t, "what windows share", w.Offsets[1:3], last.Offsets[2:])
		last = w
	}
	e.IDs[3], e.Offsets[3] = 99, [2]int{7, 7}
	if w := e.Overflowing[0]; w.IDs[2] == 99 || w.Offsets[2][0] == 7 {
		t.Error("a change to one window changes another")
	}
}

func TestWindowsAreBounded(t *testing.T) {
	tok := letters(t, "")
	text := strings.Repeat("a", 10_000)
	_, err := tok.Encode(text, EncodeOptions{Truncate: &Truncation{MaxTokens: 5_000, Stride: 4_999, Overflow: true}})
	if err == nil || !strings.Contains(err.Error(), "5001 windows of 5000 tokens are more than") {
		t.Errorf("error is %v", err)
	}
	_, err = tok.EncodePair(text, text, EncodeOptions{Truncate: &Truncation{MaxTokens: 4, Overflow: true}})
	if err == nil || !strings.Contains(err.Error(), "25000000 windows") {
		t.Errorf("error is %v", err)
	}
	if _, err := tok.EncodePair(text, text, EncodeOptions{Truncate: &Truncation{MaxTokens: 4}}); err != nil {
		t.Errorf("without windows: %v", err)
	}
}

func TestTruncationOfFile(t *testing.T) {
	tok := letters(t, `"truncation":{"direction":"Left","max_length":3,"strategy":"OnlyFirst","stride":1},`)
	want := Truncation{MaxTokens: 3, Strategy: OnlyFirst, Stride: 1, Left: true, Overflow: true}
	if got := tok.Truncation(); got == nil || *got != want {
		t.Fatalf("the file's settings are %+v", got)
	}
	tok.Truncation().MaxTokens = 99
	if got := shownTokens(encode(t, tok, "abcde", EncodeOptions{})); got != "abcde" {
		t.Errorf("the file's settings are applied unasked: %s", got)
	}
	if got := shownTokens(encode(t, tok, "abcde", EncodeOptions{Truncate: tok.Truncation()})); got != "cde abc" {
		t.Errorf("the file's settings give %s", got)
	}
	tok = letters(t, `"truncation":{"max_length":18446744073709551615,"strategy":"LongestFirst","stride":0},`)
	if got := tok.Truncation(); got == nil || got.Left || got.MaxTokens < 1<<30 {
		t.Errorf("the file's settings are %+v", got)
	}
	if letters(t, `"truncation":null,`).Truncation() != nil || letters(t, "").Truncation() != nil {
		t.Error("a file without truncation has some")
	}
}
