// Command train pretrains language models on the datasets that ingest makes, adapts them to tasks, and uses them.
//
//	train pretrain   train a model from scratch, from a model folder, or from where an interrupted run was saved
//	train finetune   adapt a model to label texts
//	train eval       held-out loss of a model, or scores of one that labels
//	train predict    label texts
//	train fill-mask  guess the masked words of a text
//	train generate   continue a text
//
// The program holds flags, signals, display and exit codes; the work is done by the packages trainer and datasets.
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

	"github.com/shardmill/shardmill/trainer"
)

func main() { os.Exit(runUntilSignal(os.Args[1:], os.Stdout, os.Stderr)) }

// runUntilSignal ends the context at the first SIGINT or SIGTERM, so that a run can save; the second kills.
func runUntilSignal(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, args, stdout, stderr)
}

// The exit codes, listed in the help of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const exitCodes = `
Exit codes: 0 done; 1 failed, or interrupted and saved; 2 wrong usage.`

// run is the whole program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	root := newRoot(args, stderr)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = out.err
	}
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "train: %v\nSee %s --help.\n", err, command.CommandPath())
		return exitUsage
	case ctx.Err() != nil && !errors.As(err, new(*trainer.Interrupted)):
		err = fmt.Errorf("interrupted: %w", err)
	}
	fmt.Fprintf(stderr, "train: %v\n", err)
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

// usageError marks errors of the command line, as opposed to those of the work.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func newRoot(args []string, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "train",
		Short: "Pretrain language models on shards, adapt them to tasks, and use them",
		Long: `train pretrains BERT and GPT models on the datasets that "ingest run" makes, and adapts a BERT to label texts. Models are folders in the
format of Hugging Face: config.json, model.safetensors, tokenizer.json.
` + exitCodes,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				cmd.SetOut(stderr)
				return errors.Join(cmd.Help(), usagef("name one of the commands above"))
			}
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return usagef("unknown command %q: did you mean %s?", args[0], near[0])
			}
			return usagef("unknown command %q", args[0])
		},
	}
	root.SuggestionsMinimumDistance = 3
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newPretrain(args), newFinetune(args), newEval(), newPredict(), newFillMask(), newGenerate(), newCompare())
	return root
}

// noArguments refuses arguments beside flags.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}

// closing closes c, at the end of a function that returns *err.
func closing(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }

// required names the first of the flags that was not given.
func required(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if !cmd.Flags().Changed(name) {
			return usagef("--%s is missing", name)
		}
	}
	return nil
}
