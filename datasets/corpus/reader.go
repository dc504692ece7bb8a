package corpus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/shardmill/shardmill/schemas"
)

// Opener opens the lanes of a plan for reading. It is safe for use by many goroutines.
type Opener struct {
	plan    *schemas.Plan
	sources []Source // by index into plan.Sources
}

// NewOpener returns an opener for the files of plan, which List and Split have made from the same sources.
func NewOpener(plan *schemas.Plan, sources ...Source) (*Opener, error) {
	sources, err := prepare(sources)
	if err != nil {
		return nil, err
	}
	if len(sources) != len(plan.Sources) {
		return nil, fmt.Errorf("the plan is made for %d sources, not for %d", len(plan.Sources), len(sources))
	}
	for i := range sources {
		if sources[i].Name != plan.Sources[i].Name {
			return nil, fmt.Errorf("source %d is %q, but %q in the plan", i+1, sources[i].Name, plan.Sources[i].Name)
		}
	}
	return &Opener{plan: plan, sources: sources}, nil
}

// Open returns a reader of the rows of a lane that follow the cursor: the start of the lane, or the place behind a row of it. Rows and
// their positions are the same whichever cursors a lane is read from. Files are opened when their turn comes.
func (o *Opener) Open(ctx context.Context, lane int, from schemas.Cursor) (*Reader, error) {
	if lane < 0 || lane >= len(o.plan.Lanes) {
		return nil, fmt.Errorf("open lane %d: the plan has %d lanes", lane, len(o.plan.Lanes))
	}
	l := o.plan.Lanes[lane]
	if from.Split < l.First || from.Split > l.End {
		return nil, fmt.Errorf("open lane %d: split %d of the cursor is not in the lane, which has splits %d to %d", lane, from.Split, l.First, l.End-1)
	}
	if from.Split < l.End {
		s := o.plan.Splits[from.Split]
		if from.Offset < s.Start || s.End >= 0 && from.Offset > s.End || from.Record < 0 {
			return nil, fmt.Errorf("open lane %d: cursor %+v is not in its split, bytes %d to %d", lane, from, s.Start, s.End)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &Reader{opener: o, next: from, end: l.End}, nil
}

// Reader reads the rows of one lane. It is a pipeline.Source.
type Reader struct {
	opener        *Opener
	next          schemas.Cursor // where the split that is opened next starts
	end           int32          // the split behind the lane
	split         *splitReader   // nil between two splits
	window        []byte
	decompressors decompressors
}

// rowBytes is what a row costs besides its text, so that a batch of tiny records stays near its limit.
const rowBytes = 192

// errFull says that a batch has no room for the next row.
var errFull = errors.New("batch is full")

// Read appends the next rows to b, which is empty, until their text, with a fixed charge for each row, comes to b.Limit or the lane ends; one
// row fits any batch. It calls b.Grow with the bytes that the batch will hold before it reads or adds a record that is larger than b.Limit.
// At the end it returns io.EOF and leaves b empty. After another error the reader can only be closed.
//
// RawBytes of b is what was read from storage meanwhile, with what a decompressor had to pass over to reach a cursor.
func (r *Reader) Read(ctx context.Context, b *schemas.Batch) error {
	used := int64(0)
	for r.split != nil || r.next.Split < r.end {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.split == nil {
			if err := r.open(ctx); err != nil {
				return err
			}
		}
		err := r.split.read(ctx, b, &used)
		b.RawBytes += r.split.takeRaw()
		if err == errFull {
			return nil
		}
		if err == io.EOF {
			err = r.closeSplit()
		}
		if err != nil {
			return err
		}
	}
	if len(b.Rows) == 0 {
		return io.EOF
	}
	return nil
}

// Close closes the file that is open.
func (r *Reader) Close() error {
	r.decompressors.close()
	if r.split == nil {
		return nil
	}
	stored := r.split.stored
	r.split = nil
	return stored.Close()
}

func (r *Reader) closeSplit() error {
	stored := r.split.stored
	r.window = r.split.frames.buf
	r.split = nil
	if err := stored.Close(); err != nil {
		return fmt.Errorf("close %s: %w", stored.name, err)
	}
	return nil
}

// open opens the split at r.next and moves r.next to the split behind it.
func (r *Reader) open(ctx context.Context) error {
	from, plan := r.next, r.opener.plan
	split := plan.Splits[from.Split]
	file := &plan.Files[split.File]
	source := &r.opener.sources[file.Source]
	s := &splitReader{split: split, number: from.Split, source: source, format: file.Format, start: from.Offset}
	if file.Compression != "" {
		s.start = 0
	}
	root := plan.Sources[file.Source].Root
	var err error
	if s.stored, err = openStored(source.Storage(root), root, file, s.start, split.End); err != nil {
		return err
	}
	decompressed, err := r.decompressors.open(file.Compression, s.stored)
	if err != nil {
		return errors.Join(fmt.Errorf("read %s: %w", s.stored.name, err), s.stored.Close())
	}
	s.decoded.src = decompressed
	s.frames = framer{
		window:    window{src: &s.decoded, buf: r.window, max: int(source.MaxRecordBytes) + lookahead, offset: s.start},
		end:       source.recordEnd(file.Format),
		maxRecord: int(source.MaxRecordBytes),
		records:   from.Record,
		start:     from.Offset,
	}
	if err := s.passOver(ctx, from.Offset-s.start); err != nil {
		return errors.Join(err, s.stored.Close())
	}
	r.split = s
	r.next = schemas.Cursor{Split: from.Split + 1}
	if r.next.Split < r.end {
		r.next.Offset = plan.Splits[r.next.Split].Start
	}
	return nil
}

// splitReader reads the rows of one split.
type splitReader struct {
	split   schemas.Split
	number  int32
	source  *Source
	format  string
	start   int64 // offset in the decompressed file of the first byte that decoded delivers
	stored  *storedFile
	raw     int64 // of stored.read, what takeRaw has told
	decoded counter
	frames  framer
	scanner jsonScanner

	held frame    // the next row, if there is one that did not fit
	doc  document // decoded from it
	hold bool
}

// counter counts the bytes that it passes on.
type counter struct {
	src io.Reader
	n   int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n += int64(n)
	return n, err
}

func (s *splitReader) takeRaw() int64 {
	n := s.stored.read - s.raw
	s.raw = s.stored.read
	return n
}

// passOver moves n bytes on in the decompressed stream.
func (s *splitReader) passOver(ctx context.Context, n int64) error {
	w := &s.frames.window
	for n > 0 {
		if len(w.data()) == 0 {
			if s.storageFailed() {
				return fmt.Errorf("read %s again up to byte %d: %w", s.stored.name, w.offset+n, w.err)
			}
			if w.err != nil {
				return s.stored.changed(fmt.Sprintf("byte %d, where reading should go on, can't be reached: %v", w.offset+n, w.err))
			}
			if err := w.fill(ctx, nil); err != nil {
				return err
			}
		}
		step := min(n, int64(len(w.data())))
		w.skip(int(step))
		n -= step
	}
	return nil
}

// read appends rows to b. It returns errFull when b can't take the next one, and io.EOF behind the end of the split.
func (s *splitReader) read(ctx context.Context, b *schemas.Batch, used *int64) error {
	grow := func(bytes int64) error {
		if len(b.Rows) > 0 {
			return errFull
		}
		if bytes <= b.Limit || b.Grow == nil {
			return nil
		}
		return b.Grow(bytes)
	}
	for {
		if !s.hold {
			var err error
			if s.held, err = s.frames.next(ctx, grow); err != nil {
				return err
			}
			s.doc = document{}
			if s.held.kind == recordFrame {
				s.doc.decode(s.format, s.source, &s.scanner, s.held.data, s.frames.marked)
			}
			s.hold = true
		}
		size := s.doc.size()
		if len(b.Rows) > 0 && *used+size+rowBytes > b.Limit {
			return errFull
		}
		if size > b.Limit {
			if err := grow(size); err != nil {
				return err
			}
		}
		if s.held.kind == damagedFrame || s.held.kind == endFrame {
			// The stream may end where it does because the file is not the one that was planned.
			if err := cmp.Or(s.stored.checkUnchanged(), s.stored.checkComplete(s.frames.err == io.EOF)); err != nil {
				return err
			}
		}
		s.append(b)
		*used += size + rowBytes
		s.hold = false
		if s.held.kind == endFrame {
			return io.EOF
		}
	}
}

// append appends the row that is held.
func (s *splitReader) append(b *schemas.Batch) {
	f := &s.held
	b.Rows = append(b.Rows, schemas.Row{
		Pos:  schemas.Pos{File: s.split.File, Split: s.number, Offset: f.offset, Record: f.record},
		Lead: f.lead,
	})
	row := &b.Rows[len(b.Rows)-1]
	quarantine := func(why reason, detail string) {
		row.Verdict = schemas.Verdict{Kind: schemas.Quarantine, Reason: uint16(why)}
		row.Detail = detail
	}
	switch f.kind {
	case recordFrame:
		row.Bytes = f.length
		if s.doc.bad {
			quarantine(s.doc.reason, s.doc.detail)
			return
		}
		if why, detail := s.doc.fill(row, &b.Arena); detail != "" {
			quarantine(why, detail)
		}
	case oversizedFrame:
		row.Bytes = f.length
		hint := ""
		if s.format == Text && s.source.Document == ByFile {
			hint = ": to read it in parts, set document to paragraph or line"
		}
		quarantine(tooLarge, fmt.Sprintf("%d bytes, and max_record_bytes is %d%s", f.length, s.source.MaxRecordBytes, hint))
	case damagedFrame:
		row.Unreadable = f.length
		quarantine(s.damage())
	case endFrame:
		row.Pos.Offset = s.start + s.decoded.n
		row.Verdict.Kind = schemas.End
	}
}

// damage tells why the stream could not be read to its end.
func (s *splitReader) damage() (reason, string) {
	if s.storageFailed() {
		if e, ok := errors.AsType[*fs.PathError](s.frames.err); ok {
			return readError, e.Err.Error() // paths differ from machine to machine
		}
		return readError, s.frames.err.Error()
	}
	compression := s.stored.plan.Compression
	if s.decoded.n == 0 {
		return corrupt, fmt.Sprintf("%s: %v (if it is not compressed, set compression to none)", compression, s.frames.err)
	}
	return corrupt, compression + ": " + strings.TrimPrefix(s.frames.err.Error(), compression+": ")
}

// storageFailed says that the stream ended because of the storage. A decompressor may fail before it gets to see an error of the storage, which
// is read ahead.
func (s *splitReader) storageFailed() bool {
	err := s.frames.err
	if s.stored.plan.Compression == "" {
		return err != nil && err != io.EOF
	}
	return s.stored.err != nil && errors.Is(err, s.stored.err)
}
