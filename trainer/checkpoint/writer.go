package checkpoint

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// Floats is a tensor of float32 to be written. Data is row-major.
type Floats struct {
	Name  string
	Shape []int
	Data  []float32
}

// Write writes the tensors as a safetensors file. The bytes are a function of tensors and metadata: tensors lie in the order of
// their names, and so do the keys of the metadata. The header is padded with spaces so that the data begins at a multiple of 8.
func Write(w io.Writer, tensors []Floats, metadata map[string]string) error {
	tensors = slices.Clone(tensors)
	slices.SortFunc(tensors, func(a, b Floats) int { return cmp.Compare(a.Name, b.Name) })
	header, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if err := binary.Write(out, binary.LittleEndian, uint64(len(header))); err != nil {
		return err
	}
	if _, err := out.Write(header); err != nil {
		return err
	}
	for _, t := range tensors {
		for _, v := range t.Data {
			b := binary.LittleEndian.AppendUint32(out.AvailableBuffer(), math.Float32bits(v))
			if _, err := out.Write(b); err != nil {
				return fmt.Errorf("write tensor %q: %w", t.Name, err)
			}
		}
	}
	return out.Flush()
}

func encodeHeader(tensors []Floats, metadata map[string]string) ([]byte, error) {
	var h bytes.Buffer
	h.WriteByte('{')
	if metadata != nil {
		h.WriteString(`"__metadata__":`)
		h.Write(encodeJSON(metadata)) // a map is written in the order of its keys
	}
	var offset int64
	for i, t := range tensors {
		if i > 0 && t.Name == tensors[i-1].Name {
			return nil, fmt.Errorf("write tensor %q: the name is used twice", t.Name)
		}
		if t.Name == "__metadata__" {
			return nil, fmt.Errorf("write tensor %q: the name is reserved", t.Name)
		}
		shape := slices.Clone(t.Shape)
		if shape == nil {
			shape = []int{}
		}
		end := offset + 4*int64(len(t.Data))
		entry := Tensor{Name: t.Name, DType: "F32", Shape: shape, from: offset, to: end}
		if err := entry.checkSize(); err != nil {
			return nil, fmt.Errorf("write tensor %q: %w", t.Name, err)
		}
		if h.Len() > 1 {
			h.WriteByte(',')
		}
		h.Write(encodeJSON(t.Name))
		fmt.Fprintf(&h, `:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, encodeJSON(shape), offset, end)
		offset = end
	}
	h.WriteByte('}')
	for h.Len()%8 != 0 {
		h.WriteByte(' ')
	}
	if h.Len() > MaxHeaderBytes {
		return nil, fmt.Errorf("write safetensors: a header of %d bytes is longer than the allowed %d", h.Len(), MaxHeaderBytes)
	}
	return h.Bytes(), nil
}

// encodeJSON encodes strings, numbers and maps of them, which cannot fail, without escaping HTML.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n")
}
