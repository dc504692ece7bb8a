#include "textflag.h"

// places 0 to 63
DATA places<>+0x00(SB)/8, $0x0706050403020100
DATA places<>+0x08(SB)/8, $0x0f0e0d0c0b0a0908
DATA places<>+0x10(SB)/8, $0x1716151413121110
DATA places<>+0x18(SB)/8, $0x1f1e1d1c1b1a1918
DATA places<>+0x20(SB)/8, $0x2726252423222120
DATA places<>+0x28(SB)/8, $0x2f2e2d2c2b2a2928
DATA places<>+0x30(SB)/8, $0x3736353433323130
DATA places<>+0x38(SB)/8, $0x3f3e3d3c3b3a3938
GLOBL places<>(SB), RODATA|NOPTR, $64

// func classify512(ascii *[128]Class, block *[64]byte, m *masks)
// One permutation looks up 64 bytes; each bit of a class becomes a mask.
TEXT ·classify512(SB), NOSPLIT, $0-24
	MOVQ ascii+0(FP), SI
	MOVQ block+8(FP), DI
	MOVQ m+16(FP), DX
	VMOVDQU64 (DI), Z0
	VMOVDQU64 (SI), Z1
	VPMOVB2M Z0, K1
	KNOTQ K1, K2
	VPERMI2B.Z 64(SI), Z1, K2, Z0
	VPSLLW $7, Z0, Z2
	VPSLLW $6, Z0, Z3
	VPSLLW $5, Z0, Z4
	VPSLLW $4, Z0, Z5
	VPSLLW $3, Z0, Z6
	VPSLLW $2, Z0, Z7
	VPMOVB2M Z2, K2
	VPMOVB2M Z3, K3
	VPMOVB2M Z4, K4
	VPMOVB2M Z5, K5
	VPMOVB2M Z6, K6
	VPMOVB2M Z7, K7
	XORL AX, AX
	KMOVQ K2, (DX)
	KMOVQ K3, 8(DX)
	KMOVQ K4, 16(DX)
	KMOVQ K5, 24(DX)
	KMOVQ K6, 32(DX)
	KMOVQ K7, 40(DX)
	MOVQ AX, 48(DX)
	KMOVQ K1, 56(DX)
	VZEROUPPER
	RET

// A shuffle looks up bytes of one sixteenth of ASCII: what lies in another is pushed above 127, for which the shuffle gives 0.
#define SIXTEENTH(n) \
	VBROADCASTI128 (16*n)(SI), Y4 \
	VPXOR Y3, Y0, Y5 \
	VPADDUSB Y2, Y5, Y5 \
	VPSHUFB Y5, Y4, Y4 \
	VPOR Y4, Y1, Y1 \
	VPADDB Y6, Y3, Y3

#define MASK(shift, k) \
	VPSLLW $shift, Y1, Y4 \
	VPMOVMSKB Y4, AX \
	MOVL AX, (8*k)(DX)

// func classify2(ascii *[128]Class, block *[64]byte, m *masks)
TEXT ·classify2(SB), NOSPLIT, $0-24
	MOVQ ascii+0(FP), SI
	MOVQ block+8(FP), DI
	MOVQ m+16(FP), DX
	VPBROADCASTB places<>+0x10(SB), Y6
	VPSLLW $3, Y6, Y2
	VPSUBB Y6, Y2, Y2           // 0x70
	MOVQ $2, CX
half:
	VMOVDQU (DI), Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y3, Y3, Y3
	SIXTEENTH(0)
	SIXTEENTH(1)
	SIXTEENTH(2)
	SIXTEENTH(3)
	SIXTEENTH(4)
	SIXTEENTH(5)
	SIXTEENTH(6)
	SIXTEENTH(7)
	MASK(7, 0)
	MASK(6, 1)
	MASK(5, 2)
	MASK(4, 3)
	MASK(3, 4)
	MASK(2, 5)
	MOVL $0, 48(DX)
	VPMOVMSKB Y0, AX
	MOVL AX, 56(DX)
	ADDQ $32, DI
	ADDQ $4, DX
	DECQ CX
	JNZ half
	VZEROUPPER
	RET

// func flatten512(dst *[64]uint32, at uint32, starts uint64)
TEXT ·flatten512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ starts+16(FP), AX
	KMOVQ AX, K1
	VMOVDQU64 places<>(SB), Z0
	VPCOMPRESSB.Z Z0, K1, Z0
	MOVL at+8(FP), BX
	VPBROADCASTD BX, Z1
	POPCNTQ AX, AX
	VPMOVZXBD X0, Z2
	VPADDD Z1, Z2, Z2
	VMOVDQU32 Z2, (DI)
	CMPQ AX, $16
	JLS done
	VEXTRACTI32X4 $1, Z0, X2
	VPMOVZXBD X2, Z2
	VPADDD Z1, Z2, Z2
	VMOVDQU32 Z2, 64(DI)
	CMPQ AX, $32
	JLS done
	VEXTRACTI32X4 $2, Z0, X2
	VPMOVZXBD X2, Z2
	VPADDD Z1, Z2, Z2
	VMOVDQU32 Z2, 128(DI)
	VEXTRACTI32X4 $3, Z0, X2
	VPMOVZXBD X2, Z2
	VPADDD Z1, Z2, Z2
	VMOVDQU32 Z2, 192(DI)
done:
	VZEROUPPER
	RET
