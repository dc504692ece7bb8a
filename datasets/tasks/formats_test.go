package tasks

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"github.com/shardmill/shardmill/internal/realdata"
)

func TestReadTagged(t *testing.T) {
	for _, c := range []struct {
		name, file, content string
		columns             Columns
		want                string
	}{
		{"tabs", "a.conll", "\ufeffNew York\tB-LOC\r\n#\tO\n\t\n\nx\tO", Columns{}, "[{[New York #] [B-LOC O] 1} {[x] [O] 5}]"},
		{"spaces", "a.txt", "-DOCSTART- -X- O\n\n# # B-NP\n1 CD I-NP\n", Columns{}, "[{[# 1] [B-NP I-NP] 3}]"},
		{"chosen", "a.txt", "a b c d\n", Columns{Word: 2, Tag: 3}, "[{[b] [c] 1}]"},
		{"universal", "a.conllu", "# text = a\n1-2\tdu\t_\t_\n1\tde\tde\tADP\n1.1\tx\tx\tX\n2\t#\tle\tSYM\n", Columns{}, "[{[de #] [ADP SYM] 3}]"},
		{"iob2", "a.iob2", "# sent_id = 1\n1\tParis\tB-LOC\t-\n", Columns{}, "[{[Paris] [B-LOC] 2}]"},
		{"to predict", "a.txt", "a\nb\n\nc\n", Columns{NoTags: true}, "[{[a b] [] 1} {[c] [] 4}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readTagged(strings.NewReader(c.content), c.file, c.columns)
			if err != nil || fmt.Sprint(got) != c.want {
				t.Errorf("read %v, error %v, want %s", got, err, c.want)
			}
		})
	}
	for _, c := range []struct {
		file, content string
		columns       Columns
		want          string
	}{
		{"a.csv", "", Columns{}, `a.csv ends in ".csv"`},
		{"a.txt", "\n\n", Columns{}, "a.txt has no sentence"},
		{"a.txt", "a O\nb\n", Columns{}, "a.txt:2: it has 1 columns: there is none for the tag"},
		{"a.txt", "a O\n", Columns{Tag: 3}, "a.txt:1: it has 2 columns, the word is looked for in column 1 and the tag in 3"},
		{"a.conll", "a\tO\n\tO\n", Columns{}, `a.conll:2: field "1": the word is empty`},
		{"a.conll", "a\tO\nb\t\n", Columns{}, `a.conll:2: field "2": the tag is empty`},
		{"a.txt", "a O\n\xff O\n", Columns{}, "a.txt:2: it is not UTF-8"},
		{"a.txt", "a O\n", Columns{Word: -1}, "counted from 1"},
		{"a.txt", strings.Repeat("a O\n", maxWords+1), Columns{}, "is an empty line missing?"},
	} {
		if _, err := readTagged(strings.NewReader(c.content), c.file, c.columns); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", c.file, err, c.want)
		}
	}
}

func TestTags(t *testing.T) {
	set := []Tagged{{Words: []string{"a", "b"}, Tags: []string{"O", "B-X"}, Line: 7}}
	l, err := FindTags(set)
	if err != nil || !slices.Equal(l.Names, []string{"B-X", "O"}) {
		t.Fatalf("%v, %v", l, err)
	}
	if ids, err := l.WordTargets("f", set[0]); err != nil || !slices.Equal(ids, []int32{1, 0}) {
		t.Errorf("%v, %v", ids, err)
	}
	if _, err := l.WordTargets("f.txt", Tagged{Words: []string{"w"}, Tags: []string{"I-X"}, Line: 7}); err == nil || !strings.Contains(err.Error(), `f.txt:7: field "w": the tag "I-X" is none of`) {
		t.Error(err)
	}
}

const squadText = `{"version":"v2.0","data":[{"title":"t","paragraphs":[{"context":"Zoë has 3 cats.","qas":[
 {"id":"1","question":"How many?","answers":[{"text":"3","answer_start":8},{"text":"3 cats","answer_start":8}]},
 {"id":"2","question":"Why?","is_impossible":true,"answers":[],"plausible_answers":[{"text":"3","answer_start":8}]}]}]}]}`

func TestReadQuestions(t *testing.T) {
	got, err := readQuestions(strings.NewReader(squadText), "a.json")
	want := "[{1 How many? Zoë has 3 cats. [{3 9} {3 cats 9}]} {2 Why? Zoë has 3 cats. []}]"
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("read %v, error %v, want %s", got, err, want)
	}
	flat := `{"id":"1","question":"How many?","context":"Zoë has 3 cats.","answers":{"text":["3","3 cats"],"answer_start":[8,8]}}
{"id":"2","question":"Why?","context":"Zoë has 3 cats.","answers":{"text":[],"answer_start":[]}}`
	if got, err = readQuestions(strings.NewReader(flat), "a.jsonl"); err != nil || fmt.Sprint(got) != want {
		t.Errorf("read %v, error %v, want %s", got, err, want)
	}
	for _, c := range []struct{ file, content, want string }{
		{"a.txt", "", `a.txt ends in ".txt"`},
		{"a.json", `{"data":[]}`, "a.json has no question"},
		{"a.json", "{\n\"data\":[}", "a.json:2: invalid character"},
		{"a.json", "{\"data\":\n7}", `a.json:2: field "data"`},
		{"a.json", "\xff", "not UTF-8"},
		{"a.json", strings.Replace(squadText, `"id":"2"`, `"id":"1"`, 1), `question "1": another one has the same id`},
		{"a.json", strings.Replace(squadText, `"id":"2"`, `"id":""`, 1), `the question "Why?" has no id`},
		{"a.json", strings.Replace(squadText, "Why?", " ", 1), `question "2": its text is empty`},
		{"a.json", strings.Replace(squadText, "Zoë has 3 cats.", "", 1), `question "1": its context is empty`},
		{"a.json", strings.Replace(squadText, `"3","answer_start":8`, `"3","answer_start":9`, 1), `the answer "3" does not stand at character 9`},
		{"a.json", strings.Replace(squadText, `"3","answer_start":8`, `"3","answer_start":-1`, 1), `does not stand at character -1`},
		{"a.json", strings.Replace(squadText, `"3","answer_start":8`, `"3","answer_start":800`, 1), `does not stand at character 800`},
		{"a.jsonl", strings.Replace(flat, "[8,8]", "[8]", 1), `a.jsonl:1: field "answers": it has 2 texts with 1 starts`},
		{"a.jsonl", flat + "\n{", "a.jsonl:3: unexpected end"},
	} {
		if _, err := readQuestions(strings.NewReader(c.content), c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", c.file, err, c.want)
		}
	}
}

func TestReadChoices(t *testing.T) {
	list := ChoiceFields{Text: "q", Options: []string{"options"}, Answer: "gold"}
	named := ChoiceFields{Text: "q", Options: []string{"correct", "wrong"}, Answer: "correct"}
	for _, c := range []struct {
		file, content string
		fields        ChoiceFields
		want          string
	}{
		{"a.jsonl", `{"q":"Q","options":["x","y"],"gold":1}` + "\n\n" + `{"q":"R","options":["x","y"],"gold":"A"}`, list, "[{Q [x y] 1 1} {R [x y] 0 3}]"},
		{"a.jsonl", `{"q":"Q","options":["x","y"],"gold":"1"}`, list, "[{Q [x y] 1 1}]"},
		{"a.json", "[\n{\"q\":\"Q\",\n\"correct\":\"x\",\"wrong\":\"y\"},\n{\"q\":\"R\",\"correct\":\"x\",\"wrong\":\"y\"}]", named, "[{Q [x y] 0 2} {R [x y] 0 4}]"},
		{"a.jsonl", `{"q":"Q","options":["x","y"]}`, ChoiceFields{Text: "q", Options: []string{"options"}}, "[{Q [x y] -1 1}]"},
	} {
		if got, err := readChoices(strings.NewReader(c.content), c.file, c.fields); err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s: read %v, error %v, want %s", c.content, got, err, c.want)
		}
	}
	for _, c := range []struct {
		file, content string
		fields        ChoiceFields
		want          string
	}{
		{"a.csv", "", list, `a.csv ends in ".csv"`},
		{"a.jsonl", "\n", list, "a.jsonl has no question"},
		{"a.jsonl", "", ChoiceFields{}, "name a field"},
		{"a.jsonl", `{"q":"Q","options":["x","y"],"gold":2}`, list, `a.jsonl:1: field "gold": it is "2", want 0 to 1 or A to B`},
		{"a.jsonl", `{"q":"Q","options":["x","y"],"gold":"C"}`, list, `it is "C"`},
		{"a.jsonl", `{"q":"Q","options":["x","y"]}`, list, `field "gold": the object does not have it`},
		{"a.jsonl", `{"q":"","options":["x","y"],"gold":1}`, list, `field "q": it is empty`},
		{"a.jsonl", `{"q":"Q","options":["x"],"gold":0}`, list, `field "options": there are 1 options`},
		{"a.jsonl", `{"q":"Q","options":["x"," "],"gold":0}`, list, `field "options": option 1 is empty`},
		{"a.jsonl", `{"q":"Q","options":7,"gold":0}`, list, `field "options": it is no list of texts`},
		{"a.jsonl", `{"q":"Q","options":["x","y"],"gold":1}` + "\n" + `{"q":"Q","options":["x","y","z"],"gold":1}`, list, "a.jsonl:2: it has 3 options, the first has 2"},
		{"a.json", "[\n{\"q\":\"Q\",\"correct\":\"x\"}]", named, `a.json:2: field "wrong": the object does not have it`},
		{"a.json", "{}", named, "a.json:1"},
	} {
		if _, err := readChoices(strings.NewReader(c.content), c.file, c.fields); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %s", c.content, err, c.want)
		}
	}
}

type parquetExample struct {
	Text   string  `parquet:"text,dict,zstd"`
	Label  int64   `parquet:"label"`
	Number float64 `parquet:"number"`
	Maybe  *string `parquet:"maybe,optional"`
	List   []int32 `parquet:"list"`
}

func parquetFile(t testing.TB, rows int) string {
	t.Helper()
	var out bytes.Buffer
	w := parquet.NewGenericWriter[parquetExample](&out, parquet.MaxRowsPerRowGroup(100))
	for i := range rows {
		e := parquetExample{Text: fmt.Sprint("text ", i), Label: int64(i % 3), Number: float64(i) / 4, List: []int32{1, 2}}
		if i%2 == 0 {
			e.Maybe = &e.Text
		}
		if _, err := w.Write([]parquetExample{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestReadParquet(t *testing.T) {
	file := parquetFile(t, 250)
	got, err := read(strings.NewReader(file), "a.parquet", single)
	if err != nil || len(got) != 250 || got[249] != (Example{"text 249", "", "0", 250}) {
		t.Errorf("%d examples, error %v", len(got), err)
	}
	got, err = read(strings.NewReader(file), "a.parquet", Fields{Text: "text", Label: "number", Numbers: true})
	if err != nil {
		t.Fatal(err)
	}
	if values, err := Numbers("a.parquet", got); err != nil || values[249] != 62.25 {
		t.Errorf("%v, error %v", values, err)
	}
	for _, c := range []struct {
		fields Fields
		want   string
	}{
		{Fields{Text: "maybe"}, `a.parquet:2: field "maybe": the line does not have it`},
		{Fields{Text: "none"}, `field "none": it has only the columns`},
		{Fields{Text: "list"}, `field "list": the column is not flat`},
		{Fields{Text: "label"}, `row 1: field "label": a text must be a string, it is INT64`},
		{Fields{Text: "text", Label: "number"}, `field "number": a label must be`},
		{Fields{Text: "text", NoHeader: true}, "no header"},
	} {
		if _, err := read(strings.NewReader(file), "a.parquet", c.fields); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %s", c.fields, err, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	set := []Example{{Label: "1.5", Line: 1}, {Label: "-2", Line: 2}}
	if got, err := Numbers("f", set); err != nil || !slices.Equal(got, []float32{1.5, -2}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"x", "NaN", "inf", "1e99"} {
		if _, err := Numbers("f", []Example{{Label: bad, Line: 9}}); err == nil || !strings.Contains(err.Error(), "f:9: the label") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if got, err := read(strings.NewReader(`{"text":"x","label":0.5}`), "a.jsonl", Fields{Text: "text", Label: "label", Numbers: true}); err != nil || got[0].Label != "0.5" {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzFormats reads what anyone may send: there is an error or an example, and no panic.
func FuzzFormats(f *testing.F) {
	f.Add("a.conllu", "# x\n1\ta\tb\tc\n")
	f.Add("a.txt", "a b\n\nc d\n")
	f.Add("a.json", squadText)
	f.Add("a.jsonl", `{"q":"Q","options":["x","y"],"gold":1,"id":"1","question":"q","context":"c","answers":{}}`)
	f.Add("a.parquet", parquetFile(f, 3))
	f.Fuzz(func(t *testing.T, name, content string) {
		if len(content) > 1<<16 {
			return
		}
		if got, err := readTagged(strings.NewReader(content), name, Columns{}); (err == nil) != (len(got) > 0) {
			t.Fatalf("%d sentences with error %v", len(got), err)
		}
		questions, err := readQuestions(strings.NewReader(content), name)
		for _, q := range questions {
			for _, a := range q.Answers {
				if q.Context[a.Start:a.Start+len(a.Text)] != a.Text {
					t.Fatalf("%+v, %v", q, err)
				}
			}
		}
		choices, err := readChoices(strings.NewReader(content), name, ChoiceFields{Text: "q", Options: []string{"options"}, Answer: "gold"})
		for _, c := range choices {
			if c.Right < 0 || c.Right >= len(c.Options) {
				t.Fatalf("%+v, %v", c, err)
			}
		}
		if strings.HasSuffix(name, ".parquet") {
			if got, err := read(strings.NewReader(content), name, single); (err == nil) != (len(got) > 0) {
				t.Fatalf("%d examples with error %v", len(got), err)
			}
		}
	})
}

// TestRealFormats reads real sets whole.
func TestRealFormats(t *testing.T) {
	for _, c := range []struct {
		path            string
		sentences, tags int
	}{
		{"tasks/wnut17/train.conll", 3394, 13}, {"tasks/wnut17/test.annotated.conll", 1287, 13}, {"tasks/conll2000/test.txt", 2012, 19},
		{"tasks/uner-en-ewt/en_ewt-ud-dev.iob2", 2001, 7}, {"tasks/crossner-politics/dev.txt", 541, 19}, {"tasks/ud-en-ewt/en_ewt-ud-dev.conllu", 2001, 17},
	} {
		t.Run(c.path, func(t *testing.T) {
			got, err := ReadTagged(realdata.Path(t, c.path), Columns{})
			if err != nil {
				t.Fatal(err)
			}
			labels, err := FindTags(got)
			if err != nil || len(got) != c.sentences || len(labels.Names) != c.tags {
				t.Errorf("%d sentences with the tags %v, error %v, want %d and %d", len(got), labels, err, c.sentences, c.tags)
			}
		})
	}
	for path, want := range map[string]int{"tasks/squad/dev-v1.1.json.gz": 10570, "tasks/xquad/xquad.zh.json": 1190} {
		if got, err := ReadQuestions(realdata.Path(t, path)); err != nil || len(got) != want {
			t.Errorf("%s: %d questions, error %v, want %d", path, len(got), err, want)
		}
	}
	gold := ChoiceFields{Text: "query", Options: []string{"choices"}, Answer: "gold"}
	for _, c := range []struct {
		path   string
		fields ChoiceFields
		want   int
	}{
		{"tasks/multiple_choice/piqa.jsonl", gold, 1838}, {"tasks/multiple_choice/copa.jsonl", gold, 100},
		{"tasks/sciq/valid.json.gz", ChoiceFields{"question", []string{"correct_answer", "distractor1", "distractor2", "distractor3"}, "correct_answer"}, 1000},
	} {
		if got, err := ReadChoices(realdata.Path(t, c.path), c.fields); err != nil || len(got) != c.want {
			t.Errorf("%s: %d questions, error %v, want %d", c.path, len(got), err, c.want)
		}
	}
}

// TestCompressedSets reads the same set in each compression, and refuses what is none or too much.
func TestCompressedSets(t *testing.T) {
	dir := t.TempDir()
	const content = "text\tlabel\nx\t1\n"
	var gz, zs bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{g, z} {
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string]string{"a.tsv": content, "a.tsv.gz": gz.String(), "a.TSV.zst": zs.String()} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path, single); err != nil || len(got) != 1 || got[0] != (Example{"x", "", "1", 2}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	path := filepath.Join(dir, "b.tsv.gz")
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, single); err == nil || !strings.Contains(err.Error(), "decompress "+path) {
		t.Error(err)
	}
	if _, err := io.ReadAll(&sized{in: strings.NewReader(content), left: 3}); err == nil {
		t.Error("there is no limit")
	}
}

// TestDamagedParquet changes bytes of a file: an error or examples come back, soon, and no panic.
func TestDamagedParquet(t *testing.T) {
	file := parquetFile(t, 3)
	for _, c := range []struct{ content, want string }{
		{"", "it is no Parquet file"}, {"PAR1PAR1", "it is no Parquet file"},
		{file[:len(file)-8] + "\xff\xff\xff\x7fPAR1", "a directory of 2147483647 bytes in a file of"},
	} {
		if _, err := read(strings.NewReader(c.content), "a.parquet", single); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		damaged := []byte(file)
		for range 1 + rng.IntN(3) {
			damaged[rng.IntN(len(damaged))] = byte(rng.Uint32())
		}
		if got, err := read(bytes.NewReader(damaged), "a.parquet", single); (err == nil) != (len(got) > 0) {
			t.Fatalf("%d examples with error %v", len(got), err)
		}
	}
}
