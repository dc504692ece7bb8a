package main

import "fmt"

// avx512BF16 is the part of a tier that multiplies pairs of numbers in bfloat16: 32-bit words whose lower half is the first of the pair.
func avx512BF16() *file {
	f := newFile()
	for _, rows := range []int{14, 4} {
		f.tile(tileShape{name: fmt.Sprintf("tileAVX512BF16x%d", rows), rows: rows, register: "Z", lanes: 16, pairs: true})
	}
	f.pairOrder()
	f.packRowsBF16()
	f.packColumns(isa512BF16)
	f.packRowBF16()
	return f
}

// isa512BF16 is isa512 for packing alone.
var isa512BF16 = isa{suffix: "AVX512BF16", register: "Z", lanes: 16, pairs: true}

// evex writes an instruction over 512-bit registers from the map 0F38, which Go's assembler does not know, byte by byte (Intel's Software Developer's
// Manual, volume 2, chapter 2.7). The prefix, 2 or 3, stands for F3 or F2.
func (f *file) evex(mnemonic string, prefix, opcode byte, rm, vvvv, reg int) {
	bit := func(register, bit, to int) byte { return byte(^register>>bit&1) << to } // inverted, as the encoding wants them
	p0 := bit(reg, 3, 7) | bit(rm, 4, 6) | bit(rm, 3, 5) | bit(reg, 4, 4) | 2
	p1 := byte(^vvvv&15)<<3 | 1<<2 | prefix
	p2 := byte(2<<5) | bit(vvvv, 4, 3)
	modrm := byte(3<<6 | reg&7<<3 | rm&7)
	f.op("BYTE $0x62; BYTE $%#02x; BYTE $%#02x; BYTE $%#02x; BYTE $%#02x; BYTE $%#02x // %s Z%d, Z%d, Z%d", p0, p1, p2, opcode, modrm, mnemonic, rm, vvvv, reg)
}

// dotPairs adds a·b to the sum: the products of both numbers of each pair.
func (f *file) dotPairs(a, b, sum int) { f.evex("VDPBF16PS", 2, 0x52, b, a, sum) }

// toBF16 rounds two vectors of float32 to one of bfloat16.
func (f *file) toBF16(low, high, dst int) { f.evex("VCVTNE2PS2BF16", 3, 0x72, low, high, dst) }

// pairOrder writes the numbers of the words of a vector that make pairs of its two halves.
func (f *file) pairOrder() {
	f.line("")
	for i := range 16 {
		f.line("DATA pairOrder<>+%d(SB)/4, $%#x", 4*i, i|(16+i)<<16)
	}
	f.line("GLOBL pairOrder<>(SB), RODATA|NOPTR, $64")
}

// packRowsBF16 writes the function
//
//	func packRowsAVX512BF16(pairs, panels, cols, width int, first, second *float32, ld int, dst *float32, panelStride int)
//
// which is packRowsAVX512 for pairs of rows: the first ones and the second ones are each ld bytes apart.
func (f *file) packRowsBF16() {
	f.function("packRowsAVX512BF16", number("pairs", "R8"), number("panels", "R12"), number("cols", "CX"), number("width", "DX"), address("first", "SI"),
		address("second", "BX"), number("ld", "R9"), address("dst", "DI"), number("panelStride", "R13"))
	f.op("SUBQ SI, BX")
	f.op("VMOVUPS pairOrder<>(SB), Z4")
	f.wordMask("CX", "K1", "K2")
	f.op("MOVQ DX, CX")
	f.wordMask("CX", "K3", "K4")
	f.op("SHLQ $2, DX")
	f.op("CMPQ DX, $64")
	f.op("JLE narrow")
	f.copyPieces(func(wide, last bool) {
		low, high := pieceMasks(last)
		half := func(at int, from, to string) {
			f.op("VMOVUPS.Z %d(R10), %s, Z0", at, from)
			f.op("VMOVUPS.Z %d(R10)(BX*1), %s, Z1", at, from)
			f.toBF16(0, 1, 2)
			f.op("VPERMW Z2, Z4, Z2")
			f.op("VMOVUPS Z2, %s, %d(R11)", to, at)
		}
		half(0, low, "K3")
		if wide {
			half(64, high, "K4")
		}
	})
}

// packRowBF16 writes the function
//
//	func packRowAVX512BF16(n int, src, dst *float32)
//
// which makes pairs of n neighbouring numbers, sixteen at a time: the last are filled up with zeros.
func (f *file) packRowBF16() {
	f.function("packRowAVX512BF16", number("n", "R8"), address("src", "SI"), address("dst", "DI"))
	f.op("JMP next")
	f.label("loop")
	f.op("VMOVUPS (SI), Z0")
	f.op("VMOVUPS 64(SI), Z1")
	f.toBF16(0, 1, 2)
	f.op("VMOVUPS Z2, (DI)")
	f.op("ADDQ $128, SI")
	f.op("ADDQ $64, DI")
	f.op("SUBQ $32, R8")
	f.label("next")
	f.op("CMPQ R8, $32")
	f.op("JGE loop")
	f.op("TESTQ R8, R8")
	f.op("JZ done")
	f.op("MOVQ R8, CX")
	f.wordMask("CX", "K1", "K2")
	f.op("VMOVUPS.Z (SI), K1, Z0")
	f.op("VMOVUPS.Z 64(SI), K2, Z1")
	f.toBF16(0, 1, 2)
	f.op("VMOVUPS Z2, (DI)")
	f.label("done")
	f.end()
}
