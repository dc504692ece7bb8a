package kernels

// vectorCols is the number of columns in a chunk of the product of a vector: their sums stay in the first-level cache.
const vectorCols = 512

// isVector says that op(A) is one row of neighbouring elements. Packing B, which is read only once, would then cost more than the product.
func (g *product) isVector() bool { return g.m == 1 && (!g.transA || g.lda == 1) }

// vector computes one chunk of C where op(A) is a row: dot products with rows of B, or the sum of its scaled rows.
func (g *product) vector(index int) {
	first := index * vectorCols
	last := min(first+vectorCols, g.n)
	a, c := g.a[:g.k], g.c[first:last]
	if g.transB {
		for j := range c {
			sum := g.dot(a, g.b[(first+j)*g.ldb:][:g.k])
			if g.beta != 0 {
				sum += g.beta * c[j]
			}
			c[j] = sum
		}
		return
	}
	if g.beta == 0 {
		clear(c)
	} else if g.beta != 1 {
		g.scale(c, g.beta)
	}
	for p, v := range a {
		g.addScaled(c, g.b[p*g.ldb+first:][:len(c)], v)
	}
}
