package optim_test

import (
	"fmt"

	"github.com/shardmill/shardmill/trainer/optim"
)

func ExampleSchedule() {
	s := optim.Schedule{Shape: optim.Linear, Peak: 1e-3, WarmupSteps: 4, Steps: 12}
	for _, step := range []int64{1, 4, 5, 9, 12} {
		fmt.Printf("%d: %.3g\n", step, s.At(step))
	}
	// Output:
	// 1: 0.00025
	// 4: 0.001
	// 5: 0.001
	// 9: 0.0005
	// 12: 0.000125
}
