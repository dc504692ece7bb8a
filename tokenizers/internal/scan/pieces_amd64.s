#include "go_asm.h"
#include "textflag.h"

// 0, 1, ..., 63
DATA placesOfBlock<>+0(SB)/8, $0x0706050403020100
DATA placesOfBlock<>+8(SB)/8, $0x0f0e0d0c0b0a0908
DATA placesOfBlock<>+16(SB)/8, $0x1716151413121110
DATA placesOfBlock<>+24(SB)/8, $0x1f1e1d1c1b1a1918
DATA placesOfBlock<>+32(SB)/8, $0x2726252423222120
DATA placesOfBlock<>+40(SB)/8, $0x2f2e2d2c2b2a2928
DATA placesOfBlock<>+48(SB)/8, $0x3736353433323130
DATA placesOfBlock<>+56(SB)/8, $0x3f3e3d3c3b3a3938
GLOBL placesOfBlock<>(SB), RODATA|NOPTR, $64

// STORE writes the places of the bits of MARKS to the array at DST, behind COUNT others, and counts them.
#define STORE(MARKS, DST, COUNT, MORE, DONE) \
	KMOVQ MARKS, K4                     \
	VPCOMPRESSB.Z Z20, K4, Z2           \
	POPCNTQ MARKS, CX                   \
	LEAQ (DST)(COUNT*4), AX             \
	ADDQ CX, COUNT                      \
	VPMOVZXBD X2, Z3                    \
	VPADDD Z21, Z3, Z3                  \
	VMOVDQU32 Z3, (AX)                  \
	CMPQ CX, $16                        \
	JBE DONE                            \
MORE:                                       \
	VEXTRACTI32X4 $1, Z2, X3            \
	VPMOVZXBD X3, Z3                    \
	VPADDD Z21, Z3, Z3                  \
	VMOVDQU32 Z3, 64(AX)                \
	CMPQ CX, $32                        \
	JBE DONE                            \
	VEXTRACTI32X4 $2, Z2, X3            \
	VPMOVZXBD X3, Z3                    \
	VPADDD Z21, Z3, Z3                  \
	VMOVDQU32 Z3, 128(AX)               \
	VEXTRACTI32X4 $3, Z2, X3            \
	VPMOVZXBD X3, Z3                    \
	VPADDD Z21, Z3, Z3                  \
	VMOVDQU32 Z3, 192(AX)               \
DONE:

// func cutPieces512(ascii *[128]Class, text *byte, blocks, at int, c *PieceCuts) (done int)
TEXT ·cutPieces512(SB), NOSPLIT, $0-48
	MOVQ ascii+0(FP), AX
	VMOVDQU64 (AX), Z16
	VMOVDQU64 64(AX), Z17
	MOVQ text+8(FP), SI
	MOVQ blocks+16(FP), R13
	MOVQ at+24(FP), AX
	VPBROADCASTD AX, Z21
	VMOVDQU64 placesOfBlock<>(SB), Z20
	MOVQ $64, AX
	VPBROADCASTD AX, Z22
	MOVQ c+32(FP), BX
	MOVQ PieceCuts_Starts(BX), DI
	MOVQ PieceCuts_Ends(BX), DX
	MOVQ PieceCuts_StartCount(BX), R8
	MOVQ PieceCuts_EndCount(BX), R9
	MOVQ PieceCuts_inner(BX), R10
	MOVQ PieceCuts_ends(BX), R11
	XORQ R12, R12

block:
	VMOVDQU64 (SI), Z0
	VPMOVB2M Z0, K1
	KTESTQ K1, K1
	JNZ end
	VPERMI2B Z17, Z16, Z0
	VPSLLW $7, Z0, Z1
	VPSLLW $6, Z0, Z2
	VPMOVB2M Z1, K2
	VPMOVB2M Z2, K3
	KMOVQ K2, AX            // in runs
	LEAQ (R10)(AX*2), CX    // behind a byte of a run
	MOVQ AX, R10
	SHRQ $63, R10
	ANDNQ AX, CX, R15       // a run begins
	ANDNQ CX, AX, CX        // one has ended
	KMOVQ K3, AX            // alone
	ORQ AX, R15
	LEAQ (R11)(AX*2), R11
	ORQ R11, CX
	MOVQ AX, R11
	SHRQ $63, R11
	MOVQ CX, BX
	STORE(R15, DI, R8, moreStarts, doneStarts)
	STORE(BX, DX, R9, moreEnds, doneEnds)
	VPADDD Z22, Z21, Z21
	ADDQ $64, SI
	INCQ R12
	CMPQ R12, R13
	JAE end
	MOVQ c+32(FP), BX
	MOVQ PieceCuts_Starts+8(BX), AX
	SUBQ $64, AX
	CMPQ R8, AX
	JG end
	MOVQ PieceCuts_Ends+8(BX), AX
	SUBQ $64, AX
	CMPQ R9, AX
	JLE block

end:
	MOVQ c+32(FP), BX
	MOVQ R8, PieceCuts_StartCount(BX)
	MOVQ R9, PieceCuts_EndCount(BX)
	MOVQ R10, PieceCuts_inner(BX)
	MOVQ R11, PieceCuts_ends(BX)
	MOVQ R12, done+40(FP)
	VZEROUPPER
	RET

// 1 << (high half of a byte), 0 where it is not ASCII
DATA bitOfHigh<>+0(SB)/8, $0x8040201008040201
DATA bitOfHigh<>+8(SB)/8, $0
GLOBL bitOfHigh<>(SB), RODATA|NOPTR, $16

// MARK finds 32 bytes that are not ASCII (CX), not in the first class (R8) and not in the second (R9).
#define MARK(BLOCK) \
	VMOVDQU BLOCK, Y0    \
	VPMOVMSKB Y0, CX     \
	VPAND Y8, Y0, Y1     \
	VPSRLW $4, Y0, Y2    \
	VPAND Y8, Y2, Y2     \
	VPSHUFB Y2, Y11, Y2  \
	VPSHUFB Y1, Y9, Y4   \
	VPSHUFB Y1, Y10, Y5  \
	VPAND Y2, Y4, Y4     \
	VPAND Y2, Y5, Y5     \
	VPCMPEQB Y12, Y4, Y4 \
	VPCMPEQB Y12, Y5, Y5 \
	VPMOVMSKB Y4, R8     \
	VPMOVMSKB Y5, R9

// func markPieces2(nibbles *[2][16]byte, block *[64]byte) (inner, alone, wide uint64)
// A shuffle by the low half of a byte gives the high halves that are in a class with it.
TEXT ·markPieces2(SB), NOSPLIT, $0-40
	MOVQ nibbles+0(FP), AX
	MOVQ block+8(FP), SI
	VBROADCASTI128 (AX), Y9
	VBROADCASTI128 16(AX), Y10
	VBROADCASTI128 bitOfHigh<>(SB), Y11
	VPXOR Y12, Y12, Y12
	MOVQ $0x0F, CX
	VMOVQ CX, X8
	VPBROADCASTB X8, Y8
	MARK((SI))
	MOVQ CX, R10
	MOVQ R8, R11
	MOVQ R9, R12
	MARK(32(SI))
	SHLQ $32, CX
	SHLQ $32, R8
	SHLQ $32, R9
	ORQ CX, R10
	ORQ R8, R11
	ORQ R9, R12
	NOTQ R11
	NOTQ R12
	MOVQ R11, inner+16(FP)
	MOVQ R12, alone+24(FP)
	MOVQ R10, wide+32(FP)
	VZEROUPPER
	RET
