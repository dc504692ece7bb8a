package shards_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/schemas"
)

// A shard is written row by row, and read batch by batch where it lies.
func Example() {
	dir, err := os.MkdirTemp("", "shards")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "00000-000000.arrow")
	if err := write(path); err != nil {
		log.Fatal(err)
	}

	shard, err := shards.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer shard.Close()
	for i, info := range shard.Index().Batches {
		fmt.Printf("batch %d: %d documents, %d tokens, %s\n", i, info.Rows, info.Tokens, info.Split)
		batch, err := shard.Batch(i)
		if err != nil {
			log.Fatal(err)
		}
		for row := range batch.Rows() {
			from, to := int(batch.Bounds()[row]), int(batch.Bounds()[row+1])
			fmt.Printf("%s from byte %d of %s: %d\n", batch.ID(row), batch.RecordOffset(row), batch.Source(row), batch.Tokens().AppendTo(nil, from, to))
		}
		if err := batch.Release(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// batch 0: 2 documents, 5 tokens, train
	// first from byte 0 of books/a.txt: [17 4 0]
	// second from byte 80 of books/a.txt: [9 0]
}

func write(path string) error {
	arrow, err := os.Create(path)
	if err != nil {
		return err
	}
	defer arrow.Close()
	index, err := os.Create(shards.IndexPath(path))
	if err != nil {
		return err
	}
	defer index.Close()
	w, err := shards.NewWriter(arrow, index, shards.Options{
		TokenBytes: shards.TokenBytes(30_000),
		Source:     func(int32) string { return "books/a.txt" },
	})
	if err != nil {
		return err
	}
	if _, _, err := w.Append([]schemas.Row{
		{ID: []byte("first"), Tokens: []uint32{17, 4, 0}},
		{ID: []byte("second"), Tokens: []uint32{9, 0}, Pos: schemas.Pos{Offset: 80}},
	}); err != nil {
		return err
	}
	_, _, err = w.Finish()
	return err
}
