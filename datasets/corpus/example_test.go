package corpus_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/shardmill/shardmill/datasets/corpus"
	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

func Example() {
	dir, err := os.MkdirTemp("", "corpus")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	lines := "{\"id\": 7, \"text\": \"Call me Ishmael.\"}\n{\"id\": 8, \"text\": null}\n"
	if err := os.WriteFile(filepath.Join(dir, "books.jsonl"), []byte(lines), 0o666); err != nil {
		log.Fatal(err)
	}

	// Plan: what there is, and how it is cut.
	ctx := context.Background()
	source := corpus.Source{Name: "books", Paths: []string{filepath.Join(dir, "*.jsonl")}}
	roots, files, err := corpus.List(ctx, source)
	if err != nil {
		log.Fatal(err)
	}
	splits, lanes, err := corpus.Split(ctx, []corpus.Source{source}, roots, files, 256<<20)
	if err != nil {
		log.Fatal(err)
	}
	plan := &schemas.Plan{Sources: roots, Files: files, Splits: splits, Lanes: lanes}

	// Run: this is what a pipeline does with each lane.
	reader, err := corpus.NewOpener(plan, source)
	if err != nil {
		log.Fatal(err)
	}
	opener := pipeline.OpenerFunc(func(ctx context.Context, lane int, from schemas.Cursor) (pipeline.Source, error) {
		return reader.Open(ctx, lane, from)
	})
	lane, err := opener.Open(ctx, 0, plan.Start(0))
	if err != nil {
		log.Fatal(err)
	}
	defer lane.Close()
	batch := schemas.Batch{Limit: 1 << 20}
	for err = lane.Read(ctx, &batch); err == nil; err = lane.Read(ctx, &batch) {
		for _, row := range batch.Rows {
			switch row.Verdict.Kind {
			case schemas.Keep:
				fmt.Printf("%s byte %d: %s %q\n", plan.SourcePath(row.Pos.File), row.Pos.Offset, row.ID, row.Text)
			case schemas.Quarantine:
				fmt.Printf("%s byte %d: %s: %s\n", plan.SourcePath(row.Pos.File), row.Pos.Offset, corpus.Reasons[row.Verdict.Reason], row.Detail)
			}
		}
		batch.Reset()
	}
	if err != io.EOF {
		log.Fatal(err)
	}
	// Output:
	// books/books.jsonl byte 0: 7 "Call me Ishmael."
	// books/books.jsonl byte 38: null-text: field "text" is null
}
