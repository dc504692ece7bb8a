// Package trainer trains a model on batches and uses what came of it.
//
// [Train] is the loop. One update reads a few minibatches, adds up their gradients, clips and applies them:
//
//	Batches ─► Model.Loss ×Accumulate ─► norm, clip ─► AdamW at the schedule's rate ─► metrics.jsonl
//	                                                        └─ where due: checkpoint, then evaluation on held-out batches
//
// The loop knows neither data nor networks: [Batches] and [Model] are what it asks for. It reads no clock and draws nothing at random.
// A run is a function of weights, batches and [Options]: the number of threads does not change it, and a run that was interrupted or
// killed and then resumed ends with the same bytes in metrics, weights and moments as one that was not.
//
// [Evaluate] measures a held-out loss; [Predict] and [EvaluateClassifier] run a model that gives each sequence a class; [Generate] continues a text with a causal model; [FillMask] guesses masked tokens.
package trainer
