package stages

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/zeebo/xxh3"

	"github.com/shardmill/shardmill/schemas"
)

// Dedup drops documents whose text equals, byte for byte, that of an earlier one: the one with the lowest (split, record, part) stays.
// Texts are compared by their 128-bit xxh3 hash, which chance does not collide; it is no defence against texts crafted to collide.
//
// It works between two passes. Of each row that the first pass keeps, Collect emits a key; Reduce gets the keys in order and writes
// the positions to drop; the stage that Apply makes drops them in the second pass.
//
//	key       hash 16 | position 16
//	position  split 4 | record 8 | part 4                            big endian, so that bytes sort as numbers do
//	verdicts  "smdrops1" | count 8, big endian | count × position    ascending
type Dedup struct {
	Parts       int    `json:"-"` // number of partitions of the keys, from 1
	MemoryBytes int64  `json:"-"` // bound of the memory that Reduce holds
	Dir         string `json:"-"` // folder for the temporary files of Reduce; "" is that of the system
}

const (
	hashBytes     = 16
	positionBytes = 16
	keyBytes      = hashBytes + positionBytes
	dropsMagic    = "smdrops1"
	dropsHeader   = len(dropsMagic) + 8
)

// Name is the name of the stage in recipes and ledgers.
func (Dedup) Name() string { return "dedup" }

// Version is raised when the output changes.
func (Dedup) Version() int { return 1 }

// Reasons for a drop.
func (Dedup) Reasons() []string { return []string{"duplicate"} }

type position [positionBytes]byte

func positionOf(p *schemas.Pos) (key position) {
	binary.BigEndian.PutUint32(key[0:], uint32(p.Split))
	binary.BigEndian.PutUint64(key[4:], uint64(p.Record))
	binary.BigEndian.PutUint32(key[12:], uint32(p.Part))
	return key
}

func (p position) compare(o position) int { return bytes.Compare(p[:], o[:]) }

// Collect emits the key of a row.
func (d Dedup) Collect(row *schemas.Row, emit func(part int, key []byte)) {
	var key [keyBytes]byte
	hash := xxh3.Hash128(row.Text).Bytes()
	at := positionOf(&row.Pos)
	copy(key[:], hash[:])
	copy(key[hashBytes:], at[:])
	emit(int(binary.BigEndian.Uint32(key[:])%uint32(max(d.Parts, 1))), key[:])
}

// Reduce writes the positions of all but the first key of each hash. A key that comes twice counts once.
func (d Dedup) Reduce(ctx context.Context, _ int, keys iter.Seq2[[]byte, error], out io.Writer) (err error) {
	drops := newSorter(d.MemoryBytes, d.Dir)
	defer func() { err = errors.Join(err, drops.close()) }()
	var before [keyBytes]byte
	first := true
	for key, err := range keys {
		if err != nil {
			return fmt.Errorf("dedup: read keys: %w", err)
		}
		if len(key) != keyBytes {
			return fmt.Errorf("dedup: a key of %d bytes: want %d", len(key), keyBytes)
		}
		if !first {
			if order := bytes.Compare(before[:], key); order > 0 {
				return errors.New("dedup: keys are not in ascending order")
			} else if order == 0 {
				continue
			}
			if bytes.Equal(before[:hashBytes], key[:hashBytes]) {
				if err := drops.add(position(key[hashBytes:])); err != nil {
					return err
				}
			}
		}
		first = false
		copy(before[:], key)
	}
	return writeDrops(ctx, drops, out)
}

func writeDrops(ctx context.Context, drops *sorter, out io.Writer) error {
	w := bufio.NewWriter(out)
	header := binary.BigEndian.AppendUint64([]byte(dropsMagic), uint64(drops.count))
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("dedup: write verdicts: %w", err)
	}
	for p, err := range drops.sorted(ctx) {
		if err == nil {
			_, err = w.Write(p[:])
		}
		if err != nil {
			return fmt.Errorf("dedup: write verdicts: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("dedup: write verdicts: %w", err)
	}
	return nil
}

// Verdicts is what Reduce wrote for one part. It must be safe for many goroutines, as files are.
type Verdicts struct {
	io.ReaderAt
	Size int64 // bytes
}

// Apply makes the stage of the next pass, from the verdicts of all parts.
func (d Dedup) Apply(parts []Verdicts) DedupApply { return DedupApply{parts: parts} }

// DedupApply drops the rows that the verdicts of Dedup name.
type DedupApply struct{ parts []Verdicts }

// NewWorker makes a worker for one goroutine; index is the stage's number in the plan. It holds one small block of each part.
func (a DedupApply) NewWorker(index uint16, _ int64) (*DedupWorker, error) {
	w := &DedupWorker{verdict: schemas.Verdict{Kind: schemas.Drop, Stage: index}}
	for i, part := range a.parts {
		d, err := openDrops(part)
		if err != nil {
			return nil, fmt.Errorf("dedup: open verdicts of part %d: %w", i, err)
		}
		w.parts = append(w.parts, d)
	}
	return w, nil
}

// DedupWorker is DedupApply for one goroutine.
type DedupWorker struct {
	verdict schemas.Verdict
	parts   []*drops
}

// Process marks the duplicates in b. It is fastest when rows come in their order.
func (w *DedupWorker) Process(ctx context.Context, b *schemas.Batch) error {
	var failed error
	err := each(ctx, b, func(r *schemas.Row) {
		at := positionOf(&r.Pos)
		for i, part := range w.parts {
			found, err := part.contains(at)
			if err != nil && failed == nil {
				failed = fmt.Errorf("dedup: read verdicts of part %d: %w", i, err)
			}
			if found {
				r.Verdict = w.verdict
			}
		}
	})
	return errors.Join(err, failed)
}
