package formats

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
)

func readRealRanks(t *testing.T, name string) *rankList {
	t.Helper()
	data, err := os.ReadFile(realdata.Path(t, "tokenizers/"+name))
	if err != nil {
		t.Fatal(err)
	}
	l, err := readRanks(data)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func shownMerges(merges [][2]string) []string {
	lines := make([]string, len(merges))
	for i, m := range merges {
		lines[i] = shown(m[0]) + " " + shown(m[1])
	}
	return lines
}

// The ranks of r50k give GPT-2's merges, all and in order.
func TestMergesFromRanksAreThoseOfTheTraining(t *testing.T) {
	got := shownMerges(readRealRanks(t, "tiktoken/r50k_base.tiktoken").merges())
	data, err := os.ReadFile(realdata.Path(t, "tokenizers/gpt2/merges.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")[1:]
	if !slices.Equal(got, want) {
		t.Errorf("%d merges, want %d", len(got), len(want))
	}
}

// Llama 3 has tokens that its own merges don't make; its published file lists every cut.
func TestMergesFromRanksWithUnreachableTokens(t *testing.T) {
	got := shownMerges(readRealRanks(t, "llama-3-8b-instruct/tiktoken.model").merges())
	data, err := os.ReadFile(realdata.Path(t, "tokenizers/llama-3-8b-instruct/tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Model struct{ Merges []string } }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, file.Model.Merges) {
		t.Errorf("%d merges, want %d", len(got), len(file.Model.Merges))
	}
}

// rankLines writes a list of ranks: all bytes, then tokens.
func rankLines(tokens ...string) []byte {
	var all []string
	for b := range 256 {
		all = append(all, string([]byte{byte(b)}))
	}
	return ranksOf(append(all, tokens...))
}

func TestMergesFromRanks(t *testing.T) {
	tests := []struct {
		name   string
		tokens []string
		want   []string
	}{
		{"one way each", []string{"ab", "cd", "abcd"}, []string{"a b", "c d", "ab cd"}},
		{"the lower rank decides", []string{"bc", "ab", "abc"}, []string{"b c", "a b", "a bc"}},
		{"a token of three parts", []string{"ab", "abcd", "cd"}, []string{"a b", "ab cd", "c d"}},
		{"a token out of reach", []string{"xyz"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, err := readRanks(rankLines(test.tokens...))
			if err != nil {
				t.Fatal(err)
			}
			if got := shownMerges(l.merges()); !slices.Equal(got, test.want) {
				t.Errorf("merges are %q, want %q", got, test.want)
			}
		})
	}
}

// tiktokenEncode merges as tiktoken does: the whole word if it is a token, else always the pair whose concatenation has the lowest rank, the leftmost first.
func tiktokenEncode(l *rankList, word string) []int {
	if rank, ok := l.ranks[word]; ok {
		return []int{rank}
	}
	var ids []int
	parts := l.parts(nil, word, maxIDs)
	for i, p := range parts {
		end := len(word)
		if i+1 < len(parts) {
			end = parts[i+1].start
		}
		ids = append(ids, l.ranks[word[p.start:end]])
	}
	return ids
}

// Whatever the ranks, merges give what the ranks say.
func FuzzMergesFromRanks(f *testing.F) {
	f.Add("ab,bc,abc,ca,aab,ba", "abcabaabcaab")
	f.Add("aa,aaa,aaaa,aaaaaa", "aaaaaaaaaaaaaaa")
	f.Add("xyz,yz,xy", "xyzyxyzz")
	f.Fuzz(func(t *testing.T, list, word string) {
		tokens := []string{}
		for s := range strings.SplitSeq(list, ",") {
			if len(s) > 1 && len(s) < 20 && !slices.Contains(tokens, s) && len(tokens) < 40 {
				tokens = append(tokens, s)
			}
		}
		if len(word) > 60 || word == "" {
			return
		}
		data := rankLines(tokens...)
		l, err := readRanks(data)
		if err != nil {
			t.Fatal(err)
		}
		d, err := fromRanks(data, "", "r50k_base", &settings{})
		if err != nil {
			t.Fatal(err)
		}
		d.preTokenizer = `{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}`
		tok, err := d.tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(tok.NewEncoder(0).AppendIDs(nil, []byte(word)))
		if want := fmt.Sprint(tiktokenEncode(l, word)); got != want {
			t.Fatalf("%q with %q is %s, want %s", word, tokens, got, want)
		}
	})
}
