package scan

import (
	"fmt"
	"slices"
	"testing"

	"github.com/shardmill/shardmill/tokenizers/internal/simd"
)

// testTable has all classes in ASCII, and each kind of them for other characters.
var testTable = NewTable(func(r rune) Class {
	switch {
	case r == ' ', '\t' <= r && r <= '\r', r == 0x2003:
		return Space
	case '0' <= r && r <= '9':
		return Number
	case 'a' <= r && r <= 'z', r >= 0x400 && r&1 == 1:
		return Lower
	case 'A' <= r && r <= 'Z', r >= 0x400:
		return Upper
	}
	return 0
})

func checkTiers(t *testing.T, block *[64]byte, starts uint64) {
	t.Helper()
	var want masks
	testTable.classifyPortable(block, &want)
	places := make([]uint32, 64)
	n := flattenPortable(places, 1000, starts)
	for tier := simd.AVX2; tier <= simd.Active(); tier++ {
		got := masks{1, 2, 3, 4, 5, 6, 7, 8}
		if classify(tier, testTable, block, &got); got != want {
			t.Fatalf("tier %d, %q:\n got %x\nwant %x", tier, block[:], got, want)
		}
		flat := make([]uint32, 64)
		if k := flatten(tier, flat, 1000, starts); !slices.Equal(flat[:k], places[:n]) {
			t.Fatalf("tier %d, %x: %d, want %d", tier, starts, flat[:k], places[:n])
		}
	}
}

func TestTiers(t *testing.T) {
	for from := range 256 {
		var block [64]byte
		for i := range block {
			block[i] = byte(from + i)
		}
		checkTiers(t, &block, 1<<(from%64)|uint64(from)<<(from%57))
	}
	checkTiers(t, &[64]byte{}, ^uint64(0))
}

func FuzzTiers(f *testing.F) {
	f.Add([]byte("it's 12 o'clock\r\n\t/ Ünicode"), uint64(0x8000000000000001))
	f.Fuzz(func(t *testing.T, text []byte, starts uint64) {
		var block [64]byte
		copy(block[:], text)
		checkTiers(t, &block, starts)
	})
}

// go test ./tokenizers/internal/scan -run '^$' -bench Tiers
func BenchmarkTiers(b *testing.B) {
	block := [64]byte([]byte("The quick brown fox, 42 times; it's over the lazy dog's bed.\n abc"))
	places := make([]uint32, 64)
	for tier := simd.Portable; tier <= simd.Active(); tier++ {
		b.Run(fmt.Sprintf("step=classify/tier=%d", tier), func(b *testing.B) {
			b.SetBytes(64)
			var m masks
			for b.Loop() {
				classify(tier, testTable, &block, &m)
			}
		})
		b.Run(fmt.Sprintf("step=flatten/tier=%d", tier), func(b *testing.B) {
			b.SetBytes(64)
			for b.Loop() {
				flatten(tier, places, 0, 0x8421084210842109)
			}
		})
	}
}
