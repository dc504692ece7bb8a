package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// OSFS is the file system of the operating system.
type OSFS struct{}

// MkdirAll creates a folder and its parents, each synced into its parent.
func (OSFS) MkdirAll(name string) error {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(name); parent != name {
		if err := (OSFS{}).MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return OSFS{}.SyncDir(filepath.Dir(name))
}

// Create creates a file, which must not exist.
func (OSFS) Create(name string) (FSFile, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// Link gives a file a second name.
func (OSFS) Link(from, to string) error { return os.Link(from, to) }

// Remove removes a file.
func (OSFS) Remove(name string) error { return os.Remove(name) }

// SyncDir makes the names in a folder durable.
func (OSFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open opens a file for reading.
func (OSFS) Open(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osFile{f, info.Size()}, nil
}

type osFile struct {
	*os.File
	size int64
}

func (f *osFile) Size() int64 { return f.size }

// ReadDir returns the names of the regular files in a folder.
func (OSFS) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// OpenDir returns a store in a folder of this machine and a function that closes it. What dead runs left in the making is swept out;
// a live one is known by the lock it holds on its own folder for temporary files.
func OpenDir(dir string) (*DirStore, func() error, error) {
	top := filepath.Join(dir, "run", "tmp")
	if err := (OSFS{}).MkdirAll(top); err != nil {
		return nil, nil, fmt.Errorf("create the dataset folder: %w", err)
	}
	// Nobody may sweep a folder between its creation and its lock.
	gate, err := os.Open(top)
	if err != nil {
		return nil, nil, fmt.Errorf("create the dataset folder: %w", err)
	}
	defer gate.Close()
	if err := syscall.Flock(int(gate.Fd()), syscall.LOCK_EX); err != nil {
		return nil, nil, fmt.Errorf("lock %s: %w", top, err)
	}
	if err := sweep(top); err != nil {
		return nil, nil, fmt.Errorf("remove what an earlier run left in %s: %w", top, err)
	}
	tmp, err := os.MkdirTemp(top, "run-")
	if err != nil {
		return nil, nil, fmt.Errorf("create a folder for temporary files: %w", err)
	}
	lock, err := os.Open(tmp)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("lock %s: %w", tmp, err)
	}
	done := func() error { return errors.Join(os.RemoveAll(tmp), lock.Close()) }
	return NewDirStore(OSFS{}, dir, tmp), done, nil
}

// sweep removes the folders for temporary files whose runs no longer live.
func sweep(top string) error {
	entries, err := os.ReadDir(top)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(top, e.Name())
		f, err := os.Open(name)
		if err != nil {
			continue // another run swept it
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			err = os.RemoveAll(name)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
