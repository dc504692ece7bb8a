package tasks

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// parquetRows reads the wanted columns of a Parquet file, which must be flat: texts, and labels that are texts, whole numbers, booleans or, as numbers to
// predict, floats. Rows stand for lines.
func (f *Fields) parquetRows(in *bufio.Reader, name string) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		data, err := io.ReadAll(in) // the directory of a file is at its end
		if err == nil {
			err = f.eachParquetRow(data, func(r row) bool { return yield(r, nil) })
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(row{}, fmt.Errorf("%s: %w", name, err))
		}
	}
}

// errStopped says that the one who reads wants no more rows.
var errStopped = errors.New("no more rows are wanted")

// eachParquetRow calls do for the rows until it returns false. The library panics on some damaged files: that is an error here.
func (f *Fields) eachParquetRow(data []byte, do func(row) bool) (err error) {
	file, columns, err := f.openParquet(data)
	if err != nil {
		return err
	}
	number := 0
	for _, group := range file.RowGroups() {
		rows := group.Rows()
		for err == nil {
			var batch []row
			batch, err = f.parquetBatch(rows, columns, number)
			number += len(batch)
			for _, r := range batch {
				if !do(r) {
					err = errStopped
					break
				}
			}
		}
		if err = errors.Join(ignoreEOF(err), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// recovered turns a panic over a damaged file into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the Parquet file is damaged: %v", r)
	}
}

// parquetColumn is a wanted column.
type parquetColumn struct {
	name string
	at   int // index among the columns of the file
}

func (f *Fields) openParquet(data []byte) (file *parquet.File, columns []parquetColumn, err error) {
	defer recovered(&err)
	if err := checkFooter(data); err != nil {
		return nil, nil, err
	}
	file, err = parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, nil, err
	}
	if n := file.NumRows(); n < 0 || n > maxExamples {
		return nil, nil, fmt.Errorf("it has %d rows, want at most %d", n, maxExamples)
	}
	var names []string
	for _, path := range file.Schema().Columns() {
		names = append(names, path[0])
	}
	if len(names) > maxFields {
		return nil, nil, fmt.Errorf("it has more than %d columns", maxFields)
	}
	for _, name := range f.names() {
		leaf, ok := file.Schema().Lookup(name)
		switch {
		case !slices.Contains(names, name):
			return nil, nil, fmt.Errorf("field %q: it has only the columns %q", name, names)
		case !ok || leaf.Node.Repeated():
			return nil, nil, fmt.Errorf("field %q: the column is not flat", name)
		}
		columns = append(columns, parquetColumn{name, leaf.ColumnIndex})
	}
	return file, columns, nil
}

// checkFooter holds the size of the directory against that of the file, which the library does not do before it makes room for it.
func checkFooter(data []byte) error {
	const magic, end = "PAR1", 8
	n := len(data)
	if n < end+len(magic) || string(data[:4]) != magic || string(data[n-4:]) != magic {
		return errors.New("it is no Parquet file")
	}
	if size := binary.LittleEndian.Uint32(data[n-end:]); int64(size) > int64(n-end-len(magic)) {
		return fmt.Errorf("the Parquet file is damaged: a directory of %d bytes in a file of %d", size, n)
	}
	return nil
}

// parquetBatch reads a few rows, behind number others. io.EOF may come with the last.
func (f *Fields) parquetBatch(rows parquet.Rows, columns []parquetColumn, number int) (batch []row, err error) {
	defer recovered(&err)
	var buffer [64]parquet.Row
	n, err := rows.ReadRows(buffer[:])
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	for i, values := range buffer[:n] {
		r := row{line: number + i + 1, fields: make(map[string]string, 3)}
		for _, v := range values {
			for _, c := range columns {
				if v.Column() != c.at || v.IsNull() {
					continue
				}
				text, err := parquetText(v, c.name == f.Label, f.Numbers)
				if err != nil {
					return batch, fmt.Errorf("row %d: field %q: %w", r.line, c.name, err)
				}
				r.fields[c.name] = text
			}
		}
		batch = append(batch, r)
	}
	return batch, err
}

// parquetText is a value as text.
func parquetText(v parquet.Value, label, numbers bool) (string, error) {
	switch kind := v.Kind(); {
	case kind == parquet.ByteArray || kind == parquet.FixedLenByteArray:
		if n := len(v.ByteArray()); n > maxLineBytes {
			return "", fmt.Errorf("it has %d bytes, want at most %d", n, maxLineBytes)
		}
		return string(v.ByteArray()), nil
	case !label:
		return "", fmt.Errorf("a text must be a string, it is %s", kind)
	case kind == parquet.Boolean:
		return strconv.FormatBool(v.Boolean()), nil
	case kind == parquet.Int32:
		return strconv.FormatInt(int64(v.Int32()), 10), nil
	case kind == parquet.Int64:
		return strconv.FormatInt(v.Int64(), 10), nil
	case numbers && kind == parquet.Float:
		return strconv.FormatFloat(float64(v.Float()), 'g', -1, 32), nil
	case numbers && kind == parquet.Double:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64), nil
	default:
		return "", fmt.Errorf("a label must be a string, a whole number or a boolean, it is %s", kind)
	}
}
