package checkpoint

import (
	"bytes"
	"io"
	"testing"
)

// BenchmarkFloats measures the conversion between floats and bytes, without a disk.
//
//	go test -run '^$' -bench Floats ./trainer/checkpoint
func BenchmarkFloats(b *testing.B) {
	const n = 1 << 22
	data := make([]float32, n)
	tensors := []Floats{{"w", []int{n}, data}}
	b.Run("op=write", func(b *testing.B) {
		b.SetBytes(4 * n)
		for b.Loop() {
			if err := Write(io.Discard, tensors, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=read", func(b *testing.B) {
		var file bytes.Buffer
		if err := Write(&file, tensors, nil); err != nil {
			b.Fatal(err)
		}
		f, err := NewFile("w", bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(4 * n)
		for b.Loop() {
			if err := f.ReadFloats("w", data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
