// Package tokenizers turns text into token ids and back, as Hugging Face tokenizers does, from the same tokenizer.json.
//
// # Where to start
//
// [LoadFile] and [Load] read a tokenizer.json; [Train] makes one. A [Tokenizer] is read-only and safe for any number of goroutines.
//
//   - [Tokenizer.Encode] gives everything about one text: ids, tokens, offsets, type ids, word ids, special tokens.
//   - [Tokenizer.NewEncoder] gives one goroutine an [Encoder] with its own bounded cache. [Encoder.AppendIDs] turns documents into ids as fast as this
//     package can, without allocating; [Encoder.AppendWords] also reports where words begin, [Encoder.AppendTokens] where tokens come from.
//   - [Tokenizer.EncodeBatch] encodes many texts on several goroutines, [ParallelEncoder] one large text, and [EncodeStream] a text that comes in parts.
//   - [EncodeOptions] hold truncation, with what was cut off as windows, padding and merge dropout; [Padding.Apply] pads a batch.
//   - [Tokenizer.EncodeWords] takes a text that is cut into words already.
//   - [Tokenizer.Decode] gives the text of ids.
//
// # How a text becomes ids
//
//	text ─► added tokens ─► normalizer ─► added tokens ─► pre-tokenizer ─► model ─► post-processor ─► ids
//	        (raw)                         (normalized)    words            tokens   [CLS] … [SEP]
//
// A tokenizer is a struct of such parts, one job each and one file each: a new component is a new file and a line in the tables of tokenizer.go.
// Each part keeps, for every byte it passes on, the bytes of the input that it stands for: these become the offsets.
//
// Running the parts one after another is exact and slow. For common combinations there is a plan that does the same in one pass: [byteBPE], [bertPlan],
// [metaspacePlan] for T5, XLM-R, ALBERT and the like, [spacedBPE] for Llama 2, Mistral and Gemma. A plan cuts the document into pieces whose ids don't
// depend on their neighbours, and looks these up in a cache of words. Where their tokens come from is told from the lengths of the tokens, and by the
// parts only for pieces where these don't say. Tests hold the plans and the spans equal to the parts. Added tokens are found before either, and a plan takes
// what is between them.
// Likewise the patterns that most tokenizers split with have cutters of their own, which tests hold equal to the engine for patterns.
//
// Decoding looks the texts of tokens up in a [decodeTable] where each depends on its token alone, or on the run of byte tokens it stands in; other
// decoders see the tokens one after another.
//
// Where words begin is found for 64 bytes at a time (internal/scan), and their ids are looked up in batches (internal/wordcache), with AVX-512 or AVX2
// where the processor has them. SHARDMILL_SIMD=portable or avx2 in the environment asks for less; the ids are the same.
//
// # What is exact
//
// Ids, tokens, offsets, word ids, type ids and decoded text equal those of Hugging Face tokenizers; conformance/tokenizers compares them, and
// testdata holds what was recorded from it, so that plain go test shows it. The reference uses several Unicode versions at once; unicode_tables.go
// holds what each of its components was seen to do. Differences, on purpose:
//
//   - A tokenizer.json with a component or model setting that is not known here is refused, as are ids that contradict one another. The reference
//     ignores unknown settings and renumbers added tokens.
//   - Text that is not valid UTF-8, which the reference can't be given, is encoded byte by byte by byte-level tokenizers; others see U+FFFD for each
//     maximal ill-formed part.
//   - A pattern of Split or Replace that needs what the engine here lacks, such as back references, is refused. The engine here takes time in proportion to
//     the text; that of the reference gives up, and with it the process, on texts that make it try too much.
//   - A Unigram model without an unknown piece is refused, as are components that together could make a text many thousand times as long.
//   - Truncation, padding and merge dropout of the file are applied where [EncodeOptions] ask for them, dropout with a seed. Settings that can't be met
//     are errors.
//   - Every token keeps the number of its text in SequenceIDs. The reference loses it in windows and padding of a tokenizer without post-processor, and
//     where a post-processor comes after a template. Windows of two texts stand in one flat list, without lists of their own.
//   - In training counts are 64 bits wide; the reference's overflow at 2^31. Words of more than a megabyte are taken as several, and merged tokens
//     have fewer than 4,000 characters. A special token is no piece or word a second time. [Train] says where the reference's results vary.
//
// # Bounds
//
// A tokenizer.json and texts may come from strangers: sizes, ids and nesting are bounded, a word of n bytes costs n log n steps whatever it
// holds, and nothing panics.
package tokenizers
