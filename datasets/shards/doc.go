// Package shards stores documents as token ids: a writer and a memory-mapped reader of Arrow shards with their index, the manifest of
// a dataset and its verification, and the spill files that carry text from one pass of a run to the next.
//
// Readers start with OpenDataset, or with Open for a single shard; Verify checks everything. Writers are NewWriter, EncodeManifest and
// NewSpillWriter. Files come from strangers: what does not fit is an error that is ErrCorrupt and names the file and the field.
//
// # A shard
//
// A shard is two files. Every Arrow library reads the first alone; the second is what makes it quick and safe to map.
//
//	LLLLL-NNNNNN.arrow   Arrow IPC file, little endian, uncompressed, one row for each document:
//	                       tokens  list<uint16|uint32>  ids without template specials, closed by one end-of-document id
//	                       id      utf8                 from the record; empty if it had none
//	                       source  utf8                 source name and path of the input file
//	                       offset  int64                first byte of the record in the decompressed input file
//	                     No column has nulls. Each record batch holds documents of one side of the held-out split (SplitOf).
//	LLLLL-NNNNNN.idx     index: where each record batch lies, and its checksum
//
// The bytes of both are a function of the rows and Options, given the version of arrow-go that go.mod pins.
//
// # The index
//
// All integers are little endian; offsets count from the start of the .arrow file; xxh3 is its 64-bit form without a seed.
//
//	header, 56 bytes
//	 0  magic           8 bytes  "SHARDIDX"
//	 8  version         uint32   1
//	12  token bytes     uint32   2 or 4: width of an id
//	16  held-out share  uint32   parts per million
//	20  batches         uint32   n
//	24  rows            uint64   sum over the batches
//	32  tokens          uint64   sum over the batches
//	40  arrow bytes     uint64   length of the .arrow file
//	48  frame checksum  uint64   xxh3 of the .arrow file without its n messages: header and footer
//
//	n entries, 72 bytes each, in file order; messages follow one another without a gap
//	 0  message offset  uint64   multiple of 8
//	 8  message bytes   uint64   metadata and body
//	16  values offset   uint64   ids of all documents of the batch, back to back; multiple of 8
//	24  values bytes    uint64   tokens * token bytes
//	32  list offset     uint64   int32[rows+1]: document i is values[list[i]:list[i+1]]; multiple of 8
//	40  list bytes      uint64   4 * (rows + 1)
//	48  rows            uint32
//	52  split           uint32   0 train, 1 held out
//	56  tokens          uint64
//	64  checksum        uint64   xxh3 of the message
//
//	trailer
//	    checksum        uint64   xxh3 of all bytes before
//
// So numpy maps the ids with no Arrow library (conformance/shards reads and checks a whole dataset like this):
//
//	entry = np.dtype([("message", "<u8", 2), ("values", "<u8", 2), ("list", "<u8", 2), ("rows", "<u4"), ("split", "<u4"),
//	                  ("tokens", "<u8"), ("checksum", "<u8")])
//	raw = open(name + ".idx", "rb").read()
//	width, _, n = struct.unpack_from("<3I", raw, 12)
//	arrow = np.memmap(name + ".arrow", np.uint8, "r")
//	for e in np.frombuffer(raw, entry, n, 56):
//	    ids = arrow[e["values"][0]:][:e["values"][1]].view(f"<u{width}")
//	    ends = arrow[e["list"][0]:][:e["list"][1]].view("<i4")
package shards
