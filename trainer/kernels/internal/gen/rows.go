package main

import (
	"fmt"
	"math"
	"strings"
)

// isa is what differs between the vector instruction sets.
type isa struct {
	suffix   string
	register string // Z or Y
	lanes    int
	pairs    bool // packs two numbers in bfloat16 where others pack a float32
}

var (
	isa512 = isa{suffix: "AVX512", register: "Z", lanes: 16}
	isa2   = isa{suffix: "AVX2", register: "Y", lanes: 8}
)

// rows writes the functions over rows of floats.
func (f *file) rows(set isa) {
	f.add(set)
	f.scale(set)
	f.max(set)
	f.expSum(set, true)
	f.expSum(set, false)
	f.softmaxBackward(set)
	f.geluErf(set, false)
	f.geluErf(set, true)
	f.geluTanh(set, false)
	f.geluTanh(set, true)
	f.norm(set)
	f.normBackward(set)
	f.dropout(set)
	f.biasDropoutAdd(set, true)
	f.biasDropoutAdd(set, false)
	f.adamW(set)
	f.dot(set)
	f.addScaled(set)
	f.scaleMultiply(set)
	f.rmsNormBackward(set)
	f.swiGLU(set, false)
	f.swiGLU(set, true)
}

// row is a function func name(slices ..., scalars ...) over slices of equal length, written as code for one vector of each. The tail of a
// slice is the same code with masked loads and stores: there, lanes beyond the end are loaded as zero.
type row struct {
	*file
	isa
	offsets map[string]int
	size    int // of the arguments, in bytes
	masked  bool
}

var pointers = []string{"DI", "SI", "DX", "BX", "R8", "R9"}

// row begins a function. Slices get the pointers above, in order; scalars and results have four bytes each and are given as "name type".
func (f *file) row(set isa, name string, slices, scalars, results []string) *row {
	r := &row{file: f, isa: set, offsets: map[string]int{}}
	var params []string
	for _, s := range slices {
		r.offsets[s] = r.size
		r.size += 24
		params = append(params, s+" []float32")
	}
	r.words(scalars)
	if len(results) > 0 {
		r.size = (r.size + 7) / 8 * 8
		r.words(results)
	}
	f.functions = append(f.functions, strings.TrimSpace(fmt.Sprintf("func %s%s(%s) %s",
		name, set.suffix, strings.Join(append(params, scalars...), ", "), resultList(results))))
	f.line("")
	f.line("TEXT ·%s%s(SB), NOSPLIT, $0-%d", name, set.suffix, r.size)
	for i, s := range slices {
		f.op("MOVQ %s_base+%d(FP), %s", s, r.offsets[s], pointers[i])
	}
	r.rewind(slices[0])
	return r
}

func (r *row) words(list []string) {
	for _, s := range list {
		name, _, _ := strings.Cut(s, " ")
		r.offsets[name] = r.size
		r.size += 4
	}
}

func resultList(results []string) string {
	if len(results) == 0 {
		return ""
	}
	return "(" + strings.Join(results, ", ") + ")"
}

// v is a vector register. v(15) is the mask of the tail in AVX2.
func (r *row) v(i int) string { return fmt.Sprintf("%s%d", r.register, i) }

// scalar broadcasts an argument.
func (r *row) scalar(name string, to int) {
	r.op("MOVL %s+%d(FP), AX", name, r.offsets[name])
	r.op("VMOVD AX, X%d", to)
	r.op("VPBROADCASTD X%d, %s", to, r.v(to))
}

func (r *row) zero(regs ...int) {
	for _, i := range regs {
		r.op("VXORPS %[1]s, %[1]s, %[1]s", r.v(i))
	}
}

// each writes the loop over the vectors of the slices.
func (r *row) each(label string, body func()) {
	r.op("XORQ AX, AX")
	r.op("SUBQ $%d, CX", r.lanes)
	r.op("JLT %sTail", label)
	r.label(label)
	body()
	r.op("ADDQ $%d, AX", 4*r.lanes)
	r.op("SUBQ $%d, CX", r.lanes)
	r.op("JGE %s", label)
	r.label(label + "Tail")
	r.op("ADDQ $%d, CX", r.lanes)
	r.op("JZ %sDone", label)
	if r.register == "Z" {
		r.op("MOVQ $1, R12")
		r.op("SHLQ CX, R12")
		r.op("DECQ R12")
		r.op("KMOVW R12, K1")
	} else {
		r.op("LEAQ laneMasks<>+64(SB), R12")
		r.op("SHLQ $2, CX")
		r.op("SUBQ CX, R12")
		r.op("VMOVUPS (R12), Y15")
	}
	r.masked = true
	body()
	r.masked = false
	r.label(label + "Done")
}

// load reads a vector of the slice with the given number.
func (r *row) load(slice, to int) {
	from := fmt.Sprintf("(%s)(AX*1)", pointers[slice])
	switch {
	case !r.masked:
		r.op("VMOVUPS %s, %s", from, r.v(to))
	case r.register == "Z":
		r.op("VMOVUPS.Z %s, K1, %s", from, r.v(to))
	default:
		r.op("VMASKMOVPS %s, Y15, %s", from, r.v(to))
	}
}

func (r *row) store(from, slice int) {
	to := fmt.Sprintf("(%s)(AX*1)", pointers[slice])
	switch {
	case !r.masked:
		r.op("VMOVUPS %s, %s", r.v(from), to)
	case r.register == "Z":
		r.op("VMOVUPS %s, K1, %s", r.v(from), to)
	default:
		r.op("VMASKMOVPS %s, Y15, %s", r.v(from), to)
	}
}

// clearTail makes lanes beyond the end zero.
func (r *row) clearTail(i int) {
	switch {
	case !r.masked:
	case r.register == "Z":
		r.op("VMOVAPS.Z %[1]s, K1, %[1]s", r.v(i))
	default:
		r.op("VANDPS Y15, %[1]s, %[1]s", r.v(i))
	}
}

// do writes an instruction of vector registers given by number, in the assembler's order: the destination is last.
func (r *row) do(name string, regs ...int) {
	text := name
	for i, reg := range regs {
		if i > 0 {
			text += ","
		}
		text += " " + r.v(reg)
	}
	r.op("%s", text)
}

// with writes an instruction whose first operand is a constant in all lanes.
func (r *row) with(name string, constant float64, regs ...int) {
	text := name + " " + r.constant(math.Float32bits(float32(constant)))
	for _, reg := range regs {
		text += ", " + r.v(reg)
	}
	r.op("%s", text)
}

// sum adds up the lanes of register i in a fixed order, into its lowest lane. It uses register t.
func (r *row) sum(i, t int) { r.fold("VADDPS", i, t) }

func (r *row) fold(name string, i, t int) {
	if r.register == "Z" {
		r.op("VEXTRACTF64X4 $1, Z%d, Y%d", i, t)
		r.op("%s Y%d, Y%d, Y%d", name, t, i, i)
	}
	r.op("VEXTRACTF128 $1, Y%d, X%d", i, t)
	for _, order := range []int{0, 0x0e, 0x01} {
		if order != 0 {
			r.op("VPERMILPS $%d, X%d, X%d", order, i, t)
		}
		r.op("%s X%d, X%d, X%d", name, t, i, i)
	}
}

// spread copies the lowest lane of a register to all others.
func (r *row) spread(i int) { r.op("VBROADCASTSS X%d, %s", i, r.v(i)) }

// result returns the lowest lane of a register.
func (r *row) result(i int, name string) { r.op("VMOVSS X%d, %s+%d(FP)", i, name, r.offsets[name]) }

// rewind prepares another loop over the same slices.
func (r *row) rewind(slice string) { r.op("MOVQ %s_len+%d(FP), CX", slice, r.offsets[slice]+8) }

// exp replaces register x by e^x: the method of expFloat. It uses registers t, t+1, t+2 and, in AVX2, t+3. Up to 88.37 it is exact to a few units in
// the last place, then constant.
func (r *row) exp(x, t int) {
	const lowest, highest = -87.33, 88.3762626647949
	low := r.constant(math.Float32bits(lowest))
	if r.register == "Z" {
		r.op("VCMPPS $5, %s, %s, K2", low, r.v(x)) // not less, so that NaN passes
	} else {
		r.op("VCMPPS $5, %s, %s, %s", low, r.v(x), r.v(t+3))
	}
	// The second source of max and min is what they return for NaN.
	r.op("VMOVUPS %s, %s", low, r.v(t))
	r.do("VMAXPS", x, t, x)
	r.with("VMOVUPS", highest, t)
	r.do("VMINPS", x, t, x)
	r.with("VMULPS", math.Log2E, x, t)
	if r.register == "Z" {
		r.op("VRNDSCALEPS $8, %[1]s, %[1]s", r.v(t))
	} else {
		r.op("VROUNDPS $8, %[1]s, %[1]s", r.v(t))
	}
	r.with("VFNMADD231PS", 0.693359375, t, x)
	r.with("VFNMADD231PS", -2.12194440e-4, t, x)
	r.with("VMOVUPS", 1.9875691500e-4, t+1)
	for _, c := range []float64{1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		r.with("VFMADD213PS", c, x, t+1)
	}
	r.do("VMULPS", x, x, t+2)
	r.do("VFMADD213PS", x, t+2, t+1)
	r.with("VADDPS", 1, t+1, t+1)
	r.do("VCVTPS2DQ", t, t)
	r.op("VPSLLD $23, %[1]s, %[1]s", r.v(t))
	r.do("VPADDD", t, t+1, t+1)
	if r.register == "Z" {
		r.op("VMOVAPS.Z %s, K2, %s", r.v(t+1), r.v(x))
	} else {
		r.do("VANDPS", t+3, t+1, x)
	}
}

// constant returns the operand of a constant in sixteen lanes.
func (f *file) constant(bits uint32) string {
	if f.index == nil {
		f.index = map[uint32]int{}
	}
	at, ok := f.index[bits]
	if !ok {
		at = len(f.constants)
		f.index[bits] = at
		f.constants = append(f.constants, bits)
	}
	return fmt.Sprintf("constants<>+%d(SB)", 64*at)
}

// writeConstants writes the table that constant refers to.
func (f *file) writeConstants() {
	f.line("")
	for i, bits := range f.constants {
		for lane := range 16 {
			f.line("DATA constants<>+%d(SB)/4, $%#08x", 64*i+4*lane, bits)
		}
	}
	f.line("GLOBL constants<>(SB), RODATA|NOPTR, $%d", 64*len(f.constants))
}
