package model

import (
	"math"
	"testing"

	"github.com/shardmill/shardmill/trainer"
	"github.com/shardmill/shardmill/trainer/kernels"
)

// TestPrecision holds loss and gradient in bf16 against those in f32: numbers of 8 bits are off by at most 1/512 each.
func TestPrecision(t *testing.T) {
	for name, c := range smallConfigs() {
		t.Run(name, func(t *testing.T) {
			run := func(precision kernels.Precision) (loss float64, grads []float32) {
				pool := kernels.NewPool(2)
				defer pool.Close()
				pool.SetPrecision(precision)
				n, err := New(c, pool)
				if err != nil {
					t.Fatal(err)
				}
				defer n.Close()
				n.Initialize(1)
				sum, labels, err := n.Loss(t.Context(), randomBatch(n.Limits(), 1, 130, 7, 33), trainer.StepOptions{Train: true, Scale: 1.0 / 80})
				if err != nil {
					t.Fatal(err)
				}
				return sum / float64(labels), append([]float32(nil), n.Params().Grads...)
			}
			loss, grads := run(kernels.F32)
			gotLoss, gotGrads := run(kernels.BF16)
			var square, difference float64
			for i, g := range grads {
				d := float64(gotGrads[i]) - float64(g)
				square += float64(g) * float64(g)
				difference += d * d
			}
			if relative := math.Sqrt(difference / square); !(relative > 0 && relative < 0.01) {
				t.Errorf("the gradient is off by %v of its norm", relative)
			}
			if d := math.Abs(gotLoss - loss); !(d < 2e-3*loss) {
				t.Errorf("loss %v in bf16, %v in f32", gotLoss, loss)
			}
		})
	}
}
