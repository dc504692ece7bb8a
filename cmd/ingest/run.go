package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shardmill/shardmill/datasets/shards"
	"github.com/shardmill/shardmill/pipeline"
	"github.com/shardmill/shardmill/pipeline/recipe"
	"github.com/shardmill/shardmill/schemas"
)

// input says which recipe a command works from.
type input struct {
	tokenizer string
	limit     int64
	sets      []string
	limited   func() bool // --limit is given
}

func (in *input) flags(fs *pflag.FlagSet) {
	fs.StringVar(&in.tokenizer, "tokenizer", "", "tokenizer.json, or another file or folder that ingest tokenizer convert reads; the arguments are files then, not a recipe")
	fs.Int64Var(&in.limit, "limit", 0, "records to read of each source; 0 reads all (recipe: limit)")
	in.limited = func() bool { return fs.Changed("limit") }
	fs.StringArrayVar(&in.sets, "set", nil, "replace a value of the recipe: a.b=c; may be given again")
}

const inputHelp = `The recipe is strict YAML; a minimal one:

  sources:
    - name: web
      paths: [data/*.jsonl.gz]     # files, folders, globs; .jsonl .txt .html, also .gz .zst .bz2
  stages:                          # run in the order given: any of html, clean, length, dedup
    - clean: {}
    - length: {min_chars: 200}
    - dedup: {}
  tokenizer: {file: tokenizer.json}
  shards: {tokens: 64M, held_out: 0.01}
`

// load reads the recipe that the arguments name, or makes one from files.
func (in *input) load(args []string) (*recipe.Recipe, error) {
	sets := in.sets
	if in.limited() {
		if slices.ContainsFunc(sets, func(set string) bool { return strings.HasPrefix(set, "limit=") }) {
			return nil, usageError{errors.New("--limit and --set limit=… say the same: give one of them")}
		}
		sets = append(sets, "limit="+strconv.FormatInt(in.limit, 10))
	}
	if in.tokenizer == "" {
		if len(args) != 1 {
			return nil, usageError{fmt.Errorf("want one recipe, not %d arguments: name a recipe, or give files and --tokenizer", len(args))}
		}
		r, err := recipe.Load(args[0], sets...)
		if err != nil {
			return nil, usageError{err}
		}
		return r, nil
	}
	if len(args) == 0 {
		return nil, usageError{errors.New("want at least one file with --tokenizer")}
	}
	for _, name := range args {
		if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
			return nil, usageError{fmt.Errorf("%s: with --tokenizer the arguments are files of text: give a recipe --set tokenizer.file=%s instead", name, in.tokenizer)}
		}
	}
	r, err := recipe.Default(in.tokenizer, args)
	if err == nil {
		r, err = r.Override(sets...)
	}
	if err != nil {
		return nil, usageError{err}
	}
	return r, nil
}

// runOptions are what decides how a run works, not what it makes.
type runOptions struct {
	out        string
	workers    int
	memory     string
	batchBytes string
	progress   string

	memoryBytes, batchSize int64 // set by check
}

func (o *runOptions) flags(fs *pflag.FlagSet) {
	fs.StringVar(&o.out, "out", "", "dataset folder; default the recipe's name without extension, with .dataset behind it")
	fs.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "documents are processed by this many goroutines")
	fs.StringVar(&o.memory, "memory", recipe.Size(recipe.DefaultMemoryBytes).String(), "bound of the memory used, such as 512M or 4GiB")
	fs.StringVar(&o.batchBytes, "batch-bytes", "0", "text that moves through the stages at once; 0 chooses by memory")
	fs.StringVar(&o.progress, "progress", "plain", "on standard error: plain, json or none")
}

// check returns what is wrong with the options.
func (o *runOptions) check() error {
	memory, err := recipe.ParseSize(o.memory)
	if err != nil || memory < minMemory {
		return usageError{fmt.Errorf("--memory %s: want at least %s", o.memory, recipe.Size(minMemory))}
	}
	batch, err := recipe.ParseSize(o.batchBytes)
	if err != nil || batch < 0 {
		return usageError{fmt.Errorf("--batch-bytes %s: want a size", o.batchBytes)}
	}
	if o.workers < 1 || o.workers > maxWorkers {
		return usageError{fmt.Errorf("--workers %d: want 1 to %d; more than the %d processors of this machine do not help", o.workers, maxWorkers, runtime.NumCPU())}
	}
	o.memoryBytes, o.batchSize = memory, batch
	return nil
}

// refuseForeign returns an error if the folder has files of the names that a run writes, but no run has begun in it: a folder of a model
// has a tokenizer.json, too.
func (o *runOptions) refuseForeign() error {
	if _, err := os.Lstat(filepath.Join(o.out, "run", "plan.json")); !errors.Is(err, fs.ErrNotExist) {
		return nil // begun, or not to be looked at: opening it says why
	}
	for _, name := range []string{"tokenizer.json", "manifest.json", "ledger.jsonl", "shards"} {
		if _, err := os.Lstat(filepath.Join(o.out, name)); err == nil {
			return usageError{fmt.Errorf("--out %s: it holds %s, but is no dataset that can go on: name another folder", o.out, name)}
		}
	}
	return nil
}

// env opens the dataset folder.
func (o *runOptions) env() (*recipe.Env, func() error, error) {
	store, done, err := pipeline.OpenDir(o.out)
	if err != nil {
		return nil, nil, err
	}
	// The collector works harder as the heap comes near the limit; stacks, the binary and mapped files come on top.
	debug.SetMemoryLimit(o.memoryBytes / 10 * 8)
	return &recipe.Env{Store: store, TempDir: filepath.Join(o.out, "run"), Workers: o.workers, MemoryBytes: o.memoryBytes, BatchBytes: o.batchSize}, done, nil
}

// maxWorkers bounds --workers: the workers share the memory of a run, and beyond that each has next to none.
const maxWorkers = 1024

// minMemory is what a run needs for its fixed parts.
const minMemory = 128 << 20

func newRun(s streams) *cobra.Command {
	var in input
	var opt runOptions
	cmd := &cobra.Command{
		Use:   "run RECIPE.yaml | run --tokenizer TOKENIZER.json --out DIR FILE…",
		Short: "Make a dataset, or go on with one",
		Long: `Makes the dataset that a recipe describes. A run that was stopped, killed or ran out of space goes on where it was when the same command is
given again. Given files and a tokenizer instead of a recipe, it prints the recipe it uses on standard output.

` + inputHelp + exitHelp,
		Example: `  ingest run recipe.yaml --out dataset
  ingest run recipe.yaml --set shards.tokens=1M --set stages.length.min_chars=500 --limit 1000
  ingest run --tokenizer tokenizer.json --out dataset texts/*.txt`,
		RunE: func(cmd *cobra.Command, args []string) error { return runRecipe(cmd.Context(), s, &in, &opt, args) },
	}
	in.flags(cmd.Flags())
	opt.flags(cmd.Flags())
	return cmd
}

func runRecipe(ctx context.Context, s streams, in *input, opt *runOptions, args []string) (err error) {
	if opt.out == "" && in.tokenizer != "" {
		return usageError{errors.New("name the dataset folder with --out")}
	}
	if opt.out == "" && len(args) == 1 {
		opt.out = strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0])) + ".dataset"
	}
	if err := opt.check(); err != nil {
		return err
	}
	show, err := newProgress(s.err, opt.progress)
	if err != nil {
		return usageError{err}
	}
	defer func() { err = show.failed(err) }()
	r, err := in.load(args)
	if err != nil {
		return err
	}
	if in.tokenizer != "" {
		yaml, err := r.YAML()
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s", yaml)
	}
	show.compiling()
	plan, err := recipe.Compile(ctx, &recipe.Env{}, r)
	if err != nil {
		return interrupted(ctx, err)
	}
	if err := opt.refuseForeign(); err != nil {
		return err
	}
	env, done, err := opt.env()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	show.start(plan)
	env.Events = show.event
	if err := recipe.Run(ctx, env, plan); err != nil {
		if _, other := errors.AsType[*recipe.OtherRun](err); other {
			return fmt.Errorf("--out %s: %w", opt.out, err)
		}
		return interrupted(ctx, fmt.Errorf("%w\nWhat is committed stays; give the same command again to go on when this is mended", err))
	}
	d, err := shards.OpenDataset(opt.out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	show.done(opt.out, d.Manifest())
	return nil
}

// interrupted is err, or what to tell whoever stopped the run.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted: what is committed stays; give the same command again to go on")
	}
	return err
}

func newPlan(s streams) *cobra.Command {
	var in input
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan RECIPE.yaml | plan --tokenizer TOKENIZER.json FILE…",
		Short: "Say what a run would do",
		Long:  "Finds the input of a recipe, reads it for its digests, and says what a run would do. Nothing is written.\n\n" + inputHelp + exitHelp,
		Example: `  ingest plan recipe.yaml
  ingest plan recipe.yaml --json | jq .fingerprint`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := in.load(args)
			if err != nil {
				return err
			}
			plan, err := recipe.Compile(cmd.Context(), &recipe.Env{}, r)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(s.out, plan)
			}
			return printPlan(s, r, plan)
		},
	}
	in.flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the whole plan as JSON")
	return cmd
}

func printPlan(s streams, r *recipe.Recipe, plan *schemas.Plan) error {
	yaml, err := r.YAML()
	if err != nil {
		return err
	}
	var stored int64
	for i := range plan.Files {
		stored += plan.Files[i].Size
	}
	fmt.Fprintf(s.out, "%s\n", yaml)
	fmt.Fprintf(s.out, "# %s, %s stored, in %s and %s\n",
		count(len(plan.Files), "file"), bytesText(stored), count(len(plan.Splits), "split"), count(len(plan.Lanes), "lane"))
	for i, pass := range plan.Passes {
		var names []string
		for _, stage := range plan.Stages {
			if stage.Pass == i {
				names = append(names, stage.Name)
			}
		}
		line := fmt.Sprintf("# pass %d, %s: %s", i+1, pass.Name, strings.Join(names, ", "))
		if pass.Parts > 0 {
			line += "; then a reduction in " + count(pass.Parts, "part")
		}
		fmt.Fprintln(s.out, line)
	}
	fmt.Fprintf(s.out, "# fingerprint %s\n", plan.Fingerprint.Digest)
	return nil
}
