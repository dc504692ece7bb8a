package tasks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxSetBytes bounds a set after decompression: what is read is kept in memory.
const maxSetBytes = 4 << 30

// maxZstdWindow is what the decoder may keep of the text before, as much as zstd --ultra asks for.
const maxZstdWindow = 128 << 20

// set is an open file of examples.
type set struct {
	io.Reader
	file *os.File
	zstd *zstd.Decoder
}

// openSet opens a file for reading. One that ends in .gz or .zst is decompressed.
func openSet(path string) (_ *set, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &set{file: file, Reader: file}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".gz":
		s.Reader, err = gzip.NewReader(file)
	case ".zst":
		s.zstd, err = zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		s.Reader = s.zstd
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("decompress %s: %w", path, err), file.Close())
	}
	s.Reader = &sized{in: s.Reader, left: maxSetBytes}
	return s, nil
}

// Close closes the file.
func (s *set) Close() error {
	if s.zstd != nil {
		s.zstd.Close()
	}
	return s.file.Close()
}

// sized ends with an error after so many bytes.
type sized struct {
	in   io.Reader
	left int64
}

// Read reads on.
func (s *sized) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if s.left -= int64(n); s.left < 0 {
		return 0, fmt.Errorf("the set is larger than %d bytes: cut it", int64(maxSetBytes))
	}
	return n, err
}

// suffix is the end of a file's name that tells its format, in lower case: the one before .gz or .zst.
func suffix(name string) string {
	name = strings.ToLower(name)
	return filepath.Ext(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst"))
}

// lineAt is the number of the line, from 1, of a place in data.
func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), int64(len(data)))], []byte("\n"))
}
