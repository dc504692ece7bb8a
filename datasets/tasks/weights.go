package tasks

// BalancedWeights are weights of classes with which all count the same in sum over the targets or labels of sequences, and targets count 1 on average: n / (classes·count), as
// class_weight="balanced" of scikit-learn. A class that does not occur has the weight 0 and leaves its share to the others.
func BalancedWeights(sequences []Sequence, classes int) []float32 {
	counts := make([]int64, classes)
	count := func(class int32) {
		if class >= 0 && int(class) < classes {
			counts[class]++
		}
	}
	for i := range sequences {
		if s := &sequences[i]; s.Labels == nil {
			count(s.Target)
		} else {
			for _, l := range s.Labels {
				count(l)
			}
		}
	}
	var total, seen float64
	for _, n := range counts {
		if total += float64(n); n > 0 {
			seen++
		}
	}
	weights := make([]float32, classes)
	for i, n := range counts {
		if n > 0 {
			weights[i] = float32(total / (seen * float64(n)))
		}
	}
	return weights
}
