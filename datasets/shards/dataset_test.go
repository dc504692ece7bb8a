package shards

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/schemas"
)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// buildDataset writes a complete dataset of n shards into a new folder.
func buildDataset(t testing.TB, n, rowsPerShard int) (dir string, m *schemas.Manifest) {
	t.Helper()
	dir = t.TempDir()
	for _, folder := range []string{"shards", "quarantine"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	tokenizer := []byte(`{"model":{"type":"BPE"}}`)
	m = &schemas.Manifest{
		Version:     schemas.ManifestVersion,
		Fingerprint: schemas.Fingerprint{Digest: digestOf(nil), Parts: []schemas.FingerprintPart{{Name: "recipe", Digest: digestOf(nil)}}},
		Recipe:      `{"a":"<b> & \u2028"}`,
		Tokenizer: schemas.ManifestTokenizer{File: "tokenizer.json", Digest: digestOf(tokenizer), Model: "BPE", VocabSize: 5000,
			EndOfDocument: endOfDocument, SpecialIDs: []schemas.SpecialToken{{ID: 0, Content: "<|endoftext|>"}}},
		Columns: Columns(2),
	}
	for i := range n {
		name := schemas.CommitName(0, i)
		arrowFile, index := encode(t, documents(rowsPerShard, 5000, uint64(i)), Options{TokenBytes: 2, HeldOutPPM: 50_000, Source: sourceName})
		put(t, filepath.Join(dir, "shards"), name, arrowFile, index)
		x, err := decodeIndex(index)
		if err != nil {
			t.Fatal(err)
		}
		m.Shards = append(m.Shards, schemas.Shard{Path: schemas.ShardPath(0, i), Rows: x.Rows, Tokens: x.Tokens, Bytes: x.ArrowBytes,
			Digest: digestOf(arrowFile), IndexBytes: int64(len(index)), IndexDigest: digestOf(index)})
		m.Totals.Documents += x.Rows
		m.Totals.Tokens += x.Tokens
	}
	kept := m.Totals.Documents
	m.Totals.Read, m.Totals.Kept, m.Totals.Dropped, m.Totals.Quarantined = kept+4, kept, 3, 1
	m.Totals.Reasons = []schemas.ReasonSum{{Stage: "read", Reason: "json", Kind: "quarantine", Count: 1}, {Stage: "length", Reason: "short", Kind: "drop", Count: 3}}
	ledger := fmt.Sprintf(`{"file":0,"read":%d,"kept":%d,"dropped":[{"stage":1,"reason":0,"count":3}],"quarantined":1,"length_bytes":9,"record_bytes":7,"separator_bytes":2}`, kept+4, kept)
	encoded, err := EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"tokenizer.json": tokenizer, "ledger.jsonl": []byte(ledger + "\n"), "manifest.json": encoded,
		"quarantine/00000.jsonl": []byte("{}\n")} {
		write(t, filepath.Join(dir, name), content)
	}
	return dir, m
}

func TestDataset(t *testing.T) {
	dir, m := buildDataset(t, 3, 1500)
	d, err := OpenDataset(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, want := fmt.Sprint(*d.Manifest()), fmt.Sprint(*m); got != want {
		t.Errorf("manifest is\n%s, want\n%s", got, want)
	}
	for i, entry := range m.Shards {
		s, err := d.OpenShard(i)
		if err != nil {
			t.Fatal(err)
		}
		if s.Index().Rows != entry.Rows {
			t.Errorf("%s: %d rows, want %d", entry.Path, s.Index().Rows, entry.Rows)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	var seen []string
	err = Verify(t.Context(), dir, func(c Checked) { seen = append(seen, fmt.Sprintf("%s %v", c.Path, c.Err)) })
	if err != nil {
		t.Error(err)
	}
	if want := 1 + 2*3 + 3; len(seen) != want {
		t.Errorf("%d reports, want %d: %q", len(seen), want, seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Verify(ctx, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestVerifyFindsFlippedBits(t *testing.T) {
	dir, m := buildDataset(t, 1, 60)
	r := rand.New(rand.NewPCG(7, 8))
	names := []string{ManifestFile, m.Shards[0].Path, IndexPath(m.Shards[0].Path), m.Tokenizer.File}
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for range 120 {
			bit := r.IntN(8 * len(content))
			content[bit/8] ^= 1 << (bit % 8)
			write(t, path, content)
			err := Verify(t.Context(), dir, nil)
			if err == nil {
				t.Errorf("%s: bit %d is flipped, no error", name, bit)
			} else if base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)); !strings.Contains(err.Error(), base) {
				t.Errorf("%s: bit %d: error names another file: %v", name, bit, err)
			}
			content[bit/8] ^= 1 << (bit % 8)
		}
		write(t, path, content)
	}
	if err := Verify(t.Context(), dir, nil); err != nil {
		t.Fatalf("all is put right again: %v", err)
	}
}

// TestVerifySeesContent breaks promises that no digest can show: the digests are those of what is there.
func TestVerifySeesContent(t *testing.T) {
	bad := func(tokens ...uint32) []schemas.Row { return []schemas.Row{{Tokens: []uint32{1, 0}}, {Tokens: tokens}} }
	opts := Options{TokenBytes: 2, HeldOutPPM: 50_000}
	for _, test := range []struct {
		name, want string
		change     func(t *testing.T, dir string, m *schemas.Manifest)
	}{
		{"nothing", "", func(*testing.T, string, *schemas.Manifest) {}},
		{"id beyond the vocabulary", "vocabulary of 5000", shard(bad(5000, 0), opts)},
		{"end of document within", "token 1 of 3 is the end-of-document id", shard(bad(5, 0, 0), opts)},
		{"no end of document", "does not end in", shard(bad(5), opts)},
		{"empty document", "does not end in", shard(bad(), opts)},
		{"other held-out share", "held-out share is 0 ppm", shard(bad(5, 0), Options{TokenBytes: 2})},
		{"four bytes", "of 4 bytes", shard(bad(5, 0), Options{TokenBytes: 4, HeldOutPPM: 50_000})},
		{"wrong side", "belongs to the train split", func(t *testing.T, dir string, m *schemas.Manifest) {
			arrowFile, index := encode(t, bad(5, 0), opts)
			index[headerBytes+52] = byte(HeldOut)
			replace(t, dir, m, arrowFile, forge(arrowFile, index))
		}},
		{"content is not that of the index", "batch 0: checksum", func(t *testing.T, dir string, m *schemas.Manifest) {
			arrowFile, index := encode(t, bad(5, 0), opts)
			x, err := decodeIndex(index)
			if err != nil {
				t.Fatal(err)
			}
			arrowFile[x.Batches[0].Lists.Offset+4]++
			replace(t, dir, m, arrowFile, forge(arrowFile, index))
		}},
		{"stray file", "not in the manifest", func(t *testing.T, dir string, _ *schemas.Manifest) {
			write(t, filepath.Join(dir, "shards", "00009-000000.arrow"), nil)
		}},
		{"missing index", "00000-000001.idx", func(t *testing.T, dir string, m *schemas.Manifest) {
			if err := os.Remove(filepath.Join(dir, IndexPath(m.Shards[1].Path))); err != nil {
				t.Fatal(err)
			}
		}},
		{"link out of the folder", "00000-000001.arrow", func(t *testing.T, dir string, m *schemas.Manifest) {
			path, outside := filepath.Join(dir, m.Shards[1].Path), filepath.Join(t.TempDir(), "x.arrow")
			if err := errors.Join(os.Rename(path, outside), os.Symlink(outside, path)); err != nil {
				t.Fatal(err)
			}
		}},
		{"ledger does not balance", "line 1", func(t *testing.T, dir string, _ *schemas.Manifest) {
			write(t, filepath.Join(dir, LedgerFile), []byte(`{"file":0,"read":7,"kept":5}`))
		}},
		{"ledger of another run", "the manifest says", func(t *testing.T, dir string, _ *schemas.Manifest) {
			write(t, filepath.Join(dir, LedgerFile), []byte(`{"file":0,"read":5,"kept":5}`))
		}},
		{"lost quarantine", "0 records, the manifest says 1", func(t *testing.T, dir string, _ *schemas.Manifest) {
			write(t, filepath.Join(dir, "quarantine", "00000.jsonl"), nil)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, m := buildDataset(t, 2, 30)
			test.change(t, dir, m)
			err := Verify(t.Context(), dir, nil)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

// shard replaces the second shard by one with rows.
func shard(rows []schemas.Row, opts Options) func(*testing.T, string, *schemas.Manifest) {
	return func(t *testing.T, dir string, m *schemas.Manifest) {
		arrowFile, index := encode(t, rows, opts)
		replace(t, dir, m, arrowFile, index)
	}
}

// replace puts other files in place of the second shard and makes the manifest fit.
func replace(t *testing.T, dir string, m *schemas.Manifest, arrowFile, index []byte) {
	t.Helper()
	x, err := decodeIndex(index)
	if err != nil {
		t.Fatal(err)
	}
	s := &m.Shards[1]
	put(t, filepath.Join(dir, "shards"), schemas.CommitName(0, 1), arrowFile, index)
	m.Totals.Documents += x.Rows - s.Rows
	m.Totals.Tokens += x.Tokens - s.Tokens
	s.Rows, s.Tokens, s.Bytes, s.Digest = x.Rows, x.Tokens, int64(len(arrowFile)), digestOf(arrowFile)
	s.IndexBytes, s.IndexDigest = int64(len(index)), digestOf(index)
	encoded, err := EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ManifestFile), encoded)
}

func TestOpenDatasetRefuses(t *testing.T) {
	dir, m := buildDataset(t, 1, 10)
	path := filepath.Join(dir, m.Shards[0].Path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, content[:len(content)-1])
	if _, err := OpenDataset(dir); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), m.Shards[0].Path) {
		t.Errorf("a shard was cut: %v", err)
	}
	if _, err := OpenDataset(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no manifest.json") {
		t.Errorf("no manifest: %v", err)
	}
}

func TestManifestIsChecked(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(m *schemas.Manifest)
	}{
		{"version", func(m *schemas.Manifest) { m.Version++ }},
		{"path up", func(m *schemas.Manifest) { m.Shards[0].Path = "shards/../../x.arrow" }},
		{"absolute path", func(m *schemas.Manifest) { m.Shards[0].Path = "/shards/x.arrow" }},
		{"other folder", func(m *schemas.Manifest) { m.Shards[0].Path = "run/x.arrow" }},
		{"backslash", func(m *schemas.Manifest) { m.Shards[0].Path = `shards\x.arrow` }},
		{"not clean", func(m *schemas.Manifest) { m.Shards[0].Path = "shards//x.arrow" }},
		{"tokenizer outside", func(m *schemas.Manifest) { m.Tokenizer.File = "../tokenizer.json" }},
		{"order", func(m *schemas.Manifest) { slices.Reverse(m.Shards) }},
		{"twice", func(m *schemas.Manifest) { m.Shards[1].Path = m.Shards[0].Path }},
		{"rows", func(m *schemas.Manifest) { m.Shards[0].Rows++ }},
		{"negative", func(m *schemas.Manifest) { m.Shards[0].Rows, m.Shards[1].Rows = -1, m.Totals.Documents+1 }},
		{"tokens", func(m *schemas.Manifest) { m.Totals.Tokens-- }},
		{"records", func(m *schemas.Manifest) { m.Totals.Read++ }},
		{"reasons", func(m *schemas.Manifest) { m.Totals.Reasons[0].Count++ }},
		{"columns", func(m *schemas.Manifest) { m.Columns = Columns(4) }},
		{"vocabulary", func(m *schemas.Manifest) { m.Tokenizer.VocabSize = 0 }},
		{"end of document", func(m *schemas.Manifest) { m.Tokenizer.EndOfDocument = 5000 }},
		{"special id", func(m *schemas.Manifest) { m.Tokenizer.SpecialIDs[0].ID = 5000 }},
	} {
		_, m := buildDataset(t, 2, 5)
		test.change(m)
		if _, err := EncodeManifest(m); err == nil {
			t.Errorf("%s: no error", test.name)
		}
	}
}

func TestManifestForm(t *testing.T) {
	_, m := buildDataset(t, 2, 5)
	b, err := EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := json.Unmarshal(b, &value); err != nil {
		t.Fatal(err)
	}
	digest := value["digest"].(string)
	if want := digestOf([]byte(strings.Replace(string(b), digest, "", 1))); digest != want {
		t.Errorf("digest is %s, by its definition %s", digest, want)
	}
	compact, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"compact": compact, "empty": nil, "null": []byte("null"), "spaces": append(b, ' '), "two": append(b, b...),
		"unknown member": []byte(strings.Replace(string(b), `"version"`, `"x": 1, "version"`, 1)),
	} {
		if _, err := DecodeManifest(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzManifest(f *testing.F) {
	_, m := buildDataset(f, 2, 5)
	b, err := EncodeManifest(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1,"shards":[{"path":"shards/x.arrow"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeManifest(b)
		if err != nil {
			return
		}
		if again, err := EncodeManifest(m); err != nil || string(again) != string(b) {
			t.Errorf("it is read, but written as %q (%v)", again, err)
		}
	})
}
