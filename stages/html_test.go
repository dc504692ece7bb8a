package stages

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/shardmill/shardmill/internal/realdata"
	"github.com/shardmill/shardmill/schemas"
)

const article = `<!DOCTYPE html><html><head><title>On light</title><style>p{}</style><script>var x = "<p>no</p>"</script></head>
<body><nav><ul><li><a href="/a">Home</a></li><li><a href="/b">About</a></li></ul></nav>
<article><h1>On light</h1>` + paragraph + paragraph + paragraph + `</article><footer>Imprint</footer></body></html>`

const paragraph = `<p>The rays of light, in falling upon the bodies, are <b>reflected</b>, <i>refracted</i>, and inflected; and some of
them are <code>a &lt; b</code> lost, others go on, as the observations upon the colours of thin plates, of bubbles, and of feathers show.</p>`

func TestHTML(t *testing.T) {
	body := DefaultHTML()
	body.Extract = "body"
	small := DefaultHTML()
	small.MaxBytes, small.MaxNodes, small.MaxDepth = 400, 20, 10
	tests := []struct {
		name    string
		options HTML
		page    string
		has     string
		hasNot  string
		verdict schemas.Verdict
	}{
		{"main content", DefaultHTML(), article, "reflected, refracted, and inflected", "Imprint", schemas.Verdict{}},
		{"entities", DefaultHTML(), article, "a < b lost", "&lt;", schemas.Verdict{}},
		{"scripts are no text", body, article, "Imprint", "no", schemas.Verdict{}},
		{"body", body, `<p>one<p>two<div>three</div>`, "one\n\ntwo\nthree", "<", schemas.Verdict{}},
		{"falls back to the body", DefaultHTML(), `<p>short`, "short", "", schemas.Verdict{}},
		{"formatting keeps its text", body, `<p>a<b>b<i>c</b>d</i>e`, "abcde", "", schemas.Verdict{}},
		{"tags that escapes could make", body, `<p><<b>script>x<<i>p title="</title><b>">y`, `<script>x<p title="">y`, "", schemas.Verdict{}},
		{"plain text inside title", body, `<title>a <script> b</title><p>c`, "c", "b", schemas.Verdict{}},
		{"long text without tags", body, strings.Repeat("word ", 10_000) + "<q>end</q>", "word end", "", schemas.Verdict{}},
		{"choices are no text", body, `<select><option>a<option selected>b</select>c`, "c", "b", schemas.Verdict{}},
		{"choices are between words", body, `<p>size<select><option>large<option><b>small</b><optgroup label=x></select>colour`, "size colour", "small", schemas.Verdict{}},
		{"highlighted code", DefaultHTML(), strings.Replace(article, paragraph, paragraph+
			`<pre><code><span class="comment">// sum</span>`+"\n"+`<span class="kw">return</span> a + b</code></pre>`, 1),
			"// sum\nreturn a + b", "", schemas.Verdict{}},
		{"choices end with anything else", body, `<select><option>a<p>b`, "b", "a", schemas.Verdict{}},
		{"no text", body, `<p> <img src=x>`, "", "", schemas.Verdict{Kind: schemas.Drop, Stage: 3, Reason: htmlEmpty}},
		{"empty", DefaultHTML(), ``, "", "", schemas.Verdict{Kind: schemas.Drop, Stage: 3, Reason: htmlEmpty}},
		{"too large", small, strings.Repeat("x", 401), "", "", schemas.Verdict{Kind: schemas.Quarantine, Stage: 3, Reason: htmlLarge}},
		{"too many nodes", small, strings.Repeat("<p>", 21), "", "", schemas.Verdict{Kind: schemas.Quarantine, Stage: 3, Reason: htmlNodes}},
		{"too deep", small, strings.Repeat("<q>", 11), "", "", schemas.Verdict{Kind: schemas.Quarantine, Stage: 3, Reason: htmlDeep}},
		{"deeper than the parser", DefaultHTML(), strings.Repeat("<q>", 600), "", "", schemas.Verdict{Kind: schemas.Quarantine, Stage: 3, Reason: htmlUnreadable}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w, err := test.options.NewWorker(3, 0)
			if err != nil {
				t.Fatal(err)
			}
			row := process(t, w, test.page)
			if row.Verdict != test.verdict {
				t.Fatalf("verdict %+v (%s), want %+v", row.Verdict, row.Detail, test.verdict)
			}
			if (row.Verdict.Kind == schemas.Quarantine) != (row.Detail != "") {
				t.Errorf("detail %q with verdict %+v", row.Detail, row.Verdict)
			}
			if test.verdict.Kind != schemas.Keep {
				return
			}
			if text := string(row.Text); !strings.Contains(text, test.has) || test.hasNot != "" && strings.Contains(text, test.hasNot) {
				t.Errorf("got %q, want it with %q and without %q", text, test.has, test.hasNot)
			}
		})
	}
}

func TestHTMLOptions(t *testing.T) {
	for _, change := range []func(*HTML){
		func(h *HTML) { h.Extract = "all" },
		func(h *HTML) { h.MaxBytes = 0 },
		func(h *HTML) { h.MaxNodes = -1 },
		func(h *HTML) { h.MaxDepth = parserDepth + 1 },
	} {
		h := DefaultHTML()
		change(&h)
		if _, err := h.NewWorker(1, 0); err == nil {
			t.Errorf("%+v is accepted", h)
		}
	}
}

// hostile pages make naive extraction take memory or time out of proportion to their size.
var hostile = []struct{ name, page string }{
	{"formatting reopened in each block", formats("b", 400) + strings.Repeat("<p>x", 10_000)},
	{"links reopened in each block", formats("a", 400) + strings.Repeat("<p>x", 10_000)},
	{"formatting hidden in an attribute", `<title><p title="</title>` + formats("b", 400) + `">` + strings.Repeat("<p>x", 10_000)},
	{"text around tags that are ignored", strings.Repeat("xxxxxxxxxxxx<td>", 12_000)},
	{"text around end tags that are ignored", strings.Repeat("xxxxxxxxxxxx</h1>", 12_000)},
	{"text beside tables", "<table>" + strings.Repeat("xxxxxxxxxxxx<tr>", 12_000)},
	{"deep", strings.Repeat("<div>", 190) + strings.Repeat("<p>some text, with a comma</p>", 4_000)},
	{"deep islands", strings.Repeat(strings.Repeat("<div>", 190)+"text, text"+strings.Repeat("</div>", 190), 80)},
	{"many line breaks", strings.Repeat("<br>", 25_000)},
	{"many links", strings.Repeat(`<a href="x">y</a>`, 9_000)},
	{"nested tables", strings.Repeat("<table><tr><td>", 40) + strings.Repeat("x<td>", 10_000)},
	{"lists in lists", strings.Repeat("<ul><li>x", 80) + strings.Repeat("<li>y", 10_000)},
	{"divs that become paragraphs", strings.Repeat("<div>x, y, z<br><br></div>", 4_000)},
	{"one long attribute", `<p class="` + strings.Repeat("x ", 200_000) + `">y`},
	{"many attributes", "<p " + strings.Repeat("class=x ", 200_000) + ">y"},
	{"one long word", strings.Repeat("x", 500_000)},
	{"open angles", strings.Repeat("<", 500_000)},
	{"entities", strings.Repeat("&lt", 150_000)},
}

func formats(tag string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("<" + tag + " id=" + strconv.Itoa(i) + ">")
	}
	return b.String()
}

func TestHTMLHostile(t *testing.T) {
	for _, test := range hostile {
		t.Run(test.name, func(t *testing.T) {
			w, err := DefaultHTML().NewWorker(1, 0)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			row := process(t, w, test.page)
			t.Logf("%d bytes in %v: %d bytes, %s", len(test.page), time.Since(start), len(row.Text), row.Detail)
			root, err := html.Parse(strings.NewReader(w.simple.String()))
			if err != nil {
				return
			}
			nodes := 0
			for range root.Descendants() {
				nodes++
			}
			if limit := int(4 * w.options.MaxNodes); nodes > limit {
				t.Errorf("a tree of %d nodes: want at most %d", nodes, limit)
			}
		})
	}
}

func TestHTMLIsDeterministic(t *testing.T) {
	path := realdata.Path(t, "corpora/html/readability")
	pages, err := filepath.Glob(filepath.Join(path, "*", "source.html"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages in %s: %v", path, err)
	}
	for _, name := range pages[:min(len(pages), 10)] {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var first string
		for i := range 3 {
			w, err := DefaultHTML().NewWorker(1, 0)
			if err != nil {
				t.Fatal(err)
			}
			row := process(t, w, string(page))
			if row.Verdict.Kind != schemas.Keep {
				t.Fatalf("%s: %+v %s", name, row.Verdict, row.Detail)
			}
			if i > 0 && string(row.Text) != first {
				t.Errorf("%s: another text on the second reading", name)
			}
			first = string(row.Text)
		}
	}
}

// TestHTMLFindsTheArticle compares the text of real pages with what Mozilla's Readability finds in them, word by word.
func TestHTMLFindsTheArticle(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(realdata.Path(t, "corpora/html/readability"), "*", "source.html"))
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, name := range pages {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(filepath.Join(filepath.Dir(name), "expected.html"))
		if err != nil {
			t.Fatal(err)
		}
		expected, err := html.Parse(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		w, err := DefaultHTML().NewWorker(1, 0)
		if err != nil {
			t.Fatal(err)
		}
		score := overlap(string(process(t, w, string(page)).Text), bodyText(expected))
		if sum += score; score < 0.7 {
			t.Errorf("%s: F1 of words is %.3f, want 0.7", name, score)
		}
	}
	mean := sum / float64(len(pages))
	t.Logf("F1 of words %.4f over %d pages", mean, len(pages))
	if mean < 0.98 {
		t.Errorf("F1 of words is %.4f, want 0.98", mean)
	}
}

// overlap is the F1 score of two bags of words.
func overlap(a, b string) float64 {
	words := map[string]int{}
	for _, word := range strings.Fields(a) {
		words[word]++
	}
	total, common := len(strings.Fields(a)), 0
	for _, word := range strings.Fields(b) {
		if total++; words[word] > 0 {
			words[word]--
			common++
		}
	}
	return 2 * float64(common) / float64(max(total, 1))
}

func FuzzHTML(f *testing.F) {
	f.Add(article)
	f.Add(`<table><tr><td><b>x</table><p>y<a><p><a>z`)
	f.Add(`<svg><title><b>x</title><math><annotation encoding="application/x-tex">y`)
	f.Fuzz(func(t *testing.T, page string) {
		w, err := DefaultHTML().NewWorker(1, 0)
		if err != nil {
			t.Fatal(err)
		}
		row := process(t, w, page)
		if row.Verdict.Kind == schemas.Keep && len(row.Text) == 0 {
			t.Error("a page without text is kept")
		}
		root, err := html.Parse(strings.NewReader(w.simple.String()))
		if err != nil {
			return
		}
		for n := range root.Descendants() {
			if n.Type == html.ElementNode && n.Namespace == "" && (leftOutTags[n.Data] || n.Data == "plaintext") && n.Data != "wbr" {
				t.Errorf("<%s> survives in %q", n.Data, w.simple.String())
			}
		}
	})
}

func TestHTMLLeavesOtherFormatsAlone(t *testing.T) {
	options := DefaultHTML()
	options.IsPage = func(file int32) bool { return file != 0 }
	w, err := options.NewWorker(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if row := process(t, w, "1 <b>2"); string(row.Text) != "1 <b>2" {
		t.Errorf("plain text became %q", row.Text)
	}
}
