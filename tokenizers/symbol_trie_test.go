package tokenizers

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// wordPieceOf returns a model of tokens, numbered in order, the first of which is the unknown one.
func wordPieceOf(prefix string, maxChars int, tokens ...string) *wordPiece {
	w := &wordPiece{vocabulary: newVocabulary(len(tokens)), prefix: prefix, maxChars: maxChars}
	for _, token := range tokens {
		if _, twice := w.tokenID(token); !twice {
			if err := w.add([]byte(token), uint32(len(w.tokens))); err != nil {
				panic(err)
			}
		}
	}
	return w
}

// asciiLetters gives the bytes of ASCII but the digits their symbols.
func asciiLetters(t *symbolTrie) *letterSymbols {
	var letters letterSymbols
	for c := range letters {
		letters[c] = noLetter
		if c < utf8.RuneSelf && (c < '0' || c > '9') {
			letters[c] = uint32(t.symbol(rune(c)))
		}
	}
	return &letters
}

func checkTrie(t *testing.T, w *wordPiece, trie *symbolTrie, word string) {
	t.Helper()
	want := naiveWordPiece(w, w.prefix, word)
	want[0] |= startsWord
	before := []uint32{7}
	if got := trie.appendWord(slices.Clone(before), trie.word(nil, word)); !slices.Equal(got[1:], want) || got[0] != 7 {
		t.Fatalf("%q with prefix %q: got %x, want %x", word, w.prefix, got[1:], want)
	}
	got, ok := trie.appendASCII(slices.Clone(before), []byte(word), asciiLetters(trie))
	if letters := !strings.ContainsFunc(word, func(r rune) bool { return r >= utf8.RuneSelf || r >= '0' && r <= '9' }); letters && len(word) <= w.maxChars != ok {
		t.Fatalf("%q: appendASCII says %t", word, ok)
	} else if ok && !slices.Equal(got[1:], want) || !ok && len(got) != 1 {
		t.Fatalf("%q with prefix %q: appendASCII gives %x, want %x", word, w.prefix, got[1:], want)
	}
}

func TestSymbolTrie(t *testing.T) {
	tokens := []string{"[UNK]", "a", "ab", "abcd", "##b", "##bc", "##c", "##cde", "é", "##é", "中", "##中文", "b", "e", "##d", "##e", "aa", "aaaa", "##a", "##aaa"}
	words := []string{"a", "ab", "abc", "abcd", "abcde", "abcdx", "x", "é", "aé", "中", "a中文", "中文", "##b", "#", "a1", "1", "aaaaaaa", strings.Repeat("a", 11), "éééééééééé"}
	for _, prefix := range []string{"##", "", "##b", "§", "##x"} {
		for _, maxChars := range []int{0, 1, 10} {
			w := wordPieceOf(prefix, maxChars, tokens...)
			trie := newSymbolTrie(w)
			for _, word := range words {
				checkTrie(t, w, trie, word)
			}
		}
	}
}

func FuzzSymbolTrie(f *testing.F) {
	f.Add("a ab abc ##b ##c é ##é中 中", "abcé中", "##")
	f.Add("a b ba ab ", "abababb", "")
	f.Fuzz(func(t *testing.T, tokens, word, prefix string) {
		if word == "" || !utf8.ValidString(word) || !utf8.ValidString(tokens) {
			return
		}
		w := wordPieceOf(prefix, 10, append([]string{"[UNK]"}, strings.Fields(tokens)...)...)
		if trie := newSymbolTrie(w); trie != nil {
			checkTrie(t, w, trie, word)
		}
	})
}

// A vocabulary whose nodes have children far apart must not take memory out of proportion.
func TestSymbolTrieIsBounded(t *testing.T) {
	tokens := []string{"[UNK]"}
	const n = 20000
	for i := range n {
		first := string(rune(0x4E00 + i))
		tokens = append(tokens, first, first+"\u4E00", first+string(rune(0x4E00+(i*7919)%n)), first+string(rune(0x4E00+n-1)))
	}
	w := wordPieceOf("##", 100, tokens...)
	trie := newSymbolTrie(w)
	if trie != nil && len(trie.nodes) > 40*len(tokens) {
		t.Errorf("%d places for %d tokens", len(trie.nodes), len(tokens))
	}
	if trie != nil {
		checkTrie(t, w, trie, tokens[5])
		checkTrie(t, w, trie, tokens[len(tokens)-1]+"\u4E00")
	}
}
