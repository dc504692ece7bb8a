package corpus

import (
	"bufio"
	"compress/bzip2"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	storedBufferBytes  = 64 << 10
	maxZstdWindowBytes = 128 << 20 // what the zstd command accepts unless told otherwise
)

// decompressors are the decoders of one Reader, used for file after file.
type decompressors struct {
	buffer *bufio.Reader
	gzip   *gzip.Reader
	zstd   *zstd.Decoder
}

// open returns the decompressed content of src. Reading ends with io.EOF only where a member, frame or stream is complete and nothing
// follows it.
func (d *decompressors) open(compression string, src io.Reader) (io.Reader, error) {
	if compression == "" {
		return src, nil
	}
	if d.buffer == nil {
		d.buffer = bufio.NewReaderSize(nil, storedBufferBytes)
	}
	d.buffer.Reset(src)
	switch compression {
	case Gzip:
		return &gzipMembers{decoders: d}, nil
	case Zstd:
		return d.openZstd()
	default:
		if _, err := d.buffer.Peek(1); err == io.EOF {
			return d.buffer, nil // an empty file; bzip2 calls it cut
		}
		return bzip2.NewReader(d.buffer), nil
	}
}

func (d *decompressors) openZstd() (io.Reader, error) {
	if d.zstd == nil {
		var err error
		// One at a time means in the goroutine of the caller.
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindowBytes))
		if err != nil {
			return nil, err
		}
	}
	if err := d.zstd.Reset(d.buffer); err != nil {
		return nil, err
	}
	return d.zstd, nil
}

// close releases the decoders.
func (d *decompressors) close() {
	if d.zstd != nil {
		d.zstd.Close()
		d.zstd = nil
	}
}

// gzipMembers reads one member after the other. It looks for the next one itself, because the reader of many members takes a file that is cut
// inside the name in a header for a complete one.
type gzipMembers struct {
	decoders *decompressors
	inside   bool // a member
}

// Read implements io.Reader.
func (g *gzipMembers) Read(p []byte) (int, error) {
	d := g.decoders
	for {
		if !g.inside {
			if _, err := d.buffer.Peek(1); err != nil {
				return 0, err
			}
			if d.gzip == nil {
				d.gzip = new(gzip.Reader)
			}
			if err := d.gzip.Reset(d.buffer); err == io.EOF {
				return 0, io.ErrUnexpectedEOF
			} else if err != nil {
				return 0, err
			}
			d.gzip.Multistream(false)
			g.inside = true
		}
		n, err := d.gzip.Read(p)
		if err == io.EOF {
			g.inside, err = false, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}
