package simd

import "testing"

func TestChoose(t *testing.T) {
	tests := []struct {
		name       string
		best, want Tier
	}{
		{"", AVX512, AVX512}, {"", Portable, Portable}, {"portable", AVX512, Portable}, {"avx2", AVX512, AVX2}, {"avx2", Portable, Portable},
		{"avx512", AVX2, AVX2}, {"avx512", AVX512, AVX512}, {"unknown", AVX2, AVX2},
	}
	for _, test := range tests {
		if got := choose(test.name, test.best); got != test.want {
			t.Errorf("choose(%q, %d) = %d, want %d", test.name, test.best, got, test.want)
		}
	}
}
