package main

import "fmt"

// tileShape is a tile of C of rows × two vectors, held in registers while k passes.
type tileShape struct {
	name     string
	rows     int
	register string // Z or Y
	lanes    int
	pairs    bool // of bfloat16 in the place of float32
}

// rowIndex holds rowStride·n for odd n: scaled by 1, 2, 4 or 8 they reach every row of a tile from one base.
var rowIndex = map[int]string{1: "BX", 3: "R8", 5: "R9", 7: "R10", 9: "R11", 11: "R12", 13: "R13"}

// rowAddress is the address of element (row, p) of A, where AX points to element (0, p).
func rowAddress(row int) string {
	if row == 0 {
		return "(AX)"
	}
	scale := row & -row
	return fmt.Sprintf("(AX)(%s*%d)", rowIndex[row/scale], scale)
}

// tile writes the function
//
//	func name(k int, a *float32, rowStride, kStride int, b, c *float32, ldc, rows, cols, add int)
//
// with strides in bytes. It computes all rows of the tile and stores the first rows, cols of them.
func (f *file) tile(t tileShape) {
	f.function(t.name, number("k", "CX"), address("a", "AX"), number("rowStride", "BX"), number("kStride", "DX"), address("b", "SI"),
		address("c", "DI"), number("ldc", "R15"), number("rows", ""), number("cols", ""), number("add", ""))
	for odd := 3; odd < t.rows; odd += 2 {
		f.op("LEAQ (%s)(BX*2), %s", rowIndex[odd-2], rowIndex[odd])
	}
	for v := range 2 * t.rows {
		f.op("VXORPS %[1]s, %[1]s, %[1]s", t.accumulator(v/2, v%2))
	}
	// The first steps also ask for the rows of C, which are wanted when the loop is over: one row a step, lest the requests hold up A and B.
	f.op("MOVQ DI, R14")
	f.op("MOVQ $%d, DI", t.rows)
	f.label("prefetch")
	f.op("PREFETCHT0 (R14)")
	if t.register == "Z" {
		f.op("PREFETCHT0 64(R14)")
	}
	f.op("ADDQ R15, R14")
	f.step(t)
	f.op("DECQ CX")
	f.op("JZ finish")
	f.op("DECQ DI")
	f.op("JNZ prefetch")
	f.label("loop")
	f.step(t)
	f.op("DECQ CX")
	f.op("JNZ loop")

	f.label("finish")
	f.op("MOVQ c+40(FP), DI")
	f.op("MOVQ rows+56(FP), R8")
	f.op("MOVQ cols+64(FP), CX")
	f.op("MOVQ add+72(FP), R9")
	if t.register == "Z" {
		f.storeAVX512(t)
	} else {
		f.storeAVX2(t)
	}
}

// step writes one step of k.
func (f *file) step(t tileShape) {
	width := 4 * t.lanes
	b0, b1 := t.scratch(0), t.scratch(1)
	f.op("VMOVUPS (SI), %s", b0)
	f.op("VMOVUPS %d(SI), %s", width, b1)
	for row := range t.rows {
		a := t.scratch(2 + row%2)
		f.op("VBROADCASTSS %s, %s", rowAddress(row), a)
		if t.pairs {
			f.dotPairs(2+row%2+28, 28, 2*row)
			f.dotPairs(2+row%2+28, 29, 2*row+1)
			continue
		}
		f.op("VFMADD231PS %s, %s, %s", b0, a, t.accumulator(row, 0))
		f.op("VFMADD231PS %s, %s, %s", b1, a, t.accumulator(row, 1))
	}
	f.op("ADDQ $%d, SI", 2*width)
	f.op("ADDQ DX, AX")
}

func (t tileShape) accumulator(row, half int) string {
	return fmt.Sprintf("%s%d", t.register, 2*row+half)
}

// scratch is a register beyond the accumulators.
func (t tileShape) scratch(i int) string {
	last := 15
	if t.register == "Z" {
		last = 31
	}
	return fmt.Sprintf("%s%d", t.register, last-3+i)
}

// storeAVX512 stores or adds R8 rows of CX columns.
func (f *file) storeAVX512(t tileShape) {
	f.op("MOVQ $1, AX")
	f.op("SHLQ CX, AX")
	f.op("DECQ AX")
	f.op("KMOVW AX, K1")
	f.op("SHRQ $16, AX")
	f.op("KMOVW AX, K2")
	f.op("TESTQ R9, R9")
	f.op("JZ plain")
	f.eachRow(t, func(row int) {
		for half, mask := range []string{"K1", "K2"} {
			acc := t.accumulator(row, half)
			f.op("VADDPS %d(DI), %s, %s, %s", 64*half, acc, mask, acc)
			f.op("VMOVUPS %s, %s, %d(DI)", acc, mask, 64*half)
		}
	})
	f.label("plain")
	f.eachRow(t, func(row int) {
		for half, mask := range []string{"K1", "K2"} {
			f.op("VMOVUPS %s, %s, %d(DI)", t.accumulator(row, half), mask, 64*half)
		}
	})
	f.label("done")
	f.end()
}

// storeAVX2 does the same; whole rows avoid the masked store, which is slow on some processors.
func (f *file) storeAVX2(t tileShape) {
	tmp := t.scratch(2)
	f.op("CMPQ CX, $16")
	f.op("JNE masked")
	f.op("TESTQ R9, R9")
	f.op("JZ plain")
	f.eachRow(t, func(row int) {
		for half := range 2 {
			acc := t.accumulator(row, half)
			f.op("VADDPS %d(DI), %s, %s", 32*half, acc, acc)
			f.op("VMOVUPS %s, %d(DI)", acc, 32*half)
		}
	})
	f.label("plain")
	f.eachRow(t, func(row int) {
		for half := range 2 {
			f.op("VMOVUPS %s, %d(DI)", t.accumulator(row, half), 32*half)
		}
	})
	f.label("masked")
	mask := []string{t.scratch(0), t.scratch(1)}
	f.op("LEAQ laneMasks<>+64(SB), AX")
	f.op("SHLQ $2, CX")
	f.op("SUBQ CX, AX")
	f.op("VMOVUPS (AX), %s", mask[0])
	f.op("VMOVUPS 32(AX), %s", mask[1])
	f.op("TESTQ R9, R9")
	f.op("JZ maskedStore")
	f.eachRow(t, func(row int) {
		for half := range 2 {
			f.op("VMASKMOVPS %d(DI), %s, %s", 32*half, mask[half], tmp)
			f.op("VADDPS %s, %s, %s", tmp, t.accumulator(row, half), tmp)
			f.op("VMASKMOVPS %s, %s, %d(DI)", tmp, mask[half], 32*half)
		}
	})
	f.label("maskedStore")
	f.eachRow(t, func(row int) {
		for half := range 2 {
			f.op("VMASKMOVPS %s, %s, %d(DI)", t.accumulator(row, half), mask[half], 32*half)
		}
	})
	f.label("done")
	f.end()
}

// eachRow writes the code of each row, moves DI from row to row, and jumps to done after R8 of them.
func (f *file) eachRow(t tileShape, code func(row int)) {
	for row := range t.rows {
		code(row)
		if row < t.rows-1 {
			f.op("DECQ R8")
			f.op("JZ done")
			f.op("ADDQ R15, DI")
		}
	}
	f.op("JMP done")
}

// laneMasks writes two tables: sixteen lanes of ones followed by sixteen of zeros, where 4·n bytes before the middle begins a mask of n
// lanes; and the numbers of the lanes.
func (f *file) laneMasks() {
	f.line("")
	for i := range 32 {
		value := 0
		if i < 16 {
			value = 0xffffffff
		}
		f.line("DATA laneMasks<>+%d(SB)/4, $%#x", 4*i, value)
	}
	f.line("GLOBL laneMasks<>(SB), RODATA|NOPTR, $128")
	for i := range 16 {
		f.line("DATA iota<>+%d(SB)/4, $%d", 4*i, i)
	}
	f.line("GLOBL iota<>(SB), RODATA|NOPTR, $64")
}
