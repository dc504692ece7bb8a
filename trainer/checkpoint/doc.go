// Package checkpoint reads and writes models as Hugging Face transformers does, and the state of training runs.
//
// A model is a folder: config.json, model.safetensors (or several files and model.safetensors.index.json) and tokenizer.json.
// [OpenWeights] and [Weights.Load] fill the parameters of a model from one, tolerant in names and strict in everything else. A
// training run writes
//
//	RUN/config.json, tokenizer.json, model.safetensors    the newest weights: RUN is itself a model folder
//	RUN/checkpoints/step-00000500/                        the same files of step 500, and training_state.safetensors
//
// [Save] writes a checkpoint that is there as a whole or not at all; [Newest] and [Resume] go back to one.
//
// # Layout of a safetensors file
//
//	offset  size
//	0       8       n, the length of the header in bytes, little-endian
//	8       n       JSON: {"__metadata__": {string: string}, NAME: {"dtype": "F32", "shape": [2, 3], "data_offsets": [from, to]}, …},
//	                padded with spaces
//	8+n     …       elements, little-endian, row-major; the offsets count from here
//
// Files come from strangers. [Open] checks the whole header before a tensor is read: its length, repeated names, unknown types, sizes
// that overflow or disagree with the offsets, overlaps, gaps, and the length of the file. Written files have the metadata
// {"format": "pt"}, which older versions of transformers demand.
package checkpoint
