package kernels

// Blocking of the matrix product (Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008): a packed panel of B
// (kBlock × nr) stays in the first-level cache while the packed rows of A (rowPanels·mr × kBlock) pass by from the second.
const (
	kBlock = 256
	// kStride is the distance between rows of packed A: not a multiple of 4096 bytes, so that rows fall into different cache sets.
	kStride = kBlock + 16
	// rowPanels is the number of panels of mr rows in one chunk of work.
	rowPanels = 8
	// packPanels is the number of panels of B that are packed at a time.
	packPanels = 8
	// packedFloats bounds the packed part of B.
	packedFloats = 1 << 22
	// wantChunks is how many chunks a product should have at least, so that free workers find one.
	wantChunks = 32
	// minChunkCols is the least width of a chunk: each chunk packs its rows of A again.
	minChunkCols = 256
)

// Scratch is the memory that one goroutine needs for GemmSerial. The zero value is ready; it grows to the largest product seen.
type Scratch struct {
	a, b []float32
}

// Gemm computes C = op(A)·op(B) + beta·C on the pool, with op(A) of m × k, op(B) of k × n and C of m × n. op(A) is A, or with transA
// its transpose: then A is stored as k × m; likewise B. lda, ldb and ldc are the distances between stored rows. C must not overlap A or B;
// with beta 0 its old content is not read.
func Gemm(p *Pool, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) error {
	g, err := newProduct("Gemm", transA, transB, m, n, k, a, lda, b, ldb, beta, c, ldc)
	if err != nil || m == 0 || n == 0 {
		return err
	}
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	for j0 := 0; j0 < n; j0 += g.maxCols() {
		g.block(j0, p.sharedFloats(g.packedSize(j0)))
		if err := p.run(g.packs(), func(chunk, _ int) { g.pack(chunk) }); err != nil {
			return err
		}
		if err := p.run(g.chunks(), func(chunk, worker int) { g.chunk(chunk, &p.workers[worker]) }); err != nil {
			return err
		}
	}
	return nil
}

// GemmSerial is Gemm on the caller's goroutine, with the caller's scratch memory. Its results have the same bits.
func GemmSerial(transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int, s *Scratch) error {
	g, err := newProduct("GemmSerial", transA, transB, m, n, k, a, lda, b, ldb, beta, c, ldc)
	if err != nil || m == 0 || n == 0 {
		return err
	}
	for j0 := 0; j0 < n; j0 += g.maxCols() {
		g.block(j0, grow(&s.b, g.packedSize(j0)))
		for i := range g.packs() {
			g.pack(i)
		}
		for i := range g.chunks() {
			g.chunk(i, s)
		}
	}
	return nil
}

// product is one call of Gemm.
type product struct {
	*tier
	transA, transB bool
	m, n, k        int
	a, b, c        []float32
	lda, ldb, ldc  int
	beta           float32

	j0, cols int       // the columns of C in work
	packed   []float32 // their part of B: for each block of k, panels of nr columns as k × nr
}

func newProduct(op string, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) (product, error) {
	check := checker{op: op}
	check.dim("m", m)
	check.dim("n", n)
	check.dim("k", k)
	aRows, aCols, bRows, bCols := m, k, k, n
	if transA {
		aRows, aCols = k, m
	}
	if transB {
		bRows, bCols = n, k
	}
	check.matrix("a", len(a), aRows, aCols, lda)
	check.matrix("b", len(b), bRows, bCols, ldb)
	check.matrix("c", len(c), m, n, ldc)
	return product{tier: active, transA: transA, transB: transB, m: m, n: n, k: k,
		a: a, b: b, c: c, lda: lda, ldb: ldb, ldc: ldc, beta: beta}, check.err
}

// maxCols is the number of columns of B that are packed at a time.
func (g *product) maxCols() int {
	return max(packedFloats/max(g.k, 1)/g.nr, 1) * g.nr
}

func (g *product) packedSize(j0 int) int {
	return ceilDiv(min(g.maxCols(), g.n-j0), g.nr) * g.nr * g.k
}

func (g *product) block(j0 int, packed []float32) {
	g.j0, g.cols, g.packed = j0, min(g.maxCols(), g.n-j0), packed
}

func (g *product) panels() int { return ceilDiv(g.cols, g.nr) }

// panel returns the packed k0 block of a panel of B and of those after it.
func (g *product) panel(index, k0 int) []float32 {
	kc := min(kBlock, g.k-k0)
	return g.packed[(k0*g.panels()+index*kc)*g.nr:]
}

// packs is the number of pieces in which B is packed: groups of panels, by blocks of k.
func (g *product) packs() int {
	return ceilDiv(g.panels(), packPanels) * ceilDiv(g.k, kBlock)
}

// pack packs one piece of B.
func (g *product) pack(index int) {
	groups := ceilDiv(g.panels(), packPanels)
	k0, first := index/groups*kBlock, index%groups*packPanels
	kc := min(kBlock, g.k-k0)
	j := g.j0 + first*g.nr
	cols := min(packPanels*g.nr, g.j0+g.cols-j)
	dst := g.panel(first, k0)
	if !g.transB {
		g.packRows(g.nr, kc, cols, g.b[k0*g.ldb+j:], g.ldb, dst, kc*g.nr)
		return
	}
	for done := 0; done < cols; done += g.nr {
		g.packColumns(g.nr, kc, min(g.nr, cols-done), g.b[(j+done)*g.ldb+k0:], g.ldb, dst[done*kc:])
	}
}

// chunkCols is the width of a chunk of C, a multiple of nr: all columns where there are rows enough.
func (g *product) chunkCols() int {
	pieces := max(wantChunks/ceilDiv(g.m, rowPanels*g.mr), 1)
	return ceilDiv(max(ceilDiv(g.cols, pieces), minChunkCols), g.nr) * g.nr
}

func (g *product) chunks() int {
	return ceilDiv(g.m, rowPanels*g.mr) * ceilDiv(g.cols, g.chunkCols())
}

// chunk computes one chunk of C.
func (g *product) chunk(index int, s *Scratch) {
	width := g.chunkCols()
	across := ceilDiv(g.cols, width)
	i0 := index / across * rowPanels * g.mr
	rows := min(rowPanels*g.mr, g.m-i0)
	first := index % across * width
	last := min(first+width, g.cols)
	if g.beta != 1 && (g.beta != 0 || g.k == 0) {
		g.scale(i0, rows, first, last)
	}
	packed := grow(&s.a, rowPanels*g.mr*kStride)
	for k0 := 0; k0 < g.k; k0 += kBlock {
		kc := min(kBlock, g.k-k0)
		rowStride, kStep := g.packA(packed, i0, rows, k0, kc)
		add := k0 > 0 || g.beta != 0
		for j := first; j < last; j += g.nr {
			b := g.panel(j/g.nr, k0)
			for i := 0; i < rows; i += g.mr {
				g.tile(kc, packed[i*kStride:], rowStride, kStep, b, g.c[(i0+i)*g.ldc+g.j0+j:], g.ldc, min(g.mr, rows-i), min(g.nr, last-j), add)
			}
		}
	}
}

// scale multiplies a part of C with beta; with beta 0 it clears it.
func (g *product) scale(i0, rows, first, last int) {
	for i := i0; i < i0+rows; i++ {
		row := g.c[i*g.ldc+g.j0+first : i*g.ldc+g.j0+last]
		if g.beta == 0 {
			clear(row)
			continue
		}
		for j := range row {
			row[j] *= g.beta
		}
	}
}

// packA copies rows of op(A) into panels of mr rows, each panel mr·kStride floats from the last, and returns the distances between
// rows and between steps of k inside a panel: stored rows stay rows, stored columns stay columns. Rows beyond the last are zero.
func (g *product) packA(packed []float32, i0, rows, k0, kc int) (rowStride, kStep int) {
	if g.transA {
		g.packRows(g.mr, kc, rows, g.a[k0*g.lda+i0:], g.lda, packed, g.mr*kStride)
		return 1, g.mr
	}
	for i := range ceilDiv(rows, g.mr) * g.mr {
		dst := packed[i*kStride : i*kStride+kc]
		if i < rows {
			copy(dst, g.a[(i0+i)*g.lda+k0:])
		} else {
			clear(dst)
		}
	}
	return kStride, 1
}

func packRowsPortable(width, k, cols int, src []float32, ld int, dst []float32, panelStride int) {
	for p := range k {
		row := src[p*ld : p*ld+cols]
		for i := 0; len(row) > 0; i++ {
			piece := dst[i*panelStride+p*width:][:width]
			n := copy(piece, row)
			clear(piece[n:])
			row = row[n:]
		}
	}
}

func packColumnsPortable(nr, k, cols int, src []float32, ld int, b []float32) {
	for j := range cols {
		for p, v := range src[j*ld : j*ld+k] {
			b[p*nr+j] = v
		}
	}
	for j := cols; j < nr; j++ {
		for p := range k {
			b[p*nr+j] = 0
		}
	}
}

// tilePortable computes 2 × 4 elements: with their operands they fill the sixteen registers of a plain amd64.
func tilePortable(k int, a []float32, rowStride, kStride int, b, c []float32, ldc, rows, cols int, add bool) {
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	x := 0
	b = b[:k*4]
	for len(b) >= 4 {
		a0, a1 := a[x], a[x+rowStride]
		x += kStride
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
		b = b[4:]
	}
	out := [2][4]float32{{c00, c01, c02, c03}, {c10, c11, c12, c13}}
	for i := range rows {
		row := c[i*ldc : i*ldc+cols]
		for j := range row {
			if add {
				row[j] += out[i][j]
			} else {
				row[j] = out[i][j]
			}
		}
	}
}
