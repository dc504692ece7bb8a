package kernels

import "fmt"

// Index is the type of row numbers: token ids, positions, segments.
type Index interface{ ~uint8 | ~int32 | ~uint32 }

// Gather writes row ids[i] of table (tableRows × cols) to row i of out (rows × cols), or adds it there when add is set: an embedding,
// or the choice of labelled rows. An id outside the table is an error that names it.
func Gather[I Index](p *Pool, rows, cols int, table []float32, tableRows int, ids []I, out []float32, add bool) error {
	check := checker{op: "Gather"}
	checkIndices(&check, rows, cols, len(table), tableRows, ids)
	check.need("out", len(out), rows*cols)
	if check.err != nil {
		return check.err
	}
	return p.ranges(rows, rowsPerChunk(cols), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			src, dst := table[int(ids[i])*cols:][:cols], out[i*cols:(i+1)*cols]
			if add {
				active.add(dst, dst, src)
			} else {
				copy(dst, src)
			}
		}
	})
}

// scatterChunks is the number of residue classes of ids that ScatterAdd hands out.
const scatterChunks = 16

// ScatterAdd adds row i of dout (rows × cols) to row ids[i] of dtable (tableRows × cols): the backward pass of Gather. Rows with equal ids are
// added in ascending order.
func ScatterAdd[I Index](p *Pool, rows, cols int, dtable []float32, tableRows int, ids []I, dout []float32) error {
	check := checker{op: "ScatterAdd"}
	checkIndices(&check, rows, cols, len(dtable), tableRows, ids)
	check.need("dout", len(dout), rows*cols)
	if check.err != nil {
		return check.err
	}
	return p.Run(scatterChunks, func(chunk, _ int) {
		for i, id := range ids[:rows] {
			if int(id)%scatterChunks == chunk {
				row := dtable[int(id)*cols:][:cols]
				active.add(row, row, dout[i*cols:(i+1)*cols])
			}
		}
	})
}

func checkIndices[I Index](check *checker, rows, cols, table, tableRows int, ids []I) {
	check.dim("rows", rows)
	check.dim("cols", cols)
	check.dim("tableRows", tableRows)
	check.need("table", table, tableRows*cols)
	check.need("ids", len(ids), rows)
	if check.err != nil {
		return
	}
	for i, id := range ids[:rows] {
		if int64(id) < 0 || int64(id) >= int64(tableRows) {
			check.err = fmt.Errorf("%s: ids[%d] is %d, outside the %d rows of the table", check.op, i, id, tableRows)
			return
		}
	}
}
