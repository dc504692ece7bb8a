package stages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	readability "codeberg.org/readeck/go-readability/v2"
	"codeberg.org/readeck/go-readability/v2/render"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/shardmill/shardmill/schemas"
)

// HTML turns a page into plain text: its main content as Mozilla's Readability finds it, or its whole body. Pages come from strangers, and
// the tree that HTML's rules build can be thousands of times larger than the page. So a page is bounded and simplified (see simplify)
// before a tree is built; with the default bounds a worker holds 50 MB at most while it takes a page apart. What exceeds a bound is
// quarantined; a page without text is dropped.
type HTML struct {
	Extract  string `json:"extract"`   // "main" (content without navigation; body if none is found) or "body"; default main
	MaxBytes int64  `json:"max_bytes"` // bytes of a page; default 2 MiB
	MaxNodes int64  `json:"max_nodes"` // tags and texts of a page; default 100000
	MaxDepth int64  `json:"max_depth"` // elements inside each other; default 200, at most 500

	IsPage func(file int32) bool `json:"-"` // whether the rows of a file are pages; others are left alone. Default all
}

// DefaultHTML is HTML with its defaults.
func DefaultHTML() HTML {
	return HTML{Extract: "main", MaxBytes: 2 << 20, MaxNodes: 100_000, MaxDepth: 200}
}

// Name is the name of the stage in recipes and ledgers.
func (HTML) Name() string { return "html" }

// Version is raised when the output changes.
func (HTML) Version() int { return 2 }

const (
	htmlEmpty = iota
	htmlLarge
	htmlNodes
	htmlDeep
	htmlUnreadable
)

// Reasons for a drop (the first) or a quarantine (the others).
func (HTML) Reasons() []string {
	return []string{"empty", "html-too-large", "html-too-many-nodes", "html-too-deep", "html-unreadable"}
}

// parserDepth is what golang.org/x/net/html refuses, less a few elements that it adds on its own.
const parserDepth = 500

// NewWorker makes a worker for one goroutine; index is the stage's number in the plan. It needs no cache.
func (h HTML) NewWorker(index uint16, _ int64) (*HTMLWorker, error) {
	if h.Extract != "main" && h.Extract != "body" {
		return nil, fmt.Errorf("html: extract is %q: use main or body", h.Extract)
	}
	if h.MaxBytes < 1 || h.MaxNodes < 1 || h.MaxDepth < 1 || h.MaxDepth > parserDepth {
		return nil, fmt.Errorf("html: max_bytes %d, max_nodes %d and max_depth %d must be positive, and max_depth at most %d",
			h.MaxBytes, h.MaxNodes, h.MaxDepth, parserDepth)
	}
	return &HTMLWorker{options: h, index: index}, nil
}

// HTMLWorker is HTML for one goroutine.
type HTMLWorker struct {
	options HTML
	index   uint16
	simple  bytes.Buffer
}

// Process replaces the pages in b by their text.
func (w *HTMLWorker) Process(ctx context.Context, b *schemas.Batch) error {
	return each(ctx, b, func(r *schemas.Row) {
		if w.options.IsPage != nil && !w.options.IsPage(r.Pos.File) {
			return
		}
		text, err := w.text(r.Text)
		if bad, ok := errors.AsType[*pageError](err); ok {
			r.Detail = bad.detail
			r.Verdict = schemas.Verdict{Kind: schemas.Quarantine, Stage: w.index, Reason: bad.reason}
			return
		}
		if text == "" {
			r.Verdict = schemas.Verdict{Kind: schemas.Drop, Stage: w.index, Reason: htmlEmpty}
			return
		}
		r.Text = b.Arena.Bytes(len(text))
		copy(r.Text, text)
	})
}

// pageError says why a page is quarantined.
type pageError struct {
	reason uint16
	detail string
}

func (e *pageError) Error() string { return e.detail }

// text extracts the text of a page. Errors are of type *pageError.
func (w *HTMLWorker) text(page []byte) (text string, err error) {
	if int64(len(page)) > w.options.MaxBytes {
		return "", &pageError{htmlLarge, fmt.Sprintf("%d bytes, more than max_bytes %d", len(page), w.options.MaxBytes)}
	}
	w.simple.Reset()
	if err := simplify(&w.simple, page, w.options.MaxNodes); err != nil {
		return "", err
	}
	// The parser panics on what it refuses, and the extractor on trees that its authors did not think of. Both hold no state.
	defer func() {
		if r := recover(); r != nil {
			text, err = "", &pageError{htmlUnreadable, fmt.Sprintf("the page breaks the extractor: %v", r)}
		}
	}()
	root, err := html.Parse(bytes.NewReader(w.simple.Bytes()))
	if err != nil {
		return "", &pageError{htmlUnreadable, err.Error()}
	}
	if depth(root) > w.options.MaxDepth {
		return "", &pageError{htmlDeep, fmt.Sprintf("elements nest more than max_depth %d", w.options.MaxDepth)}
	}
	if w.options.Extract == "body" {
		return bodyText(root), nil
	}
	parser := readability.NewParser()
	parser.DisableJSONLD = true
	article, err := parser.ParseDocument(root, noURL)
	if err != nil {
		return "", &pageError{htmlUnreadable, err.Error()}
	}
	if article.Node != nil {
		if text := strings.TrimSpace(render.InnerText(article.Node)); text != "" {
			return text, nil
		}
	}
	return bodyText(root), nil
}

// noURL stands for the unknown address of a page; links are not part of the text.
var noURL = &url.URL{}

func bodyText(root *html.Node) string {
	for n := range root.Descendants() {
		if n.DataAtom == atom.Body {
			return strings.TrimSpace(render.InnerText(n))
		}
	}
	return ""
}

// depth is the number of elements on the longest way from root to a leaf. It needs no stack.
func depth(root *html.Node) int64 {
	var deepest, here int64
	for n := root; n != nil; {
		if n.Type == html.ElementNode && here+1 > deepest {
			deepest = here + 1
		}
		if n.FirstChild != nil {
			n, here = n.FirstChild, here+1
			continue
		}
		for n != root && n.NextSibling == nil {
			n, here = n.Parent, here-1
		}
		if n == root {
			break
		}
		n = n.NextSibling
	}
	return deepest
}
