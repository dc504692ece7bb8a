package loader

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/schemas"
)

// writeDataset makes a dataset folder with one shard for each part.
func writeDataset(t testing.TB, parts [][]schemas.Row, heldOutPPM int) string {
	t.Helper()
	dir := t.TempDir()
	m := schemas.Manifest{
		Version: schemas.ManifestVersion,
		Tokenizer: schemas.ManifestTokenizer{File: "tokenizer.json", Model: "WordPiece", VocabSize: testVocab, EndOfDocument: testEOD, SpecialIDs: []schemas.SpecialToken{
			{ID: 0, Content: "[PAD]"}, {ID: 1, Content: "[CLS]"}, {ID: 2, Content: "[SEP]"}, {ID: 3, Content: "[MASK]"}, {ID: testEOD, Content: "[EOD]"}}},
		Columns: shards.Columns(2),
	}
	for n, rows := range parts {
		path := writeShard(t, dir, n, rows, shards.Options{TokenBytes: 2, HeldOutPPM: heldOutPPM})
		s := schemas.Shard{Path: schemas.ShardPath(0, n), Rows: int64(len(rows))}
		for _, row := range rows {
			s.Tokens += int64(len(row.Tokens))
		}
		s.Bytes, s.Digest = sizeAndDigest(t, path)
		s.IndexBytes, s.IndexDigest = sizeAndDigest(t, shards.IndexPath(path))
		m.Shards = append(m.Shards, s)
		m.Totals.Documents += s.Rows
		m.Totals.Tokens += s.Tokens
	}
	m.Totals.Read, m.Totals.Kept = m.Totals.Documents, m.Totals.Documents
	encoded, err := shards.EncodeManifest(&m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, shards.ManifestFile), encoded, 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

func sizeAndDigest(t testing.TB, path string) (int64, string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	return int64(len(content)), hex.EncodeToString(digest[:])
}

func openDir(t testing.TB, dir string, o Options) *Loader {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestOpenDataset(t *testing.T) {
	const heldOut = 100_000
	rows := testRows(newMemory(60_000))
	parts := [][]schemas.Row{rows[:900], rows[900:2000], rows[2000:]}
	dir := writeDataset(t, parts, heldOut)
	for _, split := range []shards.Split{shards.Train, shards.HeldOut} {
		o := Options{Split: split.String(), Objective: MLM, SequenceTokens: 32, BatchSequences: 8, Seed: 5, Boundaries: true, Template: testTemplate}
		l := openDir(t, dir, o)
		want := open(t, expect(parts, split, heldOut), o)
		if l.Size() != want.Size() {
			t.Fatalf("%s: %+v, want %+v", split, l.Size(), want.Size())
		}
		n := int(l.Size().Batches)
		got := read(t, l, n)
		if !reflect.DeepEqual(got, read(t, want, n)) {
			t.Fatalf("%s: batches differ from those of the same stream in memory", split)
		}
		// A run that is cut off at any batch goes on in a new process; so does one that prefetches.
		for _, at := range []int64{0, 1, int64(n) / 2, int64(n) - 1} {
			if err := l.SeekBatch(at); err != nil {
				t.Fatal(err)
			}
			o.Unchecked = true
			p := prefetcher(t, openDir(t, dir, o), 3)
			if err := p.Restore(l.State()); err != nil {
				t.Fatal(err)
			}
			if rest := read(t, p, n-int(at)); !reflect.DeepEqual(rest, got[at:]) {
				t.Fatalf("%s: resumed at %d, batches differ", split, at)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Real text, one id for each byte: reading the samples in order gives the text back, and reading them shuffled gives each of them once.
func TestRealTextComesBack(t *testing.T) {
	text, err := os.ReadFile(realdata.Path(t, "corpora/tinyshakespeare.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []schemas.Row
	var want []uint32
	for speech := range strings.SplitSeq(string(text), "\n\n") {
		ids := make([]uint32, 0, len(speech)+1)
		for _, b := range []byte(speech) {
			ids = append(ids, uint32(b)+testEOD+1)
		}
		rows = append(rows, schemas.Row{Tokens: append(ids, testEOD)})
		want = append(want, rows[len(rows)-1].Tokens...)
	}
	dir := writeDataset(t, [][]schemas.Row{rows[:3000], rows[3000:]}, 0)
	o := Options{Split: All, Objective: Causal, SequenceTokens: 256, BatchSequences: 16, Sequential: true}
	inOrder := read(t, openDir(t, dir, o), -1)
	var got []uint32
	for _, m := range inOrder {
		got = append(got, m.IDs...)
	}
	if tail := len(want) - len(got); tail < 1 || tail > 256 || !slices.Equal(got, want[:len(got)]) {
		t.Errorf("%d of %d tokens came back, or others", len(got), len(want))
	}
	o.Sequential = false
	shuffled := openDir(t, dir, o)
	epoch := cut(read(t, shuffled, int(shuffled.Size().Batches)), 256)[:shuffled.Size().Samples]
	straight := cut(inOrder, 256)
	slices.Sort(epoch)
	slices.Sort(straight)
	if !slices.Equal(epoch, straight) {
		t.Error("an epoch does not hold every sample once")
	}
}

func TestCloseUnmaps(t *testing.T) {
	const maps = "/proc/self/maps"
	if _, err := os.Stat(maps); err != nil {
		t.Skipf("%s, where Linux lists mappings, is not there", maps)
	}
	dir := writeDataset(t, [][]schemas.Row{testRows(newMemory(5000))}, 0)
	mapped := func() bool {
		list, err := os.ReadFile(maps)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(list), dir)
	}
	l := openDir(t, dir, Options{Objective: Causal, SequenceTokens: 32, BatchSequences: 8, Boundaries: true})
	read(t, l, 3)
	if !mapped() {
		t.Error("an open loader has no mapping")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if mapped() {
		t.Error("a closed loader still has its mapping")
	}
	if _, err := Open(dir, Options{Split: HeldOut, Objective: Causal, SequenceTokens: 32, BatchSequences: 8}); err == nil || mapped() {
		t.Errorf("after a refusal (%v) the mapping is still there", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	rows := testRows(newMemory(5000))
	o := Options{Objective: Causal, SequenceTokens: 32, BatchSequences: 8}
	dir := writeDataset(t, [][]schemas.Row{rows}, 0)
	for want, change := range map[string]func(*Options){
		"the dataset has no held-out tokens: make the dataset": func(o *Options) { o.Split = HeldOut },
		"SequenceTokens is 9000, but the dataset has ":         func(o *Options) { o.SequenceTokens = 9000 },
		"Split is \"heldout\"":                                 func(o *Options) { o.Split = "heldout" },
	} {
		bad := o
		change(&bad)
		if _, err := Open(dir, bad); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got error %v, want one with %q and the folder", err, want)
		} else if errors.Is(err, ErrTooSmall) != strings.Contains(want, "the dataset ") {
			t.Errorf("%v: is ErrTooSmall: %v", err, errors.Is(err, ErrTooSmall))
		}
	}
	other := writeDataset(t, [][]schemas.Row{rows[1:]}, 0)
	if err := openDir(t, other, o).Restore(openDir(t, dir, o).State()); err == nil || !strings.Contains(err.Error(), "dataset is ") {
		t.Errorf("the state of another dataset: %v", err)
	}
	index := shards.IndexPath(filepath.Join(dir, schemas.ShardPath(0, 0)))
	content, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	if err := os.WriteFile(index, content, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, o); !errors.Is(err, shards.ErrCorrupt) {
		t.Errorf("a damaged index: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, shards.ManifestFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no manifest: %v", err)
	}
}

func ExampleOpen() {
	l, err := Open("data/books", Options{Objective: Causal, SequenceTokens: 1024, BatchSequences: 32, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	var batch schemas.Minibatch
	for range 1000 {
		if err := l.Next(context.TODO(), &batch); err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.Step, len(batch.IDs))
	}
}
