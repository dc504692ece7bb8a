package corpus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Formats of files.
const (
	Text  = "text"
	JSONL = "jsonl"
	HTML  = "html"
)

// Compressions of files. In a schemas.File no compression is the empty string.
const (
	None  = "none"
	Gzip  = "gzip"
	Zstd  = "zstd"
	Bzip2 = "bzip2"
)

// What a document is in a text file.
const (
	ByFile      = "file"
	ByParagraph = "paragraph"
	ByLine      = "line"
)

// DefaultMaxRecordBytes is the size that a record may have unless a source says otherwise.
const DefaultMaxRecordBytes = 32 << 20

// MaxRecordLimitBytes is the most that Source.MaxRecordBytes can be.
const MaxRecordLimitBytes = 1 << 30

// Source describes a set of input files.
type Source struct {
	// Name tells sources apart; it stands in the source column of the shards.
	Name string
	// Paths are files, folders (read recursively, but for names that start with a dot) and globs as in path.Match, in which the element
	// ** stands for any number of folders. A path that exists is taken as it is, whatever characters it has.
	Paths []string
	// Format is text, jsonl or html. Empty: by extension (.txt .md, .jsonl .ndjson .json, .html .htm, each also with .gz .zst .bz2).
	Format string
	// Compression is none, gzip, zstd or bzip2. Empty: by the first bytes of each file, or by its extension if they say nothing.
	Compression string
	// TextField is the field of a JSON object that holds the text; default "text".
	TextField string
	// IDField is the field of a JSON object, a string or a number, that identifies the document; default "id". It may be absent.
	IDField string
	// Document says what one document of a text file is: file, paragraph or line; default "file".
	Document string
	// MaxRecordBytes bounds a record as it stands in the decompressed file; default 32 MiB. Larger ones are quarantined.
	MaxRecordBytes int64
	// Storage opens a folder, given by its absolute path with slashes; default os.DirFS. Files should offer io.ReaderAt, or they are not
	// cut into splits, and, without io.Seeker too, reading from a cursor reads all that stands before it.
	Storage func(root string) fs.FS
}

// SetDefaults fills in what is not set.
func (s *Source) SetDefaults() {
	setDefault(&s.TextField, "text")
	setDefault(&s.IDField, "id")
	setDefault(&s.Document, ByFile)
	setDefault(&s.MaxRecordBytes, DefaultMaxRecordBytes)
	if s.Storage == nil {
		s.Storage = os.DirFS
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// FieldError is a mistake in a field of a Source, as opposed to a fault of its files.
type FieldError struct {
	Source string // its name
	Field  string // as recipes write it: name, paths, format, compression, text, id, document, max_record_bytes
	Err    error
}

func (e *FieldError) Error() string { return e.Err.Error() }

func (e *FieldError) Unwrap() error { return e.Err }

// Validate returns the fields that can't be as they are as joined errors, in each of which there is a FieldError. It expects defaults to be set.
func (s *Source) Validate() error {
	var errs []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("source %q: %w", s.Name, &FieldError{s.Name, field, fmt.Errorf(format, args...)}))
		}
	}
	check(s.Name != "" && !strings.ContainsAny(s.Name, "/\x00\n"), "name", "the name must have at least one character, and no slash or line break")
	check(len(s.Paths) > 0 && !slices.Contains(s.Paths, ""), "paths", "paths must name at least one file, folder or glob, and none may be empty")
	check(slices.Contains([]string{"", Text, JSONL, HTML}, s.Format), "format", "format is %q, but can be text, jsonl or html", s.Format)
	check(slices.Contains([]string{"", None, Gzip, Zstd, Bzip2}, s.Compression),
		"compression", "compression is %q, but can be none, gzip, zstd or bzip2", s.Compression)
	check(slices.Contains([]string{ByFile, ByParagraph, ByLine}, s.Document),
		"document", "document is %q, but can be file, paragraph or line", s.Document)
	check(s.Document == ByFile || s.Format == "" || s.Format == Text, "document", "document is %q, which is only for text, not for %s", s.Document, s.Format)
	check(s.TextField != s.IDField, "id", "the text and the id can't both be field %q", s.TextField)
	check(s.MaxRecordBytes >= 1 && s.MaxRecordBytes <= MaxRecordLimitBytes,
		"max_record_bytes", "max_record_bytes is %d, but can be 1 to %d", s.MaxRecordBytes, int64(MaxRecordLimitBytes))
	return errors.Join(errs...)
}

// prepare returns copies with defaults set, or what is wrong with the sources.
func prepare(sources []Source) ([]Source, error) {
	sources = slices.Clone(sources)
	var errs []error
	names := make(map[string]bool)
	for i := range sources {
		s := &sources[i]
		s.SetDefaults()
		errs = append(errs, s.Validate())
		if names[s.Name] {
			errs = append(errs, &FieldError{s.Name, "name", fmt.Errorf("two sources are named %q: give each a name of its own", s.Name)})
		}
		names[s.Name] = true
	}
	return sources, errors.Join(errs...)
}

// unknownFormat is the error for a file whose name does not tell the format.
func (s *Source) unknownFormat(file string) error {
	err := fmt.Errorf("%s: the name does not tell the format: set format to text, jsonl or html, or name the files to read in paths", file)
	if strings.EqualFold(path.Ext(file), ".parquet") {
		err = fmt.Errorf("%s: Parquet can't be read yet: convert it to JSON lines", file)
	}
	return &FieldError{s.Name, "format", err}
}

// recordEnd says how records of a format end.
func (s *Source) recordEnd(format string) recordEnd {
	switch {
	case format == JSONL, format == Text && s.Document == ByLine:
		return atLineEnd
	case format == Text && s.Document == ByParagraph:
		return atEmptyLine
	default:
		return atFileEnd
	}
}

// formatOf tells format and compression by the name of a file. What the name does not tell is empty.
func formatOf(name string) (format, compression string) {
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".gz", ".gzip":
		compression = Gzip
	case ".zst", ".zstd":
		compression = Zstd
	case ".bz2":
		compression = Bzip2
	}
	if compression != "" {
		ext = strings.ToLower(path.Ext(name[:len(name)-len(ext)]))
	}
	switch ext {
	case ".jsonl", ".ndjson", ".json":
		format = JSONL
	case ".txt", ".md":
		format = Text
	case ".html", ".htm":
		format = HTML
	}
	return format, compression
}

// magicBytes is how much of a file compressionOf needs to see.
const magicBytes = 10

// compressionOf tells the compression by the first bytes of a file. None of these byte sequences begins a text in UTF-8.
func compressionOf(head []byte) string {
	has := func(magic string) bool { return strings.HasPrefix(string(head), magic) }
	switch {
	case has("\x1f\x8b\x08"):
		return Gzip
	case has("\x28\xb5\x2f\xfd"):
		return Zstd
	// A bzip2 file goes on with a block (π) or, when it is empty, with its end (√π).
	case has("BZh") && len(head) >= magicBytes && (string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17rE8P\x90"):
		return Bzip2
	}
	return ""
}
