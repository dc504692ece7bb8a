package shards

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shardmill/shardmill/schemas"
)

// Names of the files of a dataset folder.
const (
	ManifestFile   = "manifest.json"
	LedgerFile     = "ledger.jsonl"
	ShardFolder    = "shards"
	QuarantineGlob = "quarantine/*.jsonl"
)

// sealed is a manifest with its own digest, so that a change of any byte of the file is noticed.
type sealed struct {
	schemas.Manifest
	Digest string `json:"digest"` // SHA-256, hex, of the file in which this value is ""
}

func (s *sealed) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return b.Bytes(), nil
}

func (s *sealed) seal() ([]byte, error) {
	s.Digest = ""
	b, err := s.encode()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(b)
	s.Digest = hex.EncodeToString(digest[:])
	return s.encode()
}

// EncodeManifest returns the bytes of manifest.json: indented JSON in one canonical form, whose last member "digest" is the SHA-256 of
// the same bytes with that digest left empty. A manifest that DecodeManifest would refuse is an error.
func EncodeManifest(m *schemas.Manifest) ([]byte, error) {
	b, err := (&sealed{Manifest: *m}).seal()
	if err != nil {
		return nil, err
	}
	if _, err := DecodeManifest(b); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return b, nil
}

// DecodeManifest reads manifest.json strictly: the version is known, the bytes are those of EncodeManifest and fit their digest, paths
// stay inside the dataset folder, and numbers fit each other.
func DecodeManifest(b []byte) (*schemas.Manifest, error) {
	var version struct{ Version int }
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, fmt.Errorf("manifest: %w: %w", err, ErrCorrupt)
	}
	if version.Version != schemas.ManifestVersion {
		return nil, fmt.Errorf("manifest: version %d, this program reads version %d", version.Version, schemas.ManifestVersion)
	}
	var s sealed
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("manifest: %w: %w", err, ErrCorrupt)
	}
	digest := s.Digest
	canonical, err := s.seal()
	if err != nil {
		return nil, err
	}
	if s.Digest != digest {
		return nil, fmt.Errorf("manifest: digest is %.64q, the content gives %q: %w", digest, s.Digest, ErrCorrupt)
	}
	if !bytes.Equal(canonical, b) {
		return nil, fmt.Errorf("manifest: line %d is not in the form in which manifests are written: %w", differingLine(canonical, b), ErrCorrupt)
	}
	if err := checkManifest(&s.Manifest); err != nil {
		return nil, fmt.Errorf("manifest: %w: %w", err, ErrCorrupt)
	}
	return &s.Manifest, nil
}

// differingLine is the number of the first line in which a and b differ, from 1.
func differingLine(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return 1 + bytes.Count(a[:n], []byte("\n"))
}

func checkManifest(m *schemas.Manifest) error {
	if err := checkTokenizer(&m.Tokenizer); err != nil {
		return err
	}
	if want := Columns(TokenBytes(m.Tokenizer.VocabSize)); !slices.Equal(m.Columns, want) {
		return fmt.Errorf("columns are %v, not %v", m.Columns, want)
	}
	var rows, tokens int64
	for i := range m.Shards {
		s := &m.Shards[i]
		if err := checkShard(s); err != nil {
			return err
		}
		if i > 0 && s.Path <= m.Shards[i-1].Path {
			return fmt.Errorf("%s follows %s: shards are sorted by path", s.Path, m.Shards[i-1].Path)
		}
		rows += s.Rows
		tokens += s.Tokens
	}
	t := &m.Totals
	switch {
	case rows != t.Documents:
		return fmt.Errorf("totals: %d documents, the shards have %d", t.Documents, rows)
	case tokens != t.Tokens:
		return fmt.Errorf("totals: %d tokens, the shards have %d", t.Tokens, tokens)
	}
	return checkTotals(t)
}

// checkTotals holds the counts of records against each other.
func checkTotals(t *schemas.Totals) error {
	if t.Read != t.Kept+t.Dropped+t.Quarantined {
		return fmt.Errorf("totals: %d records read, but %d kept + %d dropped + %d quarantined", t.Read, t.Kept, t.Dropped, t.Quarantined)
	}
	sums := map[string]int64{}
	for _, r := range t.Reasons {
		sums[r.Kind] += r.Count
	}
	if sums["drop"] != t.Dropped || sums["quarantine"] != t.Quarantined {
		return fmt.Errorf("totals: reasons give %d dropped and %d quarantined, not %d and %d",
			sums["drop"], sums["quarantine"], t.Dropped, t.Quarantined)
	}
	return nil
}

func checkTokenizer(t *schemas.ManifestTokenizer) error {
	if err := checkPath(t.File); err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	if t.VocabSize < 1 || int64(t.VocabSize) > 1<<32 || int64(t.EndOfDocument) >= int64(t.VocabSize) {
		return fmt.Errorf("tokenizer: end-of-document id %d in a vocabulary of %d", t.EndOfDocument, t.VocabSize)
	}
	for _, s := range t.SpecialIDs {
		if int64(s.ID) >= int64(t.VocabSize) {
			return fmt.Errorf("tokenizer: special id %d in a vocabulary of %d", s.ID, t.VocabSize)
		}
	}
	return nil
}

func checkShard(s *schemas.Shard) error {
	if err := checkPath(s.Path); err != nil {
		return err
	}
	if path.Dir(s.Path) != ShardFolder || !strings.HasSuffix(s.Path, ".arrow") {
		return fmt.Errorf("path %q: a shard is %s/….arrow", s.Path, ShardFolder)
	}
	const most = 1 << 53 // far from any overflow of sums, and exact in every JSON reader
	for _, n := range [...]int64{s.Rows, s.Tokens, s.Bytes, s.IndexBytes} {
		if n < 0 || n > most {
			return fmt.Errorf("%s: %d is not possible", s.Path, n)
		}
	}
	return nil
}

// checkPath makes sure that a path of a manifest stays inside the dataset folder.
func checkPath(p string) error {
	if p == "" || p == "." || p != path.Clean(p) || strings.ContainsAny(p, "\\\x00") || !filepath.IsLocal(filepath.FromSlash(p)) {
		return fmt.Errorf("path %q: it must lie inside the dataset folder, relative, with slashes", p)
	}
	return nil
}
