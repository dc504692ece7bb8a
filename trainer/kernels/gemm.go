package kernels

// Blocking of the matrix product (Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008): a packed panel of B
// (kBlock × nr) stays in the first-level cache while the packed rows of a chunk (maxChunkRows × kBlock) pass by from the second.
const (
	kBlock = 256
	// kStride is the distance between rows of packed A: not a multiple of 4096 bytes, so that rows fall into different cache sets.
	kStride = kBlock + 16
	// maxChunkRows bounds the rows of a chunk of work.
	maxChunkRows = 112
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
	// Precision is that of GemmSerial.
	Precision Precision

	a, b, turned []float32
}

// Gemm computes C = op(A)·op(B) + beta·C on the pool, with op(A) of m × k, op(B) of k × n and C of m × n. op(A) is A, or with transA
// its transpose: then A is stored as k × m; likewise B. lda, ldb and ldc are the distances between stored rows. C must not overlap A or B;
// with beta 0 its old content is not read. A and B are taken in the precision of the pool.
func Gemm(p *Pool, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) error {
	g, err := newProduct("Gemm", p.precision, transA, transB, m, n, k, a, lda, b, ldb, beta, c, ldc)
	if err != nil || m == 0 || n == 0 {
		return err
	}
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	if g.isVector() {
		return p.run(ceilDiv(n, vectorCols), func(chunk, _ int) { g.vector(chunk) })
	}
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
	g, err := newProduct("GemmSerial", s.Precision, transA, transB, m, n, k, a, lda, b, ldb, beta, c, ldc)
	if err != nil || m == 0 || n == 0 {
		return err
	}
	if g.isVector() {
		for i := range ceilDiv(n, vectorCols) {
			g.vector(i)
		}
		return nil
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
	*matmul
	transA, transB bool
	m, n, k        int
	a, b, c        []float32
	lda, ldb, ldc  int
	beta           float32

	j0, cols int       // the columns of C in work
	packed   []float32 // their part of B: for each block of k, panels of nr columns as steps × nr
}

func newProduct(op string, precision Precision, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) (product, error) {
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
	return product{tier: active, matmul: active.matmul(precision), transA: transA, transB: transB, m: m, n: n, k: k,
		a: a, b: b, c: c, lda: lda, ldb: ldb, ldc: ldc, beta: beta}, check.err
}

// kBlock is the number of elements of k that are multiplied at a time.
func (g *product) kBlock() int { return kBlock * g.depth }

// maxCols is the number of columns of B that are packed at a time.
func (g *product) maxCols() int {
	return max(packedFloats/max(g.steps(g.k), 1)/g.nr, 1) * g.nr
}

func (g *product) packedSize(j0 int) int {
	return ceilDiv(min(g.maxCols(), g.n-j0), g.nr) * g.nr * g.steps(g.k)
}

func (g *product) block(j0 int, packed []float32) {
	g.j0, g.cols, g.packed = j0, min(g.maxCols(), g.n-j0), packed
}

func (g *product) panels() int { return ceilDiv(g.cols, g.nr) }

// panel returns the packed k0 block of a panel of B and of those after it.
func (g *product) panel(index, k0 int) []float32 {
	kc := min(g.kBlock(), g.k-k0)
	return g.packed[(k0/g.depth*g.panels()+index*g.steps(kc))*g.nr:]
}

// packs is the number of pieces in which B is packed: groups of panels, by blocks of k.
func (g *product) packs() int {
	return ceilDiv(g.panels(), packPanels) * ceilDiv(g.k, g.kBlock())
}

// pack packs one piece of B.
func (g *product) pack(index int) {
	groups := ceilDiv(g.panels(), packPanels)
	k0, first := index/groups*g.kBlock(), index%groups*packPanels
	kc := min(g.kBlock(), g.k-k0)
	j := g.j0 + first*g.nr
	cols := min(packPanels*g.nr, g.j0+g.cols-j)
	size := g.steps(kc) * g.nr
	dst := g.panel(first, k0)[:ceilDiv(cols, g.nr)*size]
	if g.transB {
		for i := 0; i*g.nr < cols; i++ {
			g.packColumns(g.nr, kc, min(g.nr, cols-i*g.nr), g.b[(j+i*g.nr)*g.ldb+k0:], g.ldb, dst[i*size:])
		}
	} else {
		g.packRows(g.nr, kc, cols, g.b[k0*g.ldb+j:], g.ldb, dst, size)
	}
	if filled := ceilDiv(kc, g.depth) * g.nr; filled < size {
		for panel := dst; len(panel) > 0; panel = panel[size:] {
			clear(panel[filled:size])
		}
	}
	if g.round {
		roundBF16(dst)
	}
}

// chunkRows is the height of a chunk of C: as many panels of mr rows as fit.
func (g *product) chunkRows() int { return maxChunkRows / g.mr * g.mr }

// chunkCols is the width of a chunk of C, a multiple of nr: all columns where there are rows enough.
func (g *product) chunkCols() int {
	pieces := max(wantChunks/ceilDiv(g.m, g.chunkRows()), 1)
	return ceilDiv(max(ceilDiv(g.cols, pieces), minChunkCols), g.nr) * g.nr
}

func (g *product) chunks() int {
	return ceilDiv(g.m, g.chunkRows()) * ceilDiv(g.cols, g.chunkCols())
}

// chunk computes one chunk of C.
func (g *product) chunk(index int, s *Scratch) {
	width := g.chunkCols()
	across := ceilDiv(g.cols, width)
	i0 := index / across * g.chunkRows()
	rows := min(g.chunkRows(), g.m-i0)
	first := index % across * width
	last := min(first+width, g.cols)
	if g.beta != 1 && (g.beta != 0 || g.k == 0) {
		g.applyBeta(i0, rows, first, last)
	}
	packed := grow(&s.a, g.chunkRows()*kStride)
	for k0 := 0; k0 < g.k; k0 += g.kBlock() {
		kc := min(g.kBlock(), g.k-k0)
		rowStride, kStep := g.packA(packed, i0, rows, k0, kc, s)
		add := k0 > 0 || g.beta != 0
		for j := first; j < last; j += g.nr {
			b := g.panel(j/g.nr, k0)
			for i := 0; i < rows; i += g.maxRows {
				g.tile(g.steps(kc), packed[i*kStride:], rowStride, kStep, b, g.c[(i0+i)*g.ldc+g.j0+j:], g.ldc, min(g.maxRows, rows-i), min(g.nr, last-j), add)
			}
		}
	}
}

// applyBeta multiplies a part of C with beta; with beta 0 it clears it, whatever it holds.
func (g *product) applyBeta(i0, rows, first, last int) {
	for i := i0; i < i0+rows; i++ {
		row := g.c[i*g.ldc+g.j0+first : i*g.ldc+g.j0+last]
		if g.beta == 0 {
			clear(row)
		} else {
			g.scale(row, g.beta)
		}
	}
}

// packA copies rows of op(A) into panels of mr rows, each panel mr·kStride floats from the last, and returns the distances between
// rows and between steps of k inside a panel. Rows beyond the last are zero.
func (g *product) packA(packed []float32, i0, rows, k0, kc int, s *Scratch) (rowStride, kStep int) {
	panels := ceilDiv(rows, g.mr)
	if g.round {
		defer roundBF16(packed[:panels*g.mr*kStride])
	}
	switch {
	case g.transA && g.turn != nil:
		turned := grow(&s.turned, len(packed))
		g.packRows(g.mr, kc, rows, g.a[k0*g.lda+i0:], g.lda, turned, g.mr*kStride)
		for i := 0; i < panels*g.mr; i += g.mr {
			g.turn(ceilDiv(kc, g.depth), turned[i*kStride:], packed[i*kStride:])
		}
		return kStride, 1
	case g.transA:
		g.packRows(g.mr, kc, rows, g.a[k0*g.lda+i0:], g.lda, packed, g.mr*kStride)
		return 1, g.mr
	case g.transpose:
		for i := 0; i < rows; i += g.mr {
			g.packColumns(g.mr, kc, min(g.mr, rows-i), g.a[(i0+i)*g.lda+k0:], g.lda, packed[i*kStride:])
		}
		return 1, g.mr
	}
	for i := range panels * g.mr {
		dst := packed[i*kStride : i*kStride+g.steps(kc)]
		switch {
		case i >= rows:
			clear(dst)
		case g.packRow != nil:
			g.packRow(g.a[(i0+i)*g.lda+k0:][:kc], packed[i*kStride:(i+1)*kStride])
		default:
			copy(dst, g.a[(i0+i)*g.lda+k0:])
		}
	}
	return kStride, 1
}
