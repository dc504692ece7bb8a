package tokenizers

import (
	"fmt"
	"os"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/internal/roughtext"
)

// go test ./tokenizers -run '^$' -bench Offsets
func BenchmarkOffsets(b *testing.B) {
	english, err := os.ReadFile(realdata.Path(b, "corpora/tinyshakespeare.txt"))
	if err != nil {
		b.Fatal(err)
	}
	var rough []byte
	for _, line := range roughtext.Lines(6000) {
		rough = append(append(rough, line...), '\n')
	}
	for _, name := range []string{"gpt2", "llama-3-8b-instruct", "bert-base-uncased", "t5-base"} {
		tok, err := LoadFile(realdata.Path(b, "tokenizers/"+name+"/tokenizer.json"))
		if err != nil {
			b.Fatal(err)
		}
		e := tok.NewEncoder(8 << 20)
		var tokens Tokens
		ways := map[string]func([]byte){
			"ids":      func(doc []byte) { tokens.IDs = e.AppendIDs(tokens.IDs[:0], doc) },
			"offsets":  func(doc []byte) { _ = e.AppendTokens(tokens.reset(), doc, CodePoints) },
			"encoding": func(doc []byte) { _, _ = tok.Encode(string(doc), EncodeOptions{}) },
		}
		for _, text := range []struct {
			name  string
			bytes []byte
		}{{"english", english}, {"rough", rough}} {
			for _, way := range []string{"ids", "offsets", "encoding"} {
				b.Run(fmt.Sprintf("tokenizer=%s/text=%s/way=%s", name, text.name, way), func(b *testing.B) {
					b.SetBytes(int64(len(text.bytes)))
					b.ReportAllocs()
					for b.Loop() {
						for doc := text.bytes; len(doc) > 0; {
							n := min(4096, len(doc))
							ways[way](doc[:n])
							doc = doc[n:]
						}
					}
				})
			}
		}
	}
}

func (t *Tokens) reset() *Tokens {
	*t = Tokens{t.IDs[:0], t.Offsets[:0], t.Words[:0]}
	return t
}
