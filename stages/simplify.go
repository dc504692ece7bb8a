package stages

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/net/html"
)

// textRun is the number of text bytes after which simplify separates texts.
const textRun = 16 << 10

// simplify writes an equivalent of page, as far as its text goes, whose tree takes time and memory in proportion to its size:
//
//   - Formatting elements (<b>, <font>, …) are left out. HTML reopens all that are open in each block that follows, so that a megabyte can
//     make 10^8 nodes.
//   - Contents that are no text (scripts, styles, form fields), comments and frames are left out.
//   - A <wbr> separates texts each textRun bytes: the parser joins texts around tags that it ignores, copying the text before each time.
//   - Only attributes that the extractor looks at are kept, and none of a <span> in code: it takes the names of a highlighter ("comment")
//     for those of a page.
//
// Text and attributes are escaped, so that a "<" of the result always starts one of its own tags, in whatever state a parser is.
func simplify(w *bytes.Buffer, page []byte, maxNodes int64) error {
	s := simplifier{w: w, z: html.NewTokenizer(bytes.NewReader(page))}
	for nodes := int64(0); ; nodes++ {
		kind := s.z.Next()
		if kind == html.ErrorToken {
			if err := s.z.Err(); err != io.EOF {
				return &pageError{htmlUnreadable, err.Error()}
			}
			return nil
		}
		if nodes == maxNodes {
			return &pageError{htmlNodes, fmt.Sprintf("more tags and texts than max_nodes %d", maxNodes)}
		}
		switch kind {
		case html.TextToken:
			s.text()
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			s.tag(kind)
		}
	}
}

// simplifier is the state of simplify between two tokens.
type simplifier struct {
	w       *bytes.Buffer
	z       *html.Tokenizer
	run     int    // text bytes since the last <wbr>
	skip    string // the element whose contents are left out
	skipped int    // how often it was opened
	choices bool   // inside <select>: texts are names of choices
	code    int    // elements of code that are open
}

func (s *simplifier) text() {
	if s.skip != "" || s.choices {
		return
	}
	if s.run > textRun {
		s.w.WriteString("<wbr>")
		s.run = 0
	}
	text := s.z.Text()
	s.run += len(text)
	s.w.WriteString(html.EscapeString(string(text)))
}

func (s *simplifier) tag(kind html.TokenType) {
	raw, more := s.z.TagName()
	name := string(raw)
	start, end := kind == html.StartTagToken, kind == html.EndTagToken
	if s.skip != "" {
		if name == s.skip && start {
			s.skipped++
		} else if name == s.skip && end {
			if s.skipped--; s.skipped == 0 {
				s.skip = ""
			}
		}
		return
	}
	switch name {
	case "select":
		s.choices = start
		s.w.WriteByte(' ') // a field stands between the words around it
	case "code", "pre":
		if start {
			s.code++
		} else if end && s.code > 0 {
			s.code--
		}
	case "plaintext":
		s.z.NextIsNotRawText()
		return
	}
	switch {
	case leftOutTags[name]:
	case skippedElements[name]:
		s.choices = false
		if start {
			s.skip, s.skipped = name, 1
		}
	default:
		s.choices = false
		if isTagName(name) {
			writeTag(s.w, s.z, kind, name, more && !(name == "span" && s.code > 0))
		}
	}
}

// writeTag writes the tag that z is at; more says whether it has attributes that may be kept.
func writeTag(w *bytes.Buffer, z *html.Tokenizer, kind html.TokenType, name string, more bool) {
	w.WriteByte('<')
	if kind == html.EndTagToken {
		w.WriteByte('/')
	}
	w.WriteString(name)
	for more && kind != html.EndTagToken {
		var key, value []byte
		key, value, more = z.TagAttr()
		if keptAttributes[string(key)] {
			fmt.Fprintf(w, ` %s="%s"`, key, html.EscapeString(string(value)))
		}
	}
	if kind == html.SelfClosingTagToken {
		w.WriteByte('/')
	}
	w.WriteByte('>')
}

// isTagName says whether name is an element of HTML or MathML, or a custom one, not punctuation that follows a "<".
func isTagName(name string) bool {
	for _, c := range []byte(name) {
		if c < '0' && c != '-' || c > '9' && c < 'a' && c != ':' || c > 'z' {
			return false
		}
	}
	return name != ""
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

var (
	// skippedElements are left out with what they hold.
	skippedElements = set("iframe", "noembed", "noframes", "noscript", "script", "style", "template", "textarea", "xmp")
	// leftOutTags are left out; what they hold stays. <a> is a formatting element too, but never open twice.
	leftOutTags = set("b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
		"applet", "frame", "frameset", "marquee", "object", "optgroup", "option", "select", "wbr")
	keptAttributes = set("alt", "aria-hidden", "aria-modal", "class", "colspan", "content", "data-latex", "datatable", "dir", "display",
		"encoding", "hidden", "href", "id", "itemprop", "itemtype", "lang", "name", "property", "rel", "role", "rowspan", "src",
		"style", "summary", "title", "type")
)
