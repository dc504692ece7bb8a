package main

import "fmt"

// packRowsAVX512 writes the function
//
//	func packRowsAVX512(k, panels, cols, width int, src *float32, ld int, dst *float32, panelStride int)
//
// which cuts k rows, ld bytes apart, into pieces of width ≤ 32 floats and copies piece i of each row to panel i: there rows are width floats apart, and
// panels panelStride bytes. The last piece has cols ≤ width floats, filled up with zeros. Whole rows are read one after another, because their
// distance is often a multiple of the page.
func (f *file) packRowsAVX512() {
	f.function("packRowsAVX512", number("k", "R8"), number("panels", "R12"), number("cols", "CX"), number("width", "DX"), address("src", "SI"), number("ld", "R9"),
		address("dst", "DI"), number("panelStride", "R13"))
	f.wordMask("CX", "K1", "K2")
	f.op("MOVQ DX, CX")
	f.wordMask("CX", "K3", "K4")
	f.op("SHLQ $2, DX")
	f.op("CMPQ DX, $64")
	f.op("JLE narrow")
	for _, name := range []string{"wide", "narrow"} {
		copyPiece := func(first, second string) {
			f.op("VMOVUPS.Z (R10), %s, Z0", first)
			f.op("VMOVUPS Z0, K3, (R11)")
			if name == "wide" {
				f.op("VMOVUPS.Z 64(R10), %s, Z1", second)
				f.op("VMOVUPS Z1, K4, 64(R11)")
			}
		}
		f.label(name)
		f.op("MOVQ SI, R10")
		f.op("MOVQ DI, R11")
		f.op("MOVQ R12, CX")
		f.op("JMP %sNext", name)
		f.label(name + "Piece")
		copyPiece("K3", "K4")
		f.op("ADDQ DX, R10")
		f.op("ADDQ R13, R11")
		f.label(name + "Next")
		f.op("DECQ CX")
		f.op("JNZ %sPiece", name)
		copyPiece("K1", "K2")
		f.op("ADDQ R9, SI")
		f.op("ADDQ DX, DI")
		f.op("DECQ R8")
		f.op("JNZ %s", name)
		f.end()
	}
}

// wordMask sets two mask registers to the first CX of 32 lanes.
func (f *file) wordMask(count, low, high string) {
	f.op("MOVQ $1, AX")
	f.op("SHLQ %s, AX", count)
	f.op("DECQ AX")
	f.op("KMOVW AX, %s", low)
	f.op("SHRQ $16, AX")
	f.op("KMOVW AX, %s", high)
}

// packColumnsAVX512 writes the function
//
//	func packColumnsAVX512(k, cols int, src *float32, ld int, dst *float32, step int)
//
// which transposes: dst[p][j] = src[j][p] for p < k and j < cols ≤ 16, zero for j from cols to 16. Rows of src are ld bytes apart, those of dst
// step bytes.
func (f *file) packColumnsAVX512() {
	f.function("packColumnsAVX512", number("k", "R8"), number("cols", "R10"), address("src", "SI"), number("ld", "R9"), address("dst", "DI"), number("step", "DX"))
	f.label("loop")
	f.op("MOVQ $16, CX")
	f.op("CMPQ R8, CX")
	f.op("CMOVQLT R8, CX")
	f.op("MOVQ $1, AX")
	f.op("SHLQ CX, AX")
	f.op("DECQ AX")
	f.op("KMOVW AX, K1")
	f.op("MOVQ SI, BX")
	for j := range 16 {
		f.op("VXORPS %[1]s, %[1]s, %[1]s", zmm(j))
	}
	for j := range 16 {
		f.op("VMOVUPS.Z (BX), K1, Z%d", j)
		if j < 15 {
			f.op("CMPQ R10, $%d", j+1)
			f.op("JEQ loaded")
			f.op("ADDQ R9, BX")
		}
	}
	f.label("loaded")
	f.transpose16()
	for p := range 16 {
		f.op("VMOVUPS Z%d, (DI)", p)
		f.op("ADDQ DX, DI")
		f.op("DECQ R8")
		f.op("JZ done")
	}
	f.op("ADDQ $64, SI")
	f.op("JMP loop")
	f.label("done")
	f.end()
}

// transpose16 transposes the 16 × 16 matrix in Z0 to Z15, using Z16 to Z31.
func (f *file) transpose16() {
	// Inside each 128-bit lane: pairs of rows, then pairs of pairs. Afterwards register 4·i+e holds, in lane q, column 4·q+e of rows 4·i to 4·i+3.
	for i := 0; i < 16; i += 2 {
		f.op("VUNPCKLPS Z%d, Z%d, Z%d", i+1, i, 16+i)
		f.op("VUNPCKHPS Z%d, Z%d, Z%d", i+1, i, 17+i)
	}
	for i := 0; i < 16; i += 4 {
		f.op("VUNPCKLPD Z%d, Z%d, Z%d", 18+i, 16+i, i)
		f.op("VUNPCKHPD Z%d, Z%d, Z%d", 18+i, 16+i, i+1)
		f.op("VUNPCKLPD Z%d, Z%d, Z%d", 19+i, 17+i, i+2)
		f.op("VUNPCKHPD Z%d, Z%d, Z%d", 19+i, 17+i, i+3)
	}
	// Across lanes: for each e, the 4 × 4 matrix of lanes of registers e, 4+e, 8+e, 12+e.
	for e := range 4 {
		f.op("VSHUFF32X4 $0x88, Z%d, Z%d, Z%d", 4+e, e, 16) // lanes 0, 2 of both
		f.op("VSHUFF32X4 $0xdd, Z%d, Z%d, Z%d", 4+e, e, 17) // lanes 1, 3
		f.op("VSHUFF32X4 $0x88, Z%d, Z%d, Z%d", 12+e, 8+e, 18)
		f.op("VSHUFF32X4 $0xdd, Z%d, Z%d, Z%d", 12+e, 8+e, 19)
		f.op("VSHUFF32X4 $0x88, Z%d, Z%d, Z%d", 18, 16, e)
		f.op("VSHUFF32X4 $0x88, Z%d, Z%d, Z%d", 19, 17, 4+e)
		f.op("VSHUFF32X4 $0xdd, Z%d, Z%d, Z%d", 18, 16, 8+e)
		f.op("VSHUFF32X4 $0xdd, Z%d, Z%d, Z%d", 19, 17, 12+e)
	}
}

func zmm(i int) string { return fmt.Sprintf("Z%d", i) }
