package tokenizers

import (
	"strings"
	"testing"
)

func TestPad(t *testing.T) {
	tests := []struct {
		name  string
		texts []string
		pad   Padding
		want  []string
	}{
		{"to the longest", []string{"a", "abc", ""}, Padding{}, []string{"a..", "abc", "..."}},
		{"on the left", []string{"a", "abc"}, Padding{Left: true}, []string{"..a", "abc"}},
		{"fixed", []string{"a", "abc"}, Padding{Tokens: 2}, []string{"a.", "abc"}},
		{"a multiple of the longest", []string{"a", "abc"}, Padding{MultipleOf: 4}, []string{"a...", "abc."}},
		{"fixed, rounded up", []string{"a", "abcdef"}, Padding{Tokens: 3, MultipleOf: 4}, []string{"a...", "abcdef"}},
		{"a multiple already", []string{"abcd"}, Padding{MultipleOf: 2}, []string{"abcd"}},
		{"no encodings", nil, Padding{Tokens: 3}, nil},
		{"empty texts", []string{"", ""}, Padding{MultipleOf: 8}, []string{"", ""}},
	}
	tok := letters(t, "")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.pad.Token = "[PAD]"
			var batch []Encoding
			for _, text := range test.texts {
				batch = append(batch, encode(t, tok, text, EncodeOptions{}))
			}
			if err := test.pad.Apply(batch); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range batch {
				got = append(got, shownTokens(e))
			}
			same(t, "padded", got, test.want)
		})
	}
}

func TestPaddingIsMarked(t *testing.T) {
	tok := letters(t, "")
	for _, left := range []bool{false, true} {
		e := encode(t, tok, "a", EncodeOptions{AddSpecial: true, Pad: &Padding{Tokens: 4, ID: 7, TypeID: 5, Token: "[PAD]", Left: left}})
		k, n := 0, 3 // where the text is
		if left {
			k, n = 1, 4
		}
		ids, attention := []uint32{7, 7, 7, 7}, make([]bool, 4)
		copy(ids[k:n], []uint32{1, 3, 2})
		copy(attention[k:n], []bool{true, true, true})
		pad := (k + 3) % 4
		same(t, "ids", e.IDs, ids)
		same(t, "attention", e.AttentionMask, attention)
		if e.TypeIDs[pad] != 5 || e.Tokens[pad] != "[PAD]" || !e.SpecialMask[pad] || e.WordIDs[pad] != -1 || e.SequenceIDs[pad] != -1 || e.Offsets[pad] != [2]int{} {
			t.Errorf("padding is %+v", e)
		}
	}
}

func TestPaddingOfWindows(t *testing.T) {
	tok := letters(t, "")
	o := EncodeOptions{AddSpecial: true, Truncate: &Truncation{MaxTokens: 5, Overflow: true}, Pad: &Padding{Token: "[PAD]"}}
	if got := shownTokens(encode(t, tok, "abcdefg", o)); got != "[abc] [def] [g].." {
		t.Errorf("got %s", got)
	}
}

func TestPadRefuses(t *testing.T) {
	tok := letters(t, "")
	for _, test := range []struct {
		pad  Padding
		want string
	}{
		{Padding{Tokens: -1}, "pad to -1 tokens"},
		{Padding{MultipleOf: -2}, "a multiple of -2"},
		{Padding{Tokens: maxPadTokens + 1}, "at most 4194304 are allowed"},
		{Padding{MultipleOf: maxPadTokens + 1}, "at most 4194304 are allowed"},
	} {
		if _, err := tok.Encode("a", EncodeOptions{Pad: &test.pad}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error is %v, want one with %s", test.pad, err, test.want)
		}
	}
	o := EncodeOptions{Truncate: &Truncation{MaxTokens: 1, Overflow: true}, Pad: &Padding{Tokens: 1 << 20}}
	if _, err := tok.Encode(strings.Repeat("a", 100), o); err == nil || !strings.Contains(err.Error(), "pad 100 windows to 1048576 tokens") {
		t.Errorf("error is %v", err)
	}
	if err := (&Padding{Tokens: 3}).Apply([]Encoding{{IDs: []uint32{1}}}); err == nil || !strings.Contains(err.Error(), "without an attention mask") {
		t.Errorf("error is %v", err)
	}
}

func TestPaddingOfFile(t *testing.T) {
	const rest = `"pad_to_multiple_of":8,"pad_id":7,"pad_type_id":1,"pad_token":"[PAD]"},`
	for _, test := range []struct {
		file string
		want Padding
	}{
		{`"padding":{"strategy":"BatchLongest","direction":"Left",` + rest, Padding{MultipleOf: 8, Left: true, ID: 7, TypeID: 1, Token: "[PAD]"}},
		{`"padding":{"strategy":{"Fixed":12},"direction":"Right",` + rest, Padding{Tokens: 12, MultipleOf: 8, ID: 7, TypeID: 1, Token: "[PAD]"}},
		{`"padding":{"strategy":{"Fixed":12},"direction":"Right",` + strings.Replace(rest, "8", "null", 1), Padding{Tokens: 12, ID: 7, TypeID: 1, Token: "[PAD]"}},
	} {
		tok := letters(t, test.file)
		if got := tok.Padding(); got == nil || *got != test.want {
			t.Errorf("%s is read as %+v", test.file, got)
		}
		if got := shownTokens(encode(t, tok, "a", EncodeOptions{})); got != "a" {
			t.Errorf("the file's settings are applied unasked: %s", got)
		}
	}
	if p := letters(t, `"padding":{"strategy":{"Fixed":0},"direction":"Right",`+rest).Padding(); p != nil {
		t.Errorf("a fixed length of 0 is %+v", p)
	}
}
