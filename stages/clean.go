package stages

import (
	"bytes"
	"context"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/shardmill/shardmill/schemas"
)

// Clean brings plain text into one shape. In this order it
//
//   - puts the text into a Unicode normalization form, if one is chosen,
//   - turns CR LF, CR and NEL (U+0085) into LF,
//   - removes control characters (U+0000–U+001F and U+007F–U+009F) other than LF and TAB, and U+FEFF,
//   - removes spaces and tabs at line ends, and white space at both ends of the document,
//   - shortens runs of blank lines.
//
// A document of which nothing is left is dropped. Bytes that are not UTF-8 stay as they are.
type Clean struct {
	Normalize  string `json:"normalize"`   // Unicode form: "none" or "nfc"; default none
	BlankLines int64  `json:"blank_lines"` // blank lines left of a run of them; default 1; -1 leaves all
}

// DefaultClean is Clean with its defaults.
func DefaultClean() Clean { return Clean{Normalize: "none", BlankLines: 1} }

// Name is the name of the stage in recipes and ledgers.
func (Clean) Name() string { return "clean" }

// Version is raised when the output changes.
func (Clean) Version() int { return 1 }

// Reasons for a drop.
func (Clean) Reasons() []string { return []string{"empty"} }

// NewWorker makes a worker for one goroutine; index is the stage's number in the plan. It needs no cache.
func (c Clean) NewWorker(index uint16, _ int64) (*CleanWorker, error) {
	if c.Normalize != "none" && c.Normalize != "nfc" {
		return nil, fmt.Errorf("clean: normalize is %q: use none or nfc", c.Normalize)
	}
	if c.BlankLines < -1 {
		return nil, fmt.Errorf("clean: blank_lines is %d: use -1 (leave all), 0, or more", c.BlankLines)
	}
	return &CleanWorker{options: c, empty: schemas.Verdict{Kind: schemas.Drop, Stage: index}}, nil
}

// CleanWorker is Clean for one goroutine.
type CleanWorker struct {
	options    Clean
	empty      schemas.Verdict
	normalized []byte
	cleaned    []byte
}

// Process cleans the rows of b.
func (w *CleanWorker) Process(ctx context.Context, b *schemas.Batch) error {
	return each(ctx, b, func(r *schemas.Row) {
		text := r.Text
		if w.options.Normalize == "nfc" && !norm.NFC.IsNormal(text) {
			w.normalized = norm.NFC.Append(w.normalized, text...)
			text = w.normalized
		}
		w.cleaned = w.options.appendText(w.cleaned, text)
		switch {
		case len(w.cleaned) == 0:
			r.Verdict = w.empty
		case !bytes.Equal(w.cleaned, r.Text):
			setText(b, r, w.cleaned)
		}
		w.normalized, w.cleaned = keepScratch(w.normalized, 1), keepScratch(w.cleaned, 1)
	})
}

// special marks the bytes at which appendText must look closer: controls, and the first bytes of U+0080–U+009F and U+FEFF.
var special = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['\t'] = false
	t[0x7f], t[0xc2], t[0xef] = true, true, true
	return t
}()

// appendText appends what all steps after the normalization leave of text to dst, which is empty.
func (c Clean) appendText(dst, text []byte) []byte {
	var (
		line   int   // where the current line starts in dst
		blanks int64 // blank lines before it
	)
	for i := 0; i < len(text); {
		run := i
		for run < len(text) && !special[text[run]] {
			run++
		}
		if len(dst) == 0 {
			for i < run && isBlank(text[i]) {
				i++
			}
		}
		dst = append(dst, text[i:run]...)
		if i = run; i == len(text) {
			break
		}
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == '\n' || r == '\r' || r == 0x85:
			if r == '\r' && i+1 < len(text) && text[i+1] == '\n' {
				size = 2
			}
			dst = trimBlank(dst, line)
			if len(dst) > line {
				blanks = 0
			} else {
				blanks++
			}
			if len(dst) > 0 && (c.BlankLines < 0 || blanks <= c.BlankLines) {
				dst = append(dst, '\n')
			}
			line = len(dst)
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfeff:
		default:
			dst = append(dst, text[i:i+size]...)
		}
		i += size
	}
	return bytes.TrimRight(dst, " \t\n")
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// trimBlank removes spaces and tabs from the end of text, but not before from.
func trimBlank(text []byte, from int) []byte {
	for len(text) > from && isBlank(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	return text
}
