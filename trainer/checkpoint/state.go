package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/shardmill/shardmill/trainer/params"
)

// StateFile holds what a training run needs beside the weights in order to go on: the moments of the optimizer as tensors, named
// exp_avg.NAME and exp_avg_sq.NAME as PyTorch calls them, and a [State] as JSON in the metadata.
const StateFile = "training_state.safetensors"

// stateVersion is the version of the layout of StateFile.
const stateVersion = 1

const (
	stateKey     = "training_state"
	firstMoment  = "exp_avg."
	secondMoment = "exp_avg_sq."
)

// State is where a run stands after an update.
type State struct {
	Version     int               `json:"version"`
	Step        int64             `json:"step"`        // updates done
	Minibatches int64             `json:"minibatches"` // read from the training batches: the place of the next one
	Tokens      int64             `json:"tokens"`      // in those minibatches
	Labels      int64             `json:"labels"`      // predicted in those minibatches
	Seed        uint64            `json:"seed"`        // of the dropout masks
	Data        string            `json:"data"`        // fingerprint of the training batches
	Settings    map[string]string `json:"settings"`    // what decides the course of the run, for comparison when it goes on
	Weights     string            `json:"weights"`     // SHA-256 of the file of weights that belongs to it, hex
}

// Moments are the averages that AdamW keeps, flat as the values of their parameter set.
type Moments struct{ First, Second []float32 }

func (m Moments) check(set *params.Set) error {
	if len(m.First) != len(set.Values) || len(m.Second) != len(set.Values) {
		return fmt.Errorf("moments of %d and %d floats do not belong to parameters of %d", len(m.First), len(m.Second), len(set.Values))
	}
	return nil
}

// tensors lists the windows of the moments under their names.
func (m Moments) tensors(set *params.Set) []Floats {
	var list []Floats
	for _, p := range set.List {
		from, to := p.Offset, p.Offset+len(p.Value)
		list = append(list, Floats{firstMoment + p.Name, p.Shape, m.First[from:to]}, Floats{secondMoment + p.Name, p.Shape, m.Second[from:to]})
	}
	return list
}

// ReadState reads the state of the checkpoint in dir and, with that, shows that its file of moments is whole. It reads no moments.
func ReadState(dir string) (s State, err error) {
	f, err := Open(filepath.Join(dir, StateFile))
	if err != nil {
		return s, err
	}
	defer closing(&err, f)
	return decodeState(f)
}

func decodeState(f *File) (State, error) {
	var s State
	text, ok := f.Metadata[stateKey]
	if !ok {
		return s, fmt.Errorf("read training state %s: its metadata has no %s: it is some other safetensors file", f.name, stateKey)
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, fmt.Errorf("read training state %s: %w", f.name, err)
	}
	if s.Version != stateVersion {
		return s, fmt.Errorf("read training state %s: version %d, this program knows %d", f.name, s.Version, stateVersion)
	}
	if s.Step < 0 || s.Minibatches < 0 {
		return s, fmt.Errorf("read training state %s: step %d after %d minibatches is impossible", f.name, s.Step, s.Minibatches)
	}
	return s, nil
}

// Resume reads the checkpoint in dir into set and m, and returns its state. Every parameter and moment must be there, and the weights
// must be those that were saved with the state.
func Resume(dir string, set *params.Set, m Moments) (state State, err error) {
	if err := m.check(set); err != nil {
		return state, err
	}
	f, err := Open(filepath.Join(dir, StateFile))
	if err != nil {
		return state, err
	}
	defer closing(&err, f)
	if state, err = decodeState(f); err != nil {
		return state, err
	}
	path := filepath.Join(dir, WeightsFile)
	digest, err := digestFile(path)
	if err != nil {
		return state, err
	}
	if digest != state.Weights {
		return state, fmt.Errorf("resume from %s: %s is not the file that was saved with the training state (SHA-256 %s, want %s)", dir, path, digest, state.Weights)
	}
	w, err := OpenWeights(dir)
	if err != nil {
		return state, err
	}
	defer closing(&err, w)
	report, err := w.Load(set)
	if err == nil {
		err = report.Strict()
	}
	if err != nil {
		return state, fmt.Errorf("resume from %s: %w", dir, err)
	}
	return state, readMoments(f, set, m)
}

func readMoments(f *File, set *params.Set, m Moments) error {
	list := m.tensors(set)
	if len(f.Tensors) != len(list) {
		return fmt.Errorf("read training state %s: %d tensors, the model needs %d", f.name, len(f.Tensors), len(list))
	}
	for _, t := range list {
		if found := f.Lookup(t.Name); found != nil && !slices.Equal(found.Shape, t.Shape) {
			return fmt.Errorf("read training state %s: tensor %q has the shape %v, the model needs %v", f.name, t.Name, found.Shape, t.Shape)
		}
		if err := f.ReadFloats(t.Name, t.Data); err != nil {
			return err
		}
		if i := nonFinite(t.Data); i >= 0 {
			return fmt.Errorf("read training state %s: tensor %q holds %v at element %d", f.name, t.Name, t.Data[i], i)
		}
	}
	return nil
}

// ErrNone says that a run has no complete checkpoint.
var ErrNone = errors.New("no complete checkpoint")
