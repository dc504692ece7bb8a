package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"

	"github.com/shardmill/shardmill/schemas"
)

// ErrExists is what Upload.Publish returns if the name is taken.
var ErrExists = errors.New("file exists")

// ErrNondeterminism marks a file that is there already with other content than the same work made now.
var ErrNondeterminism = errors.New("nondeterminism: the same input and recipe gave other bytes than before")

// Store is the dataset folder that a run writes to. Names are relative and use slashes. It is safe for use by many goroutines and,
// like the protocol of commits, by many processes at once.
type Store interface {
	// Create starts a file that nobody sees under its name before it is published.
	Create(name string) (Upload, error)
	// Open opens a published file. A missing one is an error that matches fs.ErrNotExist.
	Open(name string) (File, error)
	// List returns the names of the files directly in a folder, sorted, without the folder; none if there is no such folder.
	List(folder string) ([]string, error)
	// Remove removes a published file.
	Remove(name string) error
}

// Upload is a file in the making.
type Upload interface {
	io.Writer
	// Publish makes the file durable and then visible under its name, if nothing is there; else it discards it and returns ErrExists.
	Publish() error
	// Discard gives the file up. After Publish it does nothing.
	Discard() error
}

// File is an open published file.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// FS is the part of a file system that a DirStore stands on; tests put faults and lost writes here. Names are paths of the file system.
type FS interface {
	MkdirAll(name string) error // durable when it returns
	Create(name string) (FSFile, error)
	Link(from, to string) error // fs.ErrExist if to exists
	Remove(name string) error
	SyncDir(name string) error
	Open(name string) (File, error)
	ReadDir(name string) ([]string, error) // names of regular files, sorted
}

// FSFile is a file open for writing.
type FSFile interface {
	io.WriteCloser
	Sync() error
}

// DirStore is a Store in a folder of a file system. Uploads grow in a folder for temporary files on the same file system, and are
// published by sync, link and a sync of the folder.
type DirStore struct {
	fsys   FS
	dir    string
	tmp    string
	serial atomic.Int64
}

// NewDirStore returns a store in dir, which need not exist yet. Uploads in the making lie in tmp; no other store uses it at the same time.
func NewDirStore(fsys FS, dir, tmp string) *DirStore {
	return &DirStore{fsys: fsys, dir: dir, tmp: tmp}
}

func (s *DirStore) path(name string) string { return s.dir + "/" + name }

// Create starts a file.
func (s *DirStore) Create(name string) (Upload, error) {
	if !fs.ValidPath(name) {
		return nil, fmt.Errorf("create %q: not a path inside the dataset folder", name)
	}
	if err := s.fsys.MkdirAll(s.tmp); err != nil {
		return nil, fmt.Errorf("create folder %s: %w", s.tmp, err)
	}
	tmp := fmt.Sprintf("%s/%d-%s", s.tmp, s.serial.Add(1), strings.ReplaceAll(name, "/", "-"))
	f, err := s.fsys.Create(tmp)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", tmp, err)
	}
	return &dirUpload{store: s, name: name, tmp: tmp, file: f}, nil
}

// Open opens a published file.
func (s *DirStore) Open(name string) (File, error) { return s.fsys.Open(s.path(name)) }

// List returns the names of the files in a folder.
func (s *DirStore) List(folder string) ([]string, error) {
	names, err := s.fsys.ReadDir(s.path(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// Remove removes a published file.
func (s *DirStore) Remove(name string) error { return s.fsys.Remove(s.path(name)) }

type dirUpload struct {
	store     *DirStore
	name, tmp string
	file      FSFile
	done      bool
}

func (u *dirUpload) Write(p []byte) (int, error) {
	n, err := u.file.Write(p)
	if err != nil {
		err = fmt.Errorf("write %s: %w", u.name, err)
	}
	return n, err
}

func (u *dirUpload) Publish() error {
	if u.done {
		return fmt.Errorf("publish %s: it is published or discarded already", u.name)
	}
	if err := u.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", u.name, err)
	}
	to := u.store.path(u.name)
	if err := u.store.fsys.MkdirAll(path.Dir(to)); err != nil {
		return fmt.Errorf("create folder of %s: %w", u.name, err)
	}
	err := u.store.fsys.Link(u.tmp, to)
	if errors.Is(err, fs.ErrExist) {
		// Another process may have linked it and not yet synced the folder: what is built on it must not outlive it.
		if err := u.store.fsys.SyncDir(path.Dir(to)); err != nil {
			return fmt.Errorf("sync the folder of %s: %w", u.name, err)
		}
		return errors.Join(ErrExists, u.Discard())
	}
	if err != nil {
		return fmt.Errorf("link %s: %w", u.name, err)
	}
	if err := u.store.fsys.SyncDir(path.Dir(to)); err != nil {
		return fmt.Errorf("sync the folder of %s: %w", u.name, err)
	}
	return u.Discard()
}

func (u *dirUpload) Discard() error {
	if u.done {
		return nil
	}
	u.done = true
	return errors.Join(u.file.Close(), u.store.fsys.Remove(u.tmp))
}

// Artifact is a file in the making that knows its digest.
type Artifact struct {
	store Store
	name  string
	up    Upload
	sum   hash.Hash
	size  int64
}

// Create starts a file that the same work makes again, byte for byte, whenever it is done again. It ends with Publish or Discard.
func Create(store Store, name string) (*Artifact, error) {
	up, err := store.Create(name)
	if err != nil {
		return nil, err
	}
	return &Artifact{store: store, name: name, up: up, sum: sha256.New()}, nil
}

// Write implements io.Writer.
func (a *Artifact) Write(p []byte) (int, error) {
	n, err := a.up.Write(p)
	a.sum.Write(p[:n])
	a.size += int64(n)
	return n, err
}

// Publish makes the file durable and visible. One that is there already must have the same content; another is an error that matches
// ErrNondeterminism. A file that could not be published is discarded.
func (a *Artifact) Publish() (schemas.Artifact, error) {
	made := schemas.Artifact{Path: a.name, Bytes: a.size, Digest: hex.EncodeToString(a.sum.Sum(nil))}
	err := a.up.Publish()
	if err == nil {
		return made, nil
	}
	if !errors.Is(err, ErrExists) {
		return made, errors.Join(err, a.up.Discard())
	}
	there, err := Digest(a.store, a.name)
	if err != nil {
		return made, err
	}
	if there != made {
		return made, fmt.Errorf("%s is there with %d bytes, digest %.12s, but %d bytes, digest %.12s were made now: %w",
			a.name, there.Bytes, there.Digest, made.Bytes, made.Digest, ErrNondeterminism)
	}
	return made, nil
}

// Discard gives the file up. After Publish it does nothing.
func (a *Artifact) Discard() error { return a.up.Discard() }

// Digest reads a published file and returns its size and SHA-256.
func Digest(store Store, name string) (schemas.Artifact, error) {
	f, err := store.Open(name)
	if err != nil {
		return schemas.Artifact{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		return schemas.Artifact{}, fmt.Errorf("read %s: %w", name, err)
	}
	return schemas.Artifact{Path: name, Bytes: n, Digest: hex.EncodeToString(sum.Sum(nil))}, nil
}

// Publish writes a whole file. One that is there already must have the same content; another matches ErrNondeterminism.
func Publish(store Store, name string, content []byte) error {
	a, err := Create(store, name)
	if err != nil {
		return err
	}
	if _, err := a.Write(content); err != nil {
		return errors.Join(err, a.Discard())
	}
	_, err = a.Publish()
	return err
}

// ReadAll reads a whole published file of at most limit bytes.
func ReadAll(store Store, name string, limit int64) ([]byte, error) {
	f, err := store.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size() > limit {
		return nil, fmt.Errorf("read %s: it has %d bytes, more than the %d it may have", name, f.Size(), limit)
	}
	p := make([]byte, f.Size())
	if err := readFull(f, p, 0); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return p, nil
}
