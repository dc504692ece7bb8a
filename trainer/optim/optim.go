// Package optim turns gradients into updates: [AdamW] over the flat slices of a parameter set, the global-norm clip, and
// learning-rate schedules as pure functions of the update's number.
//
// Semantics are those of PyTorch (torch.optim.AdamW, torch.nn.utils.clip_grad_norm_). An update of a training loop is
//
//	norm, err := optim.Norm(pool, set.Grads)
//	err = adam.Step(pool, schedule.At(step), optim.ClipScale(norm, maxNorm))
//
// The arithmetic is that of package kernels: results do not depend on the number of threads.
package optim

import (
	"math"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// Norm returns the Euclidean norm of all gradients. It is NaN or infinite if one of them is.
func Norm(pool *kernels.Pool, grads []float32) (float64, error) {
	sum, err := kernels.SumSquares(pool, grads)
	return math.Sqrt(sum), err
}

// ClipScale returns the factor that brings gradients of that norm down to maxNorm, and 1 for those below it. maxNorm 0 means that
// nothing is clipped. The 1e-6 is PyTorch's.
func ClipScale(norm, maxNorm float64) float64 {
	if maxNorm <= 0 {
		return 1
	}
	return min(1, maxNorm/(norm+1e-6))
}
