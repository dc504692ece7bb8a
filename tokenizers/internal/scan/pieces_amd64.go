package scan

import "golang.org/x/sys/cpu"

func nativePieceTiers() []*pieceTier {
	var native []*pieceTier
	if x := &cpu.X86; x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VBMI && x.HasAVX512VBMI2 && x.HasBMI1 && x.HasPOPCNT {
		native = append(native, &pieceTier{"avx512", markPiecesAVX512, cutPiecesAVX512, addPieces512})
	}
	if cpu.X86.HasAVX2 {
		native = append(native, &pieceTier{"avx2", markPiecesAVX2, cutPiecesMarked(markPiecesAVX2), addPiecesPortable})
	}
	return native
}

//go:noescape
func markPieces512(classes *[128]byte, block *[64]byte) (inner, alone, wide uint64)

//go:noescape
func cutPieces512(classes *[128]byte, text *byte, blocks, at int, c *PieceCuts) (done int)

//go:noescape
func addPieces512(c *PieceCuts, starts, ends uint64, at int)

//go:noescape
func markPieces256(nibbles *[2][16]byte, block *[64]byte) (inner, alone, wide uint64)

func markPiecesAVX512(t *PieceTable, block *[64]byte) (m PieceMarks) {
	m.Inner, m.Alone, m.Wide = markPieces512(&t.classes, block)
	return m
}

func markPiecesAVX2(t *PieceTable, block *[64]byte) (m PieceMarks) {
	m.Inner, m.Alone, m.Wide = markPieces256(&t.nibbles, block)
	return m
}

func cutPiecesAVX512(t *PieceTable, text []byte, at int, c *PieceCuts) int {
	if blocks := (len(text) - at) / 64; blocks > 0 && c.HasRoom() {
		at += 64 * cutPieces512(&t.classes, &text[at], blocks, at, c)
	}
	return at
}
