package corpus_test

import (
	"testing"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/schemas"
)

// Any file gives rows that balance, the same from every cursor and, uncompressed, in splits of every size.
func FuzzRead(f *testing.F) {
	for _, s := range samples {
		for i := range compressions {
			data := compress(f, compressions[i], s.parts...)
			f.Add(data, uint8(i), uint16(20))
			f.Add(data[:len(data)*2/3], uint8(4+i), uint16(50))
		}
	}
	formats := []corpus.Source{
		{Format: corpus.JSONL},
		{Format: corpus.Text, Document: corpus.ByLine},
		{Format: corpus.Text, Document: corpus.ByParagraph},
		{Format: corpus.Text},
		{Format: corpus.HTML},
	}
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, size uint16) {
		if len(data) > 1<<14 {
			return
		}
		st := newStorage(map[string][]byte{"in": data})
		source := formats[int(kind)/len(compressions)%len(formats)]
		source.Compression = compressions[int(kind)%len(compressions)]
		source.Name, source.Paths, source.Storage = "s", []string{"/data"}, st.open
		source.MaxRecordBytes = 1 + int64(size%100)
		whole := readAll(t, plan(t, 1<<20, source), 1<<20, source)
		if len(whole) > 200 {
			return
		}
		st.chunk = 1 + int(size)%7
		p := plan(t, 1+int64(size), source)
		parts := readAll(t, p, int64(size), source)
		if d := diff(records(parts), records(whole)); d != "" {
			t.Errorf("in %d splits: %s", len(p.Splits), d)
		}
		checkResume(t, p, source)
		for _, r := range whole {
			if r.Verdict.Kind == schemas.Quarantine && r.Detail == "" {
				t.Errorf("no detail: %s", show([]schemas.Row{r}))
			}
		}
	})
}
