package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Bounds on the header of a safetensors file. The first is that of the reference implementation; the others are far above what any
// model needs.
const (
	MaxHeaderBytes = 100_000_000
	maxTensors     = 1 << 18
	maxRank        = 32
)

// Tensor describes one tensor of a safetensors file.
type Tensor struct {
	Name  string
	DType string // as the file spells it: F32, F16, BF16, I64, …
	Shape []int  // row-major sizes; empty for a single number

	from, to int64 // bytes, counted from the end of the header
}

// Elements returns the number of elements.
func (t *Tensor) Elements() int {
	n := 1
	for _, size := range t.Shape {
		n *= size
	}
	return n
}

// dtypeBytes is the size of one element of each type of the format whose elements are whole bytes.
var dtypeBytes = map[string]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1,
	"I16": 2, "U16": 2, "F16": 2, "BF16": 2,
	"I32": 4, "U32": 4, "F32": 4,
	"I64": 8, "U64": 8, "F64": 8, "C64": 8,
}

// parseHeader reads the JSON header of a file with dataBytes bytes after it. The tensors come back in the order of their bytes.
func parseHeader(header []byte, dataBytes int64) ([]Tensor, map[string]string, error) {
	if !utf8.Valid(header) {
		return nil, nil, errors.New("header is not valid UTF-8")
	}
	if len(header) == 0 || header[0] != '{' {
		return nil, nil, errors.New("header does not begin with {")
	}
	p := headerParser{json.NewDecoder(bytes.NewReader(header))}
	p.dec.UseNumber()
	var (
		tensors  []Tensor
		metadata map[string]string
	)
	err := p.object(func(name string) error {
		if name == "__metadata__" {
			var err error
			metadata, err = p.metadata()
			return err
		}
		if len(tensors) == maxTensors {
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		t, err := p.tensor(name)
		tensors = append(tensors, t)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if _, err := p.dec.Token(); err != io.EOF {
		return nil, nil, errors.New("header: something follows its JSON object")
	}
	slices.SortStableFunc(tensors, func(a, b Tensor) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	return tensors, metadata, checkLayout(tensors, dataBytes)
}

// checkLayout demands that the tensors cover the data without gap or overlap.
func checkLayout(tensors []Tensor, dataBytes int64) error {
	var end int64
	for i := range tensors {
		t := &tensors[i]
		switch {
		case t.from < end:
			return fmt.Errorf("tensor %q overlaps the one before it: it begins at byte %d of the data, that ends at %d", t.Name, t.from, end)
		case t.from > end:
			return fmt.Errorf("tensor %q leaves a gap before it: bytes %d to %d of the data belong to no tensor", t.Name, end, t.from)
		}
		end = t.to
		if end > dataBytes {
			return fmt.Errorf("tensor %q ends at byte %d of the data, the file has only %d: it was cut", t.Name, end, dataBytes)
		}
	}
	if end != dataBytes {
		return fmt.Errorf("%d bytes after the last tensor belong to none", dataBytes-end)
	}
	return nil
}

// headerParser reads JSON token by token, because encoding/json would let the last of two equal keys win in silence.
type headerParser struct{ dec *json.Decoder }

func (p headerParser) delim(want json.Delim) error {
	token, err := p.token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("%v where %v should be, at byte %d", token, want, p.dec.InputOffset())
	}
	return nil
}

func (p headerParser) token() (json.Token, error) {
	token, err := p.dec.Token()
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	return token, err
}

// object calls value for each key of the object that comes next; value must read exactly one value.
func (p headerParser) object(value func(key string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.dec.More() {
		token, err := p.token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return fmt.Errorf("%v where a name should be", token)
		}
		if seen[key] {
			return fmt.Errorf("%q stands there twice", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return p.delim('}')
}

func (p headerParser) metadata() (map[string]string, error) {
	m := map[string]string{}
	err := p.object(func(key string) error {
		value, err := p.string()
		m[key] = value
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("__metadata__: %w", err)
	}
	return m, nil
}

func (p headerParser) string() (string, error) {
	token, err := p.token()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%v where a string should be", token)
	}
	return s, nil
}

func (p headerParser) tensor(name string) (Tensor, error) {
	t := Tensor{Name: name}
	var (
		offsets []int64
		fields  int
	)
	err := p.object(func(key string) (err error) {
		fields++
		switch key {
		case "dtype":
			t.DType, err = p.string()
		case "shape":
			var shape []int64
			shape, err = p.sizes(maxRank)
			t.Shape = make([]int, len(shape))
			for i, size := range shape {
				t.Shape[i] = int(size)
			}
		case "data_offsets":
			offsets, err = p.sizes(2)
		default:
			err = fmt.Errorf("unknown field %q", key)
		}
		return err
	})
	if err == nil && (fields != 3 || len(offsets) != 2) {
		err = errors.New("it needs dtype, shape and data_offsets, and both offsets")
	}
	if err == nil {
		t.from, t.to = offsets[0], offsets[1]
		err = t.checkSize()
	}
	if err != nil {
		return t, fmt.Errorf("tensor %q: %w", name, err)
	}
	return t, nil
}

// sizes reads an array of at most limit integers of at least 0.
func (p headerParser) sizes(limit int) ([]int64, error) {
	if err := p.delim('['); err != nil {
		return nil, err
	}
	list := []int64{}
	for p.dec.More() {
		token, err := p.token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v where a whole number should be", token)
		}
		n, err := strconv.ParseInt(number.String(), 10, strconv.IntSize)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%v is not a whole number from 0 to %d", number, math.MaxInt)
		}
		if len(list) == limit {
			return nil, fmt.Errorf("more than %d numbers", limit)
		}
		list = append(list, n)
	}
	return list, p.delim(']')
}

// checkSize demands that offsets, shape and type agree, without overflow.
func (t *Tensor) checkSize() error {
	each, ok := dtypeBytes[t.DType]
	if !ok {
		return fmt.Errorf("type %q is unknown", t.DType)
	}
	size := each
	for _, n := range t.Shape {
		if n == 0 {
			size = 0
			break
		}
		if size > math.MaxInt64/int64(n) {
			return fmt.Errorf("shape %v is too large", t.Shape)
		}
		size *= int64(n)
	}
	if t.from > t.to || t.to-t.from != size {
		return fmt.Errorf("bytes %d to %d do not hold shape %v of %s, which takes %d", t.from, t.to, t.Shape, t.DType, size)
	}
	return nil
}
