package loader

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/schemas"
)

// Open maps the shards of the dataset in dir. Close the loader after use. What it reports: options that can't be (by field), a split
// without tokens or too short for one sequence, a dataset that is incomplete or damaged.
func Open(dir string, o Options) (*Loader, error) {
	dataset, err := shards.OpenDataset(dir)
	if err != nil {
		return nil, err
	}
	defer dataset.Close()
	manifest := dataset.Manifest()
	var mapped mappings
	for i := range manifest.Shards {
		shard, err := dataset.OpenShard(i)
		if err != nil {
			return nil, errors.Join(err, mapped.Close())
		}
		mapped = append(mapped, shard)
	}
	o.setDefaults()
	l, err := newLoader(newDocuments(mapped, o.Split, !o.Unchecked), mapped, identify(manifest), o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load %s: %w", dir, err), mapped.Close())
	}
	return l, nil
}

// identify takes the dataset for what is in its shards, whoever made it.
func identify(m *schemas.Manifest) identity {
	h := sha256.New()
	for _, s := range m.Shards {
		fmt.Fprintf(h, "%s\n", s.Digest)
	}
	vocab := vocabulary{size: m.Tokenizer.VocabSize}
	for _, s := range m.Tokenizer.SpecialIDs {
		vocab.special = append(vocab.special, s.ID)
	}
	return identity{fingerprint: hex.EncodeToString(h.Sum(nil)), tokens: m.Totals.Tokens, vocab: vocab}
}
