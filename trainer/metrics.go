package trainer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/shardmill/shardmill/trainer/events"
)

// MetricsFile is the file in the folder of a run that has one line of JSON for each update ([StepMetrics]) and each evaluation
// ([EvalMetrics], told apart by eval_loss). It holds no times: an interrupted and resumed run leaves the same bytes as another.
const MetricsFile = "metrics.jsonl"

// Evaluations returns the evaluations of the run in dir, in their order.
func Evaluations(dir string) (evals []EvalMetrics, err error) {
	err = eachMetric(dir, func(_ *StepMetrics, e *EvalMetrics) error {
		if e != nil {
			evals = append(evals, *e)
		}
		return nil
	})
	return evals, err
}

// ReadMetrics returns the updates and the evaluations of the run in dir, in their order.
func ReadMetrics(dir string) (steps []StepMetrics, evals []EvalMetrics, err error) {
	err = eachMetric(dir, func(s *StepMetrics, e *EvalMetrics) error {
		if s != nil {
			steps = append(steps, *s)
		} else {
			evals = append(evals, *e)
		}
		return nil
	})
	return steps, evals, err
}

// eachMetric reads the metrics of a run: of the arguments of do, one is nil.
func eachMetric(dir string, do func(*StepMetrics, *EvalMetrics) error) error {
	f, err := os.Open(filepath.Join(dir, MetricsFile))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := json.NewDecoder(bufio.NewReader(f))
	for {
		var line json.RawMessage
		err := lines.Decode(&line)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read metrics %s: %w", f.Name(), err)
		}
		var kind struct {
			EvalLoss *float64 `json:"eval_loss"`
		}
		s, e := &StepMetrics{}, (*EvalMetrics)(nil)
		if err = json.Unmarshal(line, &kind); err == nil && kind.EvalLoss != nil {
			s, e = nil, &EvalMetrics{}
			err = json.Unmarshal(line, e)
		} else if err == nil {
			err = json.Unmarshal(line, s)
		}
		if err != nil {
			return fmt.Errorf("read metrics %s: %w", f.Name(), err)
		}
		if err := do(s, e); err != nil {
			return err
		}
	}
}

// EventsFile is the file in the folder of a run that shows the same numbers to TensorBoard. Its times are steps, so that it is the same bytes
// too.
const EventsFile = "events.out.tfevents.0000000000.shardmill"

// metricsLog appends to the metrics of a run. Without a folder it does nothing.
type metricsLog struct{ file, events *os.File }

// openMetrics opens the metrics of the run in dir and cuts them back to what was known after update step: its evaluation, if one is
// due, comes after the checkpoint and is done again.
func openMetrics(dir string, step int64) (*metricsLog, error) {
	if dir == "" {
		return &metricsLog{}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, MetricsFile)
	size, err := metricsUpTo(path, step)
	if err != nil {
		return nil, fmt.Errorf("read metrics %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	events, err := openEvents(dir)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &metricsLog{f, events}, nil
}

// openEvents makes the events of the metrics that there are, and leaves the file open for more.
func openEvents(dir string) (f *os.File, err error) {
	if f, err = os.Create(filepath.Join(dir, EventsFile)); err != nil {
		return nil, err
	}
	out := bufio.NewWriter(f)
	_, err = out.Write(events.AppendVersion(nil))
	if err == nil {
		err = eachMetric(dir, func(s *StepMetrics, e *EvalMetrics) error {
			_, err := out.Write(metricsEvent(s, e))
			return err
		})
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", f.Name(), err), f.Close())
	}
	return f, nil
}

// metricsEvent is the record of an update or of an evaluation.
func metricsEvent(s *StepMetrics, e *EvalMetrics) []byte {
	if s != nil {
		return events.AppendScalars(nil, float64(s.Step), s.Step, []events.Scalar{
			{Tag: "train/loss", Value: s.Loss}, {Tag: "train/learning_rate", Value: s.LearningRate},
			{Tag: "train/grad_norm", Value: s.GradNorm}, {Tag: "train/tokens", Value: float64(s.Tokens)},
		})
	}
	scalars := []events.Scalar{{Tag: "eval/loss", Value: e.EvalLoss}}
	for _, name := range slices.Sorted(maps.Keys(e.Scores)) {
		scalars = append(scalars, events.Scalar{Tag: "eval/" + name, Value: e.Scores[name]})
	}
	return events.AppendScalars(nil, float64(e.Step), e.Step, scalars)
}

// metricsUpTo returns the length in bytes of the lines before the first that is newer than the checkpoint of a step, or is not whole.
func metricsUpTo(path string, step int64) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	const maxLineBytes = 1 << 16 // far above a line of ours; the file may hold anything
	lines := bufio.NewReaderSize(f, maxLineBytes)
	var size int64
	for {
		text, err := lines.ReadSlice('\n')
		if err == io.EOF || err == bufio.ErrBufferFull {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
		var line struct {
			Step     int64    `json:"step"`
			EvalLoss *float64 `json:"eval_loss"`
		}
		if json.Unmarshal(text, &line) != nil || line.Step < 1 || line.Step > step || line.Step == step && line.EvalLoss != nil {
			return size, nil
		}
		size += int64(len(text))
	}
}

// write adds an update or an evaluation, the other being nil.
func (l *metricsLog) write(s *StepMetrics, e *EvalMetrics) error {
	if l.file == nil {
		return nil
	}
	var b bytes.Buffer
	line := any(s)
	if s == nil {
		line = e
	}
	if err := json.NewEncoder(&b).Encode(line); err != nil {
		return err
	}
	if _, err := l.file.Write(b.Bytes()); err != nil { // one write for a line, so that readers see whole ones
		return err
	}
	_, err := l.events.Write(metricsEvent(s, e))
	return err
}

func (l *metricsLog) sync() error {
	if l.file == nil {
		return nil
	}
	return l.file.Sync() // the events are made of it again
}

func (l *metricsLog) close() error {
	if l.file == nil {
		return nil
	}
	return errors.Join(l.file.Close(), l.events.Close())
}
