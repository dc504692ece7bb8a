package tokenizers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
)

// encodeByParts is Encode of one text without plans, one part after another, before any post-processor.
func encodeByParts(t *Tokenizer, input string, specialIsText bool) Encoding {
	e := Encoding{text: input}
	var m merger
	for i, w := range t.words(input, specialIsText) {
		if w.added != nil {
			e.add(w.added.id, string(w.bytes), w.origin(0, len(w.bytes)), i, 0)
			continue
		}
		for _, k := range t.model.tokenize(nil, w.bytes, &m) {
			shown, _ := t.model.token(k.id)
			if u, ok := t.model.(*unigram); ok && k.id == u.unknown {
				shown = string(w.bytes[k.start:k.end])
			}
			e.add(k.id, shown, w.origin(int(k.start), int(k.end)), i, 0)
		}
	}
	return e
}

// appendByParts runs a text that holds no added token through the parts one by one, and leaves the marks.
func (e *Encoder) appendByParts(dst []uint32, text []byte) []uint32 {
	e.keep = ^uint32(0)
	return e.appendWords(dst, e.tokenizer.plainWords(nil, newText(string(text), !e.tokenizer.keepsBytes())))
}

// checkLocated holds Encode, AppendTokens and AppendOffsets equal to the parts.
func checkLocated(t testing.TB, name string, tok *Tokenizer, e *Encoder, text string) {
	t.Helper()
	for _, specialIsText := range []bool{false, true} {
		parts := encodeByParts(tok, text, specialIsText)
		want, err := tok.layOut([]Encoding{parts}, EncodeOptions{SpecialIsText: specialIsText})
		if err != nil {
			t.Fatal(err)
		}
		got := encode(t, tok, text, EncodeOptions{SpecialIsText: specialIsText})
		where := fmt.Sprintf("%s %q", name, text)
		same(t, where+" ids", got.IDs, want.IDs)
		same(t, where+" tokens", got.Tokens, want.Tokens)
		same(t, where+" offsets", got.Offsets, want.Offsets)
		same(t, where+" words", got.WordIDs, want.WordIDs)
		same(t, where+" types", got.TypeIDs, want.TypeIDs)
		same(t, where+" sequences", got.SequenceIDs, want.SequenceIDs)
		same(t, where+" special", got.SpecialMask, want.SpecialMask)
		if !specialIsText {
			continue
		}
		tokens := Tokens{IDs: []uint32{1}, Offsets: [][2]uint32{{2, 3}}, Words: []uint32{4}}
		for _, unit := range []OffsetUnit{Bytes, CodePoints} {
			wantOffsets := want.Offsets
			if unit == CodePoints {
				wantOffsets = RuneOffsets(text, want.Offsets)
			}
			tokens = Tokens{tokens.IDs[:1], tokens.Offsets[:1], tokens.Words[:1]}
			if err := e.AppendTokens(&tokens, []byte(text), unit); err != nil {
				t.Fatal(err)
			}
			same(t, where+" appended ids", tokens.IDs, append([]uint32{1}, want.IDs...))
			offsets, words := [][2]uint32{{2, 3}}, []uint32{4}
			for i := range want.IDs {
				offsets = append(offsets, [2]uint32{uint32(wantOffsets[i][0]), uint32(wantOffsets[i][1])})
				words = append(words, uint32(want.WordIDs[i]))
			}
			same(t, where+" appended offsets", tokens.Offsets, offsets)
			same(t, where+" appended words", tokens.Words, words)
			if ids, offsets, err := e.AppendOffsets(nil, nil, []byte(text), unit); err != nil || !slices.Equal(ids, tokens.IDs[1:]) || !slices.Equal(offsets, tokens.Offsets[1:]) {
				t.Errorf("%s: AppendOffsets differs from AppendTokens (%v)", where, err)
			}
		}
		same(t, where+" ids after offsets", e.AppendIDs(nil, []byte(text)), want.IDs)
	}
}

// addedVariants are tokenizers with added tokens of all kinds.
func addedVariants(t testing.TB) map[string]*Tokenizer {
	t.Helper()
	tokens := func(normalized bool) []string {
		var all []string
		for i, content := range []string{"foo", "the", " a ", "<x>", "<x><y>", "é", "Zz", "  ", "##", "K]", "\ufffd\ufffd"} {
			all = append(all, fmt.Sprintf(`{"id":%%d,"content":%q,"single_word":%t,"lstrip":%t,"rstrip":%t,"normalized":%t,"special":%t}`,
				content, i%5 == 1, i%3 == 0, i%4 == 3, normalized, i == 3))
		}
		return all
	}
	variants := map[string]*Tokenizer{}
	for _, name := range testTokenizers {
		for _, normalized := range []bool{false, true} {
			for _, count := range []int{10, 11} {
				base := loadNamed(t, name+".tokenizer.json")
				next := base.model.entries() // where tokens that the model lacks go on
				for _, a := range base.added.byID {
					if _, ok := base.model.tokenID(a.content); !ok {
						next++
					}
				}
				var added []string
				for _, format := range tokens(normalized)[:count] {
					id := next
					content := format[strings.Index(format, `"content":"`)+len(`"content":"`):]
					content = strings.ReplaceAll(content[:strings.Index(content, `"`)], `\ufffd`, "\ufffd")
					if known, ok := base.model.tokenID(content); ok {
						id = int(known)
					} else {
						next++
					}
					added = append(added, fmt.Sprintf(format, id))
				}
				all := strings.Join(added, ",")
				file := string(base.Raw())
				if at := strings.Index(file, `"added_tokens":[`) + len(`"added_tokens":[`); file[at] != ']' {
					end := at + strings.Index(file[at:], "]")
					for strings.Count(file[at:end], `"`)%2 != 0 {
						end += 1 + strings.Index(file[end+1:], "]")
					}
					file = file[:end] + "," + all + file[end:]
				} else {
					file = file[:at] + all + file[at:]
				}
				tok, err := Load([]byte(file))
				if err != nil {
					t.Logf("%s: %v", name, err) // a token of the model may be among them twice, or be nothing once it is normalized
					continue
				}
				variants[fmt.Sprintf("%s+%d normalized=%t", name, count, normalized)] = tok
			}
		}
	}
	if len(variants) < 2*len(testTokenizers) {
		t.Fatalf("%d tokenizers with added tokens", len(variants))
	}
	return variants
}

var locatedTexts = []string{
	"", " ", "a", "é", " é", "éa b", "\u0301", "a\u0301 b", "a\u0323\u0301x y", "x\u0301\u0323y z", "ab\x00cd ef", "\x00", "中文a 中", "ﬁne ﬁ", "Straße İx",
	"foo the a Zz <x> <x><y> the  foo", "foofoo thea  é É K] [MASK] [MASK]K] <mask>  <mask> ##", "  foo  ", "the<x> \t<x>\n the", "  \u3000foo\u00a0the", "FOO The ZZ zz",
	"a\u00a0b", "caf\u00e9 caf\u00e9s \u1e69\u0323", "가각 가", "\u1112\u1161\u11ab x", "Привет мир", "नमस्ते दुनिया", "😀 👍🏽a", "don't 'tis", "a  b   c\n\n d",
	strings.Repeat("word é ", 40), strings.Repeat("x", 300) + "é", "a b c d e f g", " lead", "▁a ▁", "a▁b", "\xe2\x82\xe2\x82", "\xff\xfffoo\xff",
}

func TestLocatedEqualsParts(t *testing.T) {
	texts := slices.Concat(roughtext.Lines(900)[480:], invalidTexts, locatedTexts)
	check := func(name string, tok *Tokenizer, step int) {
		if raceEnabled {
			step *= 8
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := tok.NewEncoder(1 << 16)
			for i := 0; i < len(texts); i += step {
				checkLocated(t, name, tok, e, texts[i])
				if t.Failed() {
					return
				}
			}
			for i, text := range locatedTexts {
				if !raceEnabled || i%4 == 0 {
					checkLocated(t, name, tok, e, text)
				}
			}
		})
	}
	for _, name := range testTokenizers {
		check(name, loadNamed(t, name+".tokenizer.json"), 3)
	}
	for name, tok := range addedVariants(t) {
		check(name, tok, 20)
	}
	texts = append(texts, spacedBPETexts...)
	like, _ := spaced(t)
	for name, tok := range like {
		check("spaced "+name, tok, 5)
	}
}

func FuzzLocated(f *testing.F) {
	all := cutTokenizers(f)
	names := slices.Sorted(maps.Keys(all))
	for i, text := range slices.Concat(roughtext.Lines(560)[500:], invalidTexts, locatedTexts) {
		f.Add(text, uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		name := names[int(which)%len(names)]
		checkLocated(t, name, all[name], all[name].NewEncoder(1<<13), text)
	})
}
