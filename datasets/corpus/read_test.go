package corpus_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/schemas"
)

// sample is a source of one file in parts, with separators of all kinds, bad records, and a record larger than MaxRecordBytes.
type sample struct {
	name   string
	ext    string
	source corpus.Source
	parts  []string
	want   string
}

var big = strings.Repeat("0123456789", 100)

var samples = []sample{
	{
		name:   "jsonl",
		ext:    ".jsonl",
		source: corpus.Source{MaxRecordBytes: 500},
		parts: []string{
			"\ufeff\r\n{\"id\":\"a\",\"text\":\"one\"}\n\n  \t\r\n",
			"{\"id\":2,\"text\":\"t\\u0077o \\ud83d\\ude00\"}\r\n{\"text\":\"" + big + "\"}\r\n{\"te",
			"xt\":\"\"}\n \n \t {\"text\":null}\n[1]\n{\"text\":\"cut\n  {\"text\":\"last\",\"id\":null} ",
		},
		want: `0@5#0 lead 5 bytes 23 id "a" text "one"
0@35#1 lead 7 bytes 39 id "2" text "two 😀"
0@76#2 lead 2 bytes 1011 unreadable 0 record-too-large: 1011 bytes, and max_record_bytes is 500
0@1089#3 lead 2 bytes 11 id "" text ""
0@1103#4 lead 3 bytes 16 unreadable 0 null-text: field "text" is null
0@1120#5 lead 1 bytes 3 unreadable 0 not-an-object: the record is an array
0@1124#6 lead 1 bytes 12 unreadable 0 invalid-json: the record ends inside a JSON value
0@1137#7 lead 1 bytes 28 id "" text "last"
0@1165#8 lead 0 end
`,
	},
	{
		name:   "lines",
		ext:    ".txt",
		source: corpus.Source{Document: corpus.ByLine, MaxRecordBytes: 500},
		parts:  []string{" one\r\ntwo  \n\n \n\tthree\xff\n  " + big + "\r\n ", "a\x00b\n  four\n", "\rfive \r\n  "},
		want: `0@0#0 lead 0 bytes 4 id "" text " one"
0@6#1 lead 2 bytes 5 id "" text "two  "
0@15#2 lead 4 bytes 7 unreadable 0 invalid-utf8: byte 6 of the record is 0xff
0@23#3 lead 1 bytes 1002 unreadable 0 record-too-large: 1002 bytes, and max_record_bytes is 500
0@1027#4 lead 2 bytes 4 unreadable 0 nul-character: byte 2 of the text is NUL
0@1032#5 lead 1 bytes 6 id "" text "  four"
0@1039#6 lead 1 bytes 6 id "" text "\rfive "
0@1049#7 lead 4 end
`,
	},
	{
		name:   "paragraphs",
		ext:    ".txt",
		source: corpus.Source{Document: corpus.ByParagraph, MaxRecordBytes: 500},
		parts:  []string{"\n \n  one\r\nstill one\r\n  \r\n\r\n\ttwo\n", "two\n\n " + big + "\r\n" + big, "\n \n\n three\n\n "},
		want: `0@3#0 lead 3 bytes 16 id "" text "  one\r\nstill one"
0@27#1 lead 8 bytes 8 id "" text "\ttwo\ntwo"
0@37#2 lead 2 bytes 2003 unreadable 0 record-too-large: 2003 bytes, and max_record_bytes is 500
0@2044#3 lead 4 bytes 6 id "" text " three"
0@2053#4 lead 3 end
`,
	},
	{
		name:   "file",
		ext:    ".md",
		source: corpus.Source{},
		parts:  []string{"\ufeff\r\n  # one\n\n", "two\n"},
		want: `0@3#0 lead 3 bytes 15 id "" text "\r\n  # one\n\ntwo\n"
0@18#1 lead 0 end
`,
	},
	{
		name:   "large file",
		ext:    ".txt",
		source: corpus.Source{MaxRecordBytes: 500},
		parts:  []string{" ", big, "\n"},
		want: `0@0#0 lead 0 bytes 1002 unreadable 0 record-too-large: 1002 bytes, and max_record_bytes is 500: to read it in parts, set document to paragraph or line
0@1002#1 lead 0 end
`,
	},
	{
		name:   "blank file",
		ext:    ".txt",
		source: corpus.Source{},
		parts:  []string{"\ufeff \n", "\t\r\n"},
		want: `0@8#0 lead 8 end
`,
	},
	{
		name:   "html",
		ext:    ".html",
		source: corpus.Source{},
		parts:  []string{"\n <html>\r\n", "<p>one</html>"},
		want: `0@0#0 lead 0 bytes 23 id "" text "\n <html>\r\n<p>one</html>"
0@23#1 lead 0 end
`,
	},
	{
		name:   "html in Latin-1",
		ext:    ".html",
		source: corpus.Source{},
		parts:  []string{"<meta charset=iso-8859-1>", "<p>caf\xe9 \x80"},
		want: `0@0#0 lead 0 bytes 34 id "" text "<meta charset=iso-8859-1><p>café €"
0@34#1 lead 0 end
`,
	},
}

// eachSample runs a test for each format × compression.
func eachSample(t *testing.T, test func(t *testing.T, s sample, data []byte, st *storage, source corpus.Source)) {
	for _, s := range samples {
		for _, c := range compressions {
			t.Run(s.name+"/"+c, func(t *testing.T) {
				data := compress(t, c, s.parts...)
				name := "in" + s.ext + extensions[c]
				st := newStorage(map[string][]byte{name: data})
				source := s.source
				source.Name, source.Paths, source.Storage = "s", []string{"/data/" + name}, st.open
				test(t, s, data, st, source)
			})
		}
	}
}

func TestRead(t *testing.T) {
	eachSample(t, func(t *testing.T, s sample, _ []byte, st *storage, source corpus.Source) {
		p := plan(t, 1<<20, source)
		for _, limit := range []int64{1, 300, 1 << 20} {
			for _, chunk := range []int{0, 1, 7} {
				st.chunk = chunk
				if d := diff(show(readAll(t, p, limit, source)), s.want); d != "" {
					t.Errorf("limit %d, reads of %d bytes: %s", limit, chunk, d)
				}
			}
		}
	})
}

// Reading goes on behind each record as if it had never stopped.
func TestResume(t *testing.T) {
	eachSample(t, func(t *testing.T, s sample, _ []byte, _ *storage, source corpus.Source) {
		p := plan(t, 1<<20, source)
		checkResume(t, p, source)
	})
}

func checkResume(t *testing.T, p *schemas.Plan, source corpus.Source) {
	t.Helper()
	for lane := range p.Lanes {
		rows, err := readFrom(t, p, lane, p.Start(lane), 1<<20, source)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			from := rows[i].Next()
			if rows[i].Verdict.Kind == schemas.End {
				from = schemas.Cursor{Split: from.Split + 1}
				if int(from.Split) < len(p.Splits) {
					from.Offset = p.Splits[from.Split].Start
				}
			}
			rest, err := readFrom(t, p, lane, from, 1<<20, source)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(show(rest), show(rows[i+1:])); d != "" {
				t.Errorf("lane %d from %+v: %s", lane, from, d)
			}
		}
	}
}

// Cut at any size of lanes, a file has the same records.
func TestSplit(t *testing.T) {
	for _, s := range samples[:3] {
		t.Run(s.name, func(t *testing.T) {
			st := newStorage(map[string][]byte{"in" + s.ext: []byte(strings.Join(s.parts, ""))})
			source := s.source
			source.Name, source.Paths, source.Storage = "s", []string{"/data"}, st.open
			want := records(readAll(t, plan(t, 1<<20, source), 1<<20, source))
			for _, lane := range []int64{1, 2, 3, 5, 8, 13, 50, 100, 500, 1100} {
				p := plan(t, lane, source)
				if d := diff(records(readAll(t, p, 1<<20, source)), want); d != "" {
					t.Errorf("lanes of %d bytes: %s", lane, d)
				}
				if lane == 50 {
					if len(p.Splits) < 2 {
						t.Errorf("lanes of 50 bytes: %d splits", len(p.Splits))
					}
					checkResume(t, p, source)
				}
			}
		})
	}
}

// records shows rows without what depends on splits.
func records(rows []schemas.Row) string {
	var out strings.Builder
	for _, r := range rows {
		if r.Verdict.Kind != schemas.End {
			fmt.Fprintf(&out, "%d %d %q %q %v %s\n", r.Pos.Offset, r.Bytes, r.ID, r.Text, r.Verdict, r.Detail)
		}
	}
	return out.String()
}

// A reader works in the goroutine of its caller.
func TestReadStartsNoGoroutine(t *testing.T) {
	eachSample(t, func(t *testing.T, s sample, _ []byte, _ *storage, source corpus.Source) {
		p := plan(t, 1<<20, source)
		opener, err := corpus.NewOpener(p, source)
		if err != nil {
			t.Fatal(err)
		}
		before := runtime.NumGoroutine()
		r, err := opener.Open(t.Context(), 0, p.Start(0))
		if err != nil {
			t.Fatal(err)
		}
		b := schemas.Batch{Limit: 1}
		if err := r.Read(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines, %d before", n, before)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReadCanceled(t *testing.T) {
	eachSample(t, func(t *testing.T, s sample, _ []byte, _ *storage, source corpus.Source) {
		p := plan(t, 1<<20, source)
		opener, err := corpus.NewOpener(p, source)
		if err != nil {
			t.Fatal(err)
		}
		r, err := opener.Open(t.Context(), 0, p.Start(0))
		if err != nil {
			t.Fatal(err)
		}
		b := schemas.Batch{Limit: 1 << 20}
		if err := r.Read(ctxCanceled, &b); err != ctxCanceled.Err() {
			t.Errorf("Read with a canceled context: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReadEndsForGood(t *testing.T) {
	st := newStorage(map[string][]byte{"a.txt": nil})
	source := corpus.Source{Name: "s", Paths: []string{"/data"}, Storage: st.open}
	p := plan(t, 1, source)
	opener, err := corpus.NewOpener(p, source)
	if err != nil {
		t.Fatal(err)
	}
	r, err := opener.Open(t.Context(), 0, p.Start(0))
	if err != nil {
		t.Fatal(err)
	}
	var b schemas.Batch
	if err := r.Read(t.Context(), &b); err != nil || show(b.Rows) != "0@0#0 lead 0 end\n" {
		t.Errorf("an empty file: %v, %s", err, show(b.Rows))
	}
	for range 2 {
		b.Reset()
		if err := r.Read(t.Context(), &b); err != io.EOF {
			t.Errorf("behind the end: %v", err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
