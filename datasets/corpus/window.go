package corpus

import (
	"context"
	"io"
)

const (
	windowBytes     = 256 << 10 // size of a window that holds small records
	keepWindowBytes = 4 << 20   // size that a window keeps when a larger record has left it
	maxEmptyReads   = 100       // as in bufio
)

// window shows a stream piece by piece. It grows as far as one record needs.
type window struct {
	src    io.Reader
	max    int // bytes in a window at most
	buf    []byte
	from   int
	to     int
	offset int64 // of buf[from] in the stream
	err    error // why nothing follows buf[from:to]: io.EOF or damage
}

// data is what the window shows. It is valid until fill.
func (w *window) data() []byte { return w.buf[w.from:w.to] }

// skip moves the start of the window forward.
func (w *window) skip(n int) {
	w.from += n
	w.offset += int64(n)
}

// fill shows more of the stream, as much as there is room for; if there is none it makes some, once allow has agreed to the new size. It
// returns the error of ctx or allow. The end of the stream is no error: err tells.
func (w *window) fill(ctx context.Context, allow func(size int64) error) error {
	if err := w.makeRoom(allow); err != nil {
		return err
	}
	for empty := 0; w.to < len(w.buf) && w.err == nil; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := w.src.Read(w.buf[w.to:])
		if ctxErr := ctx.Err(); err != nil && ctxErr != nil {
			return ctxErr // a storage that knows the context is not broken
		}
		w.to += n
		w.err = err
		if n > 0 {
			empty = 0
		} else if empty++; empty == maxEmptyReads && err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return nil
}

// makeRoom moves what the window shows to the start of a buffer that has room behind it.
func (w *window) makeRoom(allow func(size int64) error) error {
	shown := w.data()
	size := len(w.buf)
	switch {
	case size > keepWindowBytes && len(shown) < windowBytes:
		size = 0
	case len(shown) == size:
		size *= 2
		if size > w.max-windowBytes { // close to what is needed at most
			size = w.max
		}
		if size > windowBytes {
			if err := allow(int64(size)); err != nil {
				return err
			}
		}
	}
	size = max(size, windowBytes)
	if size != len(w.buf) {
		w.buf = make([]byte, size)
	}
	w.to = copy(w.buf, shown)
	w.from = 0
	return nil
}
