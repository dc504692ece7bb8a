package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shardmill/shardmill/trainer/params"
)

// fill gives every number of a set and its moments a value that depends on where it stands and on seed.
func fill(set *params.Set, m Moments, seed int) {
	for _, p := range set.List {
		for i := range p.Value {
			at := p.Offset + i
			p.Value[i], m.First[at], m.Second[at] = float32(at*seed)/7, float32(at+seed)/3, float32(at*at)/11
		}
	}
}

func newSet(t *testing.T, specs ...params.Spec) (*params.Set, Moments) {
	t.Helper()
	if specs == nil {
		specs = []params.Spec{{Name: "z.weight", Shape: []int{3, 5}, Decay: true}, {Name: "a.bias", Shape: []int{17}}}
	}
	set, err := params.NewSet(specs)
	if err != nil {
		t.Fatal(err)
	}
	return set, Moments{make([]float32, len(set.Values)), make([]float32, len(set.Values))}
}

func save(t *testing.T, run string, step int64, keep int) string {
	t.Helper()
	set, m := newSet(t)
	fill(set, m, int(step))
	dir, err := Save(run, Checkpoint{
		Params: set, Moments: m,
		State: State{Step: step, Minibatches: 2 * step, Tokens: 99, Labels: 5, Seed: 1<<64 - 1, Data: "d", Settings: map[string]string{"lr": "0.1"}},
		Files: map[string][]byte{ConfigFile: []byte(`{"step":` + fmt.Sprint(step) + `}`)},
	}, keep)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSaveAndResume(t *testing.T) {
	run := t.TempDir()
	if _, _, err := Newest(run); !errors.Is(err, ErrNone) {
		t.Fatalf("error %v, want ErrNone", err)
	}
	for step := int64(10); step <= 50; step += 10 {
		save(t, run, step, 2)
	}
	entries, err := os.ReadDir(filepath.Join(run, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"step-00000040", "step-00000050"}; !slices.Equal(names, want) {
		t.Errorf("checkpoints %v, want %v", names, want)
	}
	dir, skipped, err := Newest(run)
	if err != nil || len(skipped) > 0 || filepath.Base(dir) != "step-00000050" {
		t.Fatalf("Newest = %s, %v, %v", dir, skipped, err)
	}
	want, wantMoments := newSet(t)
	fill(want, wantMoments, 50)
	got, gotMoments := newSet(t)
	state, err := Resume(dir, got, gotMoments)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Values, want.Values) || !reflect.DeepEqual(gotMoments, wantMoments) {
		t.Error("weights or moments changed on the way")
	}
	wantState := State{1, 50, 100, 99, 5, 1<<64 - 1, "d", map[string]string{"lr": "0.1"}, state.Weights}
	if !reflect.DeepEqual(state, wantState) {
		t.Errorf("state %+v, want %+v", state, wantState)
	}
	// The folder of the run is a model folder with the newest weights.
	published, _ := newSet(t)
	w, err := OpenWeights(run)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Load(published); err != nil || !slices.Equal(published.Values, want.Values) {
		t.Errorf("weights in the folder of the run: %v, equal %v", err, slices.Equal(published.Values, want.Values))
	}
	if config, err := os.ReadFile(filepath.Join(run, ConfigFile)); err != nil || string(config) != `{"step":50}` {
		t.Errorf("config.json %s, %v", config, err)
	}
}

func TestSaveIsDeterministic(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b := save(t, t.TempDir(), 7, 0), save(t, t.TempDir(), 7, 0)
	for _, name := range []string{WeightsFile, StateFile} {
		if !slices.Equal(read(filepath.Join(a, name)), read(filepath.Join(b, name))) {
			t.Errorf("%s differs between two saves of the same", name)
		}
	}
}

// TestNewestSkipsIncomplete damages the newest checkpoint in the ways that a crash, a full disk or a hand may.
func TestNewestSkipsIncomplete(t *testing.T) {
	cut := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			info, err := os.Stat(filepath.Join(dir, name))
			if err == nil {
				err = os.Truncate(filepath.Join(dir, name), info.Size()-1)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cases := []struct {
		name   string
		damage func(*testing.T, string)
		want   string
	}{
		{"weights cut", cut(WeightsFile), "was cut"},
		{"state cut", cut(StateFile), "was cut"},
		{"weights gone", remove(WeightsFile), "no such file"},
		{"state gone", remove(StateFile), "no such file"},
		{"other step", func(t *testing.T, dir string) {
			if err := os.Rename(dir, filepath.Join(filepath.Dir(dir), "step-00000021")); err != nil {
				t.Fatal(err)
			}
		}, "state of step 20"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			run := t.TempDir()
			older := save(t, run, 10, 0)
			newer := save(t, run, 20, 0)
			c.damage(t, newer)
			dir, skipped, err := Newest(run)
			if err != nil || dir != older {
				t.Fatalf("Newest = %s, %v, want %s", dir, err, older)
			}
			if len(skipped) != 1 || !strings.Contains(skipped[0].Error(), c.want) {
				t.Errorf("skipped %v, want one with %q", skipped, c.want)
			}
			if again := save(t, run, 20, 0); again != newer {
				t.Errorf("saved again as %s, want %s", again, newer)
			}
			if _, _, err := Newest(run); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSaveRemovesUnfinished(t *testing.T) {
	run := t.TempDir()
	left := filepath.Join(run, "checkpoints", tempPrefix+"step-00000005")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Newest(run); !errors.Is(err, ErrNone) {
		t.Errorf("error %v, want ErrNone: what is being written is no checkpoint", err)
	}
	save(t, run, 10, 0)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", left, err)
	}
}

// TestDamagedCheckpointPushesOutNone saves an earlier step than that of a damaged checkpoint, keeping one.
func TestDamagedCheckpointPushesOutNone(t *testing.T) {
	run := t.TempDir()
	save(t, run, 10, 1)
	if err := os.Mkdir(filepath.Join(run, "checkpoints", "step-00000030"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := save(t, run, 20, 1)
	if got, _, err := Newest(run); err != nil || got != want {
		t.Errorf("Newest = %s, %v, want %s", got, err, want)
	}
}

func TestSaveFailsCleanly(t *testing.T) {
	run := t.TempDir()
	set, m := newSet(t)
	_, err := Save(run, Checkpoint{Params: set, Moments: m, Files: map[string][]byte{"no/such/folder": nil}}, 0)
	if err == nil {
		t.Fatal("no error for a file that can't be written")
	}
	if entries, _ := os.ReadDir(filepath.Join(run, "checkpoints")); len(entries) > 0 {
		t.Errorf("%s was left behind", entries[0].Name())
	}
}

func TestResumeRefuses(t *testing.T) {
	other := []params.Spec{{Name: "z.weight", Shape: []int{5, 3}}, {Name: "a.bias", Shape: []int{17}}}
	more := []params.Spec{{Name: "z.weight", Shape: []int{3, 5}}, {Name: "a.bias", Shape: []int{17}}, {Name: "c", Shape: []int{1}}}
	cases := []struct {
		name   string
		specs  []params.Spec
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"shape", other, nil, `"z.weight" has the shape [3 5]`},
		{"parameter", more, nil, "1 parameters are not in the file: c"},
		{"weights of another step", nil, func(t *testing.T, dir string) {
			from := save(t, t.TempDir(), 11, 0)
			if err := errors.Join(os.Remove(filepath.Join(dir, WeightsFile)), os.Rename(filepath.Join(from, WeightsFile), filepath.Join(dir, WeightsFile))); err != nil {
				t.Fatal(err)
			}
		}, "not the file that was saved"},
		{"no state", nil, func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, WeightsFile))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, StateFile), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "no training_state"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := save(t, t.TempDir(), 10, 0)
			if c.damage != nil {
				c.damage(t, dir)
			}
			set, m := newSet(t, c.specs...)
			_, err := Resume(dir, set, m)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestDecodeStateRefuses(t *testing.T) {
	cases := map[string]string{
		`{"version":2}`:                   "version 2",
		`{"version":1,"speed":1}`:         "speed",
		`{"version":1,"step":-1}`:         "impossible",
		`{"version":1,"step":"x"}`:        "step",
		`{"version":1,"minibatches":-10}`: "impossible",
	}
	for text, want := range cases {
		_, err := decodeState(&File{Metadata: map[string]string{stateKey: text}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// TestPromote makes an older checkpoint the model of the run, and keeps it and the newest.
func TestPromote(t *testing.T) {
	run := t.TempDir()
	for step := int64(10); step <= 40; step += 10 {
		save(t, run, step, 0)
	}
	for _, step := range []int64{20, 20} { // again, as after a resume of a finished run
		dir, err := Promote(run, step)
		if err != nil || filepath.Base(dir) != "step-00000020" {
			t.Fatalf("Promote = %s, %v", dir, err)
		}
		for _, name := range []string{ConfigFile, WeightsFile} {
			a, errA := os.ReadFile(filepath.Join(dir, name))
			b, errB := os.ReadFile(filepath.Join(run, name))
			if err := errors.Join(errA, errB); err != nil || !slices.Equal(a, b) {
				t.Errorf("%s is not that of the checkpoint: %v", name, err)
			}
		}
		left, err := list(filepath.Join(run, checkpointsDir))
		if err != nil || len(left) != 2 || left[0].step != 40 || left[1].step != 20 {
			t.Errorf("left are %v, error %v", left, err)
		}
	}
	if _, err := os.Stat(filepath.Join(run, StateFile)); err == nil {
		t.Error("the state of the training stands in the model folder")
	}
	if _, err := Promote(run, 30); err == nil || !strings.Contains(err.Error(), "no such checkpoint") {
		t.Errorf("a checkpoint that is gone: %v", err)
	}
}
