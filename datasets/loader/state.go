package loader

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// State is where a run stands: the number of the next batch and the settings under which that number means something.
type State struct {
	Step     int64     `json:"step"`
	Settings []Setting `json:"settings"`
}

// State returns the state from which Restore goes on with the next batch.
func (l *Loader) State() State {
	return State{Step: l.step, Settings: append([]Setting(nil), l.settings...)}
}

// Restore goes on where s was taken. It refuses the state of other batches and says what differs.
func (l *Loader) Restore(s State) error {
	if diff := difference(s.Settings, l.settings); diff != "" {
		return fmt.Errorf("resume at batch %d: the state belongs to other batches: %s", s.Step, diff)
	}
	return l.SeekBatch(s.Step)
}

// Fingerprint identifies the batches: it is the SHA-256, in hex, of all settings. Loaders with the same fingerprint give the same batches.
func (l *Loader) Fingerprint() string {
	h := sha256.New()
	for _, s := range l.settings {
		fmt.Fprintf(h, "%q=%q\n", s.Name, s.Value)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// difference names the settings of a state that are not those of a loader.
func difference(state, loader []Setting) string {
	var diffs []string
	for _, s := range state {
		if value, ok := findSetting(loader, s.Name); !ok {
			diffs = append(diffs, fmt.Sprintf("%s is %s there and absent here", s.Name, s.Value))
		} else if value != s.Value {
			diffs = append(diffs, fmt.Sprintf("%s is %s there and %s here", s.Name, s.Value, value))
		}
	}
	for _, s := range loader {
		if _, ok := findSetting(state, s.Name); !ok {
			diffs = append(diffs, fmt.Sprintf("%s is absent there and %s here", s.Name, s.Value))
		}
	}
	return strings.Join(diffs, "; ")
}

func findSetting(settings []Setting, name string) (string, bool) {
	for _, s := range settings {
		if s.Name == name {
			return s.Value, true
		}
	}
	return "", false
}
