package tokenizers

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// find returns the id of a piece.
func (d *doubleArray) find(piece string) (id uint32, ok bool) {
	base := d.root
	var u pieceUnit
	for i := range len(piece) {
		if u = d.units[base^uint32(piece[i])]; u.mark>>labelShift != uint32(piece[i]) {
			return 0, false
		}
		base = u.base
	}
	id = u.mark & pieceMask
	return id, piece != "" && id != d.none
}

func TestDoubleArrayHoldsItsPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, letters := range []string{"a", "ab", "\x00\xff\x80a", "abcdefghijklmnopqrstuvwxyz\x00▁é中"} {
		var pieces []string
		ids := map[string]int{}
		pieces = append(pieces, "")
		for range 2000 {
			piece := make([]byte, 1+r.IntN(9))
			for i := range piece {
				piece[i] = letters[r.IntN(len(letters))]
			}
			if _, twice := ids[string(piece)]; !twice {
				ids[string(piece)] = len(pieces)
				pieces = append(pieces, string(piece))
			}
		}
		for b := range 256 { // a node with all children
			if piece := "\x01" + string([]byte{byte(b)}); ids[piece] == 0 {
				ids[piece] = len(pieces)
				pieces = append(pieces, piece)
			}
		}
		d := newDoubleArray(pieces)
		for piece, want := range ids {
			if id, ok := d.find(piece); !ok || int(id) != want {
				t.Fatalf("of %q: %q is found as %d, %t, want %d", letters, piece, id, ok, want)
			}
			for _, other := range []string{piece + "a", piece + "\x00", piece[:len(piece)-1], "\x00" + piece, fmt.Sprint(want)} {
				if id, ok := d.find(other); ok != (ids[other] > 0) || ok && int(id) != ids[other] {
					t.Fatalf("of %q: %q is found as %d, %t, want %d", letters, other, id, ok, ids[other])
				}
			}
		}
		if _, ok := d.find(""); ok {
			t.Error("the empty piece is found")
		}
	}
	for _, pieces := range [][]string{nil, {""}} {
		d := newDoubleArray(pieces)
		for b := range 256 {
			if _, ok := d.find(string([]byte{byte(b)})); ok {
				t.Errorf("a trie of nothing holds byte %d", b)
			}
		}
	}
}
