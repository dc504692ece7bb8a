//go:build !amd64

package scan

// cutPieces is for AVX-512 alone.
func cutPieces(_ *[128]Class, _ []byte, _, _ int, _ *PieceCuts) int { return 0 }

// markPieces is for AVX2 alone.
func markPieces(*PieceTable, *[64]byte) PieceMarks { return PieceMarks{} }
