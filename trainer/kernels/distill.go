package kernels

import (
	"fmt"
	"math"
)

// SmoothedCrossEntropy is [CrossEntropy] with label smoothing (Szegedy et al., 2016) and a weight for each class (cols; nil for 1), as
// torch.nn.functional.cross_entropy has them with reduction="sum": loss[i] = -Σ target·log softmax(logits), where target is (1-smoothing)·onehot +
// smoothing/cols, each class times its weight, and the one-hot part times that of the label.
func SmoothedCrossEntropy(p *Pool, rows, cols int, logits []float32, labels []int32, smoothing float32, weights []float32, scale float32, loss []float32) error {
	check := checker{op: "SmoothedCrossEntropy"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("logits", len(logits), rows*cols)
	check.need("labels", len(labels), rows)
	check.need("loss", len(loss), rows)
	if weights != nil {
		check.need("weights", len(weights), cols)
	}
	if check.err != nil {
		return check.err
	}
	for i, label := range labels[:rows] {
		if label != IgnoreLabel && (label < 0 || int(label) >= cols) {
			return fmt.Errorf("SmoothedCrossEntropy: label %d of row %d is outside the %d classes", label, i, cols)
		}
	}
	s := smoothed{share: float64(smoothing) / float64(max(cols, 1)), rest: 1 - float64(smoothing), weights: weights, total: float64(cols)}
	if weights != nil {
		s.total = 0
		for _, w := range weights[:cols] {
			s.total += float64(w)
		}
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			loss[i] = s.row(logits[i*cols:(i+1)*cols], int(labels[i]), scale)
		}
	})
}

// smoothed is the target of SmoothedCrossEntropy.
type smoothed struct {
	share, rest float64   // of every class, of the label
	weights     []float32 // of classes
	total       float64   // sum of the weights
}

func (s *smoothed) weight(class int) float64 {
	if s.weights == nil {
		return 1
	}
	return float64(s.weights[class])
}

// row replaces x by the gradient, unless scale is 0, and returns the loss.
func (s *smoothed) row(x []float32, label int, scale float32) float32 {
	if label == IgnoreLabel {
		return crossEntropyRow(x, label, scale)
	}
	onLabel := s.rest * s.weight(label)
	mass := onLabel + float64(s.share*s.total)
	lse := float64(logSumExpRow(x))
	loss := onLabel * (lse - float64(x[label]))
	if s.share > 0 {
		var all float64
		for class, v := range x {
			all += float64(s.weight(class) * (lse - float64(v)))
		}
		loss += float64(s.share * all)
	}
	if scale == 0 {
		return float32(loss)
	}
	softmaxRow(x, 1)
	for class := range x {
		x[class] = scale * float32(float64(mass*float64(x[class]))-float64(s.share*s.weight(class)))
	}
	x[label] -= scale * float32(onLabel)
	return float32(loss)
}

// DistillKL writes loss[i] = T²·KL(softmax(teacher/T) ‖ softmax(student/T)) for each row of logits (rows × cols; Hinton, Vinyals and Dean, 2015), T being
// the temperature, and scale times its gradient by the student's logits to grad (rows × cols). Factor T² keeps gradients as large as those of hard labels. The
// teacher's logits are overwritten.
func DistillKL(p *Pool, rows, cols int, student, teacher []float32, temperature, scale float32, loss, grad []float32) error {
	check := checker{op: "DistillKL"}
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.need("student", len(student), rows*cols)
	check.need("teacher", len(teacher), rows*cols)
	check.need("loss", len(loss), rows)
	check.need("grad", len(grad), rows*cols)
	if check.err == nil && !(temperature > 0) {
		check.err = fmt.Errorf("DistillKL: the temperature is %v, want more than 0", temperature)
	}
	if check.err != nil || cols == 0 {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			s, t, g := student[i*cols:(i+1)*cols], teacher[i*cols:(i+1)*cols], grad[i*cols:(i+1)*cols]
			loss[i] = distillRow(s, t, g, temperature, scale)
		}
	})
}

func distillRow(student, teacher, grad []float32, temperature, scale float32) float32 {
	for i, t := range teacher {
		grad[i] = t - student[i]
	}
	inverse := 1 / temperature
	teacherLSE := softmaxRow(teacher, inverse)
	// KL = Σ p_t (log p_t - log p_s), whose logarithms are logits/T minus their log-sum-exp.
	var kl float64
	for i, p := range teacher {
		kl += float64(float64(p) * float64(grad[i]))
	}
	copy(grad, student)
	studentLSE := softmaxRow(grad, inverse)
	kl = float64(kl*float64(inverse)) - float64(teacherLSE) + float64(studentLSE)
	factor := scale * temperature
	for i, p := range teacher {
		grad[i] = factor * (grad[i] - p)
	}
	return float32(float64(temperature) * float64(temperature) * kl)
}

// cosineEps is added to squared lengths, as in torch.nn.functional.cosine_embedding_loss.
const cosineEps = 1e-12

// Cosines writes the cosine of the angle between each row of a and of b (rows × cols, their rows ld apart) to cos (rows).
func Cosines(p *Pool, rows, cols, ld int, a, b, cos []float32) error {
	check := checker{op: "Cosines"}
	check.cosines(rows, cols, ld, a, b)
	check.need("cos", len(cos), rows)
	if check.err != nil || cols == 0 {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			c, _, _ := cosineRow(a[i*ld:i*ld+cols], b[i*ld:i*ld+cols])
			cos[i] = float32(c)
		}
	})
}

// CosinesBackward writes the gradients by a and b, given that by the cosines. db may be nil, and da may be a where b has no gradient.
func CosinesBackward(p *Pool, rows, cols, ld int, a, b, dcos, da, db []float32) error {
	check := checker{op: "CosinesBackward"}
	check.cosines(rows, cols, ld, a, b)
	check.need("dcos", len(dcos), rows)
	check.matrix("da", len(da), rows, cols, ld)
	if db != nil {
		check.matrix("db", len(db), rows, cols, ld)
	}
	if check.err != nil || cols == 0 {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			from, to := i*ld, i*ld+cols
			x, y := a[from:to], b[from:to]
			c, xx, yy := cosineRow(x, y)
			cross := float64(dcos[i]) / math.Sqrt(xx*yy)
			if db != nil {
				tangent(db[from:to], x, y, cross, float64(dcos[i])*c/yy)
			}
			tangent(da[from:to], y, x, cross, float64(dcos[i])*c/xx)
		}
	})
}

// cosineRow returns the cosine and the squared lengths.
func cosineRow(x, y []float32) (cos, xx, yy float64) {
	xx, yy = float64(active.dot(x, x))+cosineEps, float64(active.dot(y, y))+cosineEps
	return float64(active.dot(x, y)) / math.Sqrt(xx*yy), xx, yy
}

// tangent writes dst = cross·other - own·x.
func tangent(dst, other, x []float32, cross, own float64) {
	for i, v := range x {
		dst[i] = float32(float64(cross*float64(other[i])) - float64(own*float64(v)))
	}
}

func (c *checker) cosines(rows, cols, ld int, a, b []float32) {
	c.dim("rows", rows)
	c.dim("cols", cols)
	c.matrix("a", len(a), rows, cols, ld)
	c.matrix("b", len(b), rows, cols, ld)
}
