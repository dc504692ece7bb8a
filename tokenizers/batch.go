package tokenizers

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// EncodeBatch encodes texts as Encode does, on as many goroutines as workers says, and returns one encoding for each, in their order; these don't depend on
// workers. With Pad, all get the length that it gives the batch. With Dropout, text i takes the seed Seed+i. It returns the error of the first text that has one.
func (t *Tokenizer) EncodeBatch(texts []string, o EncodeOptions, workers int) ([]Encoding, error) {
	return t.encodeBatch(len(texts), o, workers, func(i int, o EncodeOptions) (Encoding, error) {
		return t.Encode(texts[i], o)
	})
}

// EncodePairs is EncodeBatch for pairs of texts, each as EncodePair encodes it.
func (t *Tokenizer) EncodePairs(pairs [][2]string, o EncodeOptions, workers int) ([]Encoding, error) {
	return t.encodeBatch(len(pairs), o, workers, func(i int, o EncodeOptions) (Encoding, error) {
		return t.EncodePair(pairs[i][0], pairs[i][1], o)
	})
}

func (t *Tokenizer) encodeBatch(n int, o EncodeOptions, workers int, encode func(i int, o EncodeOptions) (Encoding, error)) ([]Encoding, error) {
	encodings, errs := make([]Encoding, n), make([]error, n)
	err := share(workers, n, func(_, i int) {
		each := o
		each.Pad = nil
		if o.Dropout != nil {
			each.Dropout = &Dropout{Rate: o.Dropout.Rate, Seed: o.Dropout.Seed + uint64(i)}
		}
		encodings[i], errs[i] = encode(i, each)
	})
	if err != nil {
		return nil, err
	}
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("text %d: %w", i, err)
		}
	}
	if o.Pad != nil {
		if err := o.Pad.Apply(encodings); err != nil {
			return nil, err
		}
	}
	return encodings, nil
}

// share calls do for all numbers below n, each time with the number of a worker, and returns when all are done. At most workers calls run at once, one of each
// worker. A panic becomes the error, and what has not begun is left.
func share(workers, n int, do func(worker, i int)) error {
	var next atomic.Int64
	var failure error
	var once sync.Once
	work := func(worker int) {
		defer func() {
			if r := recover(); r != nil {
				next.Store(int64(n))
				once.Do(func() { failure = fmt.Errorf("encode: %v", r) })
			}
		}()
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			do(worker, int(i))
		}
	}
	var wait sync.WaitGroup
	for worker := 1; worker < min(workers, n); worker++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			work(worker)
		}()
	}
	work(0)
	wait.Wait()
	return failure
}
