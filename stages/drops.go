package stages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
)

// dropsBlock is the number of positions read at once: 4 KiB.
const dropsBlock = 256

// drops looks positions up in a verdict file. It holds one block, and tries it and the next before it searches the file.
type drops struct {
	file  Verdicts
	count int64

	block []position // positions [from, from+len)
	from  int64
	bytes []byte
}

func openDrops(file Verdicts) (*drops, error) {
	var header [dropsHeader]byte
	if file.Size < int64(dropsHeader) {
		return nil, fmt.Errorf("%d bytes are less than a header", file.Size)
	}
	if err := readFull(file, header[:], 0); err != nil {
		return nil, err
	}
	if string(header[:len(dropsMagic)]) != dropsMagic {
		return nil, fmt.Errorf("it starts with %q: want %q", header[:len(dropsMagic)], dropsMagic)
	}
	count := binary.BigEndian.Uint64(header[len(dropsMagic):])
	if body := uint64(file.Size) - uint64(dropsHeader); body%positionBytes != 0 || body/positionBytes != count {
		return nil, fmt.Errorf("%d positions announced, %d bytes behind the header", count, body)
	}
	return &drops{file: file, count: int64(count)}, nil
}

// contains says whether p is among the positions.
func (d *drops) contains(p position) (bool, error) {
	if d.count == 0 {
		return false, nil
	}
	if !d.covers(p) && len(d.block) > 0 {
		if err := d.load(d.from + int64(len(d.block))); err != nil {
			return false, err
		}
	}
	if !d.covers(p) {
		if err := d.seek(p); err != nil {
			return false, err
		}
	}
	_, found := slices.BinarySearchFunc(d.block, p, position.compare)
	return found, nil
}

// covers says whether p must be in the block if it is anywhere.
func (d *drops) covers(p position) bool {
	if len(d.block) == 0 {
		return false
	}
	afterFirst := d.from == 0 || d.block[0].compare(p) <= 0
	beforeLast := d.from+int64(len(d.block)) == d.count || p.compare(d.block[len(d.block)-1]) <= 0
	return afterFirst && beforeLast
}

// seek loads the block that covers p: from the last block start that is not above p.
func (d *drops) seek(p position) error {
	var failed error
	blocks := (d.count + dropsBlock - 1) / dropsBlock
	above := sort.Search(int(blocks), func(i int) bool {
		var first position
		if err := readFull(d.file, first[:], int64(dropsHeader)+int64(i)*dropsBlock*positionBytes); err != nil {
			failed = errors.Join(failed, err)
			return true
		}
		return first.compare(p) > 0
	})
	if failed != nil {
		return failed
	}
	return d.load(int64(max(above-1, 0)) * dropsBlock)
}

// load reads the block at from and the first position behind it, so that neighbouring blocks leave no gap between them.
func (d *drops) load(from int64) error {
	n := min(dropsBlock+1, d.count-from)
	if n <= 0 {
		return nil
	}
	d.bytes = slices.Grow(d.bytes[:0], int(n)*positionBytes)[:int(n)*positionBytes]
	d.block = d.block[:0]
	if err := readFull(d.file, d.bytes, int64(dropsHeader)+from*positionBytes); err != nil {
		return err
	}
	d.from = from
	for b := d.bytes; len(b) > 0; b = b[positionBytes:] {
		d.block = append(d.block, position(b[:positionBytes]))
	}
	return nil
}

// readFull is io.ReaderAt.ReadAt without io.EOF for a read that ends where the file does.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	if n, err := r.ReadAt(b, at); n < len(b) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}
