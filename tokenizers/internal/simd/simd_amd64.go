package simd

import "golang.org/x/sys/cpu"

func best() Tier {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasBMI2:
		return Portable
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512VBMI && x.HasAVX512VBMI2:
		return AVX512
	}
	return AVX2
}
