// Command trainer is shardmill's side of `make bench-trainer`: it does what run.py beside it asks for and says how long that took. Requests and answers
// are lines of JSON, and peers.py answers the same ones with PyTorch. It calls the public packages of the trainer as any program would.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shardmill/shardmill/trainer/kernels"
)

// request is one thing to do. Op is prepare, which the first one must be, run, peak or memory; the other fields belong to prepare.
type request struct {
	Op        string
	Work      string // steps, epoch or generate
	Model     string // folder of a model
	Data      string // file of sequences
	Threads   int
	Repeats   int    // updates, or texts, of one run
	Tokens    int    // generate: new tokens of each text
	Sequences int    // epoch: in a minibatch
	Precision string // f32
}

// answer gives times for one run, and what shows that both sides computed the same.
type answer struct {
	Wall    float64  `json:"wall,omitempty"`  // seconds
	CPU     float64  `json:"cpu,omitempty"`   // seconds of all threads
	Units   int      `json:"units,omitempty"` // of one run: tokens, or examples of an epoch
	FLOPs   float64  `json:"flops,omitempty"` // of one run, as model.TrainingFLOPs counts them
	Loss    float64  `json:"loss,omitempty"`  // before the first update, without dropout
	IDs     []uint32 `json:"ids,omitempty"`   // of a generated text
	Peak    float64  `json:"peak,omitempty"`  // FLOP/s
	Memory  int      `json:"memory,omitempty"`
	Highest int      `json:"highest,omitempty"` // resident bytes now, and at most
	Error   string   `json:"error,omitempty"`
}

// work is what is measured.
type work interface {
	// describe fills the fields of an answer that do not change from run to run.
	describe(ctx context.Context, a *answer) error
	run(ctx context.Context) error
}

// worker has one work, which stays loaded for all rounds.
type worker struct {
	pool *kernels.Pool
	work work
}

func main() {
	if err := new(worker).serve(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (w *worker) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	lines, results := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		var q request
		var a answer
		err := json.Unmarshal(lines.Bytes(), &q)
		if err == nil {
			a, err = w.do(ctx, q)
		}
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := results.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (w *worker) do(ctx context.Context, q request) (a answer, err error) {
	switch {
	case q.Op == "memory":
		if a.Memory, err = residentBytes("VmRSS:"); err == nil {
			a.Highest, err = residentBytes("VmHWM:")
		}
	case q.Op == "prepare":
		w.pool = kernels.NewPool(q.Threads)
		if w.work, err = prepare(w.pool, q); err != nil {
			return a, err
		}
		if err = w.work.describe(ctx, &a); err == nil {
			err = w.work.run(ctx) // fills what later runs find filled
		}
	case w.work == nil:
		err = errors.New("nothing has been prepared")
	case q.Op == "peak":
		a.Peak, err = w.pool.PeakFLOPs()
	case q.Op == "run":
		start, cpu := time.Now(), cpuSeconds()
		err = w.work.run(ctx)
		a.Wall, a.CPU = time.Since(start).Seconds(), cpuSeconds()-cpu
	default:
		err = fmt.Errorf("%q is not known", q.Op)
	}
	return a, err
}

func prepare(pool *kernels.Pool, q request) (work, error) {
	if q.Precision != "f32" {
		return nil, fmt.Errorf("precision %s is not offered", q.Precision)
	}
	n, err := load(pool, q.Model)
	if err != nil {
		return nil, err
	}
	var sequences []sequence
	data, err := os.ReadFile(q.Data)
	if err == nil {
		err = json.Unmarshal(data, &sequences)
	}
	if err != nil {
		return nil, err
	}
	switch q.Work {
	case "steps":
		return newSteps(pool, n, sequences, q.Repeats)
	case "epoch":
		return newEpoch(pool, n, sequences, q.Sequences)
	case "generate":
		return &generation{network: n, prompt: sequences[0].IDs, texts: q.Repeats, tokens: q.Tokens}, nil
	}
	return nil, fmt.Errorf("work %q is not known", q.Work)
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// residentBytes reads what Linux says of this process.
func residentBytes(field string) (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field); ok {
			kilobytes, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", field)
}
