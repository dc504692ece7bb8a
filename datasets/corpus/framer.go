package corpus

import (
	"bytes"
	"context"
	"io"
	"strings"
)

// recordEnd says where a record ends; the package comment has the rules.
type recordEnd uint8

const (
	atLineEnd recordEnd = iota
	atEmptyLine
	atFileEnd
)

// lookahead is how far behind the longest record the framer looks for its end: CR LF CR LF.
const lookahead = 4

const byteOrderMark = "\ufeff"

// maxIndentBytes is how much white space at the start of a record belongs to it. It fits a window, so that separators take no memory.
const maxIndentBytes = 64 << 10

// frame is a piece of a split.
type frame struct {
	kind   frameKind
	lead   int64  // bytes of separators before it
	offset int64  // of its first byte in the decompressed file
	length int64  // in bytes
	record int64  // its number in the split; for an endFrame the number of records in the split
	data   []byte // of a recordFrame, valid until the next
}

type frameKind uint8

const (
	recordFrame    frameKind = iota
	oversizedFrame           // a record that is too large to be held
	damagedFrame             // the range before the point where reading failed
	endFrame                 // the end of the split
)

// framer cuts a stream into records.
type framer struct {
	window
	end       recordEnd
	maxRecord int   // bytes
	lead      int64 // separators before what comes next, as far as seen
	records   int64 // records seen, those before the cursor included
	start     int64 // offset of the cursor that reading started from
	damaged   bool  // the damage of this stream is reported
	marked    bool  // a byte order mark was seen
}

// next returns the next frame; behind an endFrame there is none. Allow is asked before the window grows; if it returns an error, next
// does too and may be called again.
func (f *framer) next(ctx context.Context, allow func(int64) error) (frame, error) {
	if err := f.skipSeparators(ctx, allow); err != nil {
		return frame{}, err
	}
	for {
		data := f.data()
		if len(data) == 0 && f.err != nil {
			return f.last(0), nil
		}
		seen := data[:min(len(data), f.maxRecord+lookahead)]
		if n, ok := f.end.find(seen, len(seen) == len(data) && f.err == io.EOF); ok {
			kind := recordFrame
			if n > f.maxRecord {
				kind = oversizedFrame
			}
			fr := f.cut(kind, int64(n))
			fr.data = data[:n:n]
			f.skip(n)
			return fr, nil
		}
		if len(seen) == f.maxRecord+lookahead {
			return f.skipRecord(ctx)
		}
		if f.err != nil {
			f.skip(len(data))
			return f.last(int64(len(data))), nil
		}
		if err := f.fill(ctx, allow); err != nil {
			return frame{}, err
		}
	}
}

// skipSeparators moves to the start of the next record, if there is one. Called again there, it stays.
func (f *framer) skipSeparators(ctx context.Context, allow func(int64) error) error {
	long := false // the white space since the line, or the file, began is too much to be kept
	for {
		data := f.data()
		if f.offset == 0 {
			if len(data) < len(byteOrderMark) && f.err == nil {
				if err := f.fill(ctx, allow); err != nil {
					return err
				}
				continue
			}
			if strings.HasPrefix(string(data[:min(len(data), len(byteOrderMark))]), byteOrderMark) {
				f.lead = int64(len(byteOrderMark))
				f.skip(len(byteOrderMark))
				f.marked = true
				continue
			}
		}
		blank, line := 0, 0 // length of the white space, and where its last line begins
		for blank < len(data) && isSpace(data[blank]) {
			if data[blank] == '\n' && f.end != atFileEnd {
				line, long = blank+1, false
			}
			blank++
		}
		ended := blank < len(data) || f.err != nil
		long = long || blank-line > maxIndentBytes
		if long || blank == len(data) && ended {
			line = blank
		}
		f.lead += int64(line)
		f.skip(line)
		if ended {
			return nil
		}
		if err := f.fill(ctx, allow); err != nil {
			return err
		}
	}
}

// cut returns a frame of the given length that begins at the start of the window.
func (f *framer) cut(kind frameKind, length int64) frame {
	fr := frame{kind: kind, lead: f.lead, offset: f.offset, length: length, record: f.records}
	f.lead = 0
	if kind != endFrame {
		f.records++
	}
	return fr
}

// last returns the frame for the n bytes, skipped by now, between the last record and the end of the stream.
//
// Damage is reported once, also when reading starts again behind it. There it shows up before a byte is read; the damage behind a good
// record does not, because its end was seen in bytes that follow it.
func (f *framer) last(n int64) frame {
	kind := damagedFrame
	if f.err == io.EOF || f.damaged || f.records > 0 && f.offset == f.start {
		kind = endFrame
	}
	f.damaged = true
	fr := f.cut(kind, n)
	fr.offset -= n
	return fr
}

// skipRecord skips a record without holding it.
func (f *framer) skipRecord(ctx context.Context) (frame, error) {
	fr := f.cut(oversizedFrame, 0)
	var (
		read int64 // bytes of the record, and of separators behind it
		ink  bool  // the current line has other bytes than white space
		prev byte
	)
	lineEnd := func() int64 {
		if prev == '\r' {
			return read - 1
		}
		return read
	}
	for {
		line, newline := f.data(), false
		if i := bytes.IndexByte(line, '\n'); i >= 0 && f.end != atFileEnd {
			line, newline = line[:i], true
		}
		if len(line) > 0 {
			prev = line[len(line)-1]
			ink = ink || !isBlank(line)
			read += int64(len(line))
			f.skip(len(line))
		}
		switch {
		case newline && (f.end == atLineEnd || !ink):
			if f.end == atLineEnd {
				fr.length = lineEnd()
			}
			f.lead = read - fr.length
			return fr, nil
		case newline:
			fr.length, ink, prev = lineEnd(), false, '\n'
			read++
			f.skip(1)
		case f.err == nil:
			if err := f.fill(ctx, nil); err != nil {
				return frame{}, err
			}
		default:
			f.endSkipped(&fr, read, lineEnd(), ink)
			return fr, nil
		}
	}
}

// endSkipped gives fr the length of a skipped record that ends with the stream.
func (f *framer) endSkipped(fr *frame, read, lineEnd int64, ink bool) {
	switch {
	case f.err != io.EOF:
		fr.kind, fr.length, f.damaged = damagedFrame, read, true
	case f.end == atFileEnd:
		fr.length = read
	case f.end == atLineEnd || ink:
		fr.length = lineEnd
	}
	f.lead = read - fr.length
}

// find returns the length of the record that begins with data. It is not ok if its end is not in data; eof says that nothing follows.
func (e recordEnd) find(data []byte, eof bool) (n int, ok bool) {
	if e == atFileEnd {
		return len(data), eof
	}
	for line := 0; ; {
		i := bytes.IndexByte(data[line:], '\n')
		switch {
		case i < 0 && !eof:
			return 0, false
		case i < 0 && isBlank(data[line:]):
			return n, true
		case i < 0:
			return len(bytes.TrimSuffix(data, cr)), true
		case isBlank(data[line : line+i]):
			return n, true
		}
		n = len(bytes.TrimSuffix(data[:line+i], cr))
		line += i + 1
		if e == atLineEnd {
			return n, true
		}
	}
}

var cr = []byte{'\r'}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func isBlank(p []byte) bool {
	for _, c := range p {
		if !isSpace(c) {
			return false
		}
	}
	return true
}
