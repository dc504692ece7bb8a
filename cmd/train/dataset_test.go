package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/tokenizers"
)

// documents makes n documents of a few sentences each, in a language with little grammar.
func documents(n int) [][]byte {
	subjects := []string{"the boy", "the old man", "a girl", "the judge", "my aunt", "the dog"}
	verbs := []string{"took", "saw", "found", "painted", "carried", "left"}
	objects := []string{"the fence", "a lamp", "the boat", "an apple", "the house", "a red hat"}
	places := []string{"in the morning", "by the river", "at night", "on the hill"}
	state := uint64(1)
	pick := func(words []string) string {
		state = state*6364136223846793005 + 1442695040888963407
		return words[(state>>33)%uint64(len(words))]
	}
	all := make([][]byte, n)
	for i := range all {
		var text bytes.Buffer
		for range 3 + i%5 {
			text.WriteString(pick(subjects) + " " + pick(verbs) + " " + pick(objects) + " " + pick(places) + ". ")
		}
		all[i] = bytes.TrimSpace(text.Bytes())
	}
	return all
}

// makeDataset trains a tokenizer on texts and writes a dataset of one shard, a tenth of it held out.
func makeDataset(t testing.TB, kind string, vocabulary int, texts [][]byte) string {
	t.Helper()
	return writeDataset(t, t.TempDir(), trainTokenizer(t, kind, vocabulary, texts), texts, 100_000)
}

func trainTokenizer(t testing.TB, kind string, vocabulary int, texts [][]byte) *tokenizers.Tokenizer {
	t.Helper()
	tokenizer, err := tokenizers.Train(tokenizers.TrainOptions{Model: kind, VocabSize: vocabulary, Lowercase: kind == tokenizers.TrainWordPiece},
		func(yield func([]byte, error) bool) {
			for _, text := range texts {
				if !yield(text, nil) {
					return
				}
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	return tokenizer
}

func writeDataset(t testing.TB, dir string, tokenizer *tokenizers.Tokenizer, texts [][]byte, heldOutPPM int) string {
	t.Helper()
	end, ok := tokenizer.TokenID("<|endoftext|>")
	if !ok {
		end, _ = tokenizer.TokenID("[SEP]")
	}
	var arrow, index bytes.Buffer
	width := shards.TokenBytes(tokenizer.VocabSize())
	w, err := shards.NewWriter(&arrow, &index, shards.Options{TokenBytes: width, HeldOutPPM: heldOutPPM})
	if err != nil {
		t.Fatal(err)
	}
	encoder := tokenizer.NewEncoder(1 << 20)
	for i, text := range texts {
		row := schemas.Row{Pos: schemas.Pos{Record: int64(i)}, Tokens: append(encoder.AppendIDs(nil, text), end)}
		if _, _, err := w.Append([]schemas.Row{row}); err != nil {
			t.Fatal(err)
		}
	}
	rows, tokens, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) (int64, string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		return int64(len(content)), hex.EncodeToString(sum[:])
	}
	s := schemas.Shard{Path: schemas.ShardPath(0, 0), Rows: rows, Tokens: tokens}
	s.Bytes, s.Digest = write(s.Path, arrow.Bytes())
	s.IndexBytes, s.IndexDigest = write(shards.IndexPath(s.Path), index.Bytes())
	m := schemas.Manifest{
		Version: schemas.ManifestVersion, Columns: shards.Columns(width), Shards: []schemas.Shard{s},
		Tokenizer: schemas.ManifestTokenizer{File: "tokenizer.json", Model: tokenizer.Model(), VocabSize: tokenizer.VocabSize(), EndOfDocument: end},
		Totals:    schemas.Totals{Documents: rows, Tokens: tokens, Read: rows, Kept: rows},
	}
	_, m.Tokenizer.Digest = write(m.Tokenizer.File, tokenizer.Raw())
	for _, special := range tokenizer.SpecialTokens() {
		m.Tokenizer.SpecialIDs = append(m.Tokenizer.SpecialIDs, schemas.SpecialToken{ID: special.ID, Content: special.Content})
	}
	manifest, err := shards.EncodeManifest(&m)
	if err != nil {
		t.Fatal(err)
	}
	write(shards.ManifestFile, manifest)
	return dir
}
