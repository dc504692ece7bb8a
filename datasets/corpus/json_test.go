package corpus

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shardmill/shardmill/schemas"
)

// decodeOne runs one record through the decoder of a JSONL source.
func decodeOne(record []byte) schemas.Row {
	source := Source{TextField: "text", IDField: "id"}
	var scanner jsonScanner
	var doc document
	var arena schemas.Arena
	var row schemas.Row
	doc.decode(JSONL, &source, &scanner, record, false)
	why, detail := doc.reason, doc.detail
	if !doc.bad {
		why, detail = doc.fill(&row, &arena)
	}
	if detail != "" {
		row.Verdict = schemas.Verdict{Kind: schemas.Quarantine, Reason: uint16(why)}
		row.Detail = detail
	}
	return row
}

func TestJSON(t *testing.T) {
	tests := []struct {
		record, id, text, reason string
	}{
		{`{"text":"a"}`, "", "a", ""},
		{`{"text":""}`, "", "", ""},
		{`{ "id" : "x" , "text" : "a" , "n" : [ 1 , -0.5e+7 , true , false , null , { } , [ ] , { "a" : { } } ] } `, "x", "a", ""},
		{`{"text":"a","id":12345678901234567890}`, "12345678901234567890", "a", ""},
		{`{"text":"a","id":-1.5}`, "-1.5", "a", ""},
		{`{"text":"a","id":null}`, "", "a", ""},
		{`{"text":"a","id":"\u0041\t"}`, "A\t", "a", ""},
		{`{"te\u0078t":"a"}`, "", "a", ""},
		{`{"Text":"b","text":"a","TEXT":"c"}`, "", "a", ""},
		{`{"text":1,"text":"a"}`, "", "a", ""},
		{`{"x":{"text":"b"},"text":"a"}`, "", "a", ""},
		{`{"text":"\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\uDE00"}`, "", "\"\\/\b\f\n\r\té€😀", ""},
		{`{"text":"é€😀 ` + "\u2028\x7f" + `"}`, "", "é€😀 \u2028\x7f", ""},
		{`{"text":"\ufffd"}`, "", "\ufffd", ""},
		{`{"text":"a","other":"\ud800"}`, "", "a", ""},
		{`{"\ud800":1,"text":"a"}`, "", "a", ""},
		{`{"text":"a","other":"\u0000"}`, "", "a", ""},
		{`{"text":"a","deep":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`, "", "a", ""},

		{`{"text":"a","deep":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, "", "", "json-too-deep"},
		{strings.Repeat("[", 1<<20), "", "", "json-too-deep"},
		{strings.Repeat(`{"a":`, 1<<18), "", "", "json-too-deep"},
		{`{"text":"\ud800"}`, "", "", "lone-surrogate"},
		{`{"text":"\udc00\ud800"}`, "", "", "lone-surrogate"},
		{`{"text":"\ud800\u0041"}`, "", "", "lone-surrogate"},
		{`{"text":"\ud83d\\u1e00"}`, "", "", "lone-surrogate"},
		{`{"text":"a","id":"\udfff"}`, "", "", "lone-surrogate"},
		{`{"text":"a\u0000b"}`, "", "", "nul-character"},
		{`{"text":"a","id":"\u0000"}`, "", "", "nul-character"},
		{"{\"text\":\"a\xff\"}", "", "", "invalid-utf8"},
		{"{\"text\":\"a\",\"o\":\"\xed\xa0\x80\"}", "", "", "invalid-utf8"},
		{"{\"text\":\"\xc0\x80\"}", "", "", "invalid-utf8"},
		{`{"id":"x"}`, "", "", "missing-text"},
		{`{}`, "", "", "missing-text"},
		{`{"text":null}`, "", "", "null-text"},
		{`{"text":"a","text":null}`, "", "", "null-text"},
		{`{"text":["a"]}`, "", "", "text-not-a-string"},
		{`{"text":{"a":"b"}}`, "", "", "text-not-a-string"},
		{`{"text":7}`, "", "", "text-not-a-string"},
		{`{"text":true}`, "", "", "text-not-a-string"},
		{`{"text":"a","id":{"$oid":"x"}}`, "", "", "unusable-id"},
		{`{"text":"a","id":[]}`, "", "", "unusable-id"},
		{`{"text":"a","id":false}`, "", "", "unusable-id"},
		{`[{"text":"a"}]`, "", "", "not-an-object"},
		{`"text"`, "", "", "not-an-object"},
		{`null`, "", "", "not-an-object"},
		{`-0.1`, "", "", "not-an-object"},
		{`{"text":"a"`, "", "", "invalid-json"},
		{`{"text":"a`, "", "", "invalid-json"},
		{`{"text":"a\`, "", "", "invalid-json"},
		{`{"text":"a\u12`, "", "", "invalid-json"},
		{`{"text":"a\u12g4"}`, "", "", "invalid-json"},
		{`{"text":"a\x"}`, "", "", "invalid-json"},
		{`{"text":"a"}{"text":"b"}`, "", "", "invalid-json"},
		{`{"text":"a"},`, "", "", "invalid-json"},
		{`{"text":"a",}`, "", "", "invalid-json"},
		{`{"text":"a" "id":1}`, "", "", "invalid-json"},
		{`{"text" "a"}`, "", "", "invalid-json"},
		{`{text:"a"}`, "", "", "invalid-json"},
		{`{'text':'a'}`, "", "", "invalid-json"},
		{`{"text":"a","n":01}`, "", "", "invalid-json"},
		{`{"text":"a","n":1.}`, "", "", "invalid-json"},
		{`{"text":"a","n":.1}`, "", "", "invalid-json"},
		{`{"text":"a","n":+1}`, "", "", "invalid-json"},
		{`{"text":"a","n":1e}`, "", "", "invalid-json"},
		{`{"text":"a","n":NaN}`, "", "", "invalid-json"},
		{`{"text":"a","n":tru}`, "", "", "invalid-json"},
		{`{"text":"a","n":[1,]}`, "", "", "invalid-json"},
		{`{"text":"a","n":[1 2]}`, "", "", "invalid-json"},
		{"{\"text\":\"a\tb\"}", "", "", "invalid-json"},
		{"{\"text\":\"a\x00b\"}", "", "", "invalid-json"},
		{"{\"text\":\"0123456\x1f\"}", "", "", "invalid-json"},
		{"\ufeff{\"text\":\"a\"}", "", "", "invalid-json"},
		{"{\"text\":\"a\"}\x00", "", "", "invalid-json"},
	}
	for _, test := range tests {
		name := test.record[:min(len(test.record), 60)]
		row := decodeOne([]byte(test.record))
		reason := ""
		if row.Verdict.Kind == schemas.Quarantine {
			reason = Reasons[row.Verdict.Reason]
		}
		if string(row.Text) != test.text || string(row.ID) != test.id || reason != test.reason {
			t.Errorf("%s: got id %q, text %q, %q (%s); want id %q, text %q, %q",
				name, row.ID, row.Text, reason, row.Detail, test.id, test.text, test.reason)
		}
	}
}

// encoding/json says what a record holds, but for what is our decision: invalid UTF-8 and half surrogates, NUL, depth, exact names.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"text":"a","id":"b"}`, `{"text":"\ud83d\ude00\ud83d\n","id":-1.5e+10}`, `{"te\u0078t":null,"text":"é","o":[{},[],true]}`,
		`[1,2]`, `{"text":"a"`, "{\"text\":\"\xff\"}", `{"text":"\u0000"}`, `{"a":{"b":{"text":"c"}},"text":false}`, ` {"text" : "0123456789abcdef\\"} `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		row := decodeOne(record)
		got := ""
		if row.Verdict.Kind == schemas.Quarantine {
			got = Reasons[row.Verdict.Reason]
			if row.Text != nil || row.ID != nil {
				t.Error("a quarantined row has text")
			}
		}
		switch want, id, text := oracle(record); {
		case got == "json-too-deep" && bytes.Count(record, []byte("{"))+bytes.Count(record, []byte("[")) > maxDepth:
		case got == "" && want == "":
			if string(row.Text) != text || string(row.ID) != id {
				t.Errorf("got id %q, text %q; want id %q, text %q", row.ID, row.Text, id, text)
			}
		case got == "lone-surrogate" && want == "" && strings.Contains(id+text, "\ufffd"):
		case got == "nul-character" && want == "" && strings.Contains(id+text, "\x00"):
		case got != want:
			t.Errorf("got %q (%s), want %q", got, row.Detail, want)
		}
	})
}

// oracle reads a record with encoding/json.
func oracle(record []byte) (reason, id, text string) {
	var object map[string]json.RawMessage
	var value any
	switch {
	case !utf8.Valid(record):
		return "invalid-utf8", "", ""
	case !json.Valid(record):
		return "invalid-json", "", ""
	case json.Unmarshal(record, &value) == nil && value == nil, json.Unmarshal(record, &object) != nil:
		return "not-an-object", "", ""
	}
	raw, ok := object["text"]
	switch {
	case !ok:
		return "missing-text", "", ""
	case string(raw) == "null":
		return "null-text", "", ""
	case json.Unmarshal(raw, &text) != nil:
		return "text-not-a-string", "", ""
	}
	raw, ok = object["id"]
	var number json.Number
	switch {
	case !ok, string(raw) == "null":
	case raw[0] == '"':
		_ = json.Unmarshal(raw, &id) // valid, as all of the record
	case json.Unmarshal(raw, &number) == nil:
		id = number.String()
	default:
		return "unusable-id", "", ""
	}
	return "", id, text
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("0123456é\xff"))
	f.Add([]byte("ééééé€😀\xf4\x90\x80\x80"))
	f.Add([]byte("\ufffd\xef\xbf"))
	f.Fuzz(func(t *testing.T, p []byte) {
		n := validPrefix(p)
		if !utf8.Valid(p[:n]) || (n == len(p)) != utf8.Valid(p) {
			t.Fatalf("validPrefix(%q) = %d", p, n)
		}
		if n < len(p) {
			if r, size := utf8.DecodeRune(p[n:]); r != utf8.RuneError || size != 1 {
				t.Errorf("validPrefix(%q) = %d, where a valid character is", p, n)
			}
		}
	})
}

// A record costs no allocation when its batch and window are warm.
func TestDecodeAllocates(t *testing.T) {
	record := []byte(`{"id":"x","meta":{"a":[1,2,3]},"te\u0078t":"` + strings.Repeat(`some text \n`, 50) + `"}`)
	source := Source{TextField: "text", IDField: "id"}
	var scanner jsonScanner
	var arena schemas.Arena
	row := new(schemas.Row)
	if n := testing.AllocsPerRun(100, func() {
		arena.Reset()
		var doc document
		doc.decode(JSONL, &source, &scanner, record, false)
		if why, detail := doc.fill(row, &arena); detail != "" {
			t.Fatal(Reasons[why], detail)
		}
	}); n != 0 {
		t.Errorf("%v allocations for one record", n)
	}
}
