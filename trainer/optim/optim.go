// Package optim turns gradients into updates: [AdamW] over the flat slices of a parameter set, the global-norm clip, and
// learning-rate schedules as pure functions of the update's number.
//
// Semantics are those of PyTorch (torch.optim.AdamW, torch.nn.utils.clip_grad_norm_). An update of a training loop is
//
//	norm := optim.Norm(set.Grads)
//	adam.Step(schedule.At(step), optim.ClipScale(norm, maxNorm))
//
// Nothing here depends on threads, a clock or chance.
package optim

import "math"

// Norm returns the Euclidean norm of all gradients, summed in float64 in one fixed order. It is NaN or infinite if one of them is.
func Norm(grads []float32) float64 {
	var sum float64
	for _, g := range grads {
		sum += float64(float64(g) * float64(g))
	}
	return math.Sqrt(sum)
}

// ClipScale returns the factor that brings gradients of that norm down to maxNorm, and 1 for those below it. maxNorm 0 means that
// nothing is clipped. The 1e-6 is PyTorch's.
func ClipScale(norm, maxNorm float64) float64 {
	if maxNorm <= 0 {
		return 1
	}
	return min(1, maxNorm/(norm+1e-6))
}
