package trainer

// StepOptions says how a [Model] is to run one minibatch.
type StepOptions struct {
	// Train asks for gradients, and switches dropout on. Without it the model only measures the loss and leaves its gradients alone.
	Train bool
	// Seed and Step decide the dropout masks, which are a function of (Seed, Step, operation, element). Step is used once in a run.
	Seed uint64
	Step int64
	// Scale multiplies the gradient of the summed loss: one over the valid labels of an update makes it the gradient of their mean.
	Scale float32
}
