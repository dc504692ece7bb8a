// Package corpus reads raw corpora: formats (plain text, JSON lines, HTML) × compression (none, gzip, zstd, bzip2) × storage (an fs.FS).
// It lists the files of a recipe's sources, cuts them into splits and lanes, and reads the rows of a lane from any cursor.
//
//	Source ─► List ─► schemas.File ─► Split ─► schemas.Split, schemas.Lane
//	                                             │
//	stored bytes ─► decompressor ─► window ─► framer ─► decoder ─► Row      one Reader for each open lane
//	   counted         counted       bounded   lead, record, damage
//
// # Records
//
// White space (space, tab, CR, LF) before a record, and a byte order mark at the start of a file, are separators. A record starts at the
// first other byte and ends
//
//	JSON lines, text by line    at the end of its line, without CR LF or LF
//	text by paragraph           at the end of the last line before an empty one (empty: nothing but white space), without CR LF or LF
//	text by file, HTML          at the end of the file
//
// So the rest of a file can be read from behind any record without knowing what came before: a cursor needs no other state.
//
// # Bad input
//
// A record that can't become a document is a row of kind Quarantine with one of Reasons, and its neighbours are read as if it were not
// there. A record larger than Source.MaxRecordBytes is skipped without being held. Compressed data that is cut or corrupt, and a storage
// error in mid-file, end the file with one such row: what came after the last complete record is its Unreadable. A checksum
// stands behind the data that it covers, so a wrong one is reported behind rows that were read from that data.
// What makes the plan wrong ends the run with an error: a file that is gone, or is not the one that was planned.
//
// # Memory
//
// A Reader holds a window of 256 KiB to 4 MiB, more only while a larger record is read and after Batch.Grow allowed it; the tables of a
// decompressor: about 100 KiB for gzip, 4 MB for bzip2, the window of the frame for zstd, of which 128 MiB are accepted (zstd -1 to -19
// use up to 8 MiB); and nothing that grows with the size of a file.
package corpus
