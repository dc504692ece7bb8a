package tasks

import "fmt"

// The streams of random numbers for choices of examples, which no epoch has.
const (
	subsets  = ^uint64(0)
	fewShots = ^uint64(0) - 1
)

// Subset returns n examples chosen by seed, in the order of the file; a smaller subset of the same seed is part of a larger one. With n 0 or as
// many as there are it is all of them.
func Subset[E any](examples []E, n int, seed uint64) ([]E, error) {
	if n < 0 || n > len(examples) {
		return nil, fmt.Errorf("choose examples: %d of %d", n, len(examples))
	}
	if n == 0 || n == len(examples) {
		return examples, nil
	}
	chosen := make([]bool, len(examples))
	for _, i := range shuffled(len(examples), seed, subsets)[:n] {
		chosen[i] = true
	}
	return keep(examples, chosen), nil
}

// FewShot returns n examples of each class, chosen by seed, in the order of the file; fewer of the same seed are part of more. A class with less than
// n examples is an error that names it.
func FewShot[E any](examples []E, class func(E) string, n int, seed uint64) ([]E, error) {
	if n < 1 {
		return nil, fmt.Errorf("choose examples: %d of each class: give at least 1", n)
	}
	counts := map[string]int{}
	chosen := make([]bool, len(examples))
	for _, i := range shuffled(len(examples), seed, fewShots) {
		if c := class(examples[i]); counts[c] < n {
			counts[c]++
			chosen[i] = true
		}
	}
	for _, e := range examples {
		if c := class(e); counts[c] < n {
			return nil, fmt.Errorf("choose examples: %d of each class, but %q has only %d", n, c, counts[c])
		}
	}
	return keep(examples, chosen), nil
}

func shuffled(n int, seed, stream uint64) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	permute(order, seed, stream)
	return order
}

func keep[E any](examples []E, chosen []bool) (kept []E) {
	for i, e := range examples {
		if chosen[i] {
			kept = append(kept, e)
		}
	}
	return kept
}
