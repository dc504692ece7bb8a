package tokenizers

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/roughtext"
)

// The table gives what the decoder gives, token by token.
func checkDecode(t testing.TB, name string, tok *Tokenizer, ids []uint32) {
	t.Helper()
	for _, skip := range []bool{false, true} {
		want := string(tok.appendTextByParts([]byte("x"), ids, skip))
		if got := string(tok.AppendText([]byte("x"), ids, skip)); got != want {
			t.Fatalf("%s, ids %v, skipping special tokens: %t:\n got %q\nwant %q", name, ids, skip, got, want)
		}
		if got, want := tok.Decode(ids, skip), string(appendValid(nil, []byte(want[1:]))); got != want {
			t.Fatalf("%s, ids %v: Decode gives %q, want %q", name, ids, got, want)
		}
	}
}

func TestDecodeTableEqualsDecoder(t *testing.T) {
	tables := 0
	for _, name := range testTokenizers {
		tok := loadNamed(t, name+".tokenizer.json")
		if tok.decodeTable() != nil {
			tables++
		}
		for _, text := range append(roughtext.Lines(700)[500:], invalidTexts...) {
			checkDecode(t, name, tok, encode(t, tok, text, EncodeOptions{AddSpecial: true}).IDs)
		}
		all := make([]uint32, tok.VocabSize()+3)
		for id := range all {
			all[id] = uint32(id)
			checkDecode(t, name, tok, all[id:id+1])
		}
		checkDecode(t, name, tok, all)
	}
	if tables < 14 {
		t.Errorf("%d of the tokenizers decode by table", tables)
	}
}

func FuzzDecodeTable(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x00\x30\x00\x31\x00\xff\xff"))
	f.Add([]byte(strings.Repeat("\x05\x00\x80\x00\x81\x00", 9)))
	var toks []*Tokenizer
	for _, name := range testTokenizers {
		toks = append(toks, loadNamed(f, name+".tokenizer.json"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, tok := range toks {
			var ids []uint32
			for rest := data; len(rest) >= 2; rest = rest[2:] {
				ids = append(ids, uint32(binary.LittleEndian.Uint16(rest))%uint32(tok.VocabSize()+2))
			}
			checkDecode(t, testTokenizers[i], tok, ids)
			checkStream(t, testTokenizers[i], tok, ids)
		}
	})
}
