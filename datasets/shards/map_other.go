//go:build !unix

package shards

import (
	"io"
	"os"
)

// mapFile reads the file where no mapping is at hand.
func mapFile(f *os.File, size int) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, err
}

func unmapFile([]byte) error { return nil }
