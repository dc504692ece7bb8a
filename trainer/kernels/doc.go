// Package kernels is the arithmetic of training: float32 operations over plain slices, knowing neither graphs nor models.
//
// # Shapes
//
// Matrices are row-major. A function says its shapes as rows × cols; slices may be longer than needed, never shorter:
// then the error names the operand. Output may alias input only where the comment says so. Gradients of parameters
// (bias, gamma, beta, embedding tables) are added to what is there; gradients of activations are written.
//
// # Threads and determinism
//
// Every function that takes a [Pool] gives the same bits for any number of threads: work is cut into chunks whose
// borders depend on the sizes alone, chunks are handed out to whichever worker is free, the inner dimension of a
// matrix product is never split between workers, and sums over rows are kept per chunk and then added in chunk order.
// Functions without a Pool run on the caller's goroutine; they serve inside a chunk of [Pool.Run], as in attention,
// where one chunk is one tile of one head.
//
// # Tiers
//
// The same operations exist in tiers, of which the best that the processor has is chosen at start: avx512, avx2 (with FMA),
// portable; and amx and avx512bf16, which are avx512 but for products in [BF16]. Environment variable SHARDMILL_KERNELS names another one.
// Tiers differ in the last bits, because they sum in other orders; a run that must be reproduced bit for bit on other machines names
// the tier that all of them have.
//
// # Precision
//
// Everything is float32, but [BF16] rounds the operands of matrix products while they are packed, to the same bits in every tier.
// Tier amx multiplies in the processor's tiles (TDPBF16PS) and begins each sum with what C holds; avx512bf16 multiplies pairs (VDPBF16PS) and, like
// all tiers, adds sums over blocks of k to C. Both take numbers below the normal ones for zero. The other tiers multiply what
// was rounded in float32: they gain no speed.
//
// Dropout masks are integer arithmetic and are equal in every tier.
package kernels
