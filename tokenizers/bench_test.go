package tokenizers

import (
	"fmt"
	"os"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/internal/roughtext"
)

// go test ./tokenizers -run '^$' -bench AppendIDs
func BenchmarkAppendIDs(b *testing.B) {
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
		for _, text := range []struct {
			name  string
			bytes []byte
		}{{"english", english}, {"rough", rough}} {
			for _, cache := range []int{0, 8 << 20} {
				b.Run(fmt.Sprintf("tokenizer=%s/text=%s/cache=%d", name, text.name, cache), func(b *testing.B) {
					e := tok.NewEncoder(cache)
					var ids []uint32
					b.SetBytes(int64(len(text.bytes)))
					b.ReportAllocs()
					for b.Loop() {
						ids = ids[:0]
						for doc := text.bytes; len(doc) > 0; {
							n := min(4096, len(doc))
							ids = e.AppendIDs(ids, doc[:n])
							doc = doc[n:]
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(ids)), "ns/token")
				})
			}
		}
	}
}

// go test ./tokenizers -run '^$' -bench Load
func BenchmarkLoad(b *testing.B) {
	for _, name := range []string{"gpt2", "llama-3-8b-instruct", "bert-base-uncased", "t5-base"} {
		b.Run("tokenizer="+name, func(b *testing.B) {
			data, err := os.ReadFile(realdata.Path(b, "tokenizers/"+name+"/tokenizer.json"))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Load(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
