// Package recipe runs recipes: it reads what a user wants as strict YAML, compiles it and its input files into a schemas.Plan, and does
// the work of the plan with package pipeline. A plan is all that another process needs, beside the input and the dataset folder, to run
// a lane or a reduction of it.
//
//	Load ─► Recipe ─► Compile ─► Plan ─► Prepare ─► RunLane, Reduce (each pass) ─► Manifest
//	                                                Run does all of these in this process
//
// # Recipes
//
// Everything but sources and tokenizer can be left out. Sizes are written 1000, 64M or 256MiB. Paths are relative to the recipe's file.
//
//	sources:
//	  - name: web                  # in the source column of the shards, before the path; "input" for a single source
//	    paths: [data/*.jsonl.gz]   # files, folders, globs (** for any folders)
//	    format: jsonl              # text, jsonl, html; by extension if left out
//	    compression: gzip          # none, gzip, zstd, bzip2; by content if left out
//	    text: text                 # field of the text in JSON
//	    id: id                     # field of the id in JSON
//	    document: file             # for text: file, paragraph, line
//	    max_record_bytes: 32MiB    # larger records are quarantined
//	stages:                        # in this order; see package stages for their options
//	  - html: {}                   # main content of files of format html
//	  - clean: {normalize: nfc}
//	  - length: {min_chars: 200}
//	  - dedup: {}                  # exact duplicates; cuts the run into two passes
//	tokenizer:
//	  file: tokenizer.json
//	  end_of_document: <|endoftext|>   # special token behind each document; the file's usual one if left out
//	lanes: {bytes: 256MiB}         # unit of work: decompressed text, estimated where it is compressed
//	shards:
//	  tokens: 64M                  # a shard ends with the document that reaches this
//	  held_out: 0.01               # share of documents, chosen by their tokens, that are for evaluation
//	on_error:
//	  mode: quarantine             # or fail: the first bad record ends the run
//	  limit: -1                    # bad records after which the run fails; -1: any number
//	limit: 0                       # records read of each source; 0: all
//
// An unknown or mistyped field is an error with its place and the nearest name. All mistakes are reported at once.
//
// # Fingerprint
//
// A dataset is a function of its fingerprint: the recipe with defaults filled in, but without paths and on_error, which decide whether a
// run succeeds, not what it makes; names and versions of the stages; the tokenizer; source, path, size and digest of each input file;
// and how these are cut into lanes.
package recipe
