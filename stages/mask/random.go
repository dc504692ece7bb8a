package mask

import "math/bits"

const gamma = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio, odd

// Key names a sequence of random numbers.
type Key uint64

// NewKey makes a key of parts; their number and order count. The key of a sample is NewKey(seed, epoch, sample).
func NewKey(parts ...uint64) Key {
	k := uint64(len(parts))
	for _, p := range parts {
		k = mix((k + gamma) ^ p)
	}
	return Key(k)
}

// At is number i of the sequence.
func (k Key) At(i uint64) uint64 { return mix(uint64(k) + (i+1)*gamma) }

// Below maps a random number x to [0, n). Its bias is below n/2^64.
func Below(x, n uint64) uint64 {
	hi, _ := bits.Mul64(x, n)
	return hi
}

// mix is the finalizer of SplitMix64, a bijection.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
