package tokenizers

import (
	"errors"
	"strconv"
	"strings"
)

// fields are the members of a small object, such as a component. Its methods read one member each and remember the first error.
type fields struct {
	raw  map[string][]byte
	read map[string]bool
	sub  *fields // of the member that newFieldsOf was told to open
	err  error
}

func newFields(data []byte) (*fields, error) { return newFieldsOf(data, "") }

// newFieldsOf reads the fields of an object, and those of its member named open if that is an object, so that a big one is gone through once less.
func newFieldsOf(data []byte, open string) (*fields, error) {
	r := &jsonReader{data: data}
	f, err := readFields(r, open)
	if err == nil {
		err = r.end()
	}
	return f, err
}

func readFields(r *jsonReader, open string) (*fields, error) {
	f := &fields{raw: map[string][]byte{}, read: map[string]bool{}}
	err := r.object(func(key string) (err error) {
		if _, twice := f.raw[key]; twice {
			return errors.New("given twice")
		}
		if key == open && r.next() == '{' {
			start := r.pos
			f.sub, err = readFields(r, "")
			f.raw[key] = r.data[start:r.pos]
			return err
		}
		f.raw[key], err = r.raw()
		return err
	})
	return f, err
}

// get hands a reader of the member to read, unless it is absent or null; required makes that an error.
func (f *fields) get(name string, required bool, read func(r *jsonReader) error) {
	f.read[name] = true
	raw, ok := f.raw[name]
	if !ok || string(raw) == "null" {
		if required && f.err == nil {
			f.err = inField(name, errors.New("is missing"))
		}
		return
	}
	if f.err == nil {
		f.err = inField(name, read(&jsonReader{data: raw}))
	}
}

func (f *fields) str(name string, required bool) (s string) {
	f.get(name, required, func(r *jsonReader) (err error) { s, err = r.str(); return err })
	return s
}

func (f *fields) boolean(name string, required bool) (b bool) {
	f.get(name, required, func(r *jsonReader) (err error) { b, err = r.boolean(); return err })
	return b
}

func (f *fields) count(name string, required bool, limit uint64) (n uint32) {
	f.get(name, required, func(r *jsonReader) (err error) { n, err = r.count(limit); return err })
	return n
}

// shortened quotes a value of the file for an error.
func shortened(value string) string {
	const most = 80
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "") + "…"
	}
	return strconv.Quote(value)
}
