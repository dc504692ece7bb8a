package wordcache

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/shardmill/shardmill/tokenizers/internal/simd"
)

// wanted returns what a piece is given for ids: a few that depend on its bytes.
func wanted(piece []byte) []uint32 {
	var ids []uint32
	for i := range 1 + (len(piece)*7+int(piece[0]))%11 {
		ids = append(ids, 1<<31|uint32(len(piece))<<8|uint32(piece[i%len(piece)]))
	}
	return ids
}

// cut returns the borders of pieces whose lengths the bytes of lengths give.
func cut(text, lengths []byte) []uint32 {
	borders := []uint32{0}
	for at, i := 0, 0; at < len(text); i++ {
		n := 5
		if len(lengths) > 0 {
			n = 1 + int(lengths[i%len(lengths)])%MaxPieceBytes
		}
		at = min(at+n, len(text))
		borders = append(borders, uint32(at))
	}
	return borders
}

// check looks up all pieces of a text in batches and holds the ids equal to those that were put in, or would be.
func check(t *testing.T, c *Cache, text, lengths []byte, keep uint32) {
	t.Helper()
	var got, want []uint32
	borders := cut(text, lengths)
	places := make([]Place, MaxBatch)
	for len(borders) > 1 {
		n := min(len(borders)-1, MaxBatch)
		starts, ends := borders[:n], borders[1:n+1]
		c.Locate(places, text, starts, ends)
		for i := 0; i < n; {
			var found int
			if got, found = c.Append(got, places[i:n], text, starts[i:], ends[i:], keep); i+found == n {
				break
			}
			i += found
			piece := text[starts[i]:ends[i]]
			ids := wanted(piece)
			c.Put(places[i], piece, ids)
			for _, id := range ids {
				got = append(got, id&keep)
			}
			i++
		}
		for i := range n {
			piece := text[starts[i]:ends[i]]
			for _, id := range wanted(piece) {
				want = append(want, id&keep)
			}
			if c.Holds(places[i], piece) != (func() bool { _, _, ok := c.Find(piece); return ok })() {
				t.Fatalf("Holds(%q) differs from Find", piece)
			}
			if ids, place, ok := c.Find(piece); ok && !slices.Equal(ids, wanted(piece)) || place != places[i] {
				t.Fatalf("Find(%q) = %x %v %t, want %x %v", piece, ids, place, ok, wanted(piece), places[i])
			}
		}
		borders = borders[n:]
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%q cut by %v:\n got %x\nwant %x", text, lengths, got, want)
	}
}

// noise returns bytes that repeat themselves in part.
func noise(n int) []byte {
	b := make([]byte, 0, n+8)
	for i := uint64(1); len(b) < n; i++ {
		b = binary.LittleEndian.AppendUint64(b, mix(i%97*hashSeed1, i%3+hashSeed2))
	}
	return b[:n]
}

// eachTier returns a cache of each tier that this processor has.
func eachTier(size int) []*Cache {
	var all []*Cache
	for tier := simd.Portable; tier <= simd.Active(); tier++ {
		c := New(size)
		c.tier = tier
		all = append(all, c)
	}
	return all
}

func TestCache(t *testing.T) {
	text := noise(40000)
	lengths := []byte{0, 1, 2, 3, 14, 15, 16, 17, 30, 31, 32, 33, 63, 127, 4, 4, 5, 3, 8}
	for _, size := range []int{MinBytes, 1 << 14, 1 << 20} {
		for _, c := range eachTier(size) {
			for range 2 {
				check(t, c, text, lengths, 1<<31-1)
				check(t, c, text[:1000], nil, 1<<32-1)
				check(t, c, text[:31], []byte{2}, 1<<32-1)
			}
		}
	}
	if New(MinBytes-1) != nil {
		t.Error("a cache of too little memory")
	}
}

func FuzzCache(f *testing.F) {
	f.Add([]byte("the cat and the cat and the catalogue"), []byte{3, 0, 3, 0})
	f.Add(noise(300), []byte{16, 32, 15, 31})
	f.Fuzz(func(t *testing.T, text, lengths []byte) {
		for _, c := range eachTier(MinBytes) {
			check(t, c, text, lengths, 1<<31-1)
			check(t, c, text, lengths, 1<<32-1)
		}
	})
}
