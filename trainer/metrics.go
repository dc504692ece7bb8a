package trainer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// MetricsFile is the file in the folder of a run that has one line of JSON for each update ([StepMetrics]) and each evaluation
// ([EvalMetrics], told apart by eval_loss). It holds no times: an interrupted and resumed run leaves the same bytes as another.
const MetricsFile = "metrics.jsonl"

// Evaluations returns the evaluations of the run in dir, in their order.
func Evaluations(dir string) ([]EvalMetrics, error) {
	f, err := os.Open(filepath.Join(dir, MetricsFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var evals []EvalMetrics
	lines := json.NewDecoder(f)
	for {
		var line struct {
			EvalMetrics
			EvalLoss *float64 `json:"eval_loss"`
		}
		err := lines.Decode(&line)
		if err == io.EOF {
			return evals, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read metrics %s: %w", f.Name(), err)
		}
		if line.EvalLoss != nil {
			line.EvalMetrics.EvalLoss = *line.EvalLoss
			evals = append(evals, line.EvalMetrics)
		}
	}
}

// metricsLog appends to the metrics of a run. Without a folder it does nothing.
type metricsLog struct{ file *os.File }

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
	return &metricsLog{f}, nil
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

func (l *metricsLog) write(line any) error {
	if l.file == nil {
		return nil
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(line); err != nil {
		return err
	}
	_, err := l.file.Write(b.Bytes()) // one write for a line, so that readers see whole ones
	return err
}

func (l *metricsLog) sync() error {
	if l.file == nil {
		return nil
	}
	return l.file.Sync()
}

func (l *metricsLog) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
