// Package simd says which instructions the tokenizers use.
package simd

import "os"

// Tier is a set of instructions; each includes those before it.
type Tier int

// The tiers. All give the same results.
const (
	Portable Tier = iota // what Go compiles to
	AVX2                 // with BMI2
	AVX512               // F, BW, VL, VBMI and VBMI2
)

// Variable is the environment variable that lowers the tier: portable, avx2 or avx512.
const Variable = "SHARDMILL_SIMD"

var active = choose(os.Getenv(Variable), best())

// Active returns the tier of this process, which is chosen at its start: the highest that the processor has, or a lower one that Variable asks for.
func Active() Tier { return active }

func choose(name string, best Tier) Tier {
	switch name {
	case "portable":
		return Portable
	case "avx2":
		return min(AVX2, best)
	}
	return best
}
