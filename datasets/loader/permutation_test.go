package loader

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files in testdata anew")

func TestPermutationIsABijection(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 4, 5, 16, 17, 64, 65, 1000, 65536, 65537} {
		for epoch := range uint64(3) {
			p := NewPermutation(n, 42, epoch)
			seen := make([]bool, n)
			for i := range n {
				v := p.At(i)
				if v >= n {
					t.Fatalf("n=%d: At(%d) = %d is out of range", n, i, v)
				}
				if seen[v] {
					t.Fatalf("n=%d: %d comes twice", n, v)
				}
				seen[v] = true
			}
		}
	}
}

func TestPermutationHugeRange(t *testing.T) {
	for _, n := range []uint64{1e12, 1<<62 - 1, MaxPermutation, math.MaxUint64} {
		p := NewPermutation(n, 1, 0)
		seen := map[uint64]bool{}
		for i := range uint64(1000) {
			v := p.At(i)
			if v >= min(n, MaxPermutation) || seen[v] {
				t.Fatalf("n=%d: At(%d) = %d", n, i, v)
			}
			seen[v] = true
		}
	}
}

// 64 × 64 cells of position and value must be filled evenly, and neighbours must part.
func TestPermutationLooksRandom(t *testing.T) {
	const n, cells = 1 << 18, 64
	for seed := range uint64(3) {
		p := NewPermutation(n-3, seed, seed)
		var table [cells][cells]int
		fixed, successors, before := 0, 0, uint64(math.MaxUint64)
		for i := range uint64(n - 3) {
			v := p.At(i)
			table[i*cells/n][v*cells/n]++
			if v == i {
				fixed++
			}
			if v == before+1 {
				successors++
			}
			before = v
		}
		chi2, mean := 0.0, float64(n)/(cells*cells)
		for _, row := range table {
			for _, c := range row {
				chi2 += (float64(c) - mean) * (float64(c) - mean) / mean
			}
		}
		freedom := float64((cells - 1) * (cells - 1))
		if z := (chi2 - freedom) / math.Sqrt(2*freedom); math.Abs(z) > 4 {
			t.Errorf("seed %d: chi-square is %.1f standard deviations off", seed, z)
		}
		if fixed > 8 || successors > 8 {
			t.Errorf("seed %d: %d fixed points and %d successors, want about 1", seed, fixed, successors)
		}
	}
}

func TestPermutationDependsOnSeedAndEpoch(t *testing.T) {
	const n = 1000
	a, b, c := NewPermutation(n, 1, 0), NewPermutation(n, 1, 1), NewPermutation(n, 2, 0)
	same := 0
	for i := range uint64(n) {
		if a.At(i) == b.At(i) || a.At(i) == c.At(i) {
			same++
		}
	}
	if same > 20 {
		t.Errorf("%d of %d positions are the same in another order, want about 2", same, n)
	}
}

// testdata/permutation.txt holds the first 1,000 indices for n = 10^9 + 7, seed 2026, epoch 3. conformance/loader checks it in Python.
func TestPermutationGolden(t *testing.T) {
	const path = "testdata/permutation.txt"
	p := NewPermutation(1_000_000_007, 2026, 3)
	if *update {
		var out bytes.Buffer
		for i := range uint64(1000) {
			fmt.Fprintln(&out, p.At(i))
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	i := uint64(0)
	for ; lines.Scan(); i++ {
		if got := strconv.FormatUint(p.At(i), 10); got != lines.Text() {
			t.Fatalf("At(%d) = %s, want %s: the order of every run would change", i, got, lines.Text())
		}
	}
	if i != 1000 {
		t.Errorf("%d golden indices, want 1000", i)
	}
}

// go test -bench Permutation ./datasets/loader
func BenchmarkPermutation(b *testing.B) {
	for _, n := range []uint64{1e4, 1e9, 1e12} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			p := NewPermutation(n, 1, 0)
			for i := uint64(0); b.Loop(); i = (i + 1) % n {
				p.At(i)
			}
		})
	}
}
