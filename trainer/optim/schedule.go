package optim

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The shapes of a [Schedule] after its warm-up.
const (
	Linear   = "linear"   // straight down to the floor
	Cosine   = "cosine"   // half a cosine down to the floor
	Constant = "constant" // stays at the peak
	WSD      = "wsd"      // stays at the peak, then straight down to the floor over the last DecaySteps (Hu et al. 2024)
)

// Schedule gives the learning rate of each update. It is a pure function of the update's number, so that a resumed run needs none
// of its past.
type Schedule struct {
	Shape       string  // Linear, Cosine, Constant or WSD
	Peak        float64 // rate at the end of the warm-up
	Floor       float64 // rate that Linear, Cosine and WSD fall towards
	WarmupSteps int64   // updates with a rising rate; 0 begins at the peak
	DecaySteps  int64   // updates of WSD with a falling rate
	Steps       int64   // updates in all; later ones stay at the last rate
}

// Validate returns an error that names the first field which makes no sense.
func (s Schedule) Validate() error {
	switch {
	case !slices.Contains(Shapes, s.Shape):
		return fmt.Errorf("learning-rate schedule %q is none of %s", s.Shape, strings.Join(Shapes, ", "))
	case !(s.Peak > 0) || math.IsInf(s.Peak, 0):
		return fmt.Errorf("peak learning rate %v is not above 0", s.Peak)
	case !(s.Floor >= 0 && s.Floor <= s.Peak):
		return fmt.Errorf("lowest learning rate %v is outside 0..%v", s.Floor, s.Peak)
	case s.Steps < 1:
		return fmt.Errorf("a schedule of %d steps: give at least 1", s.Steps)
	case s.WarmupSteps < 0 || s.WarmupSteps > s.Steps:
		return fmt.Errorf("%d warm-up steps are outside 0..%d, the steps of the schedule", s.WarmupSteps, s.Steps)
	}
	if s.DecaySteps != 0 && s.Shape != WSD {
		return fmt.Errorf("%d decay steps are for %s alone, the schedule is %s", s.DecaySteps, WSD, s.Shape)
	}
	if s.Shape == WSD && (s.DecaySteps < 1 || s.DecaySteps > s.Steps-s.WarmupSteps) {
		return fmt.Errorf("%d decay steps are outside 1..%d, the steps behind the warm-up", s.DecaySteps, s.Steps-s.WarmupSteps)
	}
	return nil
}

// Shapes are the shapes that there are.
var Shapes = []string{Linear, Cosine, Constant, WSD}

// At returns the rate of update step, counted from 1. The warm-up rises in equal parts from Peak/WarmupSteps at update 1 to Peak at
// update WarmupSteps; the decay begins at the peak after it and would reach Floor at update Steps+1, so that no update is wasted on a
// rate of 0. The decay is that of transformers' get_linear_schedule_with_warmup; its warm-up runs one update behind ours.
func (s Schedule) At(step int64) float64 {
	if step < 1 {
		return 0
	}
	if step <= s.WarmupSteps {
		return s.Peak * float64(step) / float64(s.WarmupSteps)
	}
	if s.Shape == Constant || s.Steps <= s.WarmupSteps {
		return s.Peak
	}
	decay := s.Steps - s.WarmupSteps
	if s.Shape == WSD {
		decay = s.DecaySteps
	}
	done := min(1, max(0, float64(step-1-(s.Steps-decay))/float64(decay)))
	left := 1 - done
	if s.Shape == Cosine {
		left = (1 + math.Cos(math.Pi*done)) / 2
	}
	return s.Floor + float64((s.Peak-s.Floor)*left)
}
