//go:build !amd64

package kernels

func nativeTiers() []*tier { return nil }
