package corpus_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/schemas"
)

// benchText makes documents of about 1.5 kB with line breaks, quotes and some characters beyond ASCII, as the web has them.
func benchText(format string, bytes int) string {
	words := strings.Fields(`the quick brown fox jumps over “the lazy dog” and says "never mind", while a naïve reader looks on: it's late`)
	var out strings.Builder
	for n := 0; out.Len() < bytes; n++ {
		var text strings.Builder
		for i := 0; text.Len() < 1400; i++ {
			text.WriteString(words[(i*7+n)%len(words)])
			text.WriteByte(" \n"[min(i%40/39, 1)])
		}
		if format == corpus.JSONL {
			line, _ := json.Marshal(map[string]string{"id": fmt.Sprint("doc-", n), "text": text.String(), "url": "https://example.org/"})
			out.Write(line)
		} else {
			out.WriteString(text.String())
		}
		out.WriteString("\n\n")
	}
	return out.String()
}

// Decompressed bytes per second on one core. Run: go test -run '^$' -bench Read ./datasets/corpus
func BenchmarkRead(b *testing.B) {
	for _, format := range []string{corpus.JSONL, corpus.Text} {
		for _, c := range compressions {
			b.Run("format="+format+"/compression="+c, func(b *testing.B) {
				text := benchText(format, 8<<20)
				st := newStorage(map[string][]byte{"in": compress(b, c, text)})
				source := corpus.Source{Name: "s", Paths: []string{"/data/in"}, Format: format, Storage: st.open}
				if format == corpus.Text {
					source.Document = corpus.ByParagraph
				}
				p := plan(b, 1<<30, source)
				opener, err := corpus.NewOpener(p, source)
				if err != nil {
					b.Fatal(err)
				}
				batch := schemas.Batch{}
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				rows := 0
				for b.Loop() {
					r, err := opener.Open(b.Context(), 0, p.Start(0))
					if err != nil {
						b.Fatal(err)
					}
					for err == nil {
						batch.Reset()
						batch.Limit = 1 << 20
						err = r.Read(b.Context(), &batch)
						rows += len(batch.Rows)
					}
					if err != io.EOF {
						b.Fatal(err)
					}
					if err := r.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}
