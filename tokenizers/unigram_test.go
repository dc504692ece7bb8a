package tokenizers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// best returns the highest sum of scores over all ways to cut word, found by trying them all.
func best(u *unigram, word string) float64 {
	if word == "" {
		return 0
	}
	top := math.Inf(-1)
	for n := 1; n <= len(word); n++ {
		id, known := u.tokenID(word[:n])
		switch {
		case known:
			top = max(top, u.scores[id]+best(u, word[n:]))
		case n == 1:
			top = max(top, u.unknownScore+best(u, word[n:]))
		}
	}
	return top
}

func TestUnigramFindsTheBestCut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		pieces := []string{`["<unk>",0]`}
		seen := map[string]bool{}
		for range 12 {
			piece := ""
			for range 1 + r.IntN(4) {
				piece += string("abc"[r.IntN(3)])
			}
			if !seen[piece] {
				pieces = append(pieces, fmt.Sprintf(`[%q,%.3f]`, piece, -10*r.Float64()))
			}
			seen[piece] = true
		}
		tok, err := Load([]byte(`{"added_tokens":[],"model":{"type":"Unigram","unk_id":0,"vocab":[` + strings.Join(pieces, ",") + `]}}`))
		if err != nil {
			t.Fatal(err)
		}
		u := tok.model.(*unigram)
		word := ""
		for range 1 + r.IntN(9) {
			word += string("abcd"[r.IntN(4)])
		}
		got := 0.0
		for _, k := range u.tokenize(nil, []byte(word), &merger{}) {
			if k.id == u.unknown {
				got += u.unknownScore * float64(k.end-k.start)
			} else {
				got += u.scores[k.id]
			}
		}
		if want := best(u, word); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s of %v scores %g, the best cut %g", word, pieces, got, want)
		}
	}
}

// naiveCut is the search for the best cut without a trie: all ways to each place, shorter last pieces first.
func naiveCut(u *unigram, word string) []uint32 {
	type way struct {
		score float64
		ids   []uint32
	}
	ways := make([]*way, len(word)+1)
	ways[0] = &way{}
	for start := 0; start < len(word); {
		size := characterSize(word[start])
		from := ways[start]
		try := func(end int, id uint32, score float64) {
			if score += from.score; ways[end] == nil || score > ways[end].score {
				ways[end] = &way{score, append(slices.Clone(from.ids), id)}
			}
		}
		for end := start + 1; end <= min(len(word), start+u.longest); end++ {
			if id, ok := u.tokenID(word[start:end]); ok {
				try(end, id, u.scores[id])
			}
		}
		if _, ok := u.tokenID(word[start : start+size]); !ok {
			try(start+size, u.unknown, u.unknownScore)
		}
		start += size
	}
	ids := ways[len(word)].ids
	if u.byteIDs == nil { // runs of unknown pieces are one
		ids = slices.CompactFunc(ids, func(a, b uint32) bool { return a == u.unknown && b == u.unknown })
	}
	return ids
}

// FuzzLattice holds the search to the naive one, and a search that takes out what is certain as early as it can to one that does not.
func FuzzLattice(f *testing.F) {
	for _, s := range []string{"▁the▁thing", "中文▁a中", "aaaaaaaaaaaaaaaaaaaaa", "unbelievable😀é", "▁▁▁", "</s><unk>"} {
		f.Add(s)
	}
	u := loadNamed(f, "unigram.tokenizer.json").model.(*unigram)
	withBytes := loadNamed(f, "unigram_bytes.tokenizer.json").model.(*unigram)
	f.Fuzz(func(t *testing.T, s string) {
		word := appendValid(nil, []byte(s))
		if len(word) > 300 {
			return
		}
		if got := u.appendPieces(nil, word, &merger{}); len(word) > 0 {
			got[0] &^= startsWord
			same(t, s, got, naiveCut(u, string(word)))
		}
		for _, u := range []*unigram{u, withBytes} {
			var early []token
			c := u.newCutter(word, &lattice{})
			for c.window = 1; c.next(); {
				early = append(early, c.tokens...)
			}
			same(t, s, early, u.tokenize(nil, word, &merger{}))
		}
	})
}

// The reference is off by a unit in the last place for numbers of more than 53 bits.
func TestScore(t *testing.T) {
	for s, want := range map[string]float64{
		"0": 0, "-3.5": -3.5, "1e2": 100, "-2.5E-3": -0.0025, "-3.382697343826294": -3.382697343826294, "123456789012345678901234567890": 1.2345678901234568e29,
		"0.00000000000000000000001": 1e-23, "0e200": 0,
	} {
		got, err := (&jsonReader{data: []byte(s)}).score()
		if err != nil || math.Abs(got-want) > 1e-15*math.Abs(want) {
			t.Errorf("%s is read as %g, %v", s, got, err)
		}
	}
	for _, s := range []string{"1e400", "1e201", "-1e201", "1e99999999999999999999", "x", `"1"`} {
		if got, err := (&jsonReader{data: []byte(s)}).score(); err == nil {
			t.Errorf("%s is read as %g", s, got)
		}
	}
}

func TestSentencePieceRefuses(t *testing.T) {
	file := "unigram.tokenizer.json"
	regex, meta := `{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}`, `"pre_tokenizer":{"type":"Metaspace","replacement":"▁","add_prefix_space":true}`
	grow := strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aaaa"},`, 8)
	tests := []struct{ name, old, new, want string }{
		{"regular expression", `{"Regex":" {2,}"}`, `{"Regex":"a)"}`, `normalizer.normalizers[1].pattern.Regex: `},
		{"empty pattern", `{"Regex":" {2,}"}`, `{"String":""}`, "pattern.String: an empty pattern"},
		{"two patterns", `{"Regex":" {2,}"}`, `{"Regex":" {2,}","String":" "}`, "pattern: expected one of String and Regex"},
		{"kind of pattern", `{"Regex":" {2,}"}`, `{"Glob":"*"}`, `pattern.Glob: "Glob" is not supported`},
		{"long content", `"content":" "`, `"content":"` + strings.Repeat("x", 2000) + `"`, "content: has 2000 bytes"},
		{"growth", regex, grow + regex, "normalizer.normalizers: together they can make a text more than"},
		{"part of a sequence", regex, `{"type":"Sparkle"}`, `normalizer.normalizers[1].type: "Sparkle" is not supported`},
		{"charsmap is no base64", `"precompiled_charsmap":"`, `"precompiled_charsmap":"?`, "normalizers[0].precompiled_charsmap: "},
		{"charsmap cut", `"precompiled_charsmap":"`, `"precompiled_charsmap":"AAAA","x":"`, "precompiled_charsmap: is shorter than it says"},
		{"scheme", meta, `"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"often"}`, `pre_tokenizer.prepend_scheme: "often" is not supported`},
		{"replacement", meta, `"pre_tokenizer":{"type":"Metaspace","replacement":"__"}`, `pre_tokenizer.replacement: "__" is not one character`},
		{"contradiction", meta, `"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","add_prefix_space":false}`, "pre_tokenizer.add_prefix_space: "},
		{"no unknown piece", `"unk_id":0`, `"unk_id":null`, "model.unk_id: is missing"},
		{"unknown piece beyond", `"unk_id":0`, `"unk_id":99999`, "model.unk_id: 99999 is not in vocab"},
		{"piece without score", `"vocab":[["<unk>",`, `"vocab":[["x"],["<unk>",`, "model.vocab[0]: expected a piece and its score"},
		{"piece twice", `"vocab":[["<unk>",`, `"vocab":[["</s>",1],["<unk>",`, "token given twice"},
		{"score", `"vocab":[["<unk>",`, `"vocab":[["x",1e400],["<unk>",`, "model.vocab[0][1]: 1e400"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := edited(t, file, test.old, test.new)
			if _, err := Load(data); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %s", err, test.want)
			}
		})
	}
}

func TestDecoders(t *testing.T) {
	tests := []struct {
		decoder, tokens, want string
	}{
		{`{"type":"ByteFallback"}`, "a <0xE2> <0x98> <0x83> b", "a|☃|b"},
		{`{"type":"ByteFallback"}`, "<0xE2> <0x98> b <0xG1> <0x41>", "\ufffd|\ufffd|b|<0xG1>|A"},
		{`{"type":"Fuse"}`, "a b c", "abc"},
		{`{"type":"Strip","content":"_","start":1,"stop":2}`, "__a___ b _", "_a_|b|"},
		{`{"type":"BPEDecoder","suffix":"</w>"}`, "a b</w> c</w>", "a|b |c"},
		{`{"type":"CTC","pad_token":"-","word_delimiter_token":"_","cleanup":true}`, "a a - a b b _ - - c", "a|a|b| |c"},
		{`{"type":"Metaspace","replacement":"_","prepend_scheme":"always"}`, "_a _b c_", "a| b|c "},
		{`{"type":"Metaspace","replacement":"_","prepend_scheme":"never"}`, "_a _b", " a| b"},
		{`{"type":"Replace","pattern":{"Regex":"a+"},"content":"x"}`, "aaba b", "xbx|b"},
		{`{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":"a","start":1,"stop":0}]}`, "a a", "a"},
	}
	for _, test := range tests {
		d, err := loadDecoder(&jsonReader{data: []byte(test.decoder)})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.decode(strings.Split(test.tokens, " ")), "|"); got != test.want {
			t.Errorf("%s makes %q of %q, want %q", test.decoder, got, test.tokens, test.want)
		}
		d.decode(nil)
	}
}

func FuzzCharsmap(f *testing.F) {
	tok := loadNamed(f, "unigram.tokenizer.json")
	table := tok.normalizer.(normalizerSequence)[0].(*charsmap)
	data := binaryCharsmap(table)
	f.Add(data, "ﬁ\ufeffe\u0301 \t각x")
	f.Add([]byte{4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}, "a")
	f.Fuzz(func(t *testing.T, data []byte, s string) {
		c, err := newCharsmap(data)
		if err != nil {
			return
		}
		in := newText(s, true)
		out := c.normalize(in)
		if len(out.bytes) != len(out.from) || !slices.IsSortedFunc(out.from, func(a, b span) int { return int(a.start - b.start) }) {
			t.Fatalf("%q becomes %q from %v", s, out.bytes, out.from)
		}
	})
}

// binaryCharsmap is the inverse of newCharsmap.
func binaryCharsmap(c *charsmap) []byte {
	data := []byte{byte(4 * len(c.units)), byte(4 * len(c.units) >> 8), byte(4 * len(c.units) >> 16), 0}
	for _, u := range c.units {
		data = append(data, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
	}
	return append(data, c.strings...)
}

// FuzzCluster holds the lengths of clusters to what they promise: whole characters, at least one.
func FuzzCluster(f *testing.F) {
	for _, s := range []string{"\r\n", "e\u0301\u0301", "각\u11a8", "क\u094d\u200dक", "©\u200d®", "\u0600a", "\u200d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendValid(nil, []byte(s))
		for len(b) > 0 {
			n := cluster(b)
			if n < 1 || n > len(b) || string(appendValid(nil, b[:n])) != string(b[:n]) {
				t.Fatalf("%q begins with a cluster of %d bytes", b, n)
			}
			b = b[n:]
		}
	})
}
