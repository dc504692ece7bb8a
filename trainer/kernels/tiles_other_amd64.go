//go:build !linux

package kernels

// allowTiles says no: other systems are not asked.
func allowTiles() bool { return false }
