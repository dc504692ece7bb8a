package corpus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shardmill/shardmill/schemas"
)

// maxFolderDepth bounds folders inside one another, for storage that can't tell that a link leads back.
const maxFolderDepth = 128

// List finds the files of sources and reads each to its end for its digest. Files stand in the order of their sources, and by path inside
// one. The root of a source is the longest path that all its Paths begin with. Links to files and folders are followed.
//
// It is an error, which names the path, if a path or glob finds nothing, a link leads back to a folder above it or nowhere, or format can't be told.
func List(ctx context.Context, sources ...Source) ([]schemas.Source, []schemas.File, error) {
	sources, err := prepare(sources)
	if err != nil {
		return nil, nil, err
	}
	var roots []schemas.Source
	var files []schemas.File
	for i := range sources {
		s := &sources[i]
		root, found, err := s.list(ctx, int32(i))
		if err != nil {
			return nil, nil, fmt.Errorf("source %q: %w", s.Name, err)
		}
		roots = append(roots, schemas.Source{Name: s.Name, Root: root})
		files = append(files, found...)
	}
	if len(files) > math.MaxInt32 {
		return nil, nil, fmt.Errorf("%d files are too many: a plan can hold %d", len(files), math.MaxInt32)
	}
	return roots, files, nil
}

func (s *Source) list(ctx context.Context, index int32) (root string, files []schemas.File, err error) {
	patterns := make([]pattern, len(s.Paths))
	for i, p := range s.Paths {
		if patterns[i], err = s.parse(p); err != nil {
			return "", nil, err
		}
	}
	root = commonRoot(patterns)
	w := walker{ctx: ctx, fsys: s.Storage(root), root: root}
	for _, p := range patterns {
		before := len(w.files)
		below := strings.TrimPrefix(strings.TrimPrefix(p.folder, root), "/")
		if err := w.expand(path.Join(below, p.file, "."), p.elements, nil); err != nil {
			return "", nil, err
		}
		if len(w.files) == before {
			return "", nil, fmt.Errorf("%s: no file is there", p.given)
		}
	}
	slices.Sort(w.files)
	buf := make([]byte, 256<<10)
	for _, name := range slices.Compact(w.files) {
		f, err := s.describe(ctx, w.fsys, root, name, buf)
		if err != nil {
			return "", nil, err
		}
		f.Source = index
		files = append(files, f)
	}
	return root, files, nil
}

// pattern is one of the paths of a source, absolute and with slashes.
type pattern struct {
	given    string
	folder   string   // a folder that is there
	file     string   // a file in it, or
	elements []string // names and globs of what is below it; none for all of it
}

func (s *Source) parse(given string) (pattern, error) {
	abs, err := filepath.Abs(given)
	if err != nil {
		return pattern{}, err
	}
	p := pattern{given: given, folder: filepath.ToSlash(abs)}
	info, err := s.stat(p.folder)
	switch {
	case err == nil && info.IsDir():
		return p, nil
	case err == nil:
		p.folder, p.file = path.Dir(p.folder), path.Base(p.folder)
		return p, nil
	case !hasMeta(p.folder) || !errors.Is(err, fs.ErrNotExist):
		return pattern{}, fmt.Errorf("%s: %w", given, cause(err))
	}
	elements := strings.Split(p.folder, "/")
	n := slices.IndexFunc(elements, hasMeta)
	for _, e := range elements[n:] {
		if _, err := path.Match(e, ""); err != nil {
			return pattern{}, fmt.Errorf("%s is not there, and is no valid glob: %w", given, err)
		}
	}
	p.folder, p.elements = cmp.Or(strings.Join(elements[:n], "/"), "/"), elements[n:]
	if _, err := s.stat(p.folder); err != nil {
		return pattern{}, fmt.Errorf("%s: %w", given, cause(err))
	}
	return p, nil
}

// stat looks at an absolute path through the storage.
func (s *Source) stat(name string) (fs.FileInfo, error) {
	dir, base := path.Split(name)
	return fs.Stat(s.Storage(path.Clean(dir)), cmp.Or(base, "."))
}

func hasMeta(name string) bool { return strings.ContainsAny(name, `*?[\`) }

// commonRoot is the longest folder that all patterns lie below.
func commonRoot(patterns []pattern) string {
	root := strings.Split(patterns[0].folder, "/")
	for _, p := range patterns[1:] {
		elements := strings.Split(p.folder, "/")
		n := 0
		for n < min(len(root), len(elements)) && root[n] == elements[n] {
			n++
		}
		root = root[:n]
	}
	return cmp.Or(strings.Join(root, "/"), "/")
}

// walker finds files below the root of a source.
type walker struct {
	ctx   context.Context
	fsys  fs.FS
	root  string
	files []string
}

// expand finds what matches the elements of a pattern below name. Above are the folders on the way there.
func (w *walker) expand(name string, elements []string, above []fs.FileInfo) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	info, err := fs.Stat(w.fsys, name)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", w.display(name), cause(err))
	case info.Mode().IsRegular() && len(elements) == 0:
		w.files = append(w.files, name)
		return nil
	case !info.IsDir() && len(elements) == 0:
		return fmt.Errorf("%s is neither a file nor a folder (%s)", w.display(name), info.Mode().Type())
	case !info.IsDir():
		return nil // a glob that wants a folder here
	}
	if len(above) >= maxFolderDepth || slices.ContainsFunc(above, func(f fs.FileInfo) bool { return os.SameFile(f, info) }) {
		return fmt.Errorf("%s leads back to a folder above it, or too many folders deep: remove the link or list other paths", w.display(name))
	}
	above = append(above, info)
	if len(elements) > 0 && !hasMeta(elements[0]) {
		next := path.Join(name, elements[0])
		if _, err := fs.Stat(w.fsys, next); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return w.expand(next, elements[1:], above)
	}
	entries, err := fs.ReadDir(w.fsys, name)
	if err != nil {
		return fmt.Errorf("%s: %w", w.display(name), cause(err))
	}
	if len(elements) > 0 && elements[0] == "**" {
		if err := w.matching(name, entries, elements[1:], above); err != nil {
			return err
		}
	}
	return w.matching(name, entries, elements, above)
}

// matching expands the entries of a folder that match the first element; without elements, and for **, all but those with a dot.
func (w *walker) matching(name string, entries []fs.DirEntry, elements []string, above []fs.FileInfo) error {
	for _, e := range entries {
		rest := elements
		hidden := strings.HasPrefix(e.Name(), ".")
		switch {
		case len(elements) == 0:
			if hidden {
				continue
			}
		case elements[0] == "**":
			if hidden || !w.isFolder(path.Join(name, e.Name()), e) {
				continue
			}
		default:
			ok, err := path.Match(elements[0], e.Name())
			if err != nil {
				return fmt.Errorf("pattern %q: %w", elements[0], err)
			}
			if !ok || hidden && !strings.HasPrefix(elements[0], ".") {
				continue
			}
			rest = elements[1:]
		}
		if !utf8.ValidString(e.Name()) {
			return fmt.Errorf("%q: the name is not UTF-8: rename it", w.display(path.Join(name, e.Name())))
		}
		if err := w.expand(path.Join(name, e.Name()), rest, above); err != nil {
			return err
		}
	}
	return nil
}

// isFolder says whether an entry is a folder or a link to one.
func (w *walker) isFolder(name string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := fs.Stat(w.fsys, name)
	return err != nil || info.IsDir() // expand reports the error
}

func (w *walker) display(name string) string { return path.Join(w.root, name) }

// describe reads a file for its digest and tells its format and compression.
func (s *Source) describe(ctx context.Context, fsys fs.FS, root, name string, buf []byte) (schemas.File, error) {
	display := path.Join(root, name)
	format, byName := formatOf(name)
	if format = cmp.Or(s.Format, format); format == "" {
		return schemas.File{}, s.unknownFormat(display)
	}
	before, err := fs.Stat(fsys, name)
	if err != nil {
		return schemas.File{}, fmt.Errorf("%s: %w", display, cause(err))
	}
	file, err := fsys.Open(name)
	if err != nil {
		return schemas.File{}, fmt.Errorf("%s: %w", display, cause(err))
	}
	defer file.Close()
	hash, head, size, err := digest(ctx, file, buf)
	if err != nil {
		return schemas.File{}, fmt.Errorf("%s: %w", display, cause(err))
	}
	after, err := file.Stat()
	if err != nil {
		return schemas.File{}, fmt.Errorf("%s: %w", display, cause(err))
	}
	if size != after.Size() || size != before.Size() || !before.ModTime().Equal(after.ModTime()) {
		return schemas.File{}, fmt.Errorf("%s changes while it is read: wait until it is complete", display)
	}
	f := schemas.File{Path: name, Format: format, Size: size, Digest: hash, ModTimeNano: after.ModTime().UnixNano()}
	if f.Compression = cmp.Or(s.Compression, compressionOf(head), byName); f.Compression == None {
		f.Compression = ""
	}
	return f, nil
}

// digest reads all of r by way of buf. Head is how it begins.
func digest(ctx context.Context, r io.Reader, buf []byte) (hash string, head []byte, size int64, err error) {
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return "", nil, 0, err
		}
		n, err := r.Read(buf)
		if len(head) < magicBytes {
			head = append(head, buf[:min(n, magicBytes-len(head))]...)
		}
		h.Write(buf[:n])
		size += int64(n)
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), head, size, nil
		}
		if err != nil {
			return "", nil, 0, err
		}
	}
}
