package main

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
	f.copyPieces(func(wide, last bool) {
		first, second := pieceMasks(last)
		f.op("VMOVUPS.Z (R10), %s, Z0", first)
		f.op("VMOVUPS Z0, K3, (R11)")
		if wide {
			f.op("VMOVUPS.Z 64(R10), %s, Z1", second)
			f.op("VMOVUPS Z1, K4, 64(R11)")
		}
	})
}

// pieceMasks are the masks of what is there to read of a piece.
func pieceMasks(last bool) (low, high string) {
	if last {
		return "K1", "K2"
	}
	return "K3", "K4"
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

// packRowsAVX2 writes the same function for width ≤ 16. Pieces of up to 8 floats are stored as 8: the surplus is overwritten by the next row, and that of
// the last row needs room behind it.
func (f *file) packRowsAVX2() {
	f.function("packRowsAVX2", number("k", "R8"), number("panels", "R12"), number("cols", "CX"), number("width", "DX"), address("src", "SI"), number("ld", "R9"),
		address("dst", "DI"), number("panelStride", "R13"))
	masks := func(count, low, high string) {
		f.op("LEAQ laneMasks<>+64(SB), AX")
		f.op("SHLQ $2, %s", count)
		f.op("SUBQ %s, AX", count)
		f.op("VMOVUPS (AX), %s", low)
		f.op("VMOVUPS 32(AX), %s", high)
	}
	masks("CX", "Y12", "Y13")
	masks("DX", "Y14", "Y15")
	f.op("CMPQ DX, $32")
	f.op("JLE narrow")
	f.copyPieces(func(wide, last bool) {
		mask := []string{"Y14", "Y15"}
		if last {
			mask = []string{"Y12", "Y13"}
		}
		f.op("VMASKMOVPS (R10), %s, Y0", mask[0])
		f.op("VMOVUPS Y0, (R11)")
		if wide {
			f.op("VMASKMOVPS 32(R10), %s, Y1", mask[1])
			f.op("VMOVUPS Y1, 32(R11)")
		}
	})
}

// copyPieces writes the loops of packRows, for wide pieces and for narrow ones, around the code that copies a piece from R10 to R11.
func (f *file) copyPieces(piece func(wide, last bool)) {
	for _, name := range []string{"wide", "narrow"} {
		wide := name == "wide"
		f.label(name)
		f.op("MOVQ SI, R10")
		f.op("MOVQ DI, R11")
		f.op("MOVQ R12, CX")
		f.op("JMP %sNext", name)
		f.label(name + "Piece")
		piece(wide, false)
		f.op("ADDQ DX, R10")
		f.op("ADDQ R13, R11")
		f.label(name + "Next")
		f.op("DECQ CX")
		f.op("JNZ %sPiece", name)
		piece(wide, true)
		f.op("ADDQ R9, SI")
		f.op("ADDQ DX, DI")
		f.op("DECQ R8")
		f.op("JNZ %s", name)
		f.end()
	}
}

// packColumns writes the function
//
//	func packColumns(k, cols int, src *float32, ld int, dst *float32, step int)
//
// which transposes: dst[p][j] = src[j][p] for p < k and j < cols ≤ lanes, zero for j from cols to lanes. Rows of src are ld bytes apart, those of
// dst step bytes. With pairs, a row of dst is one of pairs: j's two numbers at 2·p.
func (f *file) packColumns(set isa) {
	f.function("packColumns"+set.suffix, number("k", "R8"), number("cols", "R10"), address("src", "SI"), number("ld", "R9"), address("dst", "DI"),
		number("step", "DX"))
	depth := 1
	if set.pairs {
		depth = 2
	}
	f.label("loop")
	f.op("MOVQ $%d, CX", depth*set.lanes)
	f.op("CMPQ R8, CX")
	f.op("CMOVQLT R8, CX")
	load := "VMOVUPS.Z (BX), K1, Z%d"
	if set.lanes == 16 {
		f.wordMask("CX", "K1", "K2")
	} else {
		f.op("LEAQ laneMasks<>+64(SB), AX")
		f.op("SHLQ $2, CX")
		f.op("SUBQ CX, AX")
		f.op("VMOVUPS (AX), Y15")
		load = "VMASKMOVPS (BX), Y15, Y%d"
	}
	f.op("MOVQ SI, BX")
	for j := range set.lanes {
		f.op("VXORPS %[1]s%[2]d, %[1]s%[2]d, %[1]s%[2]d", set.register, j)
	}
	for j := range set.lanes {
		f.op(load, j)
		if set.pairs {
			f.op("VMOVUPS.Z 64(BX), K2, Z16")
			f.toBF16(j, 16, j)
		}
		if j < set.lanes-1 {
			f.op("CMPQ R10, $%d", j+1)
			f.op("JEQ loaded")
			f.op("ADDQ R9, BX")
		}
	}
	f.label("loaded")
	if set.lanes == 16 {
		f.transpose16()
	} else {
		f.transpose8()
	}
	for p := range set.lanes {
		f.op("VMOVUPS %s%d, (DI)", set.register, p)
		f.op("ADDQ DX, DI")
		f.op("SUBQ $%d, R8", depth)
		f.op("JLE done")
	}
	f.op("ADDQ $%d, SI", 4*depth*set.lanes)
	f.op("JMP loop")
	f.label("done")
	f.end()
}

// transpose8 transposes the 8 × 8 matrix in Y0 to Y7, using Y8 to Y15.
func (f *file) transpose8() {
	// Inside each 128-bit lane, as below. Afterwards register 4·i+e holds, in lane q, column 4·q+e of rows 4·i to 4·i+3.
	for i := 0; i < 8; i += 2 {
		f.op("VUNPCKLPS Y%d, Y%d, Y%d", i+1, i, 8+i)
		f.op("VUNPCKHPS Y%d, Y%d, Y%d", i+1, i, 9+i)
	}
	for i := 0; i < 8; i += 4 {
		f.op("VUNPCKLPD Y%d, Y%d, Y%d", 10+i, 8+i, i)
		f.op("VUNPCKHPD Y%d, Y%d, Y%d", 10+i, 8+i, i+1)
		f.op("VUNPCKLPD Y%d, Y%d, Y%d", 11+i, 9+i, i+2)
		f.op("VUNPCKHPD Y%d, Y%d, Y%d", 11+i, 9+i, i+3)
	}
	// Across lanes: the low ones of both registers, the high ones of both.
	for e := range 4 {
		f.op("VPERM2F128 $0x20, Y%d, Y%d, Y%d", 4+e, e, 8)
		f.op("VPERM2F128 $0x31, Y%d, Y%d, Y%d", 4+e, e, 4+e)
		f.op("VMOVAPS Y8, Y%d", e)
	}
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
