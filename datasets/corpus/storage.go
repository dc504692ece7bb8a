package corpus

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/shardmill/shardmill/schemas"
)

// storedFile reads a range of a file as it is stored, counts the bytes and keeps the error that stopped it.
type storedFile struct {
	plan   *schemas.File
	name   string // for people
	file   fs.File
	src    io.Reader
	length int64 // bytes that should be in the range
	read   int64
	ended  bool  // there is nothing behind the bytes read
	err    error // of the storage; never io.EOF
}

// openStored opens the range [start, end) of a file; end -1 means up to its end.
func openStored(storage fs.FS, root string, plan *schemas.File, start, end int64) (_ *storedFile, err error) {
	if end < 0 {
		end = plan.Size
	}
	s := &storedFile{plan: plan, name: path.Join(root, plan.Path), length: end - start}
	if s.file, err = storage.Open(plan.Path); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.name, cause(err))
	}
	if err = s.checkUnchanged(); err == nil {
		err = s.seek(start)
	}
	if err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, nil
}

func (s *storedFile) seek(start int64) error {
	if f, ok := s.file.(io.ReaderAt); ok {
		s.src = io.NewSectionReader(f, start, s.length)
		return nil
	}
	var err error
	if f, ok := s.file.(io.Seeker); ok {
		_, err = f.Seek(start, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, s.file, start)
	}
	if err != nil {
		return fmt.Errorf("read %s: go to byte %d: %w", s.name, start, err)
	}
	s.src = io.LimitReader(s.file, s.length)
	return nil
}

// Read implements io.Reader.
func (s *storedFile) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	s.read += int64(n)
	switch {
	case err == io.EOF:
		s.ended = true
	case err != nil:
		s.err = err
	}
	return n, err
}

// checkComplete returns an error if fewer bytes were there than planned. Done says that all of the range should be read by now.
func (s *storedFile) checkComplete(done bool) error {
	if (done || s.ended) && s.read != s.length {
		return s.changed(fmt.Sprintf("only %d of %d bytes can be read", s.read, s.length))
	}
	return nil
}

// checkUnchanged returns an error if the file is not the one that was planned.
func (s *storedFile) checkUnchanged() error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", s.name, err)
	}
	if info.Size() != s.plan.Size || info.ModTime().UnixNano() != s.plan.ModTimeNano {
		return s.changed(fmt.Sprintf("it had %d bytes and has %d", s.plan.Size, info.Size()))
	}
	return nil
}

// changed is the error for a file that does not match the plan.
func (s *storedFile) changed(how string) error {
	return fmt.Errorf("%s has changed since the run was planned (%s): bring the old file back, or start a new run in another output folder",
		s.name, how)
}

// cause is what the system says of a file, without the name of the call and the path below its root: messages give the whole path.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// Close closes the file.
func (s *storedFile) Close() error { return s.file.Close() }
