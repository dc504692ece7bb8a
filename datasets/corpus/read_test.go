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
			"xt\":\"\"}\n{\"text\":null}\n[1]\n{\"text\":\"cut\n{\"text\":\"last\",\"id\":null}",
		},
		want: `0@5#0 lead 5 bytes 23 id "a" text "one"
0@35#1 lead 7 bytes 39 id "2" text "two 😀"
0@76#2 lead 2 bytes 1011 unreadable 0 record-too-large: 1011 bytes, and max_record_bytes is 500
0@1089#3 lead 2 bytes 11 id "" text ""
0@1101#4 lead 1 bytes 13 unreadable 0 null-text: field "text" is null
0@1115#5 lead 1 bytes 3 unreadable 0 not-an-object: the record is an array
0@1119#6 lead 1 bytes 12 unreadable 0 invalid-json: the record ends inside a JSON value
0@1132#7 lead 1 bytes 25 id "" text "last"
0@1157#8 lead 0 end
`,
	},
	{
		name:   "lines",
		ext:    ".txt",
		source: corpus.Source{Document: corpus.ByLine, MaxRecordBytes: 500},
		parts:  []string{"one\r\ntwo  \n\n \n\tthree\xff\n" + big + "\r\n", "a\x00b\nfour\n", "five \r\n"},
		want: `0@0#0 lead 0 bytes 3 id "" text "one"
0@5#1 lead 2 bytes 5 id "" text "two  "
0@15#2 lead 5 bytes 6 unreadable 0 invalid-utf8: byte 5 of the record is 0xff
0@22#3 lead 1 bytes 1000 unreadable 0 record-too-large: 1000 bytes, and max_record_bytes is 500
0@1024#4 lead 2 bytes 3 unreadable 0 nul-character: byte 1 of the text is NUL
0@1028#5 lead 1 bytes 4 id "" text "four"
0@1033#6 lead 1 bytes 5 id "" text "five "
0@1040#7 lead 2 end
`,
	},
	{
		name:   "paragraphs",
		ext:    ".txt",
		source: corpus.Source{Document: corpus.ByParagraph, MaxRecordBytes: 500},
		parts:  []string{"\n\none\r\nstill one\r\n  \r\n\r\ntwo\n", "two\n\n" + big + "\r\n" + big, "\n \n\nthree"},
		want: `0@2#0 lead 2 bytes 14 id "" text "one\r\nstill one"
0@24#1 lead 8 bytes 7 id "" text "two\ntwo"
0@33#2 lead 2 bytes 2002 unreadable 0 record-too-large: 2002 bytes, and max_record_bytes is 500
0@2039#3 lead 4 bytes 5 id "" text "three"
0@2044#4 lead 0 end
`,
	},
	{
		name:   "file",
		ext:    ".md",
		source: corpus.Source{},
		parts:  []string{"\ufeff# one\n\n", "two\n"},
		want: `0@3#0 lead 3 bytes 11 id "" text "# one\n\ntwo\n"
0@14#1 lead 0 end
`,
	},
	{
		name:   "large file",
		ext:    ".txt",
		source: corpus.Source{MaxRecordBytes: 500},
		parts:  []string{" ", big, "\n"},
		want: `0@1#0 lead 1 bytes 1001 unreadable 0 record-too-large: 1001 bytes, and max_record_bytes is 500: to read it in parts, set document to paragraph or line
0@1002#1 lead 0 end
`,
	},
	{
		name:   "html",
		ext:    ".html",
		source: corpus.Source{},
		parts:  []string{"<html>\r\n", "<p>one</html>"},
		want: `0@0#0 lead 0 bytes 21 id "" text "<html>\r\n<p>one</html>"
0@21#1 lead 0 end
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
