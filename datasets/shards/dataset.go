package shards

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/shardmill/shardmill/schemas"
)

// maxManifestBytes bounds a manifest: about a million shards.
const maxManifestBytes = 512 << 20

// Dataset is a dataset folder that is open for reading. Its methods are safe for many goroutines.
type Dataset struct {
	root     *os.Root
	manifest *schemas.Manifest
}

// OpenDataset reads the manifest of the dataset in dir and makes sure that the shards it names are there in their full size. No path,
// nor link, leads out of dir. Shards are opened by OpenShard.
func OpenDataset(dir string) (*Dataset, error) {
	d, err := openManifest(dir)
	if err != nil {
		return nil, err
	}
	for i := range d.manifest.Shards {
		s := &d.manifest.Shards[i]
		if err := errors.Join(d.checkSize(s.Path, s.Bytes), d.checkSize(IndexPath(s.Path), s.IndexBytes)); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

// openManifest is OpenDataset without a look at the shards.
func openManifest(dir string) (*Dataset, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open dataset: %w", err)
	}
	d := &Dataset{root: root}
	if err := d.readManifest(); err != nil {
		return nil, errors.Join(fmt.Errorf("open dataset %s: %w", dir, err), root.Close())
	}
	return d, nil
}

func (d *Dataset) readManifest() error {
	f, size, err := d.openFile(ManifestFile)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("it has no %s: it is no dataset, or its run is not complete and has to be started again: %w", ManifestFile, os.ErrNotExist)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if size > maxManifestBytes {
		return fmt.Errorf("manifest: %d bytes are more than the %d allowed: %w", size, maxManifestBytes, ErrCorrupt)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	d.manifest, err = DecodeManifest(b)
	return err
}

// openFile opens a file of the dataset and returns its size. Pipes and devices, which could block, are refused.
func (d *Dataset) openFile(path string) (*os.File, int64, error) {
	info, err := d.root.Stat(filepath.FromSlash(path))
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", path)
	}
	f, err := d.root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, cause(err))
	}
	if info, err = f.Stat(); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func (d *Dataset) checkSize(path string, want int64) error {
	info, err := d.root.Stat(filepath.FromSlash(path))
	if err != nil {
		return fmt.Errorf("%s: %w, but the manifest names it", path, cause(err))
	}
	if info.Size() != want || !info.Mode().IsRegular() {
		return fmt.Errorf("%s has %d bytes, the manifest says %d: %w", path, info.Size(), want, ErrCorrupt)
	}
	return nil
}

// Manifest describes the dataset. It is not to be changed.
func (d *Dataset) Manifest() *schemas.Manifest { return d.manifest }

// OpenShard maps shard i of the manifest and holds its index against it.
func (d *Dataset) OpenShard(i int) (*Shard, error) {
	entry := &d.manifest.Shards[i]
	arrowFile, _, err := d.openFile(entry.Path)
	if err != nil {
		return nil, fmt.Errorf("open shard: %w", err)
	}
	defer arrowFile.Close()
	index, _, err := d.openFile(IndexPath(entry.Path))
	if err != nil {
		return nil, fmt.Errorf("open index of shard: %w", err)
	}
	defer index.Close()
	s, err := open(filepath.Join(d.root.Name(), filepath.FromSlash(entry.Path)), arrowFile, index)
	if err != nil {
		return nil, err
	}
	x, width := s.index, TokenBytes(d.manifest.Tokenizer.VocabSize)
	if x.Rows != entry.Rows || x.Tokens != entry.Tokens || x.ArrowBytes != entry.Bytes || x.TokenBytes != width {
		err := fmt.Errorf("%s: %d rows, %d tokens of %d bytes, %d bytes; the manifest says %d, %d of %d, %d: %w", s.path,
			x.Rows, x.Tokens, x.TokenBytes, x.ArrowBytes, entry.Rows, entry.Tokens, width, entry.Bytes, ErrCorrupt)
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close gives up the folder. Shards that are open stay so.
func (d *Dataset) Close() error { return d.root.Close() }
