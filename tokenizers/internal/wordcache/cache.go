// Package wordcache remembers the ids of the pieces that texts are cut into, since few different ones make up most of any text.
//
// Pieces are looked up in batches and in two passes: [Cache.Locate] packs each piece into a key, hashes it and asks for the line of memory where it
// would lie, so that the lines are on their way all at once; [Cache.Append] compares and copies. A line of 64 bytes holds two pieces of up to 15 bytes
// with up to three ids each, or one of 16 to 31 bytes with up to seven:
//
//	short   key 16: the piece, its length in the last byte | ids 12 | count 4
//	middle  key 32: the piece, its length in the last byte | ids 28 | count 4
//
// More ids lie in an area of their own, and so do the bytes of longer pieces, which are found by a hash of 64 bits and then compared.
package wordcache

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/shardmill/shardmill/tokenizers/internal/simd"
)

const (
	// MaxBatch is the most pieces that are looked up at once: enough to hide the way to memory, few enough for the nearest cache.
	MaxBatch = 256
	// MaxPieceBytes is the longest piece that is remembered: longer ones hardly come again.
	MaxPieceBytes = 128
	// MinBytes is the least memory of a cache.
	MinBytes = 4096

	lineBytes   = 64
	shortIDs    = 3
	middleIDs   = 7
	shortBytes  = 15
	middleBytes = 31
	windowBytes = 32
	middleMark  = 0xFE << 56 // in Place.high, above the lengths of short pieces
	longMark    = 0xFF << 56
)

// Cache belongs to one goroutine. Its memory is taken at once and never grows: where a place is taken another piece gives way, and when
// the shared areas are full everything is forgotten. What it holds changes speed alone.
type Cache struct {
	tier       simd.Tier
	short      []shortLine  // a power of two
	shortShift int          // of a hash, to a line
	middle     []middleLine // half as many
	ids        []uint32     // of pieces with more ids than fit; copyIDs more can be read behind them
	bytes      []byte       // of long pieces
	refused    int          // pieces since one of these areas was full
	lines      lines
}

// lines is what the assembly needs of a cache.
type lines struct {
	short      *shortLine
	middle     *middleLine
	shortShift uint64
	ids        *uint32
}

const copyIDs = 8 // at once, by the assembly

// A shortSlot is empty while high is 0. Of a long piece low is the hash and high longMark and the length; ids[1] is where its bytes lie.
type shortSlot struct {
	low, high uint64
	ids       [shortIDs]uint32 // if they are more, ids[0] is where they lie
	count     uint32
}

type shortLine [2]shortSlot

type middleLine struct {
	key   [4]uint64
	ids   [middleIDs]uint32 // if they are more, ids[0] is where they lie
	count uint32
}

// Place is where a piece lies if the cache holds it.
type Place struct {
	low, high uint64 // the key of a short piece; the hash and the mark and length of a longer one
	line      uint64
}

// New returns a cache that takes up to maxBytes bytes of memory, or nil where these are less than MinBytes.
func New(maxBytes int) *Cache {
	if maxBytes < MinBytes {
		return nil
	}
	maxBytes = min(maxBytes, 1<<32) // places fit 32 bits
	size := bits.Len(uint(maxBytes/2/lineBytes)) - 1
	ids := make([]uint32, 1, maxBytes*3/16/4)
	c := &Cache{
		tier:       simd.Active(),
		short:      make([]shortLine, 1<<size),
		shortShift: 64 - size,
		middle:     make([]middleLine, 1<<(size-1)),
		ids:        ids[: 0 : cap(ids)-copyIDs],
		bytes:      make([]byte, 0, maxBytes/16),
	}
	adviseHuge(unsafe.Slice((*byte)(unsafe.Pointer(&c.short[0])), lineBytes*len(c.short)))
	adviseHuge(unsafe.Slice((*byte)(unsafe.Pointer(&c.middle[0])), lineBytes*len(c.middle)))
	c.lines = lines{&c.short[0], &c.middle[0], uint64(c.shortShift), &ids[0]}
	return c
}

const (
	hashSeed1 = 0x9E3779B97F4A7C15
	hashSeed2 = 0xD6E8FEB86659FD93
)

var hashSeeds = [2]uint64{hashSeed1, hashSeed2} // for the assembly

func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// keyMasks keep the first n bytes of two words of 8.
var keyMasks = func() (masks [16][2]uint64) {
	for n := range masks {
		masks[n] = [2]uint64{1<<(8*min(n, 8)) - 1, 1<<(8*max(n-8, 0)) - 1}
	}
	return masks
}()

// Locate finds the places of the pieces text[starts[i]:ends[i]], which are MaxBatch or fewer, in order, and not empty.
func (c *Cache) Locate(places []Place, text []byte, starts, ends []uint32) {
	places, ends = places[:len(starts)], ends[:len(starts)]
	safe := len(starts) // pieces behind which there is more text than is read at once
	for c.tier >= simd.AVX2 && safe > 0 && int(starts[safe-1]) > len(text)-windowBytes {
		safe--
	}
	for i := 0; i < len(starts); {
		one := len(starts)
		if c.tier >= simd.AVX2 {
			if i < safe {
				i += locateNative(places[i:safe], text, starts[i:], ends[i:], &c.lines)
			}
			one = min(i+1, one) // that is long, or at the end
		}
		for ; i < one; i++ {
			c.locateAt(&places[i], text, starts[i], ends[i])
		}
	}
}

// locateAt is Locate for one piece.
func (c *Cache) locateAt(p *Place, text []byte, start, end uint32) {
	n := end - start
	if int(start)+windowBytes > len(text) {
		*p = c.locate(text[start:end])
		return
	}
	window := text[start : start+windowBytes]
	if n > shortBytes {
		*p = c.locateMore(window, text[start:end])
		return
	}
	m := &keyMasks[n]
	low := binary.LittleEndian.Uint64(window) & m[0]
	high := binary.LittleEndian.Uint64(window[8:])&m[1] | uint64(n)<<56
	*p = Place{low, high, mix(low^hashSeed1, high^hashSeed2) >> c.shortShift}
}

// locate finds the place of one piece, and reads nothing behind it.
func (c *Cache) locate(piece []byte) Place {
	var window [32]byte
	if n := copy(window[:], piece); n <= shortBytes {
		low, high := binary.LittleEndian.Uint64(window[:]), binary.LittleEndian.Uint64(window[8:])|uint64(n)<<56
		return Place{low, high, mix(low^hashSeed1, high^hashSeed2) >> c.shortShift}
	}
	return c.locateMore(window[:], piece)
}

// locateMore finds the place of a piece that is not short. The window has its first bytes.
func (c *Cache) locateMore(window, piece []byte) Place {
	n := uint64(len(piece))
	if n <= middleBytes {
		k := middleKey(window, n)
		hash := mix(mix(k[0]^hashSeed1, k[1]^hashSeed2)^k[2], k[3]^hashSeed2)
		return Place{hash, middleMark | n, hash >> c.shortShift >> 1}
	}
	if n > MaxPieceBytes { // none has this key
		return Place{high: longMark | n}
	}
	hash := n * hashSeed1
	for ; len(piece) >= 8; piece = piece[8:] {
		hash = mix(hash^binary.LittleEndian.Uint64(piece), hashSeed2)
	}
	var rest [8]byte
	copy(rest[:], piece)
	hash = mix(hash^binary.LittleEndian.Uint64(rest[:]), hashSeed2)
	return Place{hash, longMark | n, hash >> c.shortShift}
}

// middleKey returns the key of a piece of n bytes at the start of a window of 32.
func middleKey(window []byte, n uint64) [4]uint64 {
	m := &keyMasks[n-16]
	return [4]uint64{
		binary.LittleEndian.Uint64(window), binary.LittleEndian.Uint64(window[8:]),
		binary.LittleEndian.Uint64(window[16:]) & m[0],
		binary.LittleEndian.Uint64(window[24:])&m[1] | n<<56,
	}
}

// Append appends the ids of the pieces of a batch, up to the first that the cache does not hold, each & keep. It returns how many pieces these
// were. It may write to dst behind what it returns, up to the capacity.
func (c *Cache) Append(dst []uint32, places []Place, text []byte, starts, ends []uint32, keep uint32) ([]uint32, int) {
	for i := 0; ; {
		dst = slices.Grow(dst, (shortIDs+1)*(len(places)-i)+copyIDs)
		end := len(places)
		if c.tier >= simd.AVX2 && i < end {
			found, n := appendNative(dst, places[i:], text, starts[i:], &c.lines, keep)
			dst = dst[:n]
			i += found
			end = min(i+1, end) // that asks for more
		}
		found := 0
		dst, found = c.appendPortable(dst, places[i:end], text, starts[i:], ends[i:], keep)
		if i += found; i < end || i == len(places) {
			return dst, i
		}
	}
}

func (c *Cache) appendPortable(dst []uint32, places []Place, text []byte, starts, ends []uint32, keep uint32) ([]uint32, int) {
	n := len(dst)
	room := dst[:cap(dst)]
	for i := range places {
		p := &places[i]
		room = growRoom(room, n, shortIDs)
		if p.high >= middleMark {
			ids, ok := c.findMore(p, text[starts[i]:ends[i]])
			if !ok {
				return room[:n], i
			}
			room, n = c.putIDs(room, n, ids, keep)
			continue
		}
		line := &c.short[p.line]
		s := &line[0]
		if s.low != p.low || s.high != p.high {
			if s = &line[1]; s.low != p.low || s.high != p.high {
				return room[:n], i
			}
		}
		if s.count > shortIDs {
			room, n = c.putIDs(room, n, c.ids[s.ids[0]:][:s.count], keep)
			continue
		}
		to := (*[shortIDs]uint32)(room[n:])
		to[0], to[1], to[2] = s.ids[0]&keep, s.ids[1]&keep, s.ids[2]&keep
		n += int(s.count)
	}
	return room[:n], len(places)
}

// putIDs puts ids behind n.
func (c *Cache) putIDs(room []uint32, n int, ids []uint32, keep uint32) ([]uint32, int) {
	room = growRoom(room, n, len(ids))
	for k, id := range ids {
		room[n+k] = id & keep
	}
	return room, n + len(ids)
}

// growRoom returns room for more ids behind n.
func growRoom(room []uint32, n, more int) []uint32 {
	if len(room)-n < more {
		room = slices.Grow(room[:n], more)
		room = room[:cap(room)]
	}
	return room
}

// Find returns the ids of one piece, valid until the next Put, and the place for Put where the cache does not hold it.
func (c *Cache) Find(piece []byte) (ids []uint32, place Place, ok bool) {
	p := c.locate(piece)
	if p.high >= middleMark {
		ids, ok = c.findMore(&p, piece)
		return ids, p, ok
	}
	line := &c.short[p.line]
	for k := range line {
		if s := &line[k]; s.low == p.low && s.high == p.high {
			return c.idsOf(s.ids[:], s.count), p, true
		}
	}
	return nil, p, false
}

// Holds tells whether the cache holds a piece.
func (c *Cache) Holds(p Place, piece []byte) bool {
	if p.high >= middleMark {
		_, ok := c.findMore(&p, piece)
		return ok
	}
	line := &c.short[p.line]
	return line[0].low == p.low && line[0].high == p.high || line[1].low == p.low && line[1].high == p.high
}

// findMore returns the ids of a piece that is not short.
func (c *Cache) findMore(p *Place, piece []byte) ([]uint32, bool) {
	if p.high < longMark {
		var window [32]byte
		copy(window[:], piece)
		key := middleKey(window[:], uint64(len(piece)))
		for k := range uint64(2) {
			if s := &c.middle[p.line^k]; s.key == key {
				return c.idsOf(s.ids[:], s.count), true
			}
		}
		return nil, false
	}
	line := &c.short[p.line]
	for k := range line {
		s := &line[k]
		if s.low == p.low && s.high == p.high && string(c.bytes[s.ids[1]:][:len(piece)]) == string(piece) {
			return c.ids[s.ids[0]:][:s.count], true
		}
	}
	return nil, false
}

func (c *Cache) idsOf(inline []uint32, count uint32) []uint32 {
	if int(count) <= len(inline) {
		return inline[:count]
	}
	return c.ids[inline[0]:][:count]
}

// Put remembers a piece of no more than MaxPieceBytes, which the cache does not hold.
func (c *Cache) Put(p Place, piece []byte, ids []uint32) {
	count := uint32(len(ids))
	long := p.high >= longMark
	inline := shortIDs
	if p.high >= middleMark {
		inline = middleIDs
	}
	var at, bytesAt uint32
	if far := long || len(ids) > inline; far {
		if len(ids) > cap(c.ids) {
			return
		}
		if cap(c.ids)-len(c.ids) < len(ids) || long && cap(c.bytes)-len(c.bytes) < len(piece) {
			if c.refused++; c.refused < len(c.short) { // what came early comes often: it may stay for a while
				return
			}
			c.forget()
		}
		at, bytesAt = uint32(len(c.ids)), uint32(len(c.bytes))
		c.ids = append(c.ids, ids...)
		if ids = []uint32{at}; long {
			c.bytes = append(c.bytes, piece...)
			ids = []uint32{at, bytesAt}
		}
	}
	if p.high >= middleMark && !long {
		c.putMiddle(p, piece, ids, count)
		return
	}
	line := &c.short[p.line]
	s := &line[0]
	if s.high != 0 { // the first stays: what comes early comes often
		s = &line[1]
	}
	*s = shortSlot{low: p.low, high: p.high, count: count}
	copy(s.ids[:], ids)
}

func (c *Cache) putMiddle(p Place, piece []byte, ids []uint32, count uint32) {
	var window [32]byte
	copy(window[:], piece)
	s := &c.middle[p.line]
	if s.key[3] != 0 {
		s = &c.middle[p.line^1]
	}
	*s = middleLine{key: middleKey(window[:], uint64(len(piece))), count: count}
	copy(s.ids[:], ids)
}

func (c *Cache) forget() {
	clear(c.short)
	clear(c.middle)
	c.ids, c.bytes, c.refused = c.ids[:0], c.bytes[:0], 0
}
