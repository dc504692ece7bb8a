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
// A line is blank if it holds nothing but white space (space, tab, CR, LF). A record is a run of lines as they stand in the file, indentation
// included, without the last CR LF or LF (or a CR that ends the file):
//
//	JSON lines, text by line    each line that is not blank
//	text by paragraph           lines between blank ones
//	text by file, HTML          the whole file, its last line end included, unless it is blank
//
// Line ends, blank lines and a byte order mark at the start of the file are separators; Pos.Offset is that of the first byte of a record,
// which may be white space. White space before the first other character of a record is part of it up to 64 KiB; more is a separator.
//
// So the rest of a file can be read from behind any record without knowing what came before: a cursor needs no other state.
//
// # Encodings
//
// Text is UTF-8. An HTML page that is not is decoded as browsers do it, by its byte order mark (UTF-16), else by the encoding that it
// declares in its first 1024 bytes, else as windows-1252; so is one that declares ISO-2022-JP. Bytes and offsets stay those of the
// stored page. Browsers replace what they can't decode; here such a page is bad input, and so is one that is UTF-8 by declaration,
// mark or look, but has an error.
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
// use up to 8 MiB); and nothing that grows with the size of a file. The text of a page in another encoding than UTF-8 is measured before
// it is made, and Batch.Grow is asked for its size, at most three times that of the page.
package corpus
