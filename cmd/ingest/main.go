// Command ingest turns raw text into training shards. See `ingest help` for its commands, and package recipe for recipes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/pipeline/recipe"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const exitHelp = `
Exit codes:
  0  done
  1  failed, or interrupted: what was committed stays
  2  wrong usage: a flag, an argument or the recipe is not as it should be; nothing was done`

// usageError is a mistake of the user in flags, arguments or recipe.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// toldError is an error that standard error has seen already, as a line of JSON.
type toldError struct{ error }

func (e toldError) Unwrap() error { return e.error }

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	started := false
	out := &output{Writer: stdout}
	root := newRoot(streams{stdin, out, stderr})
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err, started = out.err, true
	}
	if err == nil {
		return exitDone
	}
	if _, told := errors.AsType[toldError](err); !told {
		fmt.Fprintf(stderr, "ingest: %v\n", err)
	}
	if _, wrong := errors.AsType[usageError](err); wrong || !started {
		return exitUsage
	}
	if _, wrong := errors.AsType[*recipe.Mistake](err); wrong {
		return exitUsage
	}
	return exitFailed
}

// output is standard output that remembers its first error, so that what was printed in part never counts as done.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "ingest",
		Short: "Turn raw text into training shards",
		Long: `ingest reads JSON lines, plain text and HTML, plain or compressed; cleans, filters, deduplicates and tokenizes it; and writes Arrow
shards with a ledger that accounts for every record. The shards are a function of recipe and input: stop a run at any moment, start it
again, and the result is that of an undisturbed run.
` + exitHelp,
		Example: `  ingest run --tokenizer tokenizer.json --out dataset texts/*.jsonl.zst
  ingest run recipe.yaml --out dataset --workers 8 --memory 4GiB
  ingest verify dataset
  ingest inspect dataset
  ingest cat dataset --limit 3`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return wantCommand(s, cmd, nil) },
	}
	root.AddCommand(newRun(s), newPlan(s), newVerify(s), newInspect(s), newCat(s), newTokenizer(s))
	return root
}

// wantCommand is the error of a command that does nothing by itself, behind its help.
func wantCommand(s streams, cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q for %q: see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())}
	}
	cmd.SetOut(s.err)
	return errors.Join(cmd.Help(), usageError{errors.New("name one of the commands above")})
}
