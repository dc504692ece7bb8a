package recipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/schemas"
)

const spillSuffix = ".spill"

// maxSpillRows bounds the rows of a commit, and with them the keys of a reduction that each open lane holds until its commit: 48 bytes a row
// for those of dedup.
const maxSpillRows = 1 << 17

// spillOutput writes the rows that a pass hands to the next.
type spillOutput struct{}

func (spillOutput) Create(_ int, create func(suffix string) (io.Writer, error)) (pipeline.Part, error) {
	w, err := create(spillSuffix)
	if err != nil {
		return nil, err
	}
	return shards.NewSpillWriter(w, shards.SpillOptions{MaxRows: maxSpillRows})
}

// spillOpener reads lanes from what a pass has spilled.
type spillOpener struct {
	store pipeline.Store
	plan  *schemas.Plan
	pass  int
}

func (o spillOpener) Open(_ context.Context, lane int, from schemas.Cursor) (pipeline.Source, error) {
	s := &spillSource{store: o.store, from: from}
	closed, err := pipeline.EachCommit(o.store, o.plan, o.pass, lane, func(c *schemas.Commit) error {
		if !before(c.Next, from) {
			for _, a := range c.Files {
				if strings.HasSuffix(a.Path, spillSuffix) {
					s.files = append(s.files, a.Path)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !closed {
		return nil, fmt.Errorf("lane %d of pass %s is not finished: the pass behind it can't begin", lane, o.plan.Passes[o.pass].Name)
	}
	return s, nil
}

// before says whether cursor a stands before b.
func before(a, b schemas.Cursor) bool {
	return a.Split < b.Split || a.Split == b.Split && a.Record < b.Record
}

// spillSource reads spills one after another.
type spillSource struct {
	store pipeline.Store
	files []string // to read yet
	from  schemas.Cursor

	name string
	file pipeline.File
	rows *shards.SpillReader
}

func (s *spillSource) Read(ctx context.Context, b *schemas.Batch) error {
	for {
		if s.rows == nil {
			if len(s.files) == 0 {
				return io.EOF
			}
			if err := s.open(); err != nil {
				return fmt.Errorf("open %s: %w", s.name, err)
			}
		}
		err := s.rows.Read(ctx, b)
		if err == nil {
			return nil
		}
		if err != io.EOF {
			return fmt.Errorf("read %s: %w", s.name, err)
		}
		if err := s.Close(); err != nil {
			return fmt.Errorf("close %s: %w", s.name, err)
		}
	}
}

func (s *spillSource) open() (err error) {
	s.name, s.files = s.files[0], s.files[1:]
	if s.file, err = s.store.Open(s.name); err != nil {
		return err
	}
	spill, err := shards.OpenSpill(s.file, s.file.Size())
	if err != nil {
		return err
	}
	s.rows, err = spill.From(s.from)
	return err
}

func (s *spillSource) Close() error {
	var errs []error
	if s.rows != nil {
		errs = append(errs, s.rows.Close())
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	s.rows, s.file = nil, nil
	return errors.Join(errs...)
}
