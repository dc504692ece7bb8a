package corpus

import (
	"bytes"
	"fmt"

	"golang.org/x/text/encoding"

	"github.com/shardmill/shardmill/schemas"
)

// maxIDBytes bounds the id of a record, as package shards does.
const maxIDBytes = 1 << 24

// document is what a record holds, as ranges of the record.
type document struct {
	text, id     []byte
	textEscaped  bool // text is the content of a JSON string with escapes
	idEscaped    bool
	encoding     encoding.Encoding // of text; nil: UTF-8
	decodedBytes int               // length of text in UTF-8, if encoding is not nil
	bad          bool              // it can't become a document
	reason       reason
	detail       string
}

func (d *document) reject(why reason, detail string) { d.bad, d.reason, d.detail = true, why, detail }

// size bounds the bytes that fill needs.
func (d *document) size() int64 {
	if d.bad {
		return 0
	}
	if d.encoding != nil {
		return int64(d.decodedBytes)
	}
	return int64(len(d.text) + len(d.id))
}

// decode finds text and id in a record, or why it can't be used. Marked says that the file begins with a byte order mark.
func (d *document) decode(format string, source *Source, scanner *jsonScanner, record []byte, marked bool) {
	valid := validPrefix(record)
	if format == HTML && (valid < len(record) || bytes.IndexByte(record, escape) >= 0) {
		d.decodePage(record, valid, marked)
		return
	}
	if valid < len(record) {
		d.reject(invalidUTF8, notUTF8(record, valid))
		return
	}
	if format != JSONL {
		d.text = record
		return
	}
	kind, text, id := scanner.scan(record, source.TextField, source.IDField)
	switch {
	case kind == 0 && scanner.deep:
		d.reject(tooDeep, fmt.Sprintf("more than %d arrays and objects inside one another", maxDepth))
	case kind == 0:
		d.reject(invalidJSON, scanner.problem())
	case kind != '{':
		d.reject(notAnObject, "the record is "+kindName(kind))
	case text.kind == 0:
		d.reject(missingText, fmt.Sprintf("the object has no field %q", source.TextField))
	case text.kind == 'n':
		d.reject(nullText, fmt.Sprintf("field %q is null", source.TextField))
	case text.kind != '"':
		d.reject(textNotString, fmt.Sprintf("field %q is %s", source.TextField, kindName(text.kind)))
	case id.kind != 0 && id.kind != 'n' && id.kind != '"' && id.kind != '0':
		d.reject(unusableID, fmt.Sprintf("field %q is %s: name another field as id", source.IDField, kindName(id.kind)))
	case id.end-id.start > maxIDBytes:
		d.reject(unusableID, fmt.Sprintf("field %q has %d bytes, more than %d: name another field as id", source.IDField, id.end-id.start, maxIDBytes))
	default:
		d.text, d.textEscaped = record[text.start:text.end], text.escaped
		if id.kind != 'n' {
			d.id, d.idEscaped = record[id.start:id.end], id.escaped
		}
	}
}

// kindName names JSON values by their first byte.
func kindName(kind byte) string {
	switch kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// fill copies text and id into a row. It returns a detail if they can't be used; then the row has neither.
func (d *document) fill(row *schemas.Row, arena *schemas.Arena) (why reason, detail string) {
	for _, part := range []struct {
		name     string
		content  []byte
		escaped  bool
		encoding encoding.Encoding
		dst      *[]byte
	}{{"text", d.text, d.textEscaped, d.encoding, &row.Text}, {"id", d.id, d.idEscaped, nil, &row.ID}} {
		lone := false
		switch {
		case part.escaped:
			*part.dst, lone = appendUnescaped(arena.Bytes(len(part.content))[:0], part.content)
		case part.encoding != nil:
			*part.dst = appendPage(arena.Bytes(d.decodedBytes)[:0], part.encoding, part.content)
		default:
			*part.dst = arena.Copy(part.content)
		}
		at := bytes.IndexByte(*part.dst, 0)
		switch {
		case lone:
			why, detail = loneSurrogate, part.name+" has half of a surrogate pair"
		case at >= 0:
			why, detail = nulCharacter, fmt.Sprintf("byte %d of the %s is NUL", at, part.name)
		default:
			continue
		}
		row.Text, row.ID = nil, nil
		return why, detail
	}
	return 0, ""
}
