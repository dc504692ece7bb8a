package tokenizers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A vocabulary does what a map does.
func TestVocabularyIsAMap(t *testing.T) {
	v, want := newVocabulary(0), map[string]uint32{}
	for i := range uint32(3000) {
		token := strings.Repeat(fmt.Sprint(i*i), int(i%7))
		if _, twice := want[token]; twice {
			if err := v.add([]byte(token), 5*i); err == nil {
				t.Fatalf("%q is added twice", token)
			}
			continue
		}
		if err := v.add([]byte(token), 5*i); err != nil {
			t.Fatal(err)
		}
		want[token] = 5 * i
	}
	if v.entries() != len(want) {
		t.Errorf("%d entries, want %d", v.entries(), len(want))
	}
	for token, id := range want {
		got, ok := v.tokenID(token)
		bytesID, ok2 := v.find([]byte(token))
		back, ok3 := v.token(id)
		if got != id || bytesID != id || back != token || !ok || !ok2 || !ok3 {
			t.Errorf("%q is %d and %d, want %d, which is %q", token, got, bytesID, id, back)
		}
	}
	for _, token := range []string{"x", "00000", "1 "} {
		if id, ok := v.find([]byte(token)); ok {
			t.Errorf("%q is %d", token, id)
		}
	}
	if token, ok := v.token(6); ok {
		t.Errorf("6 is %q", token)
	}
	if n := testing.AllocsPerRun(10, func() { v.find([]byte("144144")) }); n != 0 {
		t.Errorf("a look-up allocates %v times", n)
	}
}

// plainMerges reads merges one by one with encoding/json, or tells which is wrong.
func plainMerges(data []byte, v *vocabulary, prefix string) (map[[2]uint32]merge, int) {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		return nil, -1
	}
	merges := map[[2]uint32]merge{}
	for i, raw := range list {
		var pair []string
		var both string
		if json.Unmarshal(raw, &both) == nil && raw[0] == '"' {
			pair = strings.Split(both, " ")
		} else if json.Unmarshal(raw, &pair) != nil || bytes.Contains(raw, []byte("null")) {
			return nil, i
		}
		if len(pair) != 2 || !strings.HasPrefix(pair[1], prefix) {
			return nil, i
		}
		left, ok1 := v.tokenID(pair[0])
		right, ok2 := v.tokenID(pair[1])
		id, ok3 := v.tokenID(pair[0] + pair[1][len(prefix):])
		if !ok1 || !ok2 || !ok3 {
			return nil, i
		}
		merges[[2]uint32{left, right}] = merge{uint32(i), id}
	}
	return merges, -1
}

func FuzzMerges(f *testing.F) {
	f.Add([]byte(`["a b", ["ab", "c"], "c a"]`), "")
	f.Add([]byte(`["a ##b", ["ab", "##c"]]`), "##")
	f.Add([]byte(`["a b", "a b", "a  b"]`), "")
	f.Add([]byte("["+strings.Repeat(`"a b", ["ab", "c"], `, 400)+`"\u0061 b"]`), "")
	f.Add([]byte("["+strings.Repeat(`"a b", `, 300)+`"a x"]`), "")
	f.Fuzz(func(t *testing.T, data []byte, prefix string) {
		v := newVocabulary(0)
		for i, token := range []string{"a", "b", "c", "ab", "abc", "ca", "##b", "##c", ""} {
			if err := v.add([]byte(token), uint32(i)); err != nil {
				t.Fatal(err)
			}
		}
		b := &bpe{vocabulary: v, prefix: prefix}
		err := b.readMerges(&jsonReader{data: data})
		want, wrong := plainMerges(data, &v, prefix)
		if err != nil {
			if wrong >= 0 && !strings.Contains(err.Error(), fmt.Sprintf("[%d]", wrong)) || wrong < 0 && want != nil && !tooStrict(err) {
				t.Fatalf("error is %v, want one about %d", err, wrong)
			}
			return
		}
		if want == nil && json.Valid(data) {
			t.Fatalf("no error, want one about %d", wrong)
		}
		if want != nil && b.merges.used != len(want) {
			t.Fatalf("%d merges, want %d", b.merges.used, len(want))
		}
		for pair, m := range want {
			if got, ok := b.merges.get(pair[0], pair[1]); !ok || got != m {
				t.Fatalf("%v becomes %v, want %v", pair, got, m)
			}
		}
	})
}
