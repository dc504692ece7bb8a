package scan

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/shardmill/shardmill/tokenizers/internal/simd"
)

// englishTable cuts at white space and around punctuation.
func englishTable() *PieceTable {
	return NewPieceTable(func(c byte) PieceClass {
		switch {
		case c == ' ' || c >= '\t' && c <= '\r':
			return 0
		case bytes.IndexByte([]byte("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), c) >= 0:
			return Alone
		}
		return Inner
	})
}

// naivePieces looks at one byte after another, and takes bytes that are not ASCII for Inner.
func naivePieces(t *PieceTable, text []byte) (starts, ends []uint32) {
	open := false
	end := func(at int) {
		if open {
			ends = append(ends, uint32(at))
		}
		open = false
	}
	for i, b := range text {
		class := Inner
		if b < 0x80 {
			class = t.table.ascii[b]
		}
		switch {
		case class == Inner && open:
		case class == Inner:
			starts, open = append(starts, uint32(i)), true
		case class == Alone:
			end(i)
			starts, ends = append(starts, uint32(i)), append(ends, uint32(i+1))
		default:
			end(i)
		}
	}
	end(len(text))
	return starts, ends
}

// allPieces drives a tier through a text, with room for so many pieces.
func allPieces(t *PieceTable, text []byte, room int) (starts, ends []uint32) {
	c := &PieceCuts{Starts: make([]uint32, room), Ends: make([]uint32, room)}
	take := func() {
		starts, ends = append(starts, c.Starts[:c.EndCount]...), append(ends, c.Ends[:c.EndCount]...)
		c.Next()
	}
	for at := 0; at < len(text); {
		if next := t.Cut(c, text, at); next > at {
			at = next
			take()
			continue
		}
		var block [64]byte
		for i := range block {
			block[i] = ' '
		}
		copy(block[:], text[at:])
		m := t.Marks(&block)
		t.Add(c, at, PieceBlock{m.Inner | m.Wide, m.Alone, m.Alone << 1, m.Alone >> 63})
		at += 64
		take()
	}
	c.Close(len(text))
	take()
	return starts, ends
}

func checkPieces(t *testing.T, text []byte) {
	t.Helper()
	table := englishTable()
	wantStarts, wantEnds := naivePieces(table, text)
	for tier := range simd.Active() + 1 {
		table.tier = tier
		for _, room := range []int{65, 256} {
			starts, ends := allPieces(table, text, room)
			if !slices.Equal(starts, wantStarts) || !slices.Equal(ends, wantEnds) {
				t.Fatalf("tier %d, room for %d, %q:\n got %v\n     %v\nwant %v\n     %v", tier, room, text, starts, ends, wantStarts, wantEnds)
			}
		}
	}
}

func TestPieces(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	texts := [][]byte{nil, []byte("a"), []byte("."), all, bytes.Repeat(all[:128], 3), bytes.Repeat([]byte("."), 1000), bytes.Repeat([]byte("a"), 1000),
		bytes.Repeat([]byte("a "), 300), bytes.Repeat([]byte("a."), 300), bytes.Repeat([]byte("The cat, the mat and a hat. "), 50)}
	for i := range 130 {
		texts = append(texts, fmt.Appendf(nil, "%*s,.b%*sx", i, "a", 2*i, "é"))
	}
	for _, text := range texts {
		checkPieces(t, text)
	}
}

func FuzzPieces(f *testing.F) {
	f.Add([]byte("It's a cat.\nNot a café..."), 40)
	f.Fuzz(func(t *testing.T, text []byte, times int) {
		checkPieces(t, bytes.Repeat(text, min(max(times, 0), 1000/(len(text)+1))+1))
	})
}

func BenchmarkPieces(b *testing.B) {
	table := englishTable()
	text := bytes.Repeat([]byte("The quick brown fox, it's said, jumps over the lazy dog. "), 72)
	for tier := range simd.Active() + 1 {
		table.tier = tier
		b.Run(fmt.Sprintf("tier=%d", tier), func(b *testing.B) {
			c := &PieceCuts{Starts: make([]uint32, 256), Ends: make([]uint32, 256)}
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				for at := 0; at+64 <= len(text); {
					at = table.Cut(c, text, at)
					c.Next()
				}
			}
		})
	}
}
