package checkpoint

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shardmill/shardmill/trainer/params"
)

// Names below the folder of a run.
const (
	checkpointsDir = "checkpoints"
	stepPrefix     = "step-"
	tempPrefix     = ".writing-"
)

// Checkpoint is what one save writes.
type Checkpoint struct {
	Params  *params.Set
	Moments Moments
	State   State             // Version and Weights are filled in by Save
	Files   map[string][]byte // the other files of a model folder, such as config.json, by name
}

// Save writes a checkpoint below the folder of a run and returns its folder, RUN/checkpoints/step-NNNNNNNN. That folder appears under
// its name with all of its files synced, or not at all. Then the files of the model are put into the run's folder itself, the
// weights last, so that it is a model folder too. In the end only the keep newest checkpoints and those of the steps in also are left; keep 0
// keeps all.
func Save(run string, c Checkpoint, keep int, also ...int64) (string, error) {
	if err := c.Moments.check(c.Params); err != nil {
		return "", err
	}
	parent := filepath.Join(run, checkpointsDir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	if err := removeUnfinished(parent); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s%08d", stepPrefix, c.State.Step)
	temp, final := filepath.Join(parent, tempPrefix+name), filepath.Join(parent, name)
	if err := writeFolder(temp, c); err != nil {
		return "", fmt.Errorf("save checkpoint of step %d: %w", c.State.Step, errors.Join(err, os.RemoveAll(temp)))
	}
	// A folder of this step can only be one that Newest refused: a run never saves the step that it began with.
	if err := os.RemoveAll(final); err != nil {
		return "", err
	}
	if err := os.Rename(temp, final); err != nil {
		return "", err
	}
	if err := syncPath(parent); err != nil {
		return "", err
	}
	if err := publish(final, run, append(slices.Sorted(maps.Keys(c.Files)), WeightsFile)); err != nil {
		return "", fmt.Errorf("put the model of step %d into %s: %w", c.State.Step, run, err)
	}
	return final, prune(parent, c.State.Step, keep, also)
}

// writeFolder makes the folder dir and writes and syncs all files of a checkpoint.
func writeFolder(dir string, c Checkpoint) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		err := writeFile(filepath.Join(dir, name), func(w io.Writer) error {
			_, err := w.Write(c.Files[name])
			return err
		})
		if err != nil {
			return err
		}
	}
	digest := sha256.New()
	err := writeFile(filepath.Join(dir, WeightsFile), func(w io.Writer) error {
		return WriteWeights(io.MultiWriter(w, digest), c.Params)
	})
	if err != nil {
		return err
	}
	state := c.State
	state.Version, state.Weights = stateVersion, hex.EncodeToString(digest.Sum(nil))
	err = writeFile(filepath.Join(dir, StateFile), func(w io.Writer) error {
		return Write(w, c.Moments.tensors(c.Params), map[string]string{"format": "pt", stateKey: string(encodeJSON(state))})
	})
	if err != nil {
		return err
	}
	return syncPath(dir)
}

// WriteWeights writes the parameters as the weights of a model. Older versions of transformers refuse a file whose metadata does not
// name a format.
func WriteWeights(w io.Writer, set *params.Set) error {
	list := make([]Floats, len(set.List))
	for i, p := range set.List {
		list[i] = Floats{p.Name, p.Shape, p.Value}
	}
	return Write(w, list, map[string]string{"format": "pt"})
}

func writeFile(path string, content func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = content(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// publish gives the files of the model in from a second name in run. Each one replaces its predecessor at once.
func publish(from, run string, names []string) error {
	for _, name := range names {
		temp := filepath.Join(run, tempPrefix+name)
		if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := linkOrCopy(filepath.Join(from, name), temp); err != nil {
			return err
		}
		if err := os.Rename(temp, filepath.Join(run, name)); err != nil {
			return err
		}
	}
	return syncPath(run)
}

// linkOrCopy makes a hard link, which takes no space, or a copy where the file system has no links.
func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return writeFile(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// removeUnfinished removes the folders of saves that were cut off.
func removeUnfinished(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// prune removes all but the newest checkpoints up to a step, and those of the steps in also. Later ones can only be damaged: they must not push out
// good ones.
func prune(parent string, step int64, keep int, also []int64) error {
	if keep <= 0 {
		return nil
	}
	steps, err := list(parent)
	if err != nil {
		return err
	}
	steps = slices.DeleteFunc(steps, func(s saved) bool { return s.step > step })
	old := steps[min(keep, len(steps)):]
	return discard(parent, slices.DeleteFunc(old, func(s saved) bool { return slices.Contains(also, s.step) }))
}

// discard removes checkpoints.
func discard(parent string, steps []saved) error {
	for _, s := range steps {
		// Renamed first, so that a removal that is cut off leaves no half checkpoint.
		gone := filepath.Join(parent, tempPrefix+filepath.Base(s.dir))
		if err := os.Rename(s.dir, gone); err != nil {
			return err
		}
		if err := os.RemoveAll(gone); err != nil {
			return err
		}
	}
	return nil
}

// Promote makes the checkpoint of a step, such as the one that an evaluation found best, the model of the run folder, and removes all others but the
// newest, from which the run can go on. It returns the folder of the checkpoint.
func Promote(run string, step int64) (string, error) {
	parent := filepath.Join(run, checkpointsDir)
	steps, err := list(parent)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(steps, func(s saved) bool { return s.step == step })
	if at < 0 {
		return "", fmt.Errorf("promote step %d of %s: it has no such checkpoint", step, run)
	}
	best := steps[at]
	if err := complete(best); err != nil {
		return "", fmt.Errorf("promote step %d: %w", step, err)
	}
	entries, err := os.ReadDir(best.dir)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range entries {
		if e.Name() != StateFile {
			names = append(names, e.Name())
		}
	}
	if err := publish(best.dir, run, names); err != nil {
		return "", fmt.Errorf("put the model of step %d into %s: %w", step, run, err)
	}
	return best.dir, discard(parent, slices.DeleteFunc(steps[1:], func(s saved) bool { return s.step == step }))
}

type saved struct {
	step int64
	dir  string
}

// list returns the checkpoints in parent, newest first.
func list(parent string) ([]saved, error) {
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var steps []saved
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), stepPrefix)
		if step, err := strconv.ParseInt(digits, 10, 64); ok && err == nil && e.IsDir() {
			steps = append(steps, saved{step, filepath.Join(parent, e.Name())})
		}
	}
	slices.SortFunc(steps, func(a, b saved) int { return cmp.Compare(b.step, a.step) })
	return steps, nil
}

// Newest returns the folder of the newest complete checkpoint of a run: one whose files of weights and moments have the length that
// their headers tell. Newer ones that are not complete come back as errors in skipped. Without any, the error is [ErrNone].
func Newest(run string) (dir string, skipped []error, err error) {
	steps, err := list(filepath.Join(run, checkpointsDir))
	if err != nil {
		return "", nil, err
	}
	for _, s := range steps {
		if err := complete(s); err != nil {
			skipped = append(skipped, err)
			continue
		}
		return s.dir, skipped, nil
	}
	return "", skipped, fmt.Errorf("%w in %s", ErrNone, run)
}

func complete(s saved) error {
	state, err := ReadState(s.dir)
	if err != nil {
		return err
	}
	if state.Step != s.step {
		return fmt.Errorf("checkpoint %s holds the state of step %d", s.dir, state.Step)
	}
	w, err := OpenWeights(s.dir)
	if err != nil {
		return err
	}
	return w.Close()
}

func digestFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
