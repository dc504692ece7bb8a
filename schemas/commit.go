package schemas

// Commit records that the files of one part of a lane are complete. A shard exists when its commit does.
type Commit struct {
	Version     int           `json:"version"`
	Fingerprint string        `json:"fingerprint"`
	Pass        int           `json:"pass"`
	Lane        int           `json:"lane"`
	N           int           `json:"n"` // number in the lane, from 0, without gaps
	Files       []Artifact    `json:"files,omitempty"`
	Rows        int64         `json:"rows"`   // rows in the files
	Tokens      int64         `json:"tokens"` // tokens in the files
	Ledger      []FileLedger  `json:"ledger,omitempty"`
	Quarantined []Quarantined `json:"quarantined,omitempty"`
	Next        Cursor        `json:"next"`             // where the lane goes on
	Closes      bool          `json:"closes,omitempty"` // the lane ends here
}

// Artifact is a file that a commit made. Its path is relative to the dataset folder and uses slashes.
type Artifact struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	Digest string `json:"digest"` // SHA-256, hex
}

// ManifestVersion is the version of the manifest layout.
const ManifestVersion = 1

// Manifest describes a complete dataset. Only files that it names belong to the dataset.
type Manifest struct {
	Version     int               `json:"version"`
	Fingerprint Fingerprint       `json:"fingerprint"`
	Recipe      string            `json:"recipe"`
	Tokenizer   ManifestTokenizer `json:"tokenizer"`
	Columns     []Column          `json:"columns"`
	Shards      []Shard           `json:"shards"`
	Totals      Totals            `json:"totals"`
}

// ManifestTokenizer is what a reader must know of the tokenizer without loading it.
type ManifestTokenizer struct {
	File          string         `json:"file"`
	Digest        string         `json:"digest"` // SHA-256 of the file, hex
	Model         string         `json:"model"`  // as in tokenizer.json: BPE, Unigram, WordLevel or WordPiece
	VocabSize     int            `json:"vocab_size"`
	EndOfDocument uint32         `json:"end_of_document"` // the id that closes each document
	SpecialIDs    []SpecialToken `json:"special_ids"`     // by id
}

// SpecialToken is a token that text never becomes by itself.
type SpecialToken struct {
	ID      uint32 `json:"id"`
	Content string `json:"content"`
}

// Column is a column of the shards, with its Arrow type in words.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Shard is one file of documents with its index.
type Shard struct {
	Path        string `json:"path"`
	Rows        int64  `json:"rows"`
	Tokens      int64  `json:"tokens"`
	Bytes       int64  `json:"bytes"`
	Digest      string `json:"digest"` // SHA-256 of the file, hex
	IndexBytes  int64  `json:"index_bytes"`
	IndexDigest string `json:"index_digest"`
}

// Totals sums up a dataset. Read = Kept + Dropped + Quarantined; Documents is the number of rows in the shards.
type Totals struct {
	Documents   int64       `json:"documents"`
	Tokens      int64       `json:"tokens"`
	Read        int64       `json:"read"`
	Kept        int64       `json:"kept"`
	Dropped     int64       `json:"dropped"`
	Quarantined int64       `json:"quarantined"`
	Reasons     []ReasonSum `json:"reasons,omitempty"` // in the order of Plan.Stages
}

// ReasonSum counts the rows that a stage dropped or quarantined for one reason.
type ReasonSum struct {
	Stage  string `json:"stage"`
	Reason string `json:"reason"`
	Kind   string `json:"kind"` // "drop" or "quarantine"
	Count  int64  `json:"count"`
}
