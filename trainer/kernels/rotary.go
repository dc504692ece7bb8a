package kernels

import "fmt"

// Rotate turns the leading heads of each of rows rows of x, ld floats apart, by the angles of their positions: with half = size/2, elements i and half+i
// of a head become x·cos - y·sin and y·cos + x·sin. Row p of table holds half cosines, then half sines. With back set it turns the other way,
// which is the backward pass.
func Rotate(p *Pool, rows, ld, heads, size int, x, table []float32, positions []int32, back bool) error {
	check := checker{op: "Rotate"}
	check.dim("rows", rows)
	check.dim("heads", heads)
	check.dim("size", size)
	check.matrix("x", len(x), rows, heads*size, ld)
	check.need("positions", len(positions), rows)
	if check.err != nil || size == 0 {
		return check.err
	}
	if size%2 != 0 {
		return fmt.Errorf("Rotate: heads have size %d, want an even one", size)
	}
	for i, at := range positions[:rows] {
		if at < 0 || int(at) >= len(table)/size {
			return fmt.Errorf("Rotate: positions[%d] is %d, outside the %d rows of the table", i, at, len(table)/size)
		}
	}
	return p.ranges(rows, rowsPerChunk(heads*size), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			angles := table[int(positions[i])*size:][:size]
			for h := range heads {
				rotateHead(x[i*ld+h*size:][:size], angles, back)
			}
		}
	})
}

func rotateHead(head, angles []float32, back bool) {
	half := len(head) / 2
	first, second := head[:half], head[half:][:half]
	cos, sin := angles[:half], angles[half:][:half]
	for i, c := range cos {
		s := sin[i]
		if back {
			s = -s
		}
		x, y := first[i], second[i]
		first[i], second[i] = x*c-y*s, y*c+x*s
	}
}
