package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/schemas"
	"github.com/shardmill/shardmill/tokenizers"
)

// oneDataset wants a dataset folder as the only argument.
func oneDataset(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("want one dataset folder, not %d arguments", len(args))}
	}
	return nil
}

func newVerify(s streams) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every byte of a dataset",
		Long: `Holds each file of a dataset against the manifest, each shard against its index, each document against the tokenizer, and the ledger
against the totals. It reports each file that is not as it should be.
` + exitHelp,
		Example: "  ingest verify dataset",
		Args:    oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error {
			var files, bad int
			var bytes int64
			err := shards.Verify(cmd.Context(), args[0], func(c shards.Checked) {
				files++
				bytes += c.Bytes
				if c.Err != nil {
					bad++
					fmt.Fprintf(s.out, "BAD %s: %s\n", c.Path, strings.TrimLeft(strings.TrimPrefix(c.Err.Error(), c.Path), ": "))
				} else if all {
					fmt.Fprintf(s.out, "ok  %s\n", c.Path)
				}
			})
			if bad > 0 && cmd.Context().Err() == nil {
				return fmt.Errorf("%s: %d of %d files are not as they should be", args[0], bad, files)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(s.out, "%s: all is as it should be: %d files, %s\n", args[0], files, bytesText(bytes))
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "list the files that are as they should be, too")
	return cmd
}

// inspection is what `ingest inspect --json` prints.
type inspection struct {
	Documents   int64                     `json:"documents"`
	Tokens      int64                     `json:"tokens"`
	Shards      int                       `json:"shards"`
	Bytes       int64                     `json:"bytes"` // of the shards
	Ledger      inspectionLedger          `json:"ledger"`
	Tokenizer   schemas.ManifestTokenizer `json:"tokenizer"`
	Columns     []schemas.Column          `json:"columns"`
	Fingerprint string                    `json:"fingerprint"`
	Recipe      json.RawMessage           `json:"recipe"`
}

type inspectionLedger struct {
	Total   inspectionTotal  `json:"total"`
	Reasons map[string]int64 `json:"reasons"` // "stage/reason"
}

type inspectionTotal struct {
	Read        int64 `json:"read"`
	Kept        int64 `json:"kept"`
	Dropped     int64 `json:"dropped"`
	Quarantined int64 `json:"quarantined"`
}

func inspect(m *schemas.Manifest) inspection {
	t := &m.Totals
	out := inspection{Documents: t.Documents, Tokens: t.Tokens, Shards: len(m.Shards), Tokenizer: m.Tokenizer, Columns: m.Columns,
		Fingerprint: m.Fingerprint.Digest, Recipe: json.RawMessage(m.Recipe),
		Ledger: inspectionLedger{Total: inspectionTotal{t.Read, t.Kept, t.Dropped, t.Quarantined}, Reasons: map[string]int64{}}}
	for i := range m.Shards {
		out.Bytes += m.Shards[i].Bytes
	}
	for _, r := range t.Reasons {
		out.Ledger.Reasons[r.Stage+"/"+r.Reason] += r.Count
	}
	return out
}

func newInspect(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect DIR",
		Short: "Say what is in a dataset, and what became of the rest",
		Long: `Prints the totals of a dataset: documents, tokens, shards; how many records were read, kept, dropped and quarantined, and why. ledger.jsonl
in the dataset has the same for each input file, quarantine/ each bad record.
` + exitHelp,
		Example: `  ingest inspect dataset
  ingest inspect dataset --json | jq .ledger.reasons`,
		Args: oneDataset,
		RunE: func(_ *cobra.Command, args []string) (err error) {
			d, err := shards.OpenDataset(args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.Close()) }()
			m := d.Manifest()
			if asJSON {
				return writeJSON(s.out, inspect(m))
			}
			printInspection(s.out, m)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printInspection(w io.Writer, m *schemas.Manifest) {
	in := inspect(m)
	fmt.Fprintf(w, "documents    %d\ntokens       %d (%s, vocabulary %d, end of document %d)\nshards       %d, %s\n",
		in.Documents, in.Tokens, in.Tokenizer.Model, in.Tokenizer.VocabSize, in.Tokenizer.EndOfDocument, in.Shards, bytesText(in.Bytes))
	t := in.Ledger.Total
	fmt.Fprintf(w, "records      %d read = %d kept + %d dropped + %d quarantined\n", t.Read, t.Kept, t.Dropped, t.Quarantined)
	printReasons(w, &m.Totals)
	fmt.Fprintf(w, "fingerprint  %s\n", in.Fingerprint)
}

// catLine is a line of `ingest cat`.
type catLine struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Offset int64  `json:"offset"`
	Text   string `json:"text"`
}

func newCat(s streams) *cobra.Command {
	var limit int64
	var side string
	cmd := &cobra.Command{
		Use:   "cat DIR",
		Short: "Print the documents of a dataset as JSON lines",
		Long: `Decodes the documents of a dataset, in the order in which they are stored, and prints {"id", "source", "offset", "text"} for each: where
it comes from, and its text as the tokenizer gives it back.
` + exitHelp,
		Example: `  ingest cat dataset --limit 3
  ingest cat dataset --split held-out | jq -r .text`,
		Args: oneDataset,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 || side != "all" && side != shards.Train.String() && side != shards.HeldOut.String() {
				return usageError{fmt.Errorf("--limit %d --split %s: want a limit from 0 and a split of all, %s or %s", limit, side, shards.Train, shards.HeldOut)}
			}
			return cat(cmd.Context(), s.out, args[0], side, limit)
		},
	}
	cmd.Flags().Int64Var(&limit, "limit", 0, "documents to print; 0 prints all")
	cmd.Flags().StringVar(&side, "split", "all", fmt.Sprintf("all, %s or %s", shards.Train, shards.HeldOut))
	return cmd
}

func cat(ctx context.Context, w io.Writer, dir, side string, limit int64) (err error) {
	out := bufio.NewWriter(w)
	defer func() {
		if flushed := out.Flush(); err == nil {
			err = flushed
		}
	}()
	err = eachDocument(ctx, dir, side, func(b *shards.Batch, row int, text string) error {
		if err := writeLine(out, catLine{string(b.ID(row)), string(b.Source(row)), b.RecordOffset(row), text}); err != nil {
			return err
		}
		if limit--; limit == 0 {
			return errEnough
		}
		return nil
	})
	if err == errEnough {
		return nil
	}
	return err
}

// errEnough is what ends eachDocument when no more documents are wanted.
var errEnough = errors.New("no more documents are wanted")

// eachDocument calls do with the documents of one side of a dataset, or of all, and with their texts. It returns the first error of do as it is.
func eachDocument(ctx context.Context, dir, side string, do func(b *shards.Batch, row int, text string) error) (err error) {
	d, err := shards.OpenDataset(dir)
	if err != nil {
		return err
	}
	defer func() { err = orClose(err, d) }()
	t, err := tokenizers.LoadFile(filepath.Join(dir, d.Manifest().Tokenizer.File))
	if err != nil {
		return err
	}
	for i := range d.Manifest().Shards {
		if err := eachInShard(ctx, d, i, t, side, do); err != nil {
			return err
		}
	}
	return nil
}

// orClose closes c and returns err, or the error of closing if there is no other.
func orClose(err error, c io.Closer) error {
	if closed := c.Close(); err == nil {
		return closed
	}
	return err
}

func eachInShard(ctx context.Context, d *shards.Dataset, i int, t *tokenizers.Tokenizer, side string, do func(b *shards.Batch, row int, text string) error) (err error) {
	s, err := d.OpenShard(i)
	if err != nil {
		return err
	}
	defer func() { err = orClose(err, s) }()
	var ids []uint32
	for n := range s.Index().Batches {
		b, err := s.Batch(n)
		if err != nil {
			return err
		}
		for row := 0; err == nil && row < b.Rows() && (side == "all" || side == b.Split().String()); row++ {
			from, to := int(b.Bounds()[row]), int(b.Bounds()[row+1])
			ids = b.Tokens().AppendTo(ids[:0], from, max(to-1, from)) // without the end-of-document id
			if err = ctx.Err(); err == nil {
				err = do(b, row, t.Decode(ids, false))
			}
		}
		if released := b.Release(); err == nil {
			err = released
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeLine writes v as one line of JSON.
func writeLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeJSON writes v as indented JSON.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
