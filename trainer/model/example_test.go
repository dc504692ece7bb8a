package model_test

import (
	"context"
	"fmt"

	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/kernels"
	"github.com/shardmill/shardmill/trainer/model"
)

// A small GPT-2 is made, initialized and asked for the loss and the gradients of one sequence.
func ExampleNew() {
	c := model.DefaultGPT2()
	c.VocabSize, c.Positions, c.Width, c.Layers, c.Heads = 100, 32, 16, 2, 2

	pool := kernels.NewPool(2)
	defer pool.Close()
	network, err := model.New(c, pool)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer network.Close()
	network.Initialize(1)
	fmt.Println(network.Params().Count(), "parameters")

	batch := &schemas.Minibatch{
		IDs:       []uint32{5, 17, 42, 3},
		Labels:    []int32{17, 42, 3, schemas.IgnoreLabel}, // each token is to predict the next
		Positions: []int32{0, 1, 2, 3},
		CuSeqlens: []int32{0, 4},
	}
	sum, labels, err := network.Loss(context.Background(), batch, trainer.StepOptions{Train: true, Scale: 1.0 / 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f nats a label, %d labels\n", sum/float64(labels), labels)
	// Output:
	// 8704 parameters
	// 5 nats a label, 3 labels
}
