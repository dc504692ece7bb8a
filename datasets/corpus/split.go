package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/shardmill/shardmill/schemas"
)

// decompressedFactor is the estimate of the decompressed size of a file from its stored size that lanes are sized by.
const decompressedFactor = 4

// Split cuts files into splits of about laneBytes of decompressed text where that can be done: uncompressed files of JSON lines, and of text by
// line or paragraph, are cut at the first border of records from each multiple of laneBytes on. Other files are one split. Lanes are runs of
// consecutive splits that come to laneBytes at most, or are one split; none goes over the end of a source, so that a shard holds one source.
//
// The result is a function of the files and the sources alone. Files are read for a few kilobytes at each border, but where records are longer.
func Split(ctx context.Context, sources []Source, roots []schemas.Source, files []schemas.File, laneBytes int64) ([]schemas.Split, []schemas.Lane, error) {
	sources, err := prepare(sources)
	if err != nil {
		return nil, nil, err
	}
	if laneBytes < 1 {
		return nil, nil, fmt.Errorf("lanes must be at least 1 byte long, not %d", laneBytes)
	}
	var splits []schemas.Split
	var lanes []schemas.Lane
	room := int64(0) // in the last lane
	for i := range files {
		f := &files[i]
		cuts, err := cutFile(ctx, &sources[f.Source], roots[f.Source].Root, f, laneBytes)
		if err != nil {
			return nil, nil, err
		}
		newSource := i == 0 || files[i-1].Source != f.Source
		for _, s := range cuts {
			s.File = int32(i)
			size := laneSize(f, s)
			if newSource || size > room {
				lanes = append(lanes, schemas.Lane{First: int32(len(splits))})
				room = laneBytes
				newSource = false
			}
			room -= size
			splits = append(splits, s)
			lanes[len(lanes)-1].End = int32(len(splits))
		}
	}
	if len(splits) > math.MaxInt32 {
		return nil, nil, fmt.Errorf("%d splits are too many: a plan can hold %d, so make lanes larger", len(splits), math.MaxInt32)
	}
	return splits, lanes, nil
}

// laneSize estimates the decompressed size of a split.
func laneSize(f *schemas.File, s schemas.Split) int64 {
	if f.Compression != "" {
		return decompressedFactor * f.Size
	}
	if s.End < 0 {
		return f.Size
	}
	return s.End - s.Start
}

// cutFile returns the splits of one file.
func cutFile(ctx context.Context, source *Source, root string, f *schemas.File, laneBytes int64) (_ []schemas.Split, err error) {
	end := source.recordEnd(f.Format)
	if f.Compression != "" || end == atFileEnd {
		return []schemas.Split{{Start: 0, End: -1}}, nil
	}
	if f.Size <= laneBytes {
		return []schemas.Split{{Start: 0, End: f.Size}}, nil
	}
	stored, err := openStored(source.Storage(root), root, f, 0, f.Size)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	at, ok := stored.file.(io.ReaderAt)
	if !ok {
		return []schemas.Split{{Start: 0, End: f.Size}}, nil
	}
	var splits []schemas.Split
	start := int64(0)
	for start < f.Size {
		border := f.Size
		// A record may reach over several multiples.
		if target := (start/laneBytes + 1) * laneBytes; target < f.Size {
			border, err = findBorder(ctx, at, end, target, f.Size)
			if err != nil {
				return nil, fmt.Errorf("find records in %s: %w", stored.name, err)
			}
		}
		splits = append(splits, schemas.Split{Start: start, End: border})
		start = border
	}
	return splits, nil
}

const borderBytes = 16 << 10 // read at once to find a border

// findBorder returns the first place at or behind from where a line, or an empty line, has just ended; size if there is none.
func findBorder(ctx context.Context, r io.ReaderAt, end recordEnd, from, size int64) (int64, error) {
	buf := make([]byte, borderBytes)
	// The place itself is a border if the byte before it says so.
	pos := from - 1
	blank := false // the line at pos is empty so far, and its start was seen
	for pos < size {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := r.ReadAt(buf[:min(borderBytes, size-pos)], pos)
		if n == 0 && err != nil {
			return 0, noEOF(err)
		}
		for i := 0; i < n; i++ {
			if end == atLineEnd {
				j := bytes.IndexByte(buf[i:n], '\n')
				if j < 0 {
					break
				}
				return pos + int64(i+j) + 1, nil
			}
			if buf[i] == '\n' {
				if blank {
					return pos + int64(i) + 1, nil
				}
				blank = true
			} else if !isSpace(buf[i]) {
				blank = false
			}
		}
		pos += int64(n)
	}
	return size, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
