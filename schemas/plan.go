package schemas

// PlanVersion is the version of the plan and commit layouts below.
const PlanVersion = 1

// Plan says all that a run will do, as far as it decides about output. Every engine works from the same plan, which is a function of
// the recipe and the input files alone.
type Plan struct {
	Version     int         `json:"version"`
	Fingerprint Fingerprint `json:"fingerprint"`
	Recipe      string      `json:"recipe"` // canonical form
	Stages      []Stage     `json:"stages"` // in order over all passes; stage 0 is the reader
	Sources     []Source    `json:"sources"`
	Files       []File      `json:"files"`
	Splits      []Split     `json:"splits"`
	Lanes       []Lane      `json:"lanes"`
	Passes      []Pass      `json:"passes"`
}

// Fingerprint identifies everything that decides about the bytes of the output.
type Fingerprint struct {
	Digest string            `json:"digest"` // SHA-256 of the parts, hex
	Parts  []FingerprintPart `json:"parts"`
}

// FingerprintPart is one named ingredient of a fingerprint, so that two runs can say what differs.
type FingerprintPart struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// Stage names one stage of the plan. Verdicts refer to it by index.
type Stage struct {
	Name    string   `json:"name"`
	Version int      `json:"version"` // raised when the output of the stage changes
	Pass    int      `json:"pass"`
	Reasons []string `json:"reasons"`
}

// Source is a named set of input files below one root. The root is where this machine finds them; it decides nothing.
type Source struct {
	Name string `json:"name"`
	Root string `json:"root"`
}

// File is one input file. Its path is relative to the root of its source and uses slashes.
type File struct {
	Source      int32  `json:"source"`
	Path        string `json:"path"`
	Size        int64  `json:"size"`   // bytes as stored, that is compressed
	Digest      string `json:"digest"` // SHA-256 of the stored bytes, hex
	ModTimeNano int64  `json:"mtime"`  // to notice a change under a run; decides nothing
	Format      string `json:"format"`
	Compression string `json:"compression"` // "", "gzip", "zstd", "bzip2"
}

// Split is a range of a file. In a file that can't be cut, Start is 0 and End is -1: up to its end.
type Split struct {
	File  int32 `json:"file"`
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// Lane is the run of splits [First, End).
type Lane struct {
	First int32 `json:"first"`
	End   int32 `json:"end"`
}

// Pass is one run over all rows.
type Pass struct {
	Name  string `json:"name"`
	Parts int    `json:"parts"` // partitions of the reduction that follows it; 0 if none does
}

// Start is the cursor at the beginning of a lane.
func (p *Plan) Start(lane int) Cursor {
	first := p.Lanes[lane].First
	return Cursor{Split: first, Offset: p.Splits[first].Start}
}

// SourcePath names a file for people and for the source column: source name and path below its root.
func (p *Plan) SourcePath(file int32) string {
	f := &p.Files[file]
	return p.Sources[f.Source].Name + "/" + f.Path
}
