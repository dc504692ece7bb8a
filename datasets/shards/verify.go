package shards

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"unicode/utf8"

	"github.com/shardmill/shardmill/schemas"
)

// Checked is the result of Verify for one file, or for what the files of a shard say together.
type Checked struct {
	Path  string // relative to the dataset folder
	Bytes int64  // that were read
	Err   error  // what is wrong with it; nil if nothing is
}

// Verify checks the dataset in dir completely and calls report, which may be nil, for each file:
//
//   - the manifest has its digest and its totals add up;
//   - tokenizer, shards and indexes have the size and SHA-256 of the manifest, and there are no other files among the shards;
//   - each shard is the Arrow file that its index describes, with the checksums of it;
//   - ids are below the vocabulary size, each document ends in the end-of-document id and has it nowhere else, and lies on its side of
//     the held-out split; the share of that is the same in all shards;
//   - each line of the ledger balances, and the ledger and the number of quarantined records add up to the totals.
//
// The error is nil, that of ctx, or one that counts the files that are not as they should be and wraps the first report.
func Verify(ctx context.Context, dir string, report func(Checked)) error {
	d, err := openManifest(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	v := &verifier{Dataset: d, heldOutPPM: -1}
	var files, damaged int
	var first error
	for path, check := range v.checks() {
		v.bytes = 0
		err := check(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		files++
		if err != nil {
			damaged++
			if first == nil {
				first = err
			}
		}
		if report != nil {
			report(Checked{Path: path, Bytes: v.bytes, Err: err})
		}
	}
	if damaged > 0 {
		return fmt.Errorf("%s: %d of %d files are not as they should be: %w", dir, damaged, files, first)
	}
	return nil
}

// verifier is one run of Verify.
type verifier struct {
	*Dataset
	heldOutPPM int   // of the shards seen so far; -1 before the first
	bytes      int64 // read for the current check
	ids        []uint32
}

// checks yields each check under the path that it is about.
func (v *verifier) checks() iter.Seq2[string, func(context.Context) error] {
	return func(yield func(string, func(context.Context) error) bool) {
		tokenizer := &v.manifest.Tokenizer
		if !yield(tokenizer.File, func(ctx context.Context) error { return v.checkDigest(ctx, tokenizer.File, tokenizer.Digest, -1) }) {
			return
		}
		for i := range v.manifest.Shards {
			s := &v.manifest.Shards[i]
			index := IndexPath(s.Path)
			var indexErr error
			if !yield(index, func(ctx context.Context) error {
				indexErr = v.checkDigest(ctx, index, s.IndexDigest, s.IndexBytes)
				return indexErr
			}) || !yield(s.Path, func(ctx context.Context) error {
				err := v.checkDigest(ctx, s.Path, s.Digest, s.Bytes)
				if err != nil || indexErr != nil {
					return err // what is inside is of no more interest, or can't be told without the index
				}
				return v.checkShard(ctx, i)
			}) {
				return
			}
		}
		_ = yield(ShardFolder, v.checkStrays) && yield(LedgerFile, v.checkLedger) && yield(path.Dir(QuarantineGlob), v.checkQuarantine)
	}
}

// checkDigest holds a file against its SHA-256, and against its size unless that is negative.
func (v *verifier) checkDigest(ctx context.Context, name, digest string, size int64) error {
	f, n, err := v.openFile(name)
	if err != nil {
		return fmt.Errorf("%w, but the manifest names it", err)
	}
	defer f.Close()
	if size >= 0 && n != size {
		return fmt.Errorf("%s has %d bytes, the manifest says %d: %w", name, n, size, ErrCorrupt)
	}
	h := sha256.New()
	read, err := io.Copy(h, &contextReader{ctx, f})
	v.bytes += read
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != digest {
		return fmt.Errorf("%s: SHA-256 is %s, the manifest says %.64q: %w", name, got, digest, ErrCorrupt)
	}
	return nil
}

// contextReader reads until its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// checkShard looks at everything in shard i.
func (v *verifier) checkShard(ctx context.Context, i int) error {
	s, err := v.OpenShard(i)
	if err != nil {
		return err
	}
	defer s.Close()
	if v.heldOutPPM < 0 {
		v.heldOutPPM = s.index.HeldOutPPM
	}
	if s.index.HeldOutPPM != v.heldOutPPM {
		return fmt.Errorf("%s: held-out share is %d ppm, other shards have %d: %w", s.path, s.index.HeldOutPPM, v.heldOutPPM, ErrCorrupt)
	}
	for n := range s.index.Batches {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.CheckBatch(n); err != nil {
			return err
		}
		if err := v.checkBatch(s, n); err != nil {
			return fmt.Errorf("%s: batch %d: %w: %w", s.path, n, err, ErrCorrupt)
		}
	}
	return nil
}

// checkBatch looks at each document of a record batch.
func (v *verifier) checkBatch(s *Shard, n int) error {
	b, err := s.Batch(n)
	if err != nil {
		return err
	}
	defer b.Release()
	for i := range b.Rows() {
		v.ids = b.Tokens().AppendTo(v.ids[:0], int(b.bounds[i]), int(b.bounds[i+1]))
		if err := checkDocument(v.ids, &v.manifest.Tokenizer); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		if side := SplitOf(v.ids, v.heldOutPPM); side != b.Split() {
			return fmt.Errorf("row %d: it belongs to the %s split, not to %s", i, side, b.Split())
		}
		if !utf8.Valid(b.ID(i)) || !utf8.Valid(b.Source(i)) {
			return fmt.Errorf("row %d: its id or source is not UTF-8", i)
		}
	}
	return nil
}

func checkDocument(ids []uint32, t *schemas.ManifestTokenizer) error {
	for i, id := range ids {
		if int64(id) >= int64(t.VocabSize) {
			return fmt.Errorf("token %d is %d in a vocabulary of %d", i, id, t.VocabSize)
		}
		if id == t.EndOfDocument && i < len(ids)-1 {
			return fmt.Errorf("token %d of %d is the end-of-document id %d", i, len(ids), id)
		}
	}
	if len(ids) == 0 || ids[len(ids)-1] != t.EndOfDocument {
		return fmt.Errorf("it does not end in the end-of-document id %d", t.EndOfDocument)
	}
	return nil
}

// checkStrays finds files among the shards that the manifest does not name.
func (v *verifier) checkStrays(context.Context) error {
	known := map[string]bool{}
	for i := range v.manifest.Shards {
		p := v.manifest.Shards[i].Path
		known[path.Base(p)], known[path.Base(IndexPath(p))] = true, true
	}
	entries, err := fs.ReadDir(v.root.FS(), ShardFolder)
	if err != nil && len(known) > 0 {
		return err
	}
	for _, e := range entries {
		if !known[e.Name()] {
			return fmt.Errorf("%s/%s is not in the manifest: move it away", ShardFolder, e.Name())
		}
	}
	return nil
}

// maxLedgerLine bounds a line of the ledger, which has a few numbers for each stage.
const maxLedgerLine = 16 << 20

// checkLedger balances each input file and adds them up.
func (v *verifier) checkLedger(ctx context.Context) error {
	f, n, err := v.openFile(LedgerFile)
	if err != nil {
		return err
	}
	defer f.Close()
	v.bytes += n
	var read, kept, dropped, quarantined int64
	lines := bufio.NewScanner(&contextReader{ctx, f})
	lines.Buffer(nil, maxLedgerLine)
	for line := 1; lines.Scan(); line++ {
		var l schemas.FileLedger
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("%s: line %d: %w: %w", LedgerFile, line, err, ErrCorrupt)
		}
		if err := l.Balance(); err != nil {
			return fmt.Errorf("%s: line %d: %w: %w", LedgerFile, line, err, ErrCorrupt)
		}
		read += l.Read
		kept += l.Kept
		dropped += l.DroppedTotal()
		quarantined += l.Quarantined
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", LedgerFile, err)
	}
	if t := &v.manifest.Totals; read != t.Read || kept != t.Kept || dropped != t.Dropped || quarantined != t.Quarantined {
		return fmt.Errorf("%s: %d read, %d kept, %d dropped, %d quarantined; the manifest says %d, %d, %d, %d: %w", LedgerFile,
			read, kept, dropped, quarantined, t.Read, t.Kept, t.Dropped, t.Quarantined, ErrCorrupt)
	}
	return nil
}

// checkQuarantine counts the quarantined records, one on each line.
func (v *verifier) checkQuarantine(ctx context.Context) error {
	names, err := fs.Glob(v.root.FS(), QuarantineGlob)
	if err != nil {
		return err
	}
	var records int64
	for _, name := range names {
		f, _, err := v.openFile(name)
		if err != nil {
			return err
		}
		n, err := countLines(&contextReader{ctx, f})
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		records += n
	}
	if want := v.manifest.Totals.Quarantined; records != want {
		return fmt.Errorf("%s: %d records, the manifest says %d: %w", QuarantineGlob, records, want, ErrCorrupt)
	}
	return nil
}

func countLines(r io.Reader) (int64, error) {
	var n int64
	b := make([]byte, 64<<10)
	for {
		k, err := r.Read(b)
		for _, c := range b[:k] {
			if c == '\n' {
				n++
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
