//go:build !amd64

package scan

func nativePieceTiers() []*pieceTier { return nil }
