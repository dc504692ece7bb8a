package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// memFS is a file system that forgets what was not synced, and fails on demand.
type memFS struct {
	mu      sync.Mutex
	names   map[string]*memFile // what a process sees
	durable map[string]*memFile // what a crash leaves of it
	fail    func(op, name string) error
	ops     int
}

type memFile struct {
	content []byte
	synced  []byte
}

func newMemFS() *memFS {
	return &memFS{names: map[string]*memFile{}, durable: map[string]*memFile{}}
}

var errCrashed = errors.New("crashed")

// crashAfter makes every operation fail from number n on.
func (m *memFS) crashAfter(n int) {
	m.fail = func(op, name string) error {
		if m.ops > n {
			return fmt.Errorf("%s %s: %w", op, name, errCrashed)
		}
		return nil
	}
}

// reboot is the file system after a crash.
func (m *memFS) reboot() *memFS {
	next := newMemFS()
	for name, f := range m.durable {
		f := &memFile{content: f.synced, synced: f.synced}
		next.names[name], next.durable[name] = f, f
	}
	return next
}

func (m *memFS) enter(op, name string) error {
	m.ops++
	if m.fail != nil {
		return m.fail(op, name)
	}
	return nil
}

func (m *memFS) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.enter("mkdir", name)
}

func (m *memFS) Create(name string) (FSFile, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("create", name); err != nil {
		return nil, err
	}
	if m.names[name] != nil {
		return nil, fs.ErrExist
	}
	f := &memFile{}
	m.names[name] = f
	return &memWriter{m, f, name}, nil
}

func (m *memFS) Link(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("link", to); err != nil {
		return err
	}
	if m.names[to] != nil {
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
	}
	m.names[to] = m.names[from]
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("remove", name); err != nil {
		return err
	}
	delete(m.names, name)
	return nil
}

func (m *memFS) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter("syncdir", name); err != nil {
		return err
	}
	for file := range m.durable {
		if path.Dir(file) == name && m.names[file] == nil {
			delete(m.durable, file)
		}
	}
	for file, f := range m.names {
		if path.Dir(file) == name {
			m.durable[file] = f
		}
	}
	return nil
}

func (m *memFS) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.names[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return memReader{bytes.NewReader(f.content)}, nil
}

func (m *memFS) ReadDir(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for file := range m.names {
		if path.Dir(file) == name {
			names = append(names, path.Base(file))
		}
	}
	slices.Sort(names)
	return names, nil
}

// tree returns the published files, temporary ones left out.
func (m *memFS) tree() map[string]string {
	tree := make(map[string]string)
	for name, f := range m.names {
		if !strings.Contains(name, "/tmp/") {
			tree[name] = string(f.content)
		}
	}
	return tree
}

type memWriter struct {
	fs   *memFS
	f    *memFile
	name string
}

func (w *memWriter) Write(p []byte) (int, error) {
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	if err := w.fs.enter("write", w.name); err != nil {
		return 0, err
	}
	w.f.content = append(w.f.content, p...)
	return len(p), nil
}

func (w *memWriter) Sync() error {
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	if err := w.fs.enter("sync", w.name); err != nil {
		return err
	}
	w.f.synced = slices.Clone(w.f.content)
	return nil
}

func (w *memWriter) Close() error { return nil }

type memReader struct{ *bytes.Reader }

func (r memReader) Size() int64 { return r.Reader.Size() }

func (memReader) Close() error { return nil }

var _ io.ReaderAt = memReader{}
