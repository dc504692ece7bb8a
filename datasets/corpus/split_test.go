package corpus_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/datasets/corpus"
)

func TestSplitsAndLanes(t *testing.T) {
	line := strings.Repeat("x", 9) + "\n"
	gz := compress(t, corpus.Gzip, line)
	st := newStorage(map[string][]byte{
		"a/1.txt":    []byte(strings.Repeat(line, 10)),
		"a/2.txt":    nil,
		"a/3.txt":    []byte(line),
		"a/4.txt":    []byte(line),
		"a/5.txt.gz": gz,
		"a/6.txt":    []byte(strings.Repeat("x", 95) + "\n" + line),
		"b/1.html":   []byte(strings.Repeat(line, 10)),
		"b/2.html":   nil,
	})
	a := corpus.Source{Name: "a", Paths: []string{"/data/a"}, Document: corpus.ByLine, Storage: st.open}
	b := corpus.Source{Name: "b", Paths: []string{"/data/b"}, Storage: st.open}
	// 5.txt.gz counts four times its size, more than a lane.
	want := `0: 0 [0,30)
1: 0 [30,50)
2: 0 [50,80)
3: 0 [80,100) 1 [0,0)
4: 2 [0,10) 3 [0,10)
5: 4 [0,-1)
6: 5 [0,96)
7: 5 [96,106)
8: 6 [0,-1)
9: 7 [0,-1)
`
	p := plan(t, 25, a, b)
	var got strings.Builder
	for i, lane := range p.Lanes {
		fmt.Fprintf(&got, "%d:", i)
		for _, s := range p.Splits[lane.First:lane.End] {
			fmt.Fprintf(&got, " %d [%d,%d)", s.File, s.Start, s.End)
		}
		got.WriteByte('\n')
	}
	if d := diff(got.String(), want); d != "" {
		t.Errorf("%s\nall: %s", d, got.String())
	}

	// A record over several lanes, and a file that is smaller than a lane.
	p = plan(t, 1000, a)
	if len(p.Lanes) != 1 || len(p.Splits) != 6 {
		t.Errorf("lanes of 1000 bytes: %v, %v", p.Lanes, p.Splits)
	}
	// A source begins a lane even with a file that takes no room.
	st.files["data/b/1.html"].Data = nil
	p = plan(t, 1000, a, b)
	if len(p.Lanes) != 2 || p.Lanes[1].First != 6 || p.Lanes[1].End != 8 {
		t.Errorf("lanes of two sources: %v", p.Lanes)
	}
	if _, _, err := corpus.Split(t.Context(), []corpus.Source{a}, p.Sources[:1], p.Files[:6], 0); err == nil {
		t.Error("no error for lanes of 0 bytes")
	}
}
