package main

// amx is a file of instructions over tiles, registers of 16 rows of 64 bytes (Intel's Software Developer's Manual, volume 1, chapter 18). Go's assembler
// knows none of them: they are written byte by byte.
func amx() *file {
	f := newFile()
	f.tileAMX()
	return f
}

// numbers of the general registers in encoded instructions.
var registerNumber = map[string]byte{
	"AX": 0, "CX": 1, "DX": 2, "BX": 3, "SI": 6, "DI": 7, "R8": 8, "R9": 9, "R10": 10, "R11": 11,
}

// The instructions differ in the prefix: 0 for none, 2 for F3, 3 for F2.
const (
	tileLoad  = 3
	tileStore = 2
)

// moveTile loads or stores a tile whose rows begin at base + disp, stride bytes apart.
func (f *file) moveTile(prefix byte, tile byte, base, stride string, disp byte) {
	b, s := registerNumber[base], registerNumber[stride]
	name := map[byte]string{tileLoad: "TILELOADD", tileStore: "TILESTORED"}[prefix]
	f.op("BYTE $0xc4; BYTE $%#02x; BYTE $%#02x; BYTE $0x4b; BYTE $%#02x; BYTE $%#02x; BYTE $%#02x // %s T%d, %d(%s)(%s*1)",
		0x82|(^s>>3&1)<<6|(^b>>3&1)<<5, 0x78|prefix, 1<<6|tile<<3|4, (s&7)<<3|b&7, disp, name, tile, disp, base, stride)
}

// dotTiles adds to a tile the product of two, over pairs of bfloat16.
func (f *file) dotTiles(a, b, sum byte) {
	f.op("BYTE $0xc4; BYTE $0xe2; BYTE $%#02x; BYTE $0x5c; BYTE $%#02x // TDPBF16PS T%d, T%d, T%d", (^b&15)<<3|2, 3<<6|sum<<3|a, b, a, sum)
}

// tileAMX writes the function
//
//	func tileAMXx32(k int, a *float32, rowStride int, b, c *float32, ldc, blocks, add int)
//
// with strides in bytes and k in sixteens of steps. It computes blocks of 32 rows × 32 columns of C below one another. The tiles are set up and
// given back inside: a goroutine is never moved while it has them.
func (f *file) tileAMX() {
	f.function("tileAMXx32", number("k", ""), address("a", "R15"), number("rowStride", "BX"), address("b", ""), address("c", "DI"), number("ldc", "R9"),
		number("blocks", "R11"), number("add", "R12"))
	f.op("LEAQ tileShapes<>(SB), AX")
	f.op("BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00 // LDTILECFG (AX)")
	f.op("MOVQ $128, R8") // between rows of B
	f.label("block")
	f.op("MOVQ DI, R10")
	for range 16 {
		f.op("ADDQ R9, R10")
	}
	f.op("MOVQ R15, AX")
	f.op("MOVQ BX, DX")
	f.op("SHLQ $4, DX")
	f.op("ADDQ R15, DX")
	f.op("MOVQ k+0(FP), CX")
	f.op("MOVQ b+24(FP), SI")
	// Tiles 0 to 3 are C, 4 and 5 A, 6 and 7 B.
	quarters := func(prefix byte) {
		for i := range byte(4) {
			f.moveTile(prefix, i, []string{"DI", "R10"}[i/2], "R9", i%2*64)
		}
	}
	f.op("TESTQ R12, R12")
	f.op("JZ zero")
	quarters(tileLoad)
	f.op("JMP start")
	f.label("zero")
	for i := range 4 {
		f.op("BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $%#02x // TILEZERO T%d", 3<<6|i<<3, i)
	}
	// The first steps also ask for the block of C that comes next, four rows a step: the one below, or that at the top of the next panel.
	f.label("start")
	f.op("MOVQ R9, R13")
	f.op("SHLQ $5, R13")
	f.op("ADDQ DI, R13")
	f.op("CMPQ R11, $1")
	f.op("JNE below")
	f.op("MOVQ c+32(FP), R13")
	f.op("ADDQ $128, R13")
	f.label("below")
	f.op("MOVQ $8, R14")
	f.label("prefetch")
	for range 4 {
		f.op("PREFETCHT0 (R13)")
		f.op("PREFETCHT0 64(R13)")
		f.op("ADDQ R9, R13")
	}
	f.stepAMX()
	f.op("DECQ CX")
	f.op("JZ finish")
	f.op("DECQ R14")
	f.op("JNZ prefetch")
	f.label("loop")
	f.stepAMX()
	f.op("DECQ CX")
	f.op("JNZ loop")
	f.label("finish")
	quarters(tileStore)
	f.op("MOVQ BX, AX")
	f.op("SHLQ $5, AX")
	f.op("ADDQ AX, R15")
	f.op("MOVQ R9, AX")
	f.op("SHLQ $5, AX")
	f.op("ADDQ AX, DI")
	f.op("DECQ R11")
	f.op("JNZ block")
	f.op("BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0 // TILERELEASE")
	f.op("RET")

	f.tileShapes()
}

// stepAMX writes sixteen steps of k.
func (f *file) stepAMX() {
	f.moveTile(tileLoad, 6, "SI", "R8", 0)
	f.moveTile(tileLoad, 4, "AX", "BX", 0)
	f.moveTile(tileLoad, 7, "SI", "R8", 64)
	f.dotTiles(4, 6, 0)
	f.moveTile(tileLoad, 5, "DX", "BX", 0)
	f.dotTiles(4, 7, 1)
	f.dotTiles(5, 6, 2)
	f.dotTiles(5, 7, 3)
	f.op("ADDQ $64, AX")
	f.op("ADDQ $64, DX")
	f.op("ADDQ $2048, SI")
}

// tileShapes writes what sets the tiles up.
func (f *file) tileShapes() {
	// Palette 1; from byte 16 on the bytes in a row of each tile, 16 bits each; from byte 48 on the rows, 8 bits each.
	f.line("")
	for at := 0; at < 64; at += 8 {
		value := map[int]uint64{0: 1, 16: 0x0040004000400040, 24: 0x0040004000400040, 48: 0x1010101010101010}[at]
		f.line("DATA tileShapes<>+%d(SB)/8, $%#x", at, value)
	}
	f.line("GLOBL tileShapes<>(SB), RODATA|NOPTR, $64")
}
