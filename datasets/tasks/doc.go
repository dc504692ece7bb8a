// Package tasks reads labelled sets and makes minibatches for fine-tuning out of them.
//
//	file ─Read─► []Example ─Labels─► ids of classes
//	                │
//	                └─ caller's tokenizer ─► Template.Sequence ─► [CLS] a [SEP] (b [SEP]) ─► Batches ─► schemas.Minibatch
//
// # Formats
//
// The suffix of the name decides:
//
//	.tsv    fields between tabs, quotes are plain characters, as in GLUE; a header line names the fields
//	.csv    RFC 4180, quoted fields; a header line names the fields
//	.jsonl  one object a line; texts are strings, a label is a string, a whole number or a boolean
//
// Without a header the fields of .tsv and .csv are called by their numbers from 1. A byte order mark is passed over; a line may end with
// CR LF. Reading is strict: a missing or empty field, another number of fields than in the first line, a text that is not UTF-8 are errors that
// name file, line and field.
//
// # Determinism
//
// Classes are numbered by the order of their names, not of their lines. The order of training is a function of seed and epoch; a subset is
// one of seed and size. Sequences are not padded.
package tasks
