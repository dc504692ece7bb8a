package corpus_test

import (
	"testing"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/schemas"
)

func TestRealCorpora(t *testing.T) {
	tests := []struct {
		path   string
		source corpus.Source
		rows   int
	}{
		{"corpora/eltec-eng.jsonl.zst", corpus.Source{}, 3279},
		{"corpora/jsonl/c4-sample.1000.json.gz", corpus.Source{IDField: "url"}, 1000},
		{"corpora/wikitext-2/*.txt", corpus.Source{Document: corpus.ByLine}, 5352},
		{"corpora/tinyshakespeare.txt", corpus.Source{Document: corpus.ByParagraph}, 7222},
		{"corpora/html/readability/*/*.html", corpus.Source{}, 62},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			source := test.source
			source.Name = "s"
			source.Paths = []string{realdata.Path(t, "corpora") + test.path[len("corpora"):]}
			p := plan(t, 256<<10, source)
			kept := 0
			for _, r := range readAll(t, p, 1<<20, source) {
				switch r.Verdict.Kind {
				case schemas.Keep:
					kept++
				case schemas.Quarantine:
					t.Errorf("%s byte %d: %s: %s", p.Files[r.Pos.File].Path, r.Pos.Offset, corpus.Reasons[r.Verdict.Reason], r.Detail)
				}
			}
			t.Logf("%d files, %d splits, %d lanes, %d documents", len(p.Files), len(p.Splits), len(p.Lanes), kept)
			if kept != test.rows {
				t.Errorf("%d documents, want %d", kept, test.rows)
			}
		})
	}
}
