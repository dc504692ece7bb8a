package checkpoint_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/shardmill/shardmill/trainer/checkpoint"
)

func ExampleNewFile() {
	var buffer bytes.Buffer
	err := checkpoint.Write(&buffer, []checkpoint.Floats{
		{Name: "wte.weight", Shape: []int{3, 2}, Data: []float32{1, 2, 3, 4, 5, 6}},
		{Name: "ln_f.bias", Shape: []int{2}, Data: []float32{0, 0.5}},
	}, map[string]string{"format": "pt"})
	if err != nil {
		log.Fatal(err)
	}
	f, err := checkpoint.NewFile("example", bytes.NewReader(buffer.Bytes()), int64(buffer.Len()))
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range f.Tensors {
		values := make([]float32, t.Elements())
		if err := f.ReadFloats(t.Name, values); err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Name, t.DType, t.Shape, values)
	}
	// Output:
	// ln_f.bias F32 [2] [0 0.5]
	// wte.weight F32 [3 2] [1 2 3 4 5 6]
}
