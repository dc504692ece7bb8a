package pipeline

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/shardmill/shardmill/schemas"
)

// A keys file holds keys sorted inside each part of the reduction, in blocks with checksums: those of one commit, or those of one part from
// many commits. All numbers are little endian.
//
//	magic   "SMKEYS\x00\x02"
//	part    blocks of { payload bytes u32, xxh3-64 of part number (u32) and payload u64, payload }
//	payload keys of { length uvarint, key }; no key crosses a block
//	ends    parts × u64, the end of each part in the file; the first part begins behind the magic
//	parts   u32
const keysMagic = "SMKEYS\x00\x02"

// keysBlockBytes is the payload at which a block ends: small, since a merge holds one block of each file.
const keysBlockBytes = 16 << 10

// MaxKeyBytes bounds one key.
const MaxKeyBytes = 1 << 10

// keyCollector gathers the keys of one commit in memory; outputs bound the rows of a commit.
type keyCollector struct {
	arena []byte
	parts [][]keyRef
	err   error
}

type keyRef struct{ from, to int }

func newKeyCollector(parts int) *keyCollector { return &keyCollector{parts: make([][]keyRef, parts)} }

func (k *keyCollector) add(red Reduction, row *schemas.Row) error {
	red.Collect(row, func(part int, key []byte) {
		if part < 0 || part >= len(k.parts) || len(key) > MaxKeyBytes {
			k.err = fmt.Errorf("part %d of %d, key of %d bytes: out of bounds", part, len(k.parts), len(key))
			return
		}
		from := len(k.arena)
		k.arena = append(k.arena, key...)
		k.parts[part] = append(k.parts[part], keyRef{from, len(k.arena)})
	})
	return k.err
}

// flush writes the keys file and empties k.
func (k *keyCollector) flush(w io.Writer) error {
	out := newKeysWriter(w)
	for part, refs := range k.parts {
		slices.SortFunc(refs, func(a, b keyRef) int { return bytes.Compare(k.arena[a.from:a.to], k.arena[b.from:b.to]) })
		for _, r := range refs {
			out.add(k.arena[r.from:r.to])
		}
		out.endPart()
		k.parts[part] = refs[:0]
	}
	k.arena = k.arena[:0]
	return out.finish()
}

// keysWriter writes a keys file, part after part. It keeps its first error for finish.
type keysWriter struct {
	w     *bufio.Writer
	at    uint64
	block []byte   // payload of the open block
	ends  []uint64 // of the parts that are complete
}

func newKeysWriter(w io.Writer) *keysWriter {
	k := &keysWriter{w: bufio.NewWriterSize(w, 4*keysBlockBytes)}
	k.write([]byte(keysMagic))
	return k
}

func (k *keysWriter) write(p []byte) {
	k.at += uint64(len(p))
	_, _ = k.w.Write(p) // finish gets the error from Flush
}

func (k *keysWriter) add(key []byte) {
	k.block = binary.AppendUvarint(k.block, uint64(len(key)))
	k.block = append(k.block, key...)
	if len(k.block) >= keysBlockBytes {
		k.endBlock()
	}
}

func (k *keysWriter) endBlock() {
	var head [keysBlockHeader]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(k.block)))
	binary.LittleEndian.PutUint64(head[4:], keysChecksum(len(k.ends), k.block))
	k.write(head[:])
	k.write(k.block)
	k.block = k.block[:0]
}

func (k *keysWriter) endPart() {
	if len(k.block) > 0 {
		k.endBlock()
	}
	k.ends = append(k.ends, k.at)
}

func (k *keysWriter) finish() error {
	var tail []byte
	for _, end := range k.ends {
		tail = binary.LittleEndian.AppendUint64(tail, end)
	}
	k.write(binary.LittleEndian.AppendUint32(tail, uint32(len(k.ends))))
	return k.w.Flush()
}

const keysBlockHeader = 12

func keysChecksum(part int, payload []byte) uint64 { return xxh3.HashSeed(payload, uint64(part)) }

// keyRun reads the keys of one part from one keys file. It opens the file for each block, so that a merge of many thousand runs needs
// neither as many open files nor a second level.
type keyRun struct {
	store   Store
	name    string
	part    int
	at, end int64
	block   []byte // what is left of the current payload
	buf     []byte
	key     []byte
}

func openKeyRun(store Store, name string, part, parts int) (*keyRun, error) {
	f, err := store.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tail := make([]byte, 8*parts+4)
	last := f.Size() - int64(len(tail)) // where the last part ends
	if last < int64(len(keysMagic)) {
		return nil, fmt.Errorf("read keys %s: %d bytes are too few for a keys file of %d parts", name, f.Size(), parts)
	}
	head := make([]byte, len(keysMagic))
	if err := errors.Join(readFull(f, head, 0), readFull(f, tail, last)); err != nil {
		return nil, fmt.Errorf("read keys %s: %w", name, err)
	}
	if string(head) != keysMagic || int64(binary.LittleEndian.Uint32(tail[8*parts:])) != int64(parts) {
		return nil, fmt.Errorf("read keys %s: it is no keys file of %d parts", name, parts)
	}
	end := func(part int) int64 { return int64(binary.LittleEndian.Uint64(tail[8*part:])) }
	r := &keyRun{store: store, name: name, part: part, at: int64(len(head)), end: end(part)}
	if part > 0 {
		r.at = end(part - 1)
	}
	if r.at < int64(len(head)) || r.at > r.end || r.end > last || end(parts-1) != last {
		return nil, fmt.Errorf("read keys %s: part %d is [%d, %d) of %d bytes: the file is damaged", name, part, r.at, r.end, f.Size())
	}
	return r, nil
}

// readFull fills p from offset at.
func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// next moves to the next key; io.EOF after the last.
func (r *keyRun) next() error {
	if len(r.block) == 0 {
		if r.at == r.end {
			return io.EOF
		}
		if err := r.load(); err != nil {
			return fmt.Errorf("read keys %s: block at byte %d: %w", r.name, r.at, err)
		}
	}
	n, size := binary.Uvarint(r.block)
	if size <= 0 || n > uint64(len(r.block)-size) {
		return fmt.Errorf("read keys %s: a key of %d bytes leaves its block", r.name, n)
	}
	r.key, r.block = r.block[size:size+int(n)], r.block[size+int(n):]
	return nil
}

// load reads the next block and holds it against its checksum.
func (r *keyRun) load() error {
	f, err := r.store.Open(r.name)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [keysBlockHeader]byte
	if r.end-r.at < int64(len(head)) {
		return io.ErrUnexpectedEOF
	}
	if err := readFull(f, head[:], r.at); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n == 0 || n > keysBlockBytes+MaxKeyBytes+binary.MaxVarintLen64 || n > r.end-r.at-int64(len(head)) {
		return fmt.Errorf("it has %d bytes: the file is damaged", n)
	}
	r.buf = slices.Grow(r.buf[:0], int(n))[:n]
	if err := readFull(f, r.buf, r.at+int64(len(head))); err != nil {
		return err
	}
	if keysChecksum(r.part, r.buf) != binary.LittleEndian.Uint64(head[4:]) {
		return errors.New("checksum differs: the file is damaged")
	}
	r.block, r.at = r.buf, r.at+int64(len(head))+n
	return nil
}

// keyHeap is a heap of runs by their current key, for container/heap.
type keyHeap []*keyRun

func (h keyHeap) Len() int           { return len(h) }
func (h keyHeap) Less(i, j int) bool { return bytes.Compare(h[i].key, h[j].key) < 0 }
func (h keyHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *keyHeap) Push(x any)        { *h = append(*h, x.(*keyRun)) }
func (h *keyHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
