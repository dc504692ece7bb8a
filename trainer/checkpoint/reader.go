package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// File is an open safetensors file. Its header was read and checked as a whole: every tensor lies inside the file, and they neither
// overlap nor leave gaps. It may be used by many goroutines.
type File struct {
	Tensors  []Tensor          // in the order of their bytes
	Metadata map[string]string // the strings of __metadata__; nil if it is absent

	name   string
	data   io.ReaderAt
	start  int64 // of the data, in bytes
	index  map[string]int
	closer io.Closer
}

// Open opens the safetensors file at path. The caller closes it.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("read safetensors %s: not a regular file", path)
	}
	file, err := NewFile(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	file.closer = f
	return file, nil
}

// NewFile reads the header of a safetensors file of the given size, in bytes, from r. The name is used in errors only.
func NewFile(name string, r io.ReaderAt, size int64) (*File, error) {
	f, err := readHeader(r, size)
	if err != nil {
		return nil, fmt.Errorf("read safetensors %s: %w", name, err)
	}
	f.name = name
	return f, nil
}

func readHeader(r io.ReaderAt, size int64) (*File, error) {
	var length [8]byte
	if size < int64(len(length)) {
		return nil, fmt.Errorf("a file of %d bytes is too short to be one", size)
	}
	if _, err := r.ReadAt(length[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > MaxHeaderBytes {
		return nil, fmt.Errorf("header of %d bytes is longer than the allowed %d: is this a safetensors file?", n, MaxHeaderBytes)
	}
	start := int64(n) + 8
	if start > size {
		return nil, fmt.Errorf("header of %d bytes is longer than the file", n)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, 8, int64(n)), header); err != nil {
		return nil, err
	}
	tensors, metadata, err := parseHeader(header, size-start)
	if err != nil {
		return nil, err
	}
	f := &File{Tensors: tensors, Metadata: metadata, data: r, start: start, index: make(map[string]int, len(tensors))}
	for i := range tensors {
		f.index[tensors[i].Name] = i
	}
	return f, nil
}

// Close closes the file that Open opened.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// closing closes c, at the end of a function that returns *err.
func closing(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }

// Lookup returns the tensor of that name, or nil.
func (f *File) Lookup(name string) *Tensor {
	if i, ok := f.index[name]; ok {
		return &f.Tensors[i]
	}
	return nil
}

// ReadFloats fills dst with the elements of a tensor, converted to float32. The type must be F32, F16 or BF16 (F16 and BF16 convert
// exactly), and dst must have as many elements as the tensor.
func (f *File) ReadFloats(name string, dst []float32) error {
	if err := f.readFloats(name, dst); err != nil {
		return fmt.Errorf("read safetensors %s: tensor %q: %w", f.name, name, err)
	}
	return nil
}

func (f *File) readFloats(name string, dst []float32) error {
	t := f.Lookup(name)
	if t == nil {
		return errors.New("it is not there")
	}
	var decode func(dst []float32, src []byte)
	switch t.DType {
	case "F32":
		decode = decodeFloat32
	case "F16":
		decode = decodeFloat16
	case "BF16":
		decode = decodeBFloat16
	default:
		return fmt.Errorf("elements of type %s can't be weights; convert it to F32, F16 or BF16", t.DType)
	}
	if len(dst) != t.Elements() {
		return fmt.Errorf("shape %v has %d elements, %d are expected", t.Shape, t.Elements(), len(dst))
	}
	each := int(dtypeBytes[t.DType])
	const bufferBytes = 1 << 18
	buffer := make([]byte, min(bufferBytes, len(dst)*each))
	offset := f.start + t.from
	for len(dst) > 0 {
		n := min(len(buffer)/each, len(dst))
		if _, err := io.ReadFull(io.NewSectionReader(f.data, offset, int64(n*each)), buffer[:n*each]); err != nil {
			return err
		}
		decode(dst[:n], buffer)
		dst, offset = dst[n:], offset+int64(n*each)
	}
	return nil
}

func decodeFloat32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func decodeBFloat16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}

func decodeFloat16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float16(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

// float16 widens an IEEE 754 binary16: 1 sign bit, 5 of exponent with bias 15, 10 of fraction.
func float16(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	case 0: // zero and subnormal: fraction · 2⁻²⁴
		f := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
