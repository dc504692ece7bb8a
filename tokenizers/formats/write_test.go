package formats

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
)

// ranksOf writes tokens of bytes, whose places are their ranks, as tiktoken does.
func ranksOf(tokens []string) []byte {
	var b strings.Builder
	for rank, token := range tokens {
		fmt.Fprintf(&b, "%s %d\n", base64.StdEncoding.EncodeToString([]byte(token)), rank)
	}
	return []byte(b.String())
}

// What is converted holds the same as the published file, byte for byte, and opens as the same tokenizer.
func TestConvert(t *testing.T) {
	tests := []struct {
		from, format string
		same         map[string]string // published file by the name of the written one
	}{
		{"bert-base-uncased/tokenizer.json", VocabText, map[string]string{"vocab.txt": "bert-base-uncased/vocab.txt"}},
		{"bert-base-cased/vocab.txt", VocabText, map[string]string{"vocab.txt": "bert-base-cased/vocab.txt"}},
		{"gpt2/tokenizer.json", Merges, map[string]string{"merges.txt": "gpt2/merges.txt"}},
		{"roberta-base/tokenizer.json", Merges, map[string]string{"merges.txt": "roberta-base/merges.txt"}},
		{"gpt2/tokenizer.json", Tiktoken, map[string]string{"r50k_base.tiktoken": "tiktoken/r50k_base.tiktoken"}},
		{"llama-3-8b-instruct/tokenizer.json", TokenizerJSON, map[string]string{TokenizerJSON: "llama-3-8b-instruct/tokenizer.json"}},
	}
	for _, test := range tests {
		t.Run(test.from+" to "+test.format, func(t *testing.T) {
			tok := open(t, realdata.Path(t, "tokenizers/"+test.from))
			files, err := Convert(tok, test.format)
			if err != nil {
				t.Fatal(err)
			}
			folder := t.TempDir()
			for _, f := range files {
				if err := os.WriteFile(filepath.Join(folder, f.Name), f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
				published, ok := test.same[f.Name]
				if !ok {
					continue
				}
				delete(test.same, f.Name)
				want, err := os.ReadFile(realdata.Path(t, "tokenizers/"+published))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(bytes.TrimSpace(f.Data), bytes.TrimSpace(want)) {
					t.Errorf("%s is not %s", f.Name, published)
				}
			}
			if len(test.same) > 0 {
				t.Errorf("not written: %v", test.same)
			}
			sameIDs(t, open(t, folder), tok, 600)
		})
	}
}

func TestConvertRefuses(t *testing.T) {
	tests := []struct{ from, format, want string }{
		{"bert-base-cased/vocab.txt", Merges, "lacks Ġ"},
		{"bert-base-cased/vocab.txt", Tiktoken, "is not of a byte-level BPE"},
		{"gpt2/tokenizer.json", VocabText, "is not a WordPiece tokenizer"},
		{"gpt-neox-olmo-dolma-v1_5/tokenizer.json", Merges, "its normalizer can't be said"},
		{"roberta-base/tokenizer.json", Tiktoken, "not those that follow from the order of its tokens"},
		{"t5-base/tokenizer.json", Merges, "lacks Ġ"},
		{"gpt2/tokenizer.json", "yaml", "the format is not known"},
	}
	for _, test := range tests {
		t.Run(test.from+" to "+test.format, func(t *testing.T) {
			_, err := Convert(open(t, realdata.Path(t, "tokenizers/"+test.from)), test.format)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %s", err, test.want)
			}
		})
	}
}
