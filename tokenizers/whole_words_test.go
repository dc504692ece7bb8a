package tokenizers

import "testing"

func TestWholeWords(t *testing.T) {
	v := &loadNamed(t, "bpe.tokenizer.json").model.(*bpe).vocabulary
	w := newWholeWords(v)
	for id, token := range v.tokens {
		b, ok := shownBytes(token)
		if !ok {
			continue
		}
		if got, ok := w.id(b); !ok || got != uint32(id) {
			t.Errorf("id(%q) = %d, %t, want %d", b, got, ok, id)
		}
		for _, other := range []string{string(b) + "\x00", string(b) + "\xff", string(b[:len(b)-1])} {
			if got, ok := w.id([]byte(other)); ok && string(w.bytes[w.start[got]:w.start[got+1]]) != other {
				t.Errorf("id(%q) = %d, which is another token", other, got)
			}
		}
	}
}
