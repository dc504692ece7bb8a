package optim

import (
	"fmt"
	"math"
)

// The shapes of a [Schedule] after its warm-up.
const (
	Linear   = "linear"   // straight down to the floor
	Cosine   = "cosine"   // half a cosine down to the floor
	Constant = "constant" // stays at the peak
)

// Schedule gives the learning rate of each update. It is a pure function of the update's number, so that a resumed run needs none
// of its past.
type Schedule struct {
	Shape       string  // Linear, Cosine or Constant
	Peak        float64 // rate at the end of the warm-up
	Floor       float64 // rate that Linear and Cosine fall towards
	WarmupSteps int64   // updates with a rising rate; 0 begins at the peak
	Steps       int64   // updates in all; later ones stay at the last rate
}

// Validate returns an error that names the first field which makes no sense.
func (s Schedule) Validate() error {
	switch {
	case s.Shape != Linear && s.Shape != Cosine && s.Shape != Constant:
		return fmt.Errorf("learning-rate schedule %q is none of %s, %s, %s", s.Shape, Linear, Cosine, Constant)
	case !(s.Peak > 0) || math.IsInf(s.Peak, 0):
		return fmt.Errorf("peak learning rate %v is not above 0", s.Peak)
	case !(s.Floor >= 0 && s.Floor <= s.Peak):
		return fmt.Errorf("lowest learning rate %v is outside 0..%v", s.Floor, s.Peak)
	case s.Steps < 1:
		return fmt.Errorf("a schedule of %d steps: give at least 1", s.Steps)
	case s.WarmupSteps < 0 || s.WarmupSteps > s.Steps:
		return fmt.Errorf("%d warm-up steps are outside 0..%d, the steps of the schedule", s.WarmupSteps, s.Steps)
	}
	return nil
}

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
	done := min(1, float64(step-1-s.WarmupSteps)/float64(s.Steps-s.WarmupSteps))
	left := 1 - done
	if s.Shape == Cosine {
		left = (1 + math.Cos(math.Pi*done)) / 2
	}
	return s.Floor + float64((s.Peak-s.Floor)*left)
}
