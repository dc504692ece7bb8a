//go:build !amd64

package simd

func best() Tier { return Portable }
