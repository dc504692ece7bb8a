package kernels_test

import (
	"fmt"
	"log"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// A linear layer: y = x·Wᵀ + bias, with W stored as out × in.
func ExampleGemm() {
	const tokens, in, out = 2, 3, 2
	x := []float32{1, 2, 3, 4, 5, 6}
	w := []float32{1, 0, 0, 0, 1, 1}
	bias := []float32{10, 20}
	y := make([]float32, tokens*out)

	pool := kernels.NewPool(2)
	defer pool.Close()
	if err := kernels.Gemm(pool, false, true, tokens, out, in, x, in, w, in, 0, y, out); err != nil {
		log.Fatal(err)
	}
	if err := kernels.AddBias(pool, tokens, out, y, bias); err != nil {
		log.Fatal(err)
	}
	fmt.Println(y)
	// Output: [11 25 14 31]
}
