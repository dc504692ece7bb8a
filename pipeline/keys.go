package pipeline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/shardmill/shardmill/schemas"
)

// A keys file holds the keys of one commit, sorted inside each part of the reduction, in blocks with checksums. All numbers are little
// endian.
//
//	magic   "SMKEYS\x00\x01"
//	parts   u32
//	ends    parts × u64, the end of each part in the file; the first part begins behind the last of these
//	part    blocks of { payload bytes u32, xxh3-64 of part number (u32) and payload u64, payload }
//	payload keys of { length uvarint, key }; no key crosses a block
const keysMagic = "SMKEYS\x00\x01"

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
	head := binary.LittleEndian.AppendUint32([]byte(keysMagic), uint32(len(k.parts)))
	start := len(head) + 8*len(k.parts)
	var body, payload []byte
	for part, refs := range k.parts {
		slices.SortFunc(refs, func(a, b keyRef) int { return bytes.Compare(k.arena[a.from:a.to], k.arena[b.from:b.to]) })
		for i, r := range refs {
			payload = binary.AppendUvarint(payload, uint64(r.to-r.from))
			payload = append(payload, k.arena[r.from:r.to]...)
			if len(payload) >= keysBlockBytes || i == len(refs)-1 {
				body = binary.LittleEndian.AppendUint32(body, uint32(len(payload)))
				body = binary.LittleEndian.AppendUint64(body, keysChecksum(part, payload))
				body = append(body, payload...)
				payload = payload[:0]
			}
		}
		head = binary.LittleEndian.AppendUint64(head, uint64(start+len(body)))
		k.parts[part] = refs[:0]
	}
	k.arena = k.arena[:0]
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

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
	head := make([]byte, len(keysMagic)+4+8*parts)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read keys %s: header: %w", name, err)
	}
	ends := head[len(keysMagic)+4:]
	if string(head[:len(keysMagic)]) != keysMagic || int(binary.LittleEndian.Uint32(head[len(keysMagic):])) != parts {
		return nil, fmt.Errorf("read keys %s: it is no keys file of %d parts", name, parts)
	}
	if binary.LittleEndian.Uint64(ends[8*(parts-1):]) != uint64(f.Size()) {
		return nil, fmt.Errorf("read keys %s: the file does not end where its header says: it is damaged", name)
	}
	r := &keyRun{store: store, name: name, part: part, at: int64(len(head)), end: int64(binary.LittleEndian.Uint64(ends[8*part:]))}
	if part > 0 {
		r.at = int64(binary.LittleEndian.Uint64(ends[8*(part-1):]))
	}
	if r.at < int64(len(head)) || r.at > r.end || r.end > f.Size() {
		return nil, fmt.Errorf("read keys %s: part %d is [%d, %d) of %d bytes: the file is damaged", name, part, r.at, r.end, f.Size())
	}
	return r, nil
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
	var head [12]byte
	if r.end-r.at < int64(len(head)) {
		return io.ErrUnexpectedEOF
	}
	if _, err := f.ReadAt(head[:], r.at); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n == 0 || n > keysBlockBytes+MaxKeyBytes+binary.MaxVarintLen64 || n > r.end-r.at-int64(len(head)) {
		return fmt.Errorf("it has %d bytes: the file is damaged", n)
	}
	r.buf = slices.Grow(r.buf[:0], int(n))[:n]
	if _, err := f.ReadAt(r.buf, r.at+int64(len(head))); err != nil && err != io.EOF {
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
