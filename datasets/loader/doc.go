// Package loader turns shards into minibatches: it finds, orders, cuts and masks samples. Start with Open, then call Next.
//
//	shards ─► stream of tokens ─► sample i ─► order of the epoch ─► Minibatch
//	          documents of one    found by    computed, never       masked or shifted
//	          split, end to end   bisection   stored
//
// Everything is a function of the dataset, the Options and a batch number, so the state of a run is that number and the settings it
// belongs to. SeekBatch costs the same wherever it goes.
//
// # Samples
//
// The documents of a split, in the order of the manifest, form one stream of T tokens; each document ends with its end-of-document
// token. With sequences of L tokens:
//
//	causal  sample i is the input [i·L, i·L+L) and the labels [i·L+1, i·L+L+1);     N = floor((T−1) / L) samples
//	mlm     sample i is [CLS] + [i·(L−2), (i+1)·(L−2)) + [SEP], labels by a mask;   N = floor(T / (L−2)) samples
//
// Only a tail too short for a sample is left out (Size.TailTokens). With Options.Boundaries, CuSeqlens has a border and Positions start
// again at 0 behind each document end inside a sample, and a causal model is not asked for the first token of a document. [CLS] then
// belongs to the first document of a sample and [SEP] to the last.
//
// # Order
//
// Global sample g = 0, 1, 2, … lies in epoch e = g / N at position g mod N, and is the sample P(e)(g mod N) of the stream. P(e) is a
// bijection of [0, N): a Feistel network of 6 rounds on the smallest even number of bits 2h that can hold N−1, applied again while its
// result is N or more. With NewKey, At and mix of package mask and left, right the upper and lower h bits of an index, the round r is
//
//	key[r]      = NewKey(seed, epoch).At(r)
//	left, right = right, left ^ (At(0) of the key key[r]^right) >> (64−h)
//
// and the result is left<<h | right. Batch b holds the global samples [b·G, (b+1)·G); process r of W gets an equal part of them, the r-th.
// Hence the number of processes changes who reads a sample, never which batch it is in. A batch may reach over the end of an epoch.
// Sequential reading (always so for the held-out split) takes the samples in stream order, once, and its last batch may be short.
//
// The mask of a sample has the key NewKey(seed, epoch, i), with i its place in the stream. conformance/loader repeats order and masks
// in Python.
package loader
