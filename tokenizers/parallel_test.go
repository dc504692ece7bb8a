package tokenizers

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
)

// cutTokenizers are the tokenizers of testdata, some with added tokens.
func cutTokenizers(t testing.TB) map[string]*Tokenizer {
	t.Helper()
	all := addedVariants(t)
	for _, name := range testTokenizers {
		all[name] = loadNamed(t, name+".tokenizer.json")
	}
	like, _ := spaced(t)
	for name, tok := range like {
		all["spaced "+name] = tok
	}
	return all
}

// checkCuts holds encoders that cut a text equal to one that doesn't.
func checkCuts(t testing.TB, name string, tok *Tokenizer, text []byte, size int) {
	t.Helper()
	want := tok.NewEncoder(0).AppendIDs([]uint32{5}, text)
	size = max(1, size)
	p := tok.NewParallelEncoder(3, cutTestCache)
	for range 2 {
		got, err := p.appendIDs([]uint32{5}, text, size)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprintf("%s in parallel by %d bytes %q", name, size, text), got, want)
	}
	got := []uint32{5}
	s := tok.NewEncodeStream(cutTestCache, 0, func(ids []uint32) error { got = append(got, ids...); return nil })
	s.block = 3 * size
	s.try = s.block
	for range 2 {
		got = got[:1]
		for rest := text; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if _, err := s.Write(rest[:min(size, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprintf("%s streamed by %d bytes %q", name, size, text), got, want)
	}
}

const cutTestCache = 1 << 13

func TestCuts(t *testing.T) {
	texts := append(locatedTexts, strings.Join(roughtext.Lines(560)[500:], " "), strings.Join(roughtext.Lines(640)[560:], "\n"), strings.Join(invalidTexts, " "),
		strings.Join(locatedTexts, " "), "a \x00 b  c", "word "+strings.Repeat(" ", 40)+"<x>  the", "the "+strings.Repeat("foo ", 30))
	for name, tok := range cutTokenizers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, text := range texts {
				if raceEnabled && (i+len(name))%6 != 0 {
					continue
				}
				checkCuts(t, name, tok, []byte(text), 1+i*7%50)
				if t.Failed() {
					return
				}
			}
		})
	}
}

func FuzzCuts(f *testing.F) {
	all := cutTokenizers(f)
	names := slices.Sorted(maps.Keys(all))
	for i, text := range slices.Concat(roughtext.Lines(530)[500:], invalidTexts, locatedTexts) {
		f.Add([]byte(text), uint8(i*5), uint8(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, size, which uint8) {
		name := names[int(which)%len(names)]
		checkCuts(t, name, all[name], text, int(size))
	})
}

// TestStreamGivesIDsAsTheyCome holds plans to what is promised of them: streams don't wait for the end.
func TestStreamGivesIDsAsTheyCome(t *testing.T) {
	text := []byte(strings.Repeat("The cat sat on the mat, didn't it? ", 10000))
	for _, name := range []string{"bpe", "wordpiece", "unigram"} {
		most := 0
		s := loadNamed(t, name+".tokenizer.json").NewEncodeStream(1<<16, 1<<17, func(ids []uint32) error { most = max(most, len(ids)); return nil })
		if _, err := s.Write(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Flush(); err != nil || most > len(text)/4 {
			t.Errorf("%s: %d ids at once of %d bytes (%v)", name, most, len(text), err)
		}
		if cap(s.held) > 1<<18 {
			t.Errorf("%s holds %d bytes", name, cap(s.held))
		}
	}
}

func TestStreamErrors(t *testing.T) {
	tok := loadNamed(t, "bpe.tokenizer.json")
	n := 0
	s := tok.NewEncodeStream(0, 1000, func(ids []uint32) error { n += len(ids); return nil })
	long := strings.Repeat("x", 1001)
	if _, err := io.WriteString(s, long); err == nil || !strings.Contains(err.Error(), "no place to cut 1001 bytes") {
		t.Errorf("a long word gives %v", err)
	}
	if err := s.Flush(); err == nil || n != 0 {
		t.Errorf("Flush after an error gives %v and %d ids", err, n)
	}
	if _, err := io.WriteString(s, "fine"); err != nil || s.Flush() != nil || n == 0 {
		t.Errorf("the next text gives %v and %d ids", err, n)
	}
	broken := errors.New("broken")
	s = tok.NewEncodeStream(0, 0, func([]uint32) error { return broken })
	if _, err := io.WriteString(s, strings.Repeat("a b ", streamBlockBytes)); !errors.Is(err, broken) {
		t.Errorf("the error of emit gives %v", err)
	}
	if err := s.Flush(); !errors.Is(err, broken) {
		t.Errorf("Flush then gives %v", err)
	}
}

func TestEncodeBatch(t *testing.T) {
	tok := loadNamed(t, "wordpiece.tokenizer.json")
	texts := roughtext.Lines(100)
	o := EncodeOptions{AddSpecial: true, Truncate: &Truncation{MaxTokens: 20}, Pad: &Padding{Token: "[PAD]"}}
	longest := 0
	var want []Encoding
	for _, text := range texts {
		e := encode(t, tok, text, EncodeOptions{AddSpecial: true, Truncate: o.Truncate})
		longest = max(longest, len(e.IDs))
		want = append(want, e)
	}
	if err := o.Pad.Apply(want); err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{0, 1, 3, 200} {
		got, err := tok.EncodeBatch(texts, o, workers)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			same(t, texts[i], got[i].IDs, want[i].IDs)
			same(t, texts[i], got[i].Offsets, want[i].Offsets)
			if len(got[i].IDs) != longest {
				t.Errorf("%q has %d tokens, not %d", texts[i], len(got[i].IDs), longest)
			}
		}
	}
	pairs, err := tok.EncodePairs([][2]string{{"a", "b"}, {"c d", ""}}, EncodeOptions{AddSpecial: true}, 2)
	if err != nil {
		t.Fatal(err)
	}
	one, err := tok.EncodePair("c d", "", EncodeOptions{AddSpecial: true})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "pair", pairs[1].IDs, one.IDs)
	if _, err := tok.EncodeBatch([]string{"a", "b"}, EncodeOptions{Dropout: &Dropout{Rate: 0.5}}, 2); err == nil || !strings.HasPrefix(err.Error(), "text 0: dropout") {
		t.Errorf("the error of a text is %v", err)
	}
}

func TestPanicOfAWorkerIsAnError(t *testing.T) {
	for _, workers := range []int{1, 4} {
		if err := share(workers, 100, func(_, i int) {
			if i == 17 {
				panic("seventeen")
			}
		}); err == nil || !strings.Contains(err.Error(), "seventeen") {
			t.Errorf("%d workers: %v", workers, err)
		}
	}
}
