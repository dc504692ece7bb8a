package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/internal/realdata"
)

// file puts a header and n bytes of data together.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func open(b []byte) (*File, error) { return NewFile("x", bytes.NewReader(b), int64(len(b))) }

func TestOpenRefusesHostileFiles(t *testing.T) {
	one := func(body string) string { return `{"w":{` + body + `}}` }
	long := binary.LittleEndian.AppendUint64(nil, MaxHeaderBytes+1)
	cases := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "too short"},
		{"length only", []byte("1234567"), "too short"},
		{"header longer than allowed", long, "longer than the allowed"},
		{"header length overflows", bytes.Repeat([]byte{0xff}, 64), "longer than the allowed"},
		{"header longer than file", file(`{}`, 0)[:9], "longer than the file"},
		{"no header", file(``, 0), "does not begin with {"},
		{"leading space", file(` {}`, 0), "does not begin with {"},
		{"array", file(`[]`, 0), "does not begin with {"},
		{"invalid UTF-8", file("{\"\xff\":1}", 0), "UTF-8"},
		{"cut JSON", file(`{"w":{"dtype":"F32"`, 0), "EOF"},
		{"two values", file(`{}{}`, 0), "something follows"},
		{"trailing comma", file(`{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},}`, 1), "header"},
		{"deep nesting", file(`{"w":`+strings.Repeat("[", 100000)+`}`, 0), `tensor "w"`},
		{"tensor twice", file(`{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), `"w" stands there twice`},
		{"field twice", file(one(`"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]`), 1), `"dtype" stands there twice`},
		{"metadata twice", file(`{"__metadata__":{},"__metadata__":{}}`, 0), "twice"},
		{"metadata not strings", file(`{"__metadata__":{"a":1}}`, 0), "__metadata__"},
		{"null tensor", file(`{"w":null}`, 0), `tensor "w"`},
		{"missing dtype", file(one(`"shape":[1],"data_offsets":[0,1]`), 1), "needs dtype"},
		{"unknown dtype", file(one(`"dtype":"F3","shape":[1],"data_offsets":[0,1]`), 1), `type "F3" is unknown`},
		{"unknown field", file(one(`"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1`), 1), `unknown field "x"`},
		{"negative size", file(one(`"dtype":"U8","shape":[-1],"data_offsets":[0,1]`), 1), "-1 is not a whole number"},
		{"fractional size", file(one(`"dtype":"U8","shape":[1.0],"data_offsets":[0,1]`), 1), "1.0 is not a whole number"},
		{"size beyond 64 bits", file(one(`"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,1]`), 1), "not a whole number"},
		{"product overflows", file(one(`"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]`), 0), "too large"},
		{"rank", file(one(`"dtype":"U8","shape":[`+strings.Repeat("1,", 99)+`1],"data_offsets":[0,1]`), 1), "more than 32 numbers"},
		{"one offset", file(one(`"dtype":"U8","shape":[1],"data_offsets":[0]`), 1), "both offsets"},
		{"three offsets", file(one(`"dtype":"U8","shape":[1],"data_offsets":[0,1,2]`), 1), "more than 2 numbers"},
		{"offsets backwards", file(one(`"dtype":"U8","shape":[0],"data_offsets":[1,0]`), 1), "do not hold"},
		{"size and offsets differ", file(one(`"dtype":"F32","shape":[2],"data_offsets":[0,4]`), 4), "which takes 8"},
		{"cut data", file(one(`"dtype":"F32","shape":[2],"data_offsets":[0,8]`), 7), "it was cut"},
		{"data after the last", file(one(`"dtype":"F32","shape":[2],"data_offsets":[0,8]`), 9), "1 bytes after"},
		{"gap", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3), `tensor "b" leaves a gap`},
		{"overlap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), `tensor "b" overlaps`},
		{"same place", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2), `overlaps`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := open(c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestOpenTakesOddButValidFiles(t *testing.T) {
	cases := map[string][]byte{
		"no tensors":       file(`{}`, 0),
		"padding":          file(`{}      `, 0),
		"single number":    file(`{"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4),
		"no elements":      file(`{"w":{"dtype":"F32","shape":[3,0],"data_offsets":[0,0]},"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`, 8),
		"order of names":   file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 2),
		"fields reordered": file(`{"w":{"data_offsets":[0,2],"shape":[1],"dtype":"BF16"}}`, 2),
	}
	for name, b := range cases {
		if _, err := open(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteBytes(t *testing.T) {
	var got bytes.Buffer
	err := Write(&got, []Floats{
		{"b<é>", nil, []float32{-2}},
		{"a", []int{2, 1}, []float32{1, float32(math.Inf(1))}},
	}, map[string]string{"format": "pt"})
	if err != nil {
		t.Fatal(err)
	}
	header := `{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b<é>":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	want := append(file(header, 0), 0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x7f, 0, 0, 0, 0xc0)
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got  %q\nwant %q", got.Bytes(), want)
	}
}

func TestWriteRefuses(t *testing.T) {
	cases := []struct {
		tensors []Floats
		want    string
	}{
		{[]Floats{{"a", []int{1}, []float32{1}}, {"a", []int{1}, []float32{1}}}, "twice"},
		{[]Floats{{"a", []int{2}, []float32{1}}}, "do not hold"},
		{[]Floats{{"__metadata__", []int{1}, []float32{1}}}, "reserved"},
	}
	for _, c := range cases {
		if err := Write(&bytes.Buffer{}, c.tensors, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

func TestReadFloatsConverts(t *testing.T) {
	halves := make([]byte, 0, 1<<17)
	for h := range 1 << 16 {
		halves = binary.LittleEndian.AppendUint16(halves, uint16(h))
	}
	read := func(dtype string) []float32 {
		b := append(file(fmt.Sprintf(`{"w":{"dtype":%q,"shape":[65536],"data_offsets":[0,131072]}}`, dtype), 0), halves...)
		f, err := open(b)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]float32, 1<<16)
		if err := f.ReadFloats("w", dst); err != nil {
			t.Fatal(err)
		}
		return dst
	}
	f16, bf16 := read("F16"), read("BF16")
	for h := range 1 << 16 {
		check(t, "F16", h, f16[h], formula(h, 5, 10))
		check(t, "BF16", h, bf16[h], formula(h, 8, 7))
	}
}

func check(t *testing.T, dtype string, bits int, got float32, want float64) {
	t.Helper()
	if math.IsNaN(want) != math.IsNaN(float64(got)) || !math.IsNaN(want) && (float64(got) != want || math.Signbit(want) != math.Signbit(float64(got))) {
		t.Fatalf("%s %#04x = %v, want %v", dtype, bits, got, want)
	}
}

// formula is the value of an IEEE 754 number of 16 bits.
func formula(h, exponentBits, fractionBits int) float64 {
	sign, bias := 1.0, 1<<(exponentBits-1)-1
	if h>>15 == 1 {
		sign = -1
	}
	exponent, fraction := h>>fractionBits&(1<<exponentBits-1), h&(1<<fractionBits-1)
	switch {
	case exponent == 1<<exponentBits-1 && fraction != 0:
		return math.NaN()
	case exponent == 1<<exponentBits-1:
		return sign * math.Inf(1)
	case exponent == 0:
		return sign * math.Ldexp(float64(fraction), 1-bias-fractionBits)
	}
	return sign * math.Ldexp(float64(fraction+1<<fractionBits), exponent-bias-fractionBits)
}

func TestReadFloatsRefuses(t *testing.T) {
	f, err := open(file(`{"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}`, 16))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"ids": "type I64", "gone": "not there", "w": "2 elements, 1 are expected"} {
		if err := f.ReadFloats(name, make([]float32, 1)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one about %s with %q", err, name, want)
		}
	}
}

// FuzzOpen shows that no input crashes the reader, and that what it accepts can be read and written again without loss.
func FuzzOpen(f *testing.F) {
	f.Add(file(`{}`, 0))
	f.Add(file(`{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, 16))
	f.Add(file(`{"w":{"dtype":"F16","shape":[3],"data_offsets":[2,8]},"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 8))
	f.Add(file(`{"w":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}`, 0))
	f.Add([]byte("\x08\x00\x00\x00\x00\x00\x00\x00[[[[[[[["))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := open(b)
		if err != nil {
			return
		}
		var tensors []Floats
		for _, tensor := range in.Tensors {
			data := make([]float32, tensor.Elements())
			if err := in.ReadFloats(tensor.Name, data); err == nil {
				tensors = append(tensors, Floats{tensor.Name, tensor.Shape, data})
			}
		}
		var out bytes.Buffer
		if err := Write(&out, tensors, in.Metadata); err != nil {
			t.Fatalf("write what was read: %v", err)
		}
		again, err := open(out.Bytes())
		if err != nil {
			t.Fatalf("read what was written: %v", err)
		}
		for _, want := range tensors {
			got := make([]float32, len(want.Data))
			if err := again.ReadFloats(want.Name, got); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(want.Data[i]) {
					t.Fatalf("%q[%d] = %v, want %v", want.Name, i, got[i], want.Data[i])
				}
			}
		}
	})
}

func TestOpenRealFile(t *testing.T) {
	dir := realdata.Path(t, "models/tiny_bert")
	w, err := OpenWeights(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	table := w.Lookup("embeddings.word_embeddings.weight")
	if table == nil || !slices.Equal(table.Shape, []int{256, 32}) || table.DType != "F32" {
		t.Fatalf("word embeddings are %+v", table)
	}
	if n := len(w.Names()); n != 37 {
		t.Errorf("%d tensors, want 37", n)
	}
	// The file was written by the reference implementation: written again by ours it must be the same.
	var tensors []Floats
	for _, name := range w.Names() {
		data := make([]float32, w.Lookup(name).Elements())
		if err := w.where[name].ReadFloats(name, data); err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, Floats{name, w.Lookup(name).Shape, data})
	}
	var out bytes.Buffer
	if err := Write(&out, tensors, w.files[0].Metadata); err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile(filepath.Join(dir, WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), original) {
		t.Errorf("written again, the %d bytes became %d others", len(original), out.Len())
	}
}
