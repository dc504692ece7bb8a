package corpus_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/schemas"
)

// recordsOf cuts text as the package comment says, by looking at all of its lines.
func recordsOf(text, document string) []string {
	text = strings.TrimPrefix(text, "\ufeff")
	blank := func(s string) bool { return strings.Trim(s, " \t\r\n") == "" }
	var records []string
	open := false // the last record may go on
	for line := range strings.Lines(text) {
		switch {
		case document == corpus.ByFile:
			if !blank(text) {
				return []string{text}
			}
		case blank(line):
			open = false
		case open:
			records[len(records)-1] += line
		default:
			records = append(records, line)
			open = document == corpus.ByParagraph
		}
	}
	for i := range records {
		records[i] = strings.TrimSuffix(strings.TrimSuffix(records[i], "\n"), "\r")
	}
	return records
}

// Text is what stands in the file, white space included.
func TestTextIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	parts := []string{"a", "b", " ", "  ", "\t", "\r", "\n", "\r\n", "\n\n"}
	for range 400 {
		text := ""
		if rng.IntN(4) == 0 {
			text = "\ufeff"
		}
		for range rng.IntN(12) {
			text += parts[rng.IntN(len(parts))]
		}
		for _, document := range []string{corpus.ByFile, corpus.ByParagraph, corpus.ByLine} {
			st := newStorage(map[string][]byte{"in.txt": []byte(text)})
			source := corpus.Source{Name: "s", Paths: []string{"/data"}, Document: document, Storage: st.open}
			want := recordsOf(text, document)
			for _, lane := range []int64{1, 5, 1 << 20} {
				p := plan(t, lane, source)
				var got []string
				for _, r := range readAll(t, p, 1<<20, source) {
					if r.Verdict.Kind == schemas.Keep {
						got = append(got, string(r.Text))
						if at := text[r.Pos.Offset:][:r.Bytes]; at != string(r.Text) {
							t.Errorf("%q by %s, lanes of %d: %q at %d, where %q stands", text, document, lane, r.Text, r.Pos.Offset, at)
						}
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%q by %s, lanes of %d:\n got %q\nwant %q", text, document, lane, got, want)
				}
				if lane == 5 {
					checkResume(t, p, source)
				}
			}
		}
	}
}

// White space at the start of a record belongs to it up to 64 KiB; more separates.
func TestLongIndent(t *testing.T) {
	const most = 64 << 10
	lines := strings.Repeat(" \n", 100_000)
	for _, test := range []struct {
		name, document, before string
		blanks                 int
	}{
		{"file", corpus.ByFile, "", most},
		{"file, more", corpus.ByFile, "", most + 1},
		{"file with a mark", corpus.ByFile, "\ufeff", most},
		{"line", corpus.ByLine, "", most},
		{"line, more", corpus.ByLine, "", most + 1},
		{"line, more than a window", corpus.ByLine, "\ufeff", 1 << 20},
		{"line behind blank ones", corpus.ByLine, lines, most},
		{"line behind blank ones, more", corpus.ByLine, lines, most + 1},
		{"line behind a long blank one", corpus.ByLine, strings.Repeat(" ", 1<<20) + "\n", most},
		{"paragraph", corpus.ByParagraph, lines, most},
		{"paragraph, more", corpus.ByParagraph, lines, most + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			indent := strings.Repeat(" ", test.blanks)
			record, lead := indent+"text", int64(len(test.before))
			if test.blanks > most {
				record, lead = "text", lead+int64(test.blanks)
			}
			st := newStorage(map[string][]byte{"in.txt.gz": compress(t, corpus.Gzip, test.before+indent+"text")})
			source := corpus.Source{Name: "s", Paths: []string{"/data"}, Document: test.document, Storage: st.open}
			want := fmt.Sprintf("0@%d#0 lead %d bytes %d id \"\" text %q\n0@%d#1 lead 0 end\n",
				lead, lead, len(record), record, lead+int64(len(record)))
			for _, st.chunk = range []int{0, 1000} {
				p := plan(t, 1<<20, source)
				if d := diff(show(readAll(t, p, 1<<20, source)), want); d != "" {
					t.Errorf("reads of %d bytes: %.300s", st.chunk, d)
				}
				checkResume(t, p, source)
			}
		})
	}
}
