package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/shardmill/shardmill/trainer/report"
)

// What a run leaves about itself in its folder.
const (
	reportFile = "report.html"
	cardFile   = "README.md"
)

func newCompare() *cobra.Command {
	var page string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compare RUN…",
		Short: "Tables and curves of one run or several",
		Long: `compare reads the folders of runs, finished or still under way, and shows how far each came, its losses and scores, the curve of its loss, and the
settings in which the runs differ. With --html it writes a page that overlays all curves: one file, which needs no network.
` + exitCodes,
		Example: `  train compare bert-a bert-b
  train compare runs/* --html compare.html`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the folder of at least one run")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			runs, err := report.Read(args...)
			if err != nil {
				return err
			}
			if page != "" {
				if err := writePage(page, fmt.Sprintf("%d runs", len(runs)), runs); err != nil {
					return err
				}
			}
			return printRuns(cmd.OutOrStdout(), runs, asJSON)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&page, "html", "", "file for a page with the curves")
	f.BoolVar(&asJSON, "json", false, "print one JSON object for each run")
	return cmd
}

func printRuns(w io.Writer, runs []report.Run, asJSON bool) error {
	if !asJSON {
		return report.Text(w, runs)
	}
	for i := range runs {
		if err := json.NewEncoder(w).Encode(runs[i].Summary()); err != nil {
			return err
		}
	}
	return nil
}

// writePage writes a page about runs.
func writePage(path, title string, runs []report.Run) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer closing(&err, f)
	return report.HTML(f, title, runs)
}

// writeReport writes the page about the run in dir, and its model card, into it.
func writeReport(dir string, c report.Card) error {
	runs, err := report.Read(dir)
	if err != nil {
		return err
	}
	card, picture := c.Markdown(&runs[0])
	return errors.Join(
		writePage(filepath.Join(dir, reportFile), runs[0].Name, runs),
		os.WriteFile(filepath.Join(dir, cardFile), card, 0o666),
		os.WriteFile(filepath.Join(dir, report.CurveFile), picture, 0o666),
	)
}
