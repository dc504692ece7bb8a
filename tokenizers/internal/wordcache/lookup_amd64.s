#include "textflag.h"

// func locate2(places *Place, text *byte, starts, ends *uint32, n int, c *lines) int
// See Cache.Locate. It ends at the first long piece, and returns how many places it found.
TEXT ·locate2(SB), NOSPLIT, $0-56
	MOVQ places+0(FP), DI
	MOVQ text+8(FP), SI
	MOVQ starts+16(FP), R8
	MOVQ ends+24(FP), R9
	MOVQ n+32(FP), R10
	MOVQ c+40(FP), AX
	MOVQ 0(AX), R11             // short lines
	MOVQ 8(AX), R15             // middle lines
	MOVQ 16(AX), CX             // shift
	LEAQ ·keyMasks(SB), R12
	VMOVQ 32(AX), X0            // seeds; no instructions of SSE, which cost much beside those of AVX
	VMOVQ 40(AX), X1
next:
	MOVL (R8), AX
	MOVL (R9), BX
	SUBL AX, BX                 // length
	ADDQ SI, AX
	CMPL BX, $15
	JHI  middle
	MOVQ BX, DX
	SHLQ $4, DX
	MOVQ 0(AX), R13
	MOVQ 8(AX), R14
	ANDQ 0(R12)(DX*1), R13
	ANDQ 8(R12)(DX*1), R14
	SHLQ $56, BX
	ORQ  BX, R14
	MOVQ R13, 0(DI)
	MOVQ R14, 8(DI)
	VMOVQ X0, AX
	VMOVQ X1, DX
	XORQ R13, AX
	XORQ R14, DX
	MULQ DX
	XORQ DX, AX
	SHRQ CX, AX
	MOVQ AX, 16(DI)
	SHLQ $6, AX
	PREFETCHT0 (R11)(AX*1)
again:
	ADDQ $24, DI
	ADDQ $4, R8
	ADDQ $4, R9
	DECQ R10
	JNZ  next
done:
	MOVQ n+32(FP), AX
	SUBQ R10, AX
	MOVQ AX, ret+48(FP)
	RET

middle:
	CMPL BX, $31
	JHI  done
	LEAQ -16(BX), DX
	SHLQ $4, DX
	MOVQ 16(AX), R13
	MOVQ 24(AX), R14
	ANDQ 0(R12)(DX*1), R13      // third word of the key
	ANDQ 8(R12)(DX*1), R14
	MOVQ BX, DX
	SHLQ $56, DX
	ORQ  DX, R14                // fourth
	MOVQ $0xFE00000000000000, DX
	ORQ  DX, BX
	MOVQ BX, 8(DI)
	VMOVQ X1, BX
	MOVQ 8(AX), DX
	MOVQ 0(AX), AX
	XORQ BX, DX
	XORQ BX, R14
	VMOVQ X0, BX
	XORQ BX, AX
	MULQ DX
	XORQ DX, AX
	XORQ R13, AX
	MULQ R14
	XORQ DX, AX
	MOVQ AX, 0(DI)
	SHRQ CX, AX
	SHRQ $1, AX                 // half as many lines
	MOVQ AX, 16(DI)
	SHLQ $6, AX
	PREFETCHT0 (R15)(AX*1)
	JMP  again

// func append2(dst *uint32, room int, places *Place, text *byte, starts *uint32, n, safe int, c *lines, keep uint32) (found, written int)
// See Cache.Append. It ends at the first piece that the cache does not hold, or that is long, or middle and begins behind safe, or whose ids might not
// fit room.
TEXT ·append2(SB), NOSPLIT, $0-88
	MOVQ dst+0(FP), DI
	MOVQ room+8(FP), R8
	LEAQ -32(DI)(R8*4), R8      // the last place for as much as is written at once
	MOVQ places+16(FP), SI
	MOVQ text+24(FP), R9
	MOVQ starts+32(FP), R10
	MOVQ n+40(FP), R11
	MOVQ safe+48(FP), R12
	MOVQ c+56(FP), AX
	MOVQ 0(AX), R13             // short lines
	MOVQ 24(AX), R14            // ids
	MOVQ 8(AX), R15             // middle lines
	MOVL keep+64(FP), AX
	VMOVD AX, X7
	VPBROADCASTD X7, Y7
next:
	CMPQ DI, R8
	JHI  done
	MOVQ 16(SI), AX
	CMPB 15(SI), $0xFE
	JCC  middle
	SHLQ $6, AX
	ADDQ R13, AX
	VMOVDQU (SI), X0
	VPCMPEQQ (AX), X0, X1
	VPCMPEQQ 32(AX), X0, X2
	VMOVMSKPD X1, BX
	VMOVMSKPD X2, DX
	LEAQ 32(AX), CX
	CMPL BX, $3
	CMOVQNE CX, AX
	CMOVLEQ BX, DX
	CMPL DX, $3
	JNE  done
	VPAND 16(AX), X7, X0
	MOVL 28(AX), BX
	CMPL BX, $3
	JHI  many
	VMOVDQU X0, (DI)
	LEAQ (DI)(BX*4), DI
again:
	ADDQ $24, SI
	ADDQ $4, R10
	DECQ R11
	JNZ  next
done:
	MOVQ n+40(FP), AX
	SUBQ R11, AX
	MOVQ AX, found+72(FP)
	SUBQ dst+0(FP), DI
	SHRQ $2, DI
	MOVQ DI, written+80(FP)
	VZEROUPPER
	RET

middle:
	JNE  done                   // long
	MOVL (R10), CX
	CMPQ CX, R12
	JGT  done
	VMOVDQU (R9)(CX*1), Y0      // the piece and what follows
	MOVBLZX 8(SI), CX           // its length
	MOVQ AX, DX
	SHLQ $6, AX
	ADDQ R15, AX
	VPCMPEQB (AX), Y0, Y1
	VPMOVMSKB Y1, BX
	NOTL BX
	BZHIL CX, BX, BX            // bytes that differ
	XORB 31(AX), CX
	ORL  CX, BX
	JEQ  ids
	MOVBLZX 8(SI), CX
	XORQ $1, DX
	SHLQ $6, DX
	LEAQ (R15)(DX*1), AX
	VPCMPEQB (AX), Y0, Y1
	VPMOVMSKB Y1, BX
	NOTL BX
	BZHIL CX, BX, BX
	XORB 31(AX), CX
	ORL  CX, BX
	JNE  done
ids:
	VPAND 32(AX), Y7, Y0
	MOVL 60(AX), BX
	ADDQ $16, AX
	CMPL BX, $7
	JHI  many
	VMOVDQU Y0, (DI)
	LEAQ (DI)(BX*4), DI
	JMP  again

many: // BX ids, at the place that 16(AX) says
	LEAQ (DI)(BX*4), DX
	CMPQ DX, R8
	JHI  done
	MOVL 16(AX), AX
	LEAQ (R14)(AX*4), AX
copy:
	VPAND (AX), Y7, Y0
	VMOVDQU Y0, (DI)
	ADDQ $32, AX
	ADDQ $32, DI
	CMPQ DI, DX
	JCS  copy
	MOVQ DX, DI
	JMP  again
