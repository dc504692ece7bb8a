//go:build unix

package shards

import (
	"os"
	"syscall"
)

// mapFile maps the first size bytes of f for reading; size is not 0. The mapping outlives f.
func mapFile(f *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
}

func unmapFile(data []byte) error { return syscall.Munmap(data) }
