// Package trainer trains a model on batches: steps of accumulated gradients, a clipped AdamW update, evaluation on held-out batches,
// checkpoints, and an exact way back into an interrupted run.
package trainer
